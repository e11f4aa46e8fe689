/* The part of `soak` in which threads wait for each other: mutexes, conditions, futexes, semaphores, signals. */
#include "soak.h"

/* A counter under a mutex. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile long under_lock;
static atomic_long locked;

static void mutex(struct worker *me)
{
    while (!stopping) {
        for (int i = 0; i < 50; i++) {
            pthread_mutex_lock(&lock);
            long before = under_lock;
            if (below(me, 100) == 0)
                sched_yield();
            under_lock = before + 1;
            pthread_mutex_unlock(&lock);
            locked++;
        }
        me->steps++;
        rest(100000);
    }
}

/* A queue with conditions, waited for with and without a time limit. */
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled, drained;
static unsigned queued, taken, makers;

static void produce(struct worker *me)
{
    while (!stopping) {
        pthread_mutex_lock(&queue_lock);
        while (queued - taken == 4)
            pthread_cond_wait(&drained, &queue_lock);
        queued++;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&queue_lock);
        me->steps++;
    }
    pthread_mutex_lock(&queue_lock);
    makers--;
    pthread_cond_broadcast(&filled);
    pthread_mutex_unlock(&queue_lock);
}

static void consume(struct worker *me)
{
    pthread_mutex_lock(&queue_lock);
    while (makers > 0 || queued != taken) {
        if (queued == taken && me->index == 0) {
            pthread_cond_wait(&filled, &queue_lock);
        } else if (queued == taken) {
            struct timespec until;
            clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_nsec += 1000 * (1 + below(me, 3000));
            if (until.tv_nsec >= 1000000000)
                until.tv_sec++, until.tv_nsec -= 1000000000;
            int result = pthread_cond_timedwait(&filled, &queue_lock, &until);
            CHECK(result == 0 || result == ETIMEDOUT);
        } else {
            taken++;
            pthread_cond_signal(&drained);
            me->steps++;
            if (below(me, 16) == 0) {
                pthread_mutex_unlock(&queue_lock);
                rest(50000);
                pthread_mutex_lock(&queue_lock);
            }
        }
    }
    pthread_mutex_unlock(&queue_lock);
}

/* Readers and writers. */
static pthread_rwlock_t pair_lock = PTHREAD_RWLOCK_INITIALIZER;
static volatile long pair_one, pair_two;

static void rwlock(struct worker *me)
{
    for (; !stopping; me->steps++) {
        if (me->index == 0) {
            pthread_rwlock_wrlock(&pair_lock);
            pair_one++;
            sched_yield();
            pair_two++;
            pthread_rwlock_unlock(&pair_lock);
            rest(200000);
        } else {
            pthread_rwlock_rdlock(&pair_lock);
            CHECK(pair_one == pair_two);
            pthread_rwlock_unlock(&pair_lock);
            rest(10000);
        }
    }
}

/* Two threads take turns, by futex(2) itself; nobody looks again, so one lost wake-up is for ever. */
static atomic_int turn;

static void futex(struct worker *me)
{
    for (;;) {
        int seen;
        while ((seen = turn) != me->index && seen != 2)
            syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        if (seen == 2)
            return;
        me->steps++;
        int last = stopping && me->index == 0;
        turn = last ? 2 : 1 - me->index;
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        if (last)
            return;
    }
}

/* A token goes round by semaphores. */
static sem_t ring[4];
static atomic_int ring_ends;

static void semaphore(struct worker *me)
{
    for (int last = 0; !last;) {
        while (sem_wait(&ring[me->index]) != 0)
            CHECK(errno == EINTR);
        if (stopping && me->index == 0)
            ring_ends = 1;
        last = ring_ends;
        me->steps++;
        sem_post(&ring[(me->index + 1) % 4]);
    }
}

/* Signals from thread to thread: taken by a wait, and by a handler in the middle of a wait. */
static sem_t answered;
static struct worker *receiver;
static __thread int handled;
static void handler(int signal) { (void)signal; handled++; }

static void sender(struct worker *me)
{
    for (int last = 0; !last; me->steps++) {
        last = stopping;
        CHECK(pthread_kill(receiver->thread, last ? SIGTERM : below(me, 2) ? SIGUSR1 : SIGUSR2) == 0);
        while (sem_wait(&answered) != 0)
            CHECK(errno == EINTR);
    }
}

static void receive(struct worker *me)
{
    sigset_t open;
    sigemptyset(&open);
    for (int last = 0; !last; me->steps++) {
        siginfo_t info;
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGTERM);
        struct timespec soon = {0, 300000};
        int got;
        handled = 0;
        for (int way = 0; ; way = !way) {
            /* USR2 by its handler, the others by a wait with a time limit, by turns. */
            if (way) {
                sigfillset(&open);
                sigdelset(&open, SIGUSR2);
                CHECK(ppoll(NULL, 0, &soon, &open) == (handled ? -1 : 0));
                if (handled)
                    break;
            } else if ((got = sigtimedwait(&set, &info, &soon)) > 0) {
                last = got == SIGTERM;
                break;
            }
        }
        sem_post(&answered);
    }
}
