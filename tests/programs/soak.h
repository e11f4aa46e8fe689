/* What the parts of `soak` have in common: a worker, its checks, its random numbers. */
#ifndef SOAK_H
#define SOAK_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic int atomic_int;
typedef _Atomic long atomic_long;

/* No progress for so long is a hang: far more than the pauses and a loaded host explain. */
enum { STALL_SECONDS = 15 };

static atomic_int stopping;

struct worker {
    const char *name;
    void (*body)(struct worker *);
    int index; /* among those with the same body */
    unsigned random;
    pthread_t thread;
    atomic_long steps;
    atomic_int done;
    long seen, since, longest;
    char apart[64];
};

static void wrong(const char *who, const char *what)
{
    printf("WRONG: %s: %s (%s)\n", who, what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

#define CHECK(condition) do { if (!(condition)) wrong(me->name, #condition); } while (0)

static unsigned below(struct worker *me, unsigned limit)
{
    me->random = me->random * 1103515245u + 12345u;
    return (me->random >> 8) % limit;
}

static long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void rest(long ns)
{
    struct timespec time = {0, ns};
    nanosleep(&time, NULL);
}

static void whole(struct worker *me, int fd, void *bytes, size_t length, int out)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = out ? write(fd, (char *)bytes + at, length - at) : read(fd, (char *)bytes + at, length - at);
        CHECK(n > 0);
        at += n;
    }
}
#endif
