// Errors of calls that wait and of what they wait for: which one, and which comes first if several things are wrong.
// Argument 1 is a directory to work in.
#define _GNU_SOURCE
#include "provoke.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

static char buf[4096];
static int closed = 60, file, dir, path, pr, pw, event, timer, ep, other, ino;
static void *ro, *cut;

static void polls(void) {
    struct timespec late = {0, 1000000000}, early = {-1, 0}, now = {0, 0};
    struct timeval bad = {-1, 0}, micro = {0, 1000000}, zero = {0, 0}, minus = {0, -1};
    struct pollfd p[2] = {{-1, POLLIN, 77}, {closed, POLLIN, 0}};
    struct { void *set; unsigned long size; } mask = {NOWHERE, 8}, size = {buf, 4}, nobody = {0, 77};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(closed, &set);
    puts("-- poll and select");
    CALL(poll, NOWHERE, 1, 0);
    CALL(poll, NOWHERE, 0, 0);
    CALL(poll, KERNEL, 1, 0);
    CALL(poll, p, -1, 0);
    CALL(poll, p, 0x10000000, 0);
    CALL(poll, p, 2, 0);
    printf("events %d %d\n", p[0].revents, p[1].revents);
    CALL(poll, ro, 1, 0);
    CALL(poll, cut, 1, 0);
    CALL(ppoll, p, 1, &late, 0, 8);
    CALL(ppoll, p, 1, &early, 0, 8);
    CALL(ppoll, p, 1, NOWHERE, 0, 8);
    CALL(ppoll, p, 1, &now, NOWHERE, 8);
    CALL(ppoll, p, 1, &now, NOWHERE, 4);
    CALL(ppoll, p, 1, &now, 0, 4);
    CALL(ppoll, NOWHERE, 1, &late, NOWHERE, 4);
    CALL(ppoll, NOWHERE, 1, &now, NOWHERE, 8);
    CALL(select, -1, 0, 0, 0, &zero);
    CALL(select, -1, 0, 0, 0, &bad);
    CALL(select, 1, NOWHERE, 0, 0, &zero);
    CALL(select, 0, NOWHERE, 0, 0, &zero);
    CALL(select, 1, 0, 0, 0, NOWHERE);
    CALL(select, 1, 0, 0, 0, &bad);
    CALL(select, 1, 0, 0, 0, &micro);
    CALL(select, 1, 0, 0, 0, &minus);
    CALL(select, 64, &set, 0, 0, &zero);
    CALL(select, 64, 0, 0, &set, &zero);
    CALL(select, 60, &set, 0, 0, &zero);
    CALL(pselect6, -1, 0, 0, 0, &now, 0);
    CALL(pselect6, 1, 0, 0, 0, &late, 0);
    CALL(pselect6, 1, 0, 0, 0, NOWHERE, 0);
    CALL(pselect6, 1, 0, 0, 0, &now, NOWHERE);
    CALL(pselect6, 1, 0, 0, 0, &now, &mask);
    CALL(pselect6, 1, 0, 0, 0, &now, &size);
    CALL(pselect6, 1, 0, 0, 0, &now, &nobody);
    CALL(pselect6, 64, &set, 0, 0, &now, 0);
    CALL(pselect6, 1, NOWHERE, 0, 0, &late, &size);
}

static void epolls(void) {
    struct epoll_event in = {EPOLLIN, {0}}, wakeup = {EPOLLIN | EPOLLEXCLUSIVE, {0}}, one = {EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, {0}};
    struct epoll_event out[4];
    struct timespec late = {0, 1000000000}, now = {0, 0};
    puts("-- epoll");
    CALL(epoll_create, 0);
    CALL(epoll_create, -1);
    CALL(epoll_create1, 1);
    CALL(epoll_create1, -1);
    CALL(epoll_ctl, closed, EPOLL_CTL_ADD, closed, NOWHERE);
    CALL(epoll_ctl, closed, EPOLL_CTL_ADD, pr, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, closed, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, pr, NOWHERE);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, pr, 0);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, file, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, dir, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, path, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, ep, &in);
    CALL(epoll_ctl, file, EPOLL_CTL_ADD, pr, &in);
    CALL(epoll_ctl, file, EPOLL_CTL_ADD, file, &in);
    CALL(epoll_ctl, path, EPOLL_CTL_ADD, pr, &in);
    CALL(epoll_ctl, ep, 77, pr, &in);
    CALL(epoll_ctl, ep, 77, pr, NOWHERE);
    CALL(epoll_ctl, ep, 77, closed, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_MOD, pr, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_MOD, pr, NOWHERE);
    CALL(epoll_ctl, ep, EPOLL_CTL_DEL, pr, NOWHERE);
    CALL(epoll_ctl, ep, EPOLL_CTL_DEL, file, 0);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, pr, &one);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, other, &wakeup);
    CALL(epoll_ctl, ep, EPOLL_CTL_MOD, pr, &wakeup);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, pr, &wakeup);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, pr, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_MOD, pr, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_MOD, pr, &wakeup);
    CALL(epoll_ctl, ep, EPOLL_CTL_ADD, other, &in);
    CALL(epoll_ctl, other, EPOLL_CTL_ADD, ep, &in);
    CALL(epoll_ctl, ep, EPOLL_CTL_DEL, pr, 0);
    CALL(epoll_ctl, ep, EPOLL_CTL_DEL, pr, 0);
    CALL(epoll_ctl, ep, EPOLL_CTL_DEL, other, 0);
    int chain[7];
    for (int i = 0; i < 7; i++) {
        chain[i] = epoll_create1(0);
        char what[40];
        snprintf(what, sizeof what, "nested %d", i);
        if (i)
            show(what, RAW(SYS_epoll_ctl, chain[i], EPOLL_CTL_ADD, chain[i - 1], &in, 0, 0));
    }
    CALL(epoll_ctl, chain[0], EPOLL_CTL_ADD, chain[4], &in);
    for (int i = 0; i < 7; i++)
        close(chain[i]);
    CALL(epoll_wait, closed, out, 1, 0);
    CALL(epoll_wait, file, out, 1, 0);
    CALL(epoll_wait, file, out, 0, 0);
    CALL(epoll_wait, pr, out, 1, 0);
    CALL(epoll_wait, ep, out, 0, 0);
    CALL(epoll_wait, ep, out, -1, 0);
    CALL(epoll_wait, ep, out, 0x7fffffff, 0);
    CALL(epoll_wait, ep, KERNEL, 1, 0);
    CALL(epoll_wait, ep, NOWHERE, 1, 0);
    epoll_ctl(ep, EPOLL_CTL_ADD, pw, &(struct epoll_event){EPOLLOUT, {0}});
    CALL(epoll_wait, ep, NOWHERE, 1, 0);
    CALL(epoll_wait, ep, ro, 1, 0);
    CALL(epoll_wait, ep, cut, 1, 0);
    CALL(epoll_wait, ep, out, 1, 0);
    CALL(epoll_pwait, ep, out, 1, 0, NOWHERE, 8);
    CALL(epoll_pwait, ep, out, 1, 0, NOWHERE, 4);
    CALL(epoll_pwait, closed, out, 0, 0, NOWHERE, 8);
    CALL(epoll_pwait, ep, out, 0, 0, 0, 4);
    CALL(epoll_pwait2, ep, out, 1, &late, 0, 8);
    CALL(epoll_pwait2, ep, out, 1, NOWHERE, 0, 8);
    CALL(epoll_pwait2, closed, out, 1, &late, 0, 8);
    CALL(epoll_pwait2, ep, out, 1, &now, NOWHERE, 4);
}

static void descriptors(void) {
    struct itimerspec never = {{0, 0}, {0, 0}}, wrong = {{0, 0}, {0, 1000000000}}, before = {{0, 0}, {-1, 0}}, period = {{0, -1}, {0, 0}};
    unsigned long set = 1ul << (SIGUSR1 - 1);
    puts("-- eventfd, timerfd, signalfd");
    OPENS(eventfd, -1);
    CALL(eventfd2, 0, 2);
    CALL(eventfd2, 0, -1);
    OPENS(eventfd2, 0xffffffff, EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK);
    CALL(timerfd_create, 77, 0);
    CALL(timerfd_create, CLOCK_PROCESS_CPUTIME_ID, 0);
    CALL(timerfd_create, CLOCK_MONOTONIC_COARSE, 0);
    CALL(timerfd_create, CLOCK_MONOTONIC_RAW, 0);
    CALL(timerfd_create, CLOCK_MONOTONIC, 1);
    OPENS(timerfd_create, CLOCK_BOOTTIME, TFD_NONBLOCK);
    CALL(timerfd_settime, closed, 0, NOWHERE, 0);
    CALL(timerfd_settime, closed, 0, &never, 0);
    CALL(timerfd_settime, closed, 77, &never, 0);
    CALL(timerfd_settime, closed, 0, &wrong, 0);
    CALL(timerfd_settime, event, 0, &never, 0);
    CALL(timerfd_settime, path, 0, &never, 0);
    CALL(timerfd_settime, timer, 77, &never, 0);
    CALL(timerfd_settime, timer, 0, &wrong, 0);
    CALL(timerfd_settime, timer, 0, &before, 0);
    CALL(timerfd_settime, timer, 0, &period, 0);
    CALL(timerfd_settime, timer, 0, NOWHERE, 0);
    CALL(timerfd_settime, timer, 0, &never, NOWHERE);
    CALL(timerfd_settime, timer, TFD_TIMER_CANCEL_ON_SET, &never, 0);
    CALL(timerfd_gettime, closed, NOWHERE);
    CALL(timerfd_gettime, event, NOWHERE);
    CALL(timerfd_gettime, timer, NOWHERE);
    CALL(signalfd4, -1, NOWHERE, 8, 0);
    CALL(signalfd4, -1, NOWHERE, 4, 0);
    CALL(signalfd4, -1, &set, 4, 0);
    CALL(signalfd4, -1, &set, 8, 77);
    CALL(signalfd4, closed, &set, 8, 0);
    CALL(signalfd4, event, &set, 8, 0);
    CALL(signalfd4, -2, &set, 8, 0);
    CALL(signalfd4, -1, NOWHERE, 8, 77);
    CALL(signalfd, event, &set, 8);
    int s = syscall(SYS_signalfd4, -1, &set, 8, SFD_NONBLOCK);
    CALL(read, s, buf, 127);
    CALL(read, s, buf, 128);
    CALL(read, s, NOWHERE, 128);
    CALL(write, s, buf, 8);
    close(s);
    puts("-- inotify");
    CALL(inotify_init1, 1);
    CALL(inotify_add_watch, closed, NOWHERE, IN_MODIFY);
    CALL(inotify_add_watch, closed, ".", IN_MODIFY);
    CALL(inotify_add_watch, closed, ".", 0);
    CALL(inotify_add_watch, event, ".", IN_MODIFY);
    CALL(inotify_add_watch, event, NOWHERE, IN_MODIFY);
    CALL(inotify_add_watch, path, ".", IN_MODIFY);
    CALL(inotify_add_watch, ino, ".", 0);
    CALL(inotify_add_watch, ino, NOWHERE, 0);
    CALL(inotify_add_watch, ino, NOWHERE, IN_MODIFY);
    CALL(inotify_add_watch, ino, "", IN_MODIFY);
    CALL(inotify_add_watch, ino, "nothing", IN_MODIFY);
    CALL(inotify_add_watch, ino, "file/x", IN_MODIFY);
    CALL(inotify_add_watch, ino, "file", IN_MODIFY | IN_ONLYDIR);
    CALL(inotify_add_watch, ino, "file", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE);
    CALL(inotify_add_watch, ino, "file", IN_MODIFY);
    CALL(inotify_add_watch, ino, "file", IN_MODIFY | IN_MASK_CREATE);
    CALL(inotify_rm_watch, closed, 1);
    CALL(inotify_rm_watch, event, 1);
    CALL(inotify_rm_watch, path, 1);
    CALL(inotify_rm_watch, ino, 77);
    CALL(inotify_rm_watch, ino, -1);
    CALL(inotify_rm_watch, ino, 1);
    CALL(inotify_rm_watch, ino, 1);
    CALL(read, ino, buf, 8);
}

static void futexes(void) {
    static unsigned word, second;
    struct timespec late = {0, 1000000000}, early = {-1, 0}, now = {0, 0};
    struct { unsigned long value, address; unsigned flags, reserved; } wait = {0, (unsigned long)&word, 2, 0};
    char *odd = (char *)&word + 1;
    puts("-- futex");
    CALL(futex, &word, 77, 0, 0, 0, 0);
    CALL(futex, NOWHERE, 77, 0, 0, 0, 0);
    CALL(futex, odd, FUTEX_WAIT, 0, &now, 0, 0);
    CALL(futex, NOWHERE, FUTEX_WAIT, 0, &now, 0, 0);
    CALL(futex, KERNEL, FUTEX_WAIT, 0, &now, 0, 0);
    CALL(futex, NOWHERE, FUTEX_WAIT_PRIVATE, 0, &now, 0, 0);
    CALL(futex, KERNEL, FUTEX_WAIT_PRIVATE, 0, &now, 0, 0);
    CALL(futex, ro, FUTEX_WAIT_PRIVATE, 0, &now, 0, 0);
    CALL(futex, ro, FUTEX_WAIT, 0, &now, 0, 0);
    CALL(futex, &word, FUTEX_WAIT, 1, &now, 0, 0);
    CALL(futex, &word, FUTEX_WAIT, 0, &now, 0, 0);
    CALL(futex, &word, FUTEX_WAIT, 0, &late, 0, 0);
    CALL(futex, &word, FUTEX_WAIT, 0, &early, 0, 0);
    CALL(futex, &word, FUTEX_WAIT, 0, NOWHERE, 0, 0);
    CALL(futex, &word, FUTEX_WAIT, 1, NOWHERE, 0, 0);
    CALL(futex, odd, FUTEX_WAIT, 0, NOWHERE, 0, 0);
    CALL(futex, &word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0);
    CALL(futex, &word, FUTEX_WAIT_BITSET, 0, &now, 0, 0);
    CALL(futex, odd, FUTEX_WAIT_BITSET, 0, &now, 0, 0);
    CALL(futex, &word, FUTEX_WAKE_BITSET, 1, 0, 0, 0);
    CALL(futex, odd, FUTEX_WAKE, 1, 0, 0, 0);
    CALL(futex, NOWHERE, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    CALL(futex, NOWHERE, FUTEX_WAKE, 1, 0, 0, 0);
    CALL(futex, KERNEL, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    CALL(futex, &word, FUTEX_WAKE, -1, 0, 0, 0);
    CALL(futex, &word, FUTEX_FD, 0, 0, 0, 0);
    CALL(futex, &word, FUTEX_REQUEUE, -1, 0, &second, 0);
    CALL(futex, &word, FUTEX_REQUEUE, 0, -1, &second, 0);
    CALL(futex, &word, FUTEX_REQUEUE, 1, 1, odd, 0);
    CALL(futex, odd, FUTEX_REQUEUE, 1, 1, NOWHERE, 0);
    CALL(futex, &word, FUTEX_REQUEUE, 1, 1, NOWHERE, 0);
    CALL(futex, &word, FUTEX_REQUEUE_PRIVATE, 1, 1, NOWHERE, 0);
    CALL(futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &second, 7);
    CALL(futex, &word, FUTEX_CMP_REQUEUE, -1, 1, &second, 7);
    CALL(futex, NOWHERE, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &second, 7);
    CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, NOWHERE, 0);
    CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, odd, 0);
    CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, ro, 0);
    CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, &second, 7 << 28);
    CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, &second, 7 << 24);
    CALL(futex, &word, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
    CALL(futex, odd, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
    CALL(futex, NOWHERE, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
    CALL(futex, odd, FUTEX_LOCK_PI, 0, 0, 0, 0);
    CALL(futex, NOWHERE, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
    CALL(futex, &word, FUTEX_LOCK_PI, 0, &late, 0, 0);
    CALL(futex, &word, FUTEX_LOCK_PI, 0, 0, 0, 0);
    CALL(futex, &word, FUTEX_LOCK_PI, 0, 0, 0, 0);
    CALL(futex, &word, FUTEX_TRYLOCK_PI, 0, 0, 0, 0);
    CALL(futex, &word, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
    word = 0x3fffffff;
    CALL(futex, &word, FUTEX_LOCK_PI, 0, 0, 0, 0);
    CALL(futex, &word, FUTEX_TRYLOCK_PI, 0, 0, 0, 0);
    CALL(futex, &word, FUTEX_UNLOCK_PI, 0, 0, 0, 0);
    word = 0;
    CALL(futex, &word, FUTEX_WAIT_REQUEUE_PI, 0, &now, &word, 0);
    CALL(futex, &word, FUTEX_CMP_REQUEUE_PI, 1, 1, &word, 0);
    CALL(futex, &word, FUTEX_CMP_REQUEUE_PI, 2, 1, &second, 0);
    CALL(futex_waitv, &wait, 0, 0, 0, 0);
    CALL(futex_waitv, &wait, 129, 0, 0, 0);
    CALL(futex_waitv, &wait, 1, 77, 0, 0);
    CALL(futex_waitv, 0, 1, 0, 0, 0);
    CALL(futex_waitv, NOWHERE, 1, 0, 0, 0);
    CALL(futex_waitv, &wait, 1, 0, NOWHERE, 1);
    CALL(futex_waitv, &wait, 1, 0, &now, 77);
    CALL(futex_waitv, &wait, 1, 0, &late, 1);
    CALL(futex_waitv, &wait, 1, 0, &now, 1);
    wait.value = 1;
    CALL(futex_waitv, &wait, 1, 0, &now, 1);
    wait.flags = 77;
    CALL(futex_waitv, &wait, 1, 0, &now, 1);
    wait.flags = 2, wait.reserved = 1;
    CALL(futex_waitv, &wait, 1, 0, &now, 1);
    wait.reserved = 0, wait.address = (unsigned long)odd;
    CALL(futex_waitv, &wait, 1, 0, &now, 1);
    wait.address = (unsigned long)NOWHERE;
    CALL(futex_waitv, &wait, 1, 0, &now, 1);
    wait.flags |= 128;
    CALL(futex_waitv, &wait, 1, 0, &now, 1);
}

int main(int argc, char **argv) {
    char work[] = "errnoXXXXXX";
    int p[2];
    if (argc < 2 || chdir(argv[1]) || !mkdtemp(work) || chdir(work))
        return 1;
    file = open("file", O_RDWR | O_CREAT, 0600);
    dir = open(".", O_RDONLY);
    path = open("file", O_PATH);
    pipe(p);
    pr = p[0], pw = p[1];
    event = eventfd(0, EFD_NONBLOCK);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    ep = epoll_create1(0);
    other = epoll_create1(0);
    ino = inotify_init1(IN_NONBLOCK);
    ro = read_only_page();
    cut = edge();
    polls();
    epolls();
    descriptors();
    futexes();
    unlink("file");
    chdir("..");
    rmdir(work);
    return 0;
}
