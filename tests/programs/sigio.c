// Signals about files: O_ASYNC with pipes and sockets, the owner, the signal and what is known about it.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int count, last_signal, last_code, last_fd;
static long last_band;

static void handler(int signal, siginfo_t *info, void *context) {
    (void)context;
    count++;
    last_signal = signal;
    last_code = info->si_code;
    last_band = info->si_band;
    last_fd = info->si_fd;
}

static void got(const char *what) {
    printf("%s: %d", what, count);
    if (count)
        printf(", %s", last_signal == SIGIO ? "SIGIO" : last_signal == SIGRTMIN ? "SIGRTMIN" : "another");
    if (count && last_code == SI_KERNEL)
        printf(", of the kernel");
    else if (count)
        printf(", code %d, band %lx, fd %d", last_code, last_band, last_fd);
    printf("\n");
    count = 0;
}

// Whether there was a signal, where their number is nobody's business.
static void got_some(const char *what, int code) {
    printf("%s: %d %d\n", what, count > 0, count > 0 && last_code == code);
    count = 0;
}

static void set(const char *what, int fd, int flag) {
    int flags = fcntl(fd, F_GETFL);
    int result = fcntl(fd, F_SETFL, flag ? flags | O_ASYNC : flags & ~O_ASYNC);
    printf("%s: %d, flag %d\n", what, result, !!(fcntl(fd, F_GETFL) & O_ASYNC));
}

static void pipes(void) {
    int p[2];
    char c;
    pipe(p);
    set("on", p[0], 1);
    write(p[1], "a", 1);
    got("nobody's");
    fcntl(p[0], F_SETOWN, getpid());
    write(p[1], "b", 1);
    got("input");
    read(p[0], &c, 1);
    got("output is not the reader's business");
    fcntl(p[0], F_SETSIG, SIGRTMIN);
    write(p[1], "c", 1);
    got("input");
    fcntl(p[1], F_SETOWN, getpid());
    fcntl(p[1], F_SETSIG, SIGRTMIN);
    set("writer on", p[1], 1);
    set("reader off", p[0], 0);
    read(p[0], &c, 1);
    got("room");
    write(p[1], "d", 1);
    got("nobody reads asynchronously");
    int on = 1, off = 0;
    show("FIOASYNC", ioctl(p[0], FIOASYNC, &on));
    show("FIOASYNC again", ioctl(p[0], FIOASYNC, &on));
    show("writer off", ioctl(p[1], FIOASYNC, &off));
    int copy = dup(p[0]);
    close(p[0]);
    write(p[1], "e", 1);
    got("the copy stays");
    struct f_owner_ex who = {F_OWNER_TID, gettid()};
    show("the thread", fcntl(copy, F_SETOWN_EX, &who));
    write(p[1], "f", 1);
    got("input");
    fcntl(copy, F_SETOWN, -getpgrp());
    fcntl(copy, F_SETSIG, 0);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigprocmask(SIG_BLOCK, &set, &old);
    fcntl(copy, F_SETOWN, getpid());
    write(p[1], "g", 1);
    write(p[1], "h", 1);
    got("blocked");
    sigprocmask(SIG_SETMASK, &old, 0);
    got("then once");
    close(p[1]);
    got("the end");
    close(copy);
    got("closed");
}

static void sockets(void) {
    int s[2];
    char buf[10];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    fcntl(s[0], F_SETOWN, getpid());
    fcntl(s[0], F_SETSIG, SIGRTMIN);
    set("socket", s[0], 1);
    write(s[1], "a", 1);
    got("input");
    write(s[1], "b", 1);
    got_some("more", POLL_IN);
    printf("read %ld\n", (long)read(s[0], buf, 10));
    count = 0;
    set("off", s[0], 0);
    write(s[1], "c", 1);
    got("off");
    set("on", s[0], 1);
    close(s[1]);
    printf("end: %d\n", count > 0);
    count = 0;
    close(s[0]);
    // A handler that reads, as servers of old have it: nothing is lost.
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    fcntl(s[0], F_SETOWN, getpid());
    set("datagrams", s[0], 1);
    int received = 0;
    for (int i = 0; i < 20; i++) {
        write(s[1], "x", 1);
        while (count > 0) {
            count = 0;
            while (recv(s[0], buf, 10, MSG_DONTWAIT) > 0)
                received++;
        }
    }
    printf("received %d\n", received);
}

static void others(void) {
    int e = eventfd(0, 0), on = 1, off = 0;
    set("eventfd", e, 1);
    show("FIOASYNC", ioctl(e, FIOASYNC, &on) ? -errno : 0);
    show("off as it is", ioctl(e, FIOASYNC, &off) ? -errno : 0);
    int zero = open("/dev/zero", O_RDWR);
    set("/dev/zero", zero, 1);
    show("FIOASYNC", ioctl(zero, FIOASYNC, &on) ? -errno : 0);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGIO, &action, 0);
    sigaction(SIGRTMIN, &action, 0);
    pipes();
    sockets();
    others();
    return 0;
}
