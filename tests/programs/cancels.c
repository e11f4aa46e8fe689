/* Threads that are cancelled at any moment before, in and after they enter a call that blocks. The argument is how many. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic int atomic_int;

static atomic_int arrived, cleaned;
static int ends[2];
static sem_t never;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t silent = PTHREAD_COND_INITIALIZER;

static void clean(void *arg)
{
    (void)arg;
    cleaned++;
}

static void unlock(void *arg) { pthread_mutex_unlock(arg); }

static void wait_for_turn(void)
{
    pthread_mutex_lock(&lock);
    pthread_cleanup_push(unlock, &lock);
    for (;;)
        pthread_cond_wait(&silent, &lock);
    pthread_cleanup_pop(1);
}

static void compute(int rounds)
{
    for (volatile int i = 0; i < rounds; i++)
        ;
}

/* What the thread does, and how long it computes before. */
struct plan {
    int call, before;
};

static void *block(void *arg)
{
    struct plan *plan = arg;
    char c;
    pthread_cleanup_push(clean, NULL);
    arrived = 1;
    compute(plan->before);
    switch (plan->call) {
    case 0:
        sleep(1000);
        break;
    case 1:
        read(ends[0], &c, 1);
        break;
    case 2:
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 1000, 0 }, NULL);
        break;
    case 3:
        sem_wait(&never);
        break;
    default:
        wait_for_turn();
    }
    pthread_cleanup_pop(0);
    return NULL;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 300, good = 0;
    unsigned random = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    pipe(ends);
    sem_init(&never, 0, 0);
    for (int i = 0; i < rounds; i++) {
        struct plan plan = { i % 5, rand_r(&random) % 3000 };
        pthread_t thread;
        void *result;
        arrived = 0;
        if (pthread_create(&thread, NULL, block, &plan) != 0)
            break;
        while (!arrived)
            i & 1 ? usleep(rand_r(&random) % 300) : sched_yield();
        compute(rand_r(&random) % 3000);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        good += result == PTHREAD_CANCELED;
    }
    printf("cancelled: %d, cleaned up: %d\n", good, cleaned);
    return 0;
}
