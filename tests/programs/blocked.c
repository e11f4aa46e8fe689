// What a signal does to calls that wait for a lock or for the other end of a FIFO: they start again if the handler says so, and
// then find what the handler has made way for. The argument is a directory that can be written.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>

static int holder, other_end = -1, again;
static char fifo[4096];
static volatile int count;

static struct flock whole(short type) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static void handler(int sig) {
    (void)sig;
    count++;
    if (!again)
        return;
    struct flock l = whole(F_UNLCK);
    flock(holder, LOCK_UN);
    fcntl(holder, F_OFD_SETLK, &l);
    if (other_end < 0)
        other_end = open(fifo, O_RDWR | O_NONBLOCK);
}

// A signal before the call is not the last.
static void ring(int on) {
    struct itimerval t = {.it_value = {0, on ? 20000 : 0}, .it_interval = {0, on ? 20000 : 0}};
    setitimer(ITIMER_REAL, &t, 0);
}

static void prepare(int restart) {
    struct sigaction act = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
    sigaction(SIGALRM, &act, 0);
    again = restart;
    count = 0;
    ring(1);
}

#define BOTH(what, before, call)                                                      \
    for (int restart = 0; restart < 2; restart++) {                                   \
        before;                                                                       \
        prepare(restart);                                                             \
        long result = (call);                                                         \
        ring(0);                                                                      \
        printf("%s%s, handled %d: ", what, restart ? " (SA_RESTART)" : "", count > 0); \
        show("result", result < 0 ? result : 0);                                      \
    }

int main(int argc, char **argv) {
    (void)argc;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    char name[4096];
    snprintf(name, sizeof name, "%s/blocked-%d", argv[1], getpid());
    snprintf(fifo, sizeof fifo, "%s/blocked-fifo-%d", argv[1], getpid());
    holder = open(name, O_RDWR | O_CREAT, 0600);
    int mine = open(name, O_RDWR);
    unlink(name);
    struct flock w = whole(F_WRLCK), l;
    BOTH("flock", flock(holder, LOCK_EX), RAW(SYS_flock, mine, LOCK_EX, 0, 0, 0, 0));
    flock(mine, LOCK_UN);
    BOTH("flock shared", flock(holder, LOCK_EX), RAW(SYS_flock, mine, LOCK_SH, 0, 0, 0, 0));
    flock(mine, LOCK_UN);
    BOTH("F_SETLKW", fcntl(holder, F_OFD_SETLK, &w), (l = whole(F_WRLCK), RAW(SYS_fcntl, mine, F_SETLKW, &l, 0, 0, 0)));
    l = whole(F_UNLCK);
    fcntl(mine, F_SETLK, &l);
    BOTH("F_SETLKW for reading", fcntl(holder, F_OFD_SETLK, &w), (l = whole(F_RDLCK), RAW(SYS_fcntl, mine, F_SETLKW, &l, 0, 0, 0)));
    l = whole(F_UNLCK);
    fcntl(mine, F_SETLK, &l);
    BOTH("F_OFD_SETLKW", fcntl(holder, F_OFD_SETLK, &w), (l = whole(F_WRLCK), RAW(SYS_fcntl, mine, F_OFD_SETLKW, &l, 0, 0, 0)));
    // A wait that was given up leaves nothing behind.
    flock(holder, LOCK_UN);
    close(mine);
    l = whole(F_WRLCK);
    show("nobody is in the way", fcntl(holder, F_GETLK, &l) ? -errno : l.l_type == F_UNLCK);

    mkfifo(fifo, 0600);
    BOTH("open a FIFO to read", , RAW(SYS_open, fifo, O_RDONLY, 0, 0, 0, 0));
    close(other_end);
    other_end = -1;
    unlink(fifo);
    mkfifo(fifo, 0600);
    BOTH("open a FIFO to write", , RAW(SYS_open, fifo, O_WRONLY, 0, 0, 0, 0));
    unlink(fifo);
    return 0;
}
