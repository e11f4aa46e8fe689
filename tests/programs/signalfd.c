// Signals read from a file.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>

static void told(const struct signalfd_siginfo *i) {
    printf("signal %u code %d errno %d me %d uid %d int %d ptr %d overrun %d addr %d\n", i->ssi_signo, i->ssi_code, i->ssi_errno,
           i->ssi_pid == (unsigned)getpid(), i->ssi_uid == getuid(), i->ssi_int, (int)i->ssi_ptr, i->ssi_overrun > 0, i->ssi_addr != 0);
}

int main(void) {
    sigset_t set, other;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGKILL);
    sigprocmask(SIG_BLOCK, &set, 0);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    printf("made %d cloexec %d flags %x\n", fd >= 0, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE));
    struct signalfd_siginfo info[5];
    show("nothing", RAW(SYS_read, fd, info, sizeof *info, 0, 0, 0));
    show("too small", RAW(SYS_read, fd, info, sizeof *info - 1, 0, 0, 0));
    show("write", RAW(SYS_write, fd, info, 128, 0, 0, 0));
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    printf("poll %d\n", poll(&p, 1, 0));
    kill(getpid(), SIGUSR1);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 42});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 43});
    raise(SIGALRM);
    int events = poll(&p, 1, 1000);
    printf("poll %d %x\n", events, p.revents);
    long got = read(fd, info, 4 * sizeof *info + 5);
    printf("read %ld\n", got);
    for (int i = 0; i < got / (long)sizeof *info; i++)
        told(info + i);
    printf("poll %d\n", poll(&p, 1, 0));
    // Epoll, level and edge.
    int epoll = epoll_create1(0);
    struct epoll_event interest = {.events = EPOLLIN, .data.u32 = 1}, ready;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
    printf("epoll %d\n", epoll_wait(epoll, &ready, 1, 0));
    kill(getpid(), SIGUSR1);
    printf("epoll %d", epoll_wait(epoll, &ready, 1, 0));
    printf(" %d", epoll_wait(epoll, &ready, 1, 0));
    interest.events = EPOLLIN | EPOLLET;
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &interest);
    printf(" edge %d", epoll_wait(epoll, &ready, 1, 0));
    printf(" %d", epoll_wait(epoll, &ready, 1, 0));
    kill(getpid(), SIGALRM);
    printf(" %d\n", epoll_wait(epoll, &ready, 1, 0));
    printf("read %zd\n", read(fd, info, sizeof info));
    // A timer's signal wakes a reader that waits, and one in epoll_wait.
    fcntl(fd, F_SETFL, 0);
    struct itimerval soon = {.it_value = {0, 5000}};
    setitimer(ITIMER_REAL, &soon, 0);
    got = read(fd, info, sizeof info);
    printf("waited: %ld ", got);
    told(info);
    setitimer(ITIMER_REAL, &soon, 0);
    printf("epoll %d\n", epoll_wait(epoll, &ready, 1, 5000));
    got = read(fd, info, sizeof info);
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 99};
    timer_t timer;
    timer_create(CLOCK_MONOTONIC, &ev, &timer);
    struct itimerspec every = {.it_value = {0, 1000000}, .it_interval = {0, 1000000}};
    timer_settime(timer, 0, &every, 0);
    usleep(10000);
    got = read(fd, info, sizeof *info);
    printf("timer: %ld ", got);
    told(info);
    timer_delete(timer);
    // Other signals of the set: it can be changed; unblocked ones go to their handlers.
    sigemptyset(&other);
    sigaddset(&other, SIGUSR2);
    show("change", RAW(SYS_signalfd4, fd, &other, 8, 0, 0, 0) == fd);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    kill(getpid(), SIGUSR1);
    show("not in the set", RAW(SYS_read, fd, info, sizeof *info, 0, 0, 0));
    show("change back", RAW(SYS_signalfd4, fd, &set, 8, 0, 0, 0) == fd);
    show("in the set", RAW(SYS_read, fd, info, sizeof *info, 0, 0, 0));
    kill(getpid(), SIGUSR1);
    show("bad buffer", RAW(SYS_read, fd, 16, sizeof *info, 0, 0, 0));
    show("flags", RAW(SYS_signalfd4, -1, &set, 8, 1, 0, 0));
    show("size", RAW(SYS_signalfd4, -1, &set, 4, 0, 0, 0));
    show("bad mask", RAW(SYS_signalfd4, -1, 16, 8, 0, 0, 0));
    show("other file", RAW(SYS_signalfd4, 0, &set, 8, 0, 0, 0));
    show("closed", RAW(SYS_signalfd4, 77, &set, 8, 0, 0, 0));
    show("-2", RAW(SYS_signalfd4, -2, &set, 8, 0, 0, 0));
    show_ok("old form", RAW(SYS_signalfd, -1, &set, 8, 0, 0, 0));
    char line[64] = "", path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    got = readlink(path, line, sizeof line - 1);
    printf("is %s\n", line);
    return 0;
}
