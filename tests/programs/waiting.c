// Pipes, eventfd, timerfd, poll, select and epoll.
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

#define R(what, expr) show(what, (errno = 0, (expr)) < 0 ? -errno : 0)
#define V(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : result_); } while (0)
static char big[1 << 20];

static void pipes(void) {
    int p[2], q[2];
    R("pipe", pipe(p));
    V("write", write(p[1], "hello world", 11));
    int n = 0;
    V("FIONREAD", ioctl(p[0], FIONREAD, &n));
    printf("waiting %d\n", n);
    char b[64] = {0};
    V("read", read(p[0], b, 5));
    struct iovec v[2] = {{b + 5, 3}, {b + 8, 30}};
    V("readv", readv(p[0], v, 2));
    printf("%s\n", b);
    V("lseek", lseek(p[0], 0, SEEK_CUR));
    V("pread", pread(p[0], b, 1, 0));
    V("wrong end read", read(p[1], b, 1));
    V("wrong end write", write(p[0], b, 1));
    V("bad pointer", write(p[1], (void *)8, 4));
    V("nothing", write(p[1], b, 0));
    struct stat st;
    fstat(p[0], &st);
    printf("mode %o size %ld blksize %ld\n", st.st_mode, (long)st.st_size, (long)st.st_blksize);
    V("F_GETPIPE_SZ", fcntl(p[0], F_GETPIPE_SZ));
    V("F_SETPIPE_SZ", fcntl(p[1], F_SETPIPE_SZ, 5000));
    V("F_GETPIPE_SZ", fcntl(p[0], F_GETPIPE_SZ));
    V("F_GETPIPE_SZ of no pipe", fcntl(open("/proc/self/stat", 0), F_GETPIPE_SZ));
    V("bad flags", pipe2(q, 0x10));
    V("bad array", pipe2((void *)8, 0));
    V("pipe2", pipe2(q, O_CLOEXEC | O_NONBLOCK));
    printf("flags %x %x fd %x\n", fcntl(q[0], F_GETFL), fcntl(q[1], F_GETFL), fcntl(q[0], F_GETFD));
    V("empty", read(q[0], b, 1));
    int filled = 0;
    while (write(q[1], big, 4096) == 4096)
        filled++;
    printf("filled %d pages, %s\n", filled, error_name(errno));
    V("one more", write(q[1], big, 1));
    V("shrink", fcntl(q[1], F_SETPIPE_SZ, 4096));
    V("part out", read(q[0], big, 100));
    V("not atomic", write(q[1], big, 4096));
    V("page out", read(q[0], big, 3996));
    V("atomic", write(q[1], big, 4096));
    V("all out", read(q[0], big, sizeof big));
    V("long", write(q[1], big, 100000));
    V("grow", fcntl(q[1], F_SETPIPE_SZ, 1 << 18));
    V("more", write(q[1], big, 300000));
    struct pollfd f[2] = {{q[0], POLLIN | POLLOUT, 0}, {q[1], POLLIN | POLLOUT, 0}};
    V("poll", poll(f, 2, 0));
    printf("%x %x\n", f[0].revents, f[1].revents);
    close(q[0]);
    signal(SIGPIPE, SIG_IGN);
    V("broken", write(q[1], b, 1));
    f[1].events = POLLOUT;
    V("poll", poll(f + 1, 1, 0));
    printf("%x\n", f[1].revents & POLLERR);
    close(p[1]);
    V("end of file", read(p[0], b, 1));
    f[0].fd = p[0];
    f[0].events = POLLIN;
    V("poll", poll(f, 1, -1));
    printf("%x\n", f[0].revents);
    char path[40], to[60] = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    readlink(path, to, 59);
    printf("%.6s\n", to);
    pipe(p);
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    int w = open(path, O_WRONLY);
    V("second writer", write(w, "x", 1));
    close(p[1]);
    V("read", read(p[0], b, 9));
    close(w);
    V("end of file", read(p[0], b, 9));
}

static void events(void) {
    uint64_t x = 0;
    int e = eventfd(3, EFD_NONBLOCK), s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    V("read", read(e, &x, 8));
    printf("%lu\n", x);
    V("empty", read(e, &x, 8));
    V("short", read(e, &x, 7));
    V("short write", write(e, &x, 7));
    x = -1;
    V("too much", write(e, &x, 8));
    x = -2;
    V("most", write(e, &x, 8));
    x = 1;
    V("over", write(e, &x, 8));
    struct pollfd f = {e, POLLIN | POLLOUT, 0};
    V("poll", poll(&f, 1, 0));
    printf("%x\n", f.revents);
    for (int i = 0; i < 3; i++) {
        V("semaphore", read(s, &x, 8));
        printf("%lu\n", x);
    }
    V("bad flags", eventfd(0, 8));
    V("seek", lseek(e, 0, SEEK_SET));
    char to[60] = {0}, path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", e);
    readlink(path, to, 59);
    puts(to);
    V("not opened again", open(path, O_RDWR));
}

static long ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void timers(void) {
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    uint64_t x = 0;
    struct itimerspec new = {{0, 20000000}, {0, 500000000}}, old;
    long from = ms();
    V("not armed", read(t, &x, 8));
    V("settime", timerfd_settime(t, 0, &new, &old));
    printf("%ld %ld\n", old.it_value.tv_sec, old.it_value.tv_nsec);
    V("early", read(t, &x, 8));
    V("gettime", timerfd_gettime(t, &old));
    printf("left %d every %ld\n", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 500000000, old.it_interval.tv_nsec);
    struct pollfd f = {t, POLLIN, 0};
    V("poll", poll(&f, 1, 60000));
    long took = ms() - from;
    printf("took %d\n", took >= 500);
    fcntl(t, F_SETFL, 0);
    V("read", read(t, &x, 8));
    printf("at least one %d\n", x >= 1);
    V("read waits", read(t, &x, 8));
    struct timespec nap = {0, 70000000};
    nanosleep(&nap, 0);
    V("read", read(t, &x, 8));
    printf("several %d\n", x >= 3);
    struct itimerspec off = {{0, 0}, {0, 0}};
    V("disarm", timerfd_settime(t, 0, &off, 0));
    V("gettime", timerfd_gettime(t, &old));
    printf("%ld %ld\n", old.it_value.tv_nsec, old.it_interval.tv_nsec);
    int r = timerfd_create(CLOCK_REALTIME, 0);
    struct itimerspec past = {{0, 0}, {1, 0}};
    V("past", timerfd_settime(r, TFD_TIMER_ABSTIME, &past, 0));
    V("read", read(r, &x, 8));
    printf("%lu\n", x);
    V("write", write(r, &x, 8));
    V("short", read(r, &x, 4));
    V("bad clock", timerfd_create(2, 0));
    V("bad flags", timerfd_create(CLOCK_MONOTONIC, 1));
    past.it_value.tv_nsec = 1000000000;
    V("bad time", timerfd_settime(r, 0, &past, 0));
    V("no timer", timerfd_settime(1, 0, &off, 0));
    V("bad pointer", timerfd_settime(r, 0, (void *)8, 0));
}

static void selects(void) {
    int p[2];
    pipe(p);
    fd_set in, out;
    struct timeval tv = {0, 30000};
    FD_ZERO(&in);
    FD_SET(p[0], &in);
    FD_ZERO(&out);
    FD_SET(p[1], &out);
    V("select", select(p[1] + 1, &in, &out, 0, &tv));
    printf("%d %d\n", FD_ISSET(p[0], &in), FD_ISSET(p[1], &out));
    FD_SET(p[0], &in);
    long from = ms();
    V("time", select(p[0] + 1, &in, 0, 0, &tv));
    printf("%d, left %ld, waited %d\n", FD_ISSET(p[0], &in), (long)tv.tv_usec, ms() - from >= 25);
    write(p[1], "x", 1);
    FD_SET(p[0], &in);
    FD_SET(p[1], &in);
    V("ready", select(p[1] + 1, &in, 0, &out, 0));
    V("negative", select(-1, 0, 0, 0, &tv));
    tv.tv_sec = -1;
    V("bad time", select(0, 0, 0, 0, &tv));
    struct timespec ts = {0, 20000000};
    sigset_t none;
    sigemptyset(&none);
    V("pselect", pselect(0, 0, 0, 0, &ts, &none));
    V("bad pointer", RAW(SYS_select, p[1] + 1, 8, 0, 0, 0, 0));
}

static int ep;
static void got(const char *what, int timeout) {
    struct epoll_event e[8];
    errno = 0;
    int n = epoll_wait(ep, e, 8, timeout);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++)
        printf(" (%x %lx)", e[i].events, (long)e[i].data.u64);
    puts(n < 0 ? error_name(errno) : "");
}

static void epolls(void) {
    int p[2], e = eventfd(0, EFD_NONBLOCK);
    uint64_t x = 1;
    pipe2(p, O_NONBLOCK);
    V("bad flags", epoll_create1(1));
    V("bad size", epoll_create(0));
    ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {EPOLLIN, {.u64 = 0x123456789abcdef}};
    V("add", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    V("again", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    V("mod nothing", epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev));
    V("del nothing", epoll_ctl(ep, EPOLL_CTL_DEL, p[1], 0));
    V("bad fd", epoll_ctl(ep, EPOLL_CTL_ADD, 999, &ev));
    V("bad epoll", epoll_ctl(999, EPOLL_CTL_ADD, p[1], &ev));
    V("no epoll", epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev));
    V("itself", epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev));
    V("bad operation", epoll_ctl(ep, 9, p[0], &ev));
    V("bad pointer", epoll_ctl(ep, EPOLL_CTL_ADD, p[1], (void *)8));
    V("regular file", epoll_ctl(ep, EPOLL_CTL_ADD, open("/proc/self/exe", 0), &ev));
    V("directory", epoll_ctl(ep, EPOLL_CTL_ADD, open("/", 0), &ev));
    V("/dev/null", epoll_ctl(ep, EPOLL_CTL_ADD, open("/dev/null", 0), &ev));
    got("empty", 0);
    long from = ms();
    got("time", 30);
    printf("waited %d\n", ms() - from >= 25);
    write(p[1], "abc", 3);
    got("level", -1);
    got("level", -1);
    ev.events = EPOLLIN | EPOLLET;
    V("edge", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
    got("edge", 0);
    got("edge", 0);
    write(p[1], "d", 1);
    got("edge", 0);
    char b[10];
    read(p[0], b, 1);
    got("read is no edge for readers", 0);
    ev.events = EPOLLIN | EPOLLONESHOT;
    epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
    got("once", 0);
    got("once", 0);
    write(p[1], "e", 1);
    got("once", 0);
    epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
    got("armed", 0);
    ev.events = EPOLLOUT;
    ev.data.u64 = 2;
    epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev);
    got("writable", 0);
    V("del", epoll_ctl(ep, EPOLL_CTL_DEL, p[1], &ev));
    got("gone", 0);
    ev.events = EPOLLIN;
    ev.data.u64 = 3;
    epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev);
    int two = dup(e);
    ev.data.u64 = 4;
    V("the copy", epoll_ctl(ep, EPOLL_CTL_ADD, two, &ev));
    write(e, &x, 8);
    got("both", 0);
    close(e);
    got("one descriptor is closed", 0);
    close(two);
    got("both are", 0);
    int t = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec in = {{0, 0}, {0, 30000000}};
    timerfd_settime(t, 0, &in, 0);
    ev.events = EPOLLIN | EPOLLET;
    ev.data.u64 = 5;
    epoll_ctl(ep, EPOLL_CTL_ADD, t, &ev);
    got("timer", 3000);
    got("timer", 0);
    timerfd_settime(t, 0, &in, 0);
    got("timer again", 3000);
    close(t);
    int above = epoll_create1(0), inner = ep;
    ev.events = EPOLLIN;
    ev.data.u64 = 6;
    V("nested", epoll_ctl(above, EPOLL_CTL_ADD, inner, &ev));
    V("cycle", epoll_ctl(inner, EPOLL_CTL_ADD, above, &ev));
    ep = above;
    got("nested quiet", 0);
    ev.data.u64 = 7;
    ev.events = EPOLLIN;
    epoll_ctl(inner, EPOLL_CTL_MOD, p[0], &ev);
    got("nested", 0);
    struct pollfd f = {above, POLLIN, 0};
    V("poll epoll", poll(&f, 1, 0));
    ep = inner;
    close(p[1]);
    while (read(p[0], b, 10) > 0)
        ;
    got("hang up", 0);
    struct epoll_event out[4];
    V("no room", epoll_wait(ep, out, 0, 0));
    V("negative room", epoll_wait(ep, out, -1, 0));
    V("bad array", epoll_wait(ep, (void *)8, 1, 0));
    V("no epoll", epoll_wait(p[0], out, 1, 0));
    V("read", read(ep, b, 1));
    sigset_t none;
    sigemptyset(&none);
    V("pwait", epoll_pwait(ep, out, 4, 0, &none));
    struct timespec ts = {0, 1000000};
    V("pwait2", RAW(SYS_epoll_pwait2, ep, out, 4, &ts, 0, 8));
    int many = epoll_create1(0), fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = eventfd(1, 0);
        ev.data.u64 = (uint64_t)i;
        epoll_ctl(many, EPOLL_CTL_ADD, fds[i], &ev);
    }
    int seen = 0;
    for (int i = 0; i < 3; i++) {
        int n = epoll_wait(many, out, 4, 0);
        for (int j = 0; j < n; j++)
            seen |= 1 << out[j].data.u64;
    }
    printf("in turn %x\n", seen);
    char to[60] = {0}, path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", ep);
    readlink(path, to, 59);
    puts(to);
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    pipes();
    events();
    timers();
    selects();
    epolls();
    return 0;
}
