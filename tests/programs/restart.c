// What a signal does to a call that waits: which calls start again and which end with EINTR.
#define _GNU_SOURCE
#include "show.h"
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static int feed = -1, fed = -1, word;
static volatile int count;

// Runs in the middle of the call. Feeds the pipe, so that a call that starts again ends.
static void handler(int sig) {
    (void)sig;
    count++;
    if (feed >= 0 && write(feed, "12345678", 8) != 8)
        puts("write");
    word = 1;
}

static void prepare(int flags) {
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&act.sa_mask);
    sigaction(SIGALRM, &act, 0);
    count = 0;
    word = 0;
    // What the call reads comes only if the call starts again. A signal before the call is not the last.
    feed = flags & SA_RESTART ? fed : -1;
    struct itimerval soon = {.it_value = {0, 20000}, .it_interval = {0, 20000}};
    setitimer(ITIMER_REAL, &soon, 0);
}

static void stop(void) {
    struct itimerval never = {};
    setitimer(ITIMER_REAL, &never, 0);
}

static long us_since(struct timespec start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000;
}

#define BOTH(what, call)                                                          \
    for (int restart = 0; restart < 2; restart++) {                               \
        prepare(restart ? SA_RESTART : 0);                                        \
        long result = (call);                                                     \
        stop();                                                                   \
        printf("%s%s, handled %d: ", what, restart ? " (SA_RESTART)" : "", count > 0); \
        show("result", result);                                                   \
    }

int main(void) {
    char buf[64];
    int fd[2];
    if (pipe(fd))
        return 1;
    fed = fd[1];
    BOTH("read a pipe", RAW(SYS_read, fd[0], buf, 8, 0, 0, 0));
    struct { void *base; size_t len; } vec = {buf, 8};
    BOTH("readv a pipe", RAW(SYS_readv, fd[0], &vec, 1, 0, 0, 0));
    int event = eventfd(0, 0);
    fed = event;
    BOTH("read an eventfd", RAW(SYS_read, event, buf, 8, 0, 0, 0));
    fed = -1;
    // A full pipe: nothing makes room.
    int full[2];
    if (pipe(full))
        return 1;
    static char page[65536];
    if (write(full[1], page, sizeof page) != sizeof page)
        return 1;
    prepare(0);
    show("write a full pipe", RAW(SYS_write, full[1], page, 1, 0, 0, 0));
    stop();
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    for (int restart = 0; restart < 2; restart++) {
        // Started again it ends by the timer, otherwise by the signal, however late that comes.
        struct itimerspec later = {.it_value = {restart ? 0 : 1000, 60000000}};
        timerfd_settime(timer, 0, &later, 0);
        prepare(restart ? SA_RESTART : 0);
        show("read a timerfd", RAW(SYS_read, timer, buf, 8, 0, 0, 0));
        stop();
    }
    // Sleeps: never started again by the kernel after a handler, and the rest is told.
    struct timespec start, want = {100, 0}, rest;
    BOTH("nanosleep", RAW(SYS_nanosleep, &want, &rest, 0, 0, 0, 0));
    printf("rest: %d\n", rest.tv_sec == 99 && rest.tv_nsec > 0);
    BOTH("clock_nanosleep", RAW(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &want, &rest, 0, 0));
    printf("rest: %d\n", rest.tv_sec == 99);
    struct timespec at, kept = {7, 7};
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += 100;
    BOTH("clock_nanosleep absolute", RAW(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &at, &kept, 0, 0));
    printf("rest: %ld %ld\n", (long)kept.tv_sec, kept.tv_nsec);
    // A signal that is ignored does not end them; nor does it make them longer.
    signal(SIGALRM, SIG_IGN);
    struct itimerval soon = {.it_value = {0, 5000}};
    clock_gettime(CLOCK_MONOTONIC, &start);
    setitimer(ITIMER_REAL, &soon, 0);
    want = (struct timespec){0, 20000000};
    show("nanosleep, ignored", RAW(SYS_nanosleep, &want, 0, 0, 0, 0, 0));
    printf("slept: %d\n", us_since(start) >= 20000);
    // A stop signal's default action and continuing are for another day; one that is only ignored by default too.
    timer_t usual;
    struct sigevent chld = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCHLD};
    timer_create(CLOCK_MONOTONIC, &chld, &usual);
    struct itimerspec every = {.it_value = {0, 3000000}, .it_interval = {0, 3000000}};
    timer_settime(usual, 0, &every, 0);
    clock_gettime(CLOCK_MONOTONIC, &start);
    show("nanosleep, SIGCHLD", RAW(SYS_nanosleep, &want, 0, 0, 0, 0, 0));
    printf("slept: %d\n", us_since(start) >= 20000);
    show("poll, SIGCHLD", RAW(SYS_poll, 0, 0, 20, 0, 0, 0));
    word = 0;
    show("futex, SIGCHLD", RAW(SYS_futex, &word, FUTEX_WAIT, 0, &want, 0, 0));
    timer_delete(usual);
    // These end whatever the flags say.
    if (pipe(fd))
        return 1;
    struct pollfd poll_fd = {.fd = fd[0], .events = POLLIN};
    fd_set set;
    struct epoll_event ready, interest = {.events = EPOLLIN};
    int epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd[0], &interest);
    struct timespec long_time = {100, 0};
    struct timeval long_tv = {100, 0};
    BOTH("poll", RAW(SYS_poll, &poll_fd, 1, 100000, 0, 0, 0));
    BOTH("poll for ever", RAW(SYS_poll, &poll_fd, 1, -1, 0, 0, 0));
    BOTH("ppoll", RAW(SYS_ppoll, &poll_fd, 1, &long_time, 0, 8, 0));
    BOTH("select", ({ FD_ZERO(&set); FD_SET(fd[0], &set); RAW(SYS_select, fd[0] + 1, &set, 0, 0, &long_tv, 0); }));
    BOTH("pselect6", ({ FD_ZERO(&set); FD_SET(fd[0], &set); RAW(SYS_pselect6, fd[0] + 1, &set, 0, 0, &long_time, 0); }));
    BOTH("epoll_wait", RAW(SYS_epoll_wait, epoll, &ready, 1, -1, 0, 0));
    BOTH("epoll_pwait", RAW(SYS_epoll_pwait, epoll, &ready, 1, 100000, 0, 8));
    BOTH("pause", RAW(SYS_pause, 0, 0, 0, 0, 0, 0));
    sigset_t mask, wanted;
    sigemptyset(&mask);
    BOTH("sigsuspend", RAW(SYS_rt_sigsuspend, &mask, 8, 0, 0, 0, 0));
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    BOTH("sigtimedwait", RAW(SYS_rt_sigtimedwait, &wanted, 0, &long_time, 8, 0, 0));
    sigaddset(&wanted, SIGALRM);
    BOTH("sigtimedwait for it", RAW(SYS_rt_sigtimedwait, &wanted, 0, &long_time, 8, 0, 0));
    // A futex whose word the handler has changed: started again it is not what was expected.
    long_time = (struct timespec){100, 0};
    BOTH("futex", RAW(SYS_futex, &word, FUTEX_WAIT, 0, 0, 0, 0));
    BOTH("futex with a time", RAW(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &long_time, 0, 0));
    // Under a mask that lets the signal through only while waiting.
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, 0);
    BOTH("ppoll under a mask", RAW(SYS_ppoll, &poll_fd, 1, &long_time, &mask, 8, 0));
    BOTH("epoll_pwait under a mask", RAW(SYS_epoll_pwait, epoll, &ready, 1, -1, &mask, 8));
    BOTH("sigsuspend under a mask", RAW(SYS_rt_sigsuspend, &mask, 8, 0, 0, 0, 0));
    sigset_t now;
    sigprocmask(SIG_SETMASK, 0, &now);
    printf("blocked again: %d\n", sigismember(&now, SIGALRM));
    return 0;
}
