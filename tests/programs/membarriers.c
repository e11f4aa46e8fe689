/* membarrier(2): its errors, and that it orders what two threads store and load, of which one has no barrier of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROUNDS = 1000 };

static volatile int one, two, saw_two, saw_one;
static pthread_barrier_t barrier;

static long membarrier(int command, unsigned flags) { return syscall(SYS_membarrier, command, flags, 0); }

static void show(const char *what, long result) { printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done"); }

static void *without_barrier(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&barrier);
        one = 1;
        __asm__ volatile("" ::: "memory");
        saw_two = two;
        pthread_barrier_wait(&barrier);
    }
    return arg;
}

int main(void)
{
    pthread_t thread;
    int missed = 0;
    int all = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
    printf("offered: %d\n", (membarrier(MEMBARRIER_CMD_QUERY, 0) & all) == all);
    show("unknown", membarrier(1 << 20, 0));
    show("flags", membarrier(MEMBARRIER_CMD_QUERY, 7));
    show("not registered", membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
    show("register", membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
    show("global", membarrier(MEMBARRIER_CMD_GLOBAL, 0));
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, without_barrier, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        one = two = 0;
        pthread_barrier_wait(&barrier);
        two = 1;
        membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0);
        saw_one = one;
        pthread_barrier_wait(&barrier);
        missed += !saw_one && !saw_two;
    }
    pthread_join(thread, NULL);
    printf("both missed the other: %d\n", missed);
    return 0;
}
