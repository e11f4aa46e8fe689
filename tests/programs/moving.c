// sendfile and splice with sockets: streams that fill up, signals on the way, ends that are closed. The argument is a directory
// that can be written.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : result_); } while (0)

static char bytes[1 << 20], back[1 << 20];
static int sigpipes, alarms, file;

static void on_pipe(int sig) { (void)sig; sigpipes++; }
static void on_alarm(int sig) { (void)sig; alarms++; }

static void pair(int kind, int s[2]) {
    if (socketpair(AF_UNIX, kind, 0, s)) {
        perror("socketpair");
        exit(1);
    }
}

// Rings until somebody says stop: a signal before the call sleeps is followed by another.
static void ring(int on) {
    struct itimerval t = {{0, on ? 30000 : 0}, {0, on ? 30000 : 0}};
    setitimer(ITIMER_REAL, &t, 0);
}

// All that a socket holds: how much, and whether it is the file's beginning.
static long drain(int fd, int *same) {
    long n, all = 0;
    while ((n = recv(fd, back + all, sizeof back - all, MSG_DONTWAIT)) > 0)
        all += n;
    *same = !memcmp(back, bytes, all);
    return all;
}

static void sendfiles(void) {
    int s[2], same;
    pair(SOCK_STREAM, s);
    off_t at = 10;
    V("sendfile to a stream", sendfile(s[1], file, &at, 5000));
    printf("  offset %ld, position %ld\n", (long)at, (long)lseek(file, 0, SEEK_CUR));
    V("read", read(s[0], back, 6000));
    printf("  same %d\n", !memcmp(back, bytes + 10, 5000));
    V("from the position", sendfile(s[1], file, 0, 3000));
    printf("  position %ld\n", (long)lseek(file, 0, SEEK_CUR));
    drain(s[0], &same);
    printf("  same %d\n", same);
    at = sizeof bytes - 100;
    V("up to the end", sendfile(s[1], file, &at, 5000));
    V("at the end", sendfile(s[1], file, &at, 5000));
    V("nothing", sendfile(s[1], file, 0, 0));
    drain(s[0], &same);

    fcntl(s[1], F_SETFL, O_NONBLOCK);
    lseek(file, 0, SEEK_SET);
    errno = 0;
    long n = sendfile(s[1], file, 0, sizeof bytes);
    printf("as much as fits: %d, position right %d\n", n > 0 && n < (long)sizeof bytes, lseek(file, 0, SEEK_CUR) == n);
    while (send(s[1], bytes + n, 1, 0) == 1)
        n++;
    at = n;
    V("full", sendfile(s[1], file, &at, 100));
    printf("  offset stays %d\n", at == n);
    printf("all of it came: %d", drain(s[0], &same) == n);
    printf(", same %d\n", same);

    fcntl(s[1], F_SETFL, 0);
    ring(1);
    at = 0;
    n = sendfile(s[1], file, &at, sizeof bytes);
    ring(0);
    printf("a signal ends the wait: %d, offset right %d, rang %d\n", n > 0 && n < (long)sizeof bytes, at == n, alarms > 0);
    fcntl(s[1], F_SETFL, O_NONBLOCK);
    while (send(s[1], bytes, 1, 0) == 1)
        ;
    fcntl(s[1], F_SETFL, 0);
    ring(1);
    V("and with nothing sent", sendfile(s[1], file, &at, 100));
    ring(0);
    struct timeval t = {0, 20000};
    setsockopt(s[1], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    V("the socket's limit of time", sendfile(s[1], file, &at, 100));

    close(s[0]);
    V("to nobody", sendfile(s[1], file, 0, 10));
    printf("  signals %d\n", sigpipes);
    V("from a socket", sendfile(s[1], s[1], 0, 10));
    at = -1;
    V("negative", sendfile(s[1], file, &at, 10));
    close(s[1]);

    pair(SOCK_SEQPACKET, s);
    at = 0;
    V("a packet", sendfile(s[1], file, &at, 700));
    V("read", recv(s[0], back, sizeof back, 0));
    close(s[0]);
    sigpipes = 0;
    V("a packet to nobody", sendfile(s[1], file, &at, 700));
    printf("  signals %d\n", sigpipes);
    close(s[1]);
}

static void splices(void) {
    int s[2], p[2], same;
    pair(SOCK_STREAM, s);
    if (pipe(p))
        return;
    V("fill the pipe", write(p[1], bytes, 20000));
    V("pipe to socket", splice(p[0], 0, s[1], 0, 12000, 0));
    V("and the rest", splice(p[0], 0, s[1], 0, 1 << 20, SPLICE_F_MOVE | SPLICE_F_MORE));
    V("empty pipe", splice(p[0], 0, s[1], 0, 10, SPLICE_F_NONBLOCK));
    V("socket to pipe", splice(s[0], 0, p[1], 0, 7000, 0));
    V("read", read(p[0], back, sizeof back));
    printf("  same %d\n", !memcmp(back, bytes, 7000));
    V("the rest", recv(s[0], back, sizeof back, 0));
    printf("  same %d\n", !memcmp(back, bytes + 7000, 13000));
    V("empty socket", splice(s[0], 0, p[1], 0, 10, SPLICE_F_NONBLOCK));
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    V("empty socket that does not wait", splice(s[0], 0, p[1], 0, 10, 0));
    fcntl(s[0], F_SETFL, 0);
    ring(1);
    V("empty socket and a signal", splice(s[0], 0, p[1], 0, 10, 0));
    V("empty pipe and a signal", splice(p[0], 0, s[1], 0, 10, 0));
    ring(0);
    loff_t at = 0;
    V("offset of a socket", splice(p[0], 0, s[1], &at, 10, 0));
    V("offset of a socket", splice(s[0], &at, p[1], 0, 10, 0));
    V("two sockets", splice(s[0], 0, s[1], 0, 10, 0));

    fcntl(s[1], F_SETFL, O_NONBLOCK);
    long all = 0, n;
    for (;;) {
        if (write(p[1], bytes + all, 4096) != 4096)
            break;
        n = splice(p[0], 0, s[1], 0, 4096, 0);
        if (n > 0)
            all += n;
        if (n < 4096)
            break;
    }
    int left = 0;
    ioctl(p[0], FIONREAD, &left);
    printf("until the socket is full: %d, the rest stays %d\n", all > 0, left > 0);
    V("full", splice(p[0], 0, s[1], 0, 1, 0));
    printf("all of it came: %d", drain(s[0], &same) == all);
    printf(", same %d\n", same);
    while (left > 0)
        left -= read(p[0], back, left);

    shutdown(s[1], SHUT_WR);
    V("end", splice(s[0], 0, p[1], 0, 10, 0));
    sigpipes = 0;
    V("fill the pipe", write(p[1], bytes, 10));
    V("shut", splice(p[0], 0, s[1], 0, 10, 0));
    printf("  signals %d\n", sigpipes);
    ioctl(p[0], FIONREAD, &left);
    printf("  still there %d\n", left);
    close(p[1]);
    V("read", read(p[0], back, 100));
    V("no writer", splice(p[0], 0, s[1], 0, 10, 0));
}

int main(int argc, char **argv) {
    (void)argc;
    struct sigaction pipes = {.sa_handler = on_pipe}, alarm = {.sa_handler = on_alarm};
    sigaction(SIGPIPE, &pipes, 0);
    sigaction(SIGALRM, &alarm, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = i * 7 + i / 4096;
    char path[4096];
    snprintf(path, sizeof path, "%s/moving-%d", argv[1], getpid());
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    unlink(path);
    V("write", write(file, bytes, sizeof bytes));
    lseek(file, 0, SEEK_SET);
    sendfiles();
    splices();
    return 0;
}
