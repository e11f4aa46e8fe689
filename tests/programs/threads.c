/* Threads: made and joined, mutexes, conditions, barriers, semaphores, thread-local storage, many at once, cancellation. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Not every compiler finds its own stdatomic.h without its own headers. */
typedef _Atomic int atomic_int;

static void check(const char *what, int ok) { printf("%s: %s\n", what, ok ? "ok" : "WRONG"); }

/* Create and join. */
static void *twice(void *arg) { return (void *)((long)arg * 2); }

static void storm(int rounds)
{
    long sum = 0, wanted = 0;
    for (int i = 0; i < rounds; i++) {
        pthread_t thread;
        void *result;
        if (pthread_create(&thread, NULL, twice, (void *)(long)i) != 0) {
            printf("create %d failed\n", i);
            return;
        }
        pthread_join(thread, &result);
        sum += (long)result;
        wanted += i * 2;
    }
    check("create and join", sum == wanted);
}

/* A counter under a mutex. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *count(void *arg)
{
    for (long i = 0; i < (long)arg; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void run(int threads, void *(*body)(void *), void *arg)
{
    pthread_t all[64];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, body, arg) != 0)
            printf("create failed\n");
    for (int i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
}

/* Producer and consumer. */
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, drained = PTHREAD_COND_INITIALIZER;
static int queue[8], head, used;
static long consumed;

static void *produce(void *arg)
{
    for (int i = 1; i <= (long)arg; i++) {
        pthread_mutex_lock(&lock);
        while (used == 8)
            pthread_cond_wait(&drained, &lock);
        queue[(head + used++) % 8] = i;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *consume(void *arg)
{
    for (int i = 1; i <= (long)arg; i++) {
        pthread_mutex_lock(&lock);
        while (used == 0)
            pthread_cond_wait(&filled, &lock);
        consumed += queue[head];
        head = (head + 1) % 8;
        used--;
        pthread_cond_signal(&drained);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* Barriers. */
static pthread_barrier_t barrier;
static atomic_int phase[50];
static atomic_int out_of_step;

static void *walk(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        phase[i]++;
        pthread_barrier_wait(&barrier);
        if (phase[i] != 4)
            out_of_step++;
    }
    return NULL;
}

/* Thread-local storage. */
static __thread int own = 7;
static pthread_key_t key;
static atomic_int destroyed, own_wrong;

static void destroy(void *value) { (void)value; destroyed++; }

static void *local(void *arg)
{
    (void)arg;
    if (own != 7)
        own_wrong++;
    own = (int)syscall(SYS_gettid);
    pthread_setspecific(key, &own);
    usleep(1000);
    if (own != (int)syscall(SYS_gettid))
        own_wrong++;
    return NULL;
}

/* Many at once. */
static sem_t gate;
static atomic_int arrived;

static void *wait_at_gate(void *arg)
{
    (void)arg;
    arrived++;
    sem_wait(&gate);
    return NULL;
}

static void many(int threads)
{
    // A machine with little memory allows fewer.
    FILE *limit = fopen("/proc/sys/kernel/threads-max", "r");
    int most;
    if (limit && fscanf(limit, "%d", &most) == 1 && most - 50 < threads)
        threads = most - 50;
    if (limit)
        fclose(limit);
    pthread_t *all = malloc(threads * sizeof *all);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 << 10);
    sem_init(&gate, 0, 0);
    int made = 0;
    while (made < threads && pthread_create(&all[made], &attr, wait_at_gate, NULL) == 0)
        made++;
    while (arrived < made)
        usleep(1000);
    for (int i = 0; i < made; i++)
        sem_post(&gate);
    for (int i = 0; i < made; i++)
        pthread_join(all[i], NULL);
    check("at once", made == threads);
}

/* As many as there may be, twice: nothing is left of the first ones. */
static void as_many_as_possible(void)
{
    enum { MOST = 100000 };
    pthread_t *all = malloc(MOST * sizeof *all);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16 << 10);
    int first = 0;
    for (int round = 0; round < 2; round++) {
        int made = 0, error = 0;
        sem_init(&gate, 0, 0);
        while (made < MOST && (error = pthread_create(&all[made], &attr, wait_at_gate, NULL)) == 0)
            made++;
        for (int i = 0; i < made; i++)
            sem_post(&gate);
        for (int i = 0; i < made; i++)
            pthread_join(all[i], NULL);
        printf("no more: %s\n", strerror(error));
        check("many", made > 500);
        /* The last ones of the first round may not have ended quite. */
        check("as many again", round == 0 || made > first - 20);
        first = made;
    }
}

/* Time-outs. */
static void timed(void)
{
    struct timespec until, before, after;
    /* First: time may pass between the two, and would be missing in what is measured. */
    clock_gettime(CLOCK_MONOTONIC, &before);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&lock);
    int result = pthread_cond_timedwait(&filled, &lock, &until);
    pthread_mutex_unlock(&lock);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    printf("timed wait: %s\n", strerror(result));
    check("as long as asked", ms >= 19 && ms < 2000);
}

/* Cancellation. */
static atomic_int cleaned;
static void clean(void *arg) { (void)arg; cleaned++; }

static void *sleep_long(void *arg)
{
    (void)arg;
    pthread_cleanup_push(clean, NULL);
    arrived = 1;
    sleep(1000);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *compute(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    arrived = 1;
    for (;;)
        *(volatile long *)arg += 1;
    return NULL;
}

static void cancel(const char *what, void *(*body)(void *))
{
    static long work;
    pthread_t thread;
    void *result;
    arrived = 0;
    pthread_create(&thread, NULL, body, &work);
    while (!arrived)
        usleep(1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    check(what, result == PTHREAD_CANCELED);
}

/* Robust mutexes. */
static pthread_mutex_t shaky;

static void *die_with_it(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&shaky);
    arrived = 1;
    usleep(10000);
    return NULL;
}

static void robust(int protocol, const char *what)
{
    pthread_mutexattr_t attr;
    pthread_t thread;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attr, protocol);
    pthread_mutex_init(&shaky, &attr);
    arrived = 0;
    pthread_create(&thread, NULL, die_with_it, NULL);
    while (!arrived)
        usleep(1000);
    int result = pthread_mutex_lock(&shaky);
    printf("%s: %s", what, strerror(result));
    printf(", then %s", strerror(pthread_mutex_consistent(&shaky)));
    printf(", %s", strerror(pthread_mutex_unlock(&shaky)));
    pthread_join(thread, NULL);
    printf(", %s\n", strerror(pthread_mutex_lock(&shaky)));
    pthread_mutex_unlock(&shaky);
    pthread_mutex_destroy(&shaky);
}

/* Priority inheritance. */
static pthread_mutex_t inherit;
static pthread_cond_t inherit_cond = PTHREAD_COND_INITIALIZER;
static long inherited;

static void *count_pi(void *arg)
{
    for (long i = 0; i < (long)arg; i++) {
        pthread_mutex_lock(&inherit);
        inherited++;
        pthread_cond_signal(&inherit_cond);
        pthread_mutex_unlock(&inherit);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2) {
        storm(atoi(argv[2]));
        return 0;
    }
    if (argc > 1) {
        as_many_as_possible();
        return 0;
    }
    storm(200);
    run(4, count, (void *)20000L);
    check("counter", counter == 80000);
    pthread_t other;
    pthread_create(&other, NULL, produce, (void *)5000L);
    consume((void *)5000L);
    pthread_join(other, NULL);
    check("produced and consumed", consumed == 5000L * 5001 / 2);
    pthread_barrier_init(&barrier, NULL, 4);
    run(4, walk, NULL);
    check("barrier", out_of_step == 0);
    pthread_key_create(&key, destroy);
    run(16, local, NULL);
    check("thread-local", own_wrong == 0 && destroyed == 16 && own == 7);
    arrived = 0;
    many(100);
    arrived = 0;
    many(1000);
    timed();
    cancel("cancelled in a call", sleep_long);
    check("cleaned up", cleaned == 1);
    cancel("cancelled while computing", compute);
    robust(PTHREAD_PRIO_NONE, "robust");
    robust(PTHREAD_PRIO_INHERIT, "robust, inheriting");
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inherit, &attr);
    run(4, count_pi, (void *)2000L);
    check("inheriting", inherited == 8000);
    return 0;
}
