// The process as a file (pidfd_open, pidfd_send_signal, pidfd_getfd), and waits for children when there are none.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define CALL(nr, ...) show(#nr, CALL_(SYS_##nr, __VA_ARGS__, 0, 0, 0, 0, 0, 0))
#define CALL_(nr, a, b, c, d, e, f, ...) RAW(nr, a, b, c, d, e, f)

static char *bad = (char *)8;
static volatile sig_atomic_t got, code, from_self, value;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)context;
    got = signal, code = info->si_code, from_self = info->si_pid == getpid(), value = info->si_value.sival_int;
}

static void opening(int file) {
    printf("close on exec %d\n", fcntl(file, F_GETFD));
    printf("flags %x\n", fcntl(file, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
    CALL(pidfd_open, 0, 0);
    CALL(pidfd_open, -1, 0);
    CALL(pidfd_open, 1 << 30, 0);
    CALL(pidfd_open, getpid(), 1);
    int nonblocking = RAW(SYS_pidfd_open, getpid(), O_NONBLOCK, 0, 0, 0, 0);
    printf("flags %x\n", fcntl(nonblocking, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
    close(nonblocking);
    char name[64], link[64];
    struct pollfd set = {file, POLLIN | POLLOUT, 0};
    printf("ready %d\n", poll(&set, 1, 0));
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name);
    printf("%.*s\n", (int)length, name);
    snprintf(link, sizeof link, "/proc/self/fdinfo/%d", file);
    FILE *info = fopen(link, "r");
    int pid = 0, inner = 0;
    while (fgets(name, sizeof name, info)) {
        sscanf(name, "Pid: %d", &pid), sscanf(name, "NSpid: %d", &inner);
    }
    fclose(info);
    printf("its number %d %d\n", pid == getpid(), inner > 0);
}

static void sending(int file) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    CALL(pidfd_send_signal, file, SIGUSR1, 0, 0);
    printf("got %d code %d from self %d\n", got, code, from_self);
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    info.si_pid = getpid(), info.si_value.sival_int = 77;
    got = 0;
    CALL(pidfd_send_signal, file, SIGUSR1, &info, 0);
    printf("got %d code %d value %d\n", got, code, value);
    CALL(pidfd_send_signal, file, 0, 0, 0);
    CALL(pidfd_send_signal, file, SIGUSR2, &info, 0);
    CALL(pidfd_send_signal, file, SIGUSR1, bad, 0);
    CALL(pidfd_send_signal, file, 65, 0, 0);
    CALL(pidfd_send_signal, file, -1, 0, 0);
    CALL(pidfd_send_signal, file, SIGUSR1, 0, 1 << 30);
    CALL(pidfd_send_signal, 0, SIGUSR1, 0, 0);
    CALL(pidfd_send_signal, -1, SIGUSR1, 0, 0);
    CALL(pidfd_send_signal, 1000, 65, 0, 0);
}

static void taking(int file) {
    int ends[2];
    if (pipe(ends)) exit(1);
    int copy = RAW(SYS_pidfd_getfd, file, ends[1], 0, 0, 0, 0);
    printf("close on exec %d\n", fcntl(copy, F_GETFD));
    char text[8] = "";
    show("write", write(copy, "through", 7));
    show("read", read(ends[0], text, sizeof text));
    printf("%s\n", text);
    CALL(pidfd_getfd, file, 1000, 0);
    CALL(pidfd_getfd, file, -1, 0);
    CALL(pidfd_getfd, file, ends[0], 1);
    CALL(pidfd_getfd, ends[0], ends[0], 0);
    CALL(pidfd_getfd, -1, ends[0], 0);
}

static void waiting(int file) {
    int status = 5;
    CALL(wait4, -1, &status, 0, 0);
    CALL(wait4, -1, &status, WNOHANG, 0);
    CALL(wait4, 0, &status, WUNTRACED | WCONTINUED, 0);
    CALL(wait4, getpid(), bad, 0, bad);
    CALL(wait4, -7, &status, __WALL | __WCLONE | __WNOTHREAD, 0);
    CALL(wait4, 1 << 31, &status, 0, 0);
    CALL(wait4, -1, &status, WEXITED, 0);
    CALL(wait4, -1, &status, 1 << 20, 0);
    printf("status %d\n", status);
    siginfo_t info = {.si_signo = 9, .si_pid = 9};
    CALL(waitid, P_ALL, 0, &info, WEXITED, 0);
    printf("information %d %d\n", info.si_signo, info.si_pid);
    CALL(waitid, P_ALL, 0, 0, WEXITED | WNOHANG | WNOWAIT, 0);
    CALL(waitid, P_ALL, 0, bad, WEXITED, 0);
    CALL(waitid, P_ALL, 0, bad, 0, 0);
    CALL(waitid, P_ALL, 0, &info, WNOHANG, 0);
    CALL(waitid, P_ALL, 0, &info, WEXITED | 1 << 20, 0);
    CALL(waitid, P_PID, getpid(), &info, WEXITED, 0);
    CALL(waitid, P_PID, 0, &info, WEXITED, 0);
    CALL(waitid, P_PGID, -1, &info, WEXITED, 0);
    CALL(waitid, P_PGID, 0, &info, WSTOPPED, 0);
    CALL(waitid, P_PIDFD, file, &info, WCONTINUED, 0);
    CALL(waitid, P_PIDFD, 0, &info, WEXITED, 0);
    CALL(waitid, P_PIDFD, 1000, &info, WEXITED, 0);
    CALL(waitid, P_PIDFD, -1, &info, WEXITED, 0);
    CALL(waitid, 4, 0, &info, WEXITED, 0);
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    int file = RAW(SYS_pidfd_open, getpid(), 0, 0, 0, 0, 0);
    opening(file);
    sending(file);
    taking(file);
    waiting(file);
    return 0;
}
