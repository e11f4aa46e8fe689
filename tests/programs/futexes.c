/* futex(2), bare: every operation and every error that it can have, by one thread and by several. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic int atomic_int;

enum { WAIT, WAKE, FD, REQUEUE, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_BITSET, WAKE_BITSET,
       WAIT_REQUEUE_PI, CMP_REQUEUE_PI, LOCK_PI2, PRIVATE = 128, REALTIME = 256 };
#define WAITERS 0x80000000u
#define DIED 0x40000000u

static long futex(void *word, int op, unsigned value, void *time, void *word2, unsigned value3)
{
    return syscall(SYS_futex, word, op, value, time, word2, value3);
}

static int tid(void) { return (int)syscall(SYS_gettid); }

static void show(const char *what, long result)
{
    if (result < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, result);
}

static uint32_t a, b, c;
static struct timespec short_time = { 0, 2000000 }, past = { 0, 0 }, bad = { 0, 1000000000 }, negative = { -1, 0 };

static void errors(void)
{
    char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    a = 1;
    show("wait, other value", futex(&a, WAIT | PRIVATE, 0, NULL, NULL, 0));
    show("wait, time", futex(&a, WAIT | PRIVATE, 1, &short_time, NULL, 0));
    show("wait, no time", futex(&a, WAIT | PRIVATE, 1, &past, NULL, 0));
    show("wait, bad time", futex(&a, WAIT | PRIVATE, 1, &bad, NULL, 0));
    show("wait, negative time", futex(&a, WAIT, 1, &negative, NULL, 0));
    show("wait, time nowhere", futex(&a, WAIT, 1, (void *)8, NULL, 0));
    show("wait, not aligned", futex((char *)&a + 1, WAIT, 1, NULL, NULL, 0));
    show("wait, no memory", futex(none, WAIT | PRIVATE, 1, NULL, NULL, 0));
    show("wait, shared, no memory", futex(none, WAIT, 1, NULL, NULL, 0));
    show("wait, null", futex(NULL, WAIT | PRIVATE, 1, NULL, NULL, 0));
    show("wait, kernel's", futex((void *)0xffff800000000000, WAIT | PRIVATE, 1, NULL, NULL, 0));
    show("wait, only readable", futex(read_only, WAIT | PRIVATE, 1, NULL, NULL, 0));
    show("wait bitset, no bits", futex(&a, WAIT_BITSET | PRIVATE, 1, NULL, NULL, 0));
    show("wait bitset, past", futex(&a, WAIT_BITSET | PRIVATE, 1, &past, NULL, ~0u));
    show("wait bitset, past, real time", futex(&a, WAIT_BITSET | PRIVATE | REALTIME, 1, &past, NULL, ~0u));
    show("wake bitset, no bits", futex(&a, WAKE_BITSET | PRIVATE, 1, NULL, NULL, 0));
    show("wake nobody", futex(&a, WAKE | PRIVATE, 1, NULL, NULL, 0));
    show("wake, not aligned", futex((char *)&a + 2, WAKE, 1, NULL, NULL, 0));
    show("wake, private, no memory", futex(none, WAKE | PRIVATE, 1, NULL, NULL, 0));
    show("wake, kernel's", futex((void *)0xffff800000000000, WAKE | PRIVATE, 1, NULL, NULL, 0));
    show("FUTEX_FD", futex(&a, FD, 1, NULL, NULL, 0));
    show("unknown", futex(&a, 20, 1, NULL, NULL, 0));
    show("wake with a clock", futex(&a, WAKE | REALTIME, 1, NULL, NULL, 0));
    show("requeue nobody", futex(&a, REQUEUE | PRIVATE, 1, (void *)1, &b, 0));
    show("requeue, negative", futex(&a, REQUEUE | PRIVATE, -1, (void *)1, &b, 0));
    show("requeue, negative second", futex(&a, REQUEUE | PRIVATE, 1, (void *)-1, &b, 0));
    show("requeue, other value", futex(&a, CMP_REQUEUE | PRIVATE, 1, (void *)1, &b, 7));
    show("requeue, not aligned", futex(&a, CMP_REQUEUE | PRIVATE, 1, (void *)1, (char *)&b + 1, 1));
    show("wake op, unknown", futex(&a, WAKE_OP | PRIVATE, 1, (void *)1, &b, 7u << 28));
    show("wake op, unknown comparison", futex(&a, WAKE_OP | PRIVATE, 1, (void *)1, &b, 9u << 24));
    show("wake op, only readable", futex(&a, WAKE_OP | PRIVATE, 1, (void *)1, read_only, 0));
    show("wake op, nowhere", futex(&a, WAKE_OP | PRIVATE, 1, (void *)1, none, 0));
}

static void wake_ops(void)
{
    static const struct { unsigned op, arg, cmp, cmparg; const char *what; } all[] = {
        { 0, 5, 0, 3, "set, equal" }, { 1, 5, 1, 3, "add, not equal" }, { 2, 6, 2, 9, "or, less" },
        { 3, 6, 3, 3, "andn, less or equal" }, { 4, 5, 4, 2, "xor, greater" }, { 8 | 2, 4, 5, 3, "or with a bit, greater or equal" },
        { 1, 0xfff, 0, 0, "add -1" },
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        b = 3;
        long woken = futex(&a, WAKE_OP | PRIVATE, 1, (void *)1, &b,
                           all[i].op << 28 | all[i].cmp << 24 | all[i].arg << 12 | all[i].cmparg);
        printf("%s: %ld, %d\n", all[i].what, woken, (int)b);
    }
}

/* Waiting threads. */
static atomic_int arrived, results[64];

struct wait { uint32_t *word; int op; unsigned mask; int number; };

static void *wait_here(void *arg)
{
    struct wait *wait = arg;
    arrived++;
    long result = futex(wait->word, wait->op, *wait->word, NULL, NULL, wait->mask);
    results[wait->number] = result < 0 ? -errno : 1;
    return NULL;
}

static pthread_t threads[64];
static struct wait waits[64];

static void start(int count, uint32_t *word, int op, unsigned mask)
{
    arrived = 0;
    for (int i = 0; i < count; i++) {
        waits[i] = (struct wait){ word, op, mask ? mask : 1u << i, i };
        results[i] = 0;
        pthread_create(&threads[i], NULL, wait_here, &waits[i]);
    }
    while (arrived < count)
        usleep(500);
    /* None of them is woken by this, but all are counted once they wait. */
    while (futex(word, CMP_REQUEUE | PRIVATE, 0, (void *)1000, word, *word) < count)
        usleep(500);
}

static void join(int count)
{
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static int woken(int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += results[i] == 1;
    return sum;
}

static void waiting(void)
{
    a = b = 0;
    start(10, &a, WAIT | PRIVATE, ~0u);
    show("wake 3", futex(&a, WAKE | PRIVATE, 3, NULL, NULL, 0));
    show("move: wake 2, move 3", futex(&a, REQUEUE | PRIVATE, 2, (void *)3, &b, 0));
    show("move: wake 1, move the rest", futex(&a, CMP_REQUEUE | PRIVATE, 1, (void *)100, &b, 0));
    show("none left", futex(&a, WAKE | PRIVATE, 100, NULL, NULL, 0));
    show("those that moved", futex(&b, WAKE | PRIVATE, 100, NULL, NULL, 0));
    join(10);
    printf("woken: %d\n", woken(10));
    start(8, &a, WAIT_BITSET | PRIVATE, 0);
    show("wake with bits 0 and 3", futex(&a, WAKE_BITSET | PRIVATE, 100, NULL, NULL, 9));
    show("wake one with bits 1, 2", futex(&a, WAKE_BITSET | PRIVATE, 1, NULL, NULL, 6));
    show("no such bits", futex(&a, WAKE_BITSET | PRIVATE, 100, NULL, NULL, 0x100));
    show("any bits", futex(&a, WAKE | PRIVATE, 100, NULL, NULL, 0));
    join(8);
    start(4, &a, WAIT | PRIVATE, ~0u);
    b = 0;
    show("wake op: condition holds", futex(&b, WAKE_OP | PRIVATE, 1, (void *)2, &a, 0u << 28 | 0u << 24 | 7 << 12 | 0));
    show("wake op: does not", futex(&b, WAKE_OP | PRIVATE, 1, (void *)2, &a, 0u << 28 | 0u << 24 | 8 << 12 | 0));
    printf("value: %u\n", a);
    show("the rest", futex(&a, WAKE | PRIVATE, 100, NULL, NULL, 0));
    join(4);
}

/* A word in a shared mapping is one futex under both of its addresses; private ones are two. */
static void shared(void)
{
    int fd = memfd_create("word", 0);
    ftruncate(fd, 4096);
    uint32_t *one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pthread_t thread;
    waits[0] = (struct wait){ one + 5, WAIT, ~0u, 0 };
    pthread_create(&thread, NULL, wait_here, &waits[0]);
    while (futex(two + 5, CMP_REQUEUE, 0, (void *)1, two + 5, 0) < 1)
        usleep(500);
    show("private wake", futex(two + 5, WAKE | PRIVATE, 1, NULL, NULL, 0));
    show("another word", futex(two + 6, WAKE, 1, NULL, NULL, 0));
    show("shared wake", futex(two + 5, WAKE, 1, NULL, NULL, 0));
    pthread_join(thread, NULL);
    uint32_t *anonymous = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    waits[0].word = anonymous;
    pthread_create(&thread, NULL, wait_here, &waits[0]);
    while (futex(anonymous, CMP_REQUEUE, 0, (void *)1, anonymous, 0) < 1)
        usleep(500);
    show("shared anonymous wake", futex(anonymous, WAKE, 1, NULL, NULL, 0));
    pthread_join(thread, NULL);
}

/* Locks with priority inheritance. */
static uint32_t lock;

static void *take_and_hold(void *arg)
{
    show("taken by another", futex(&lock, LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    arrived = 1;
    while (arrived != 2)
        usleep(500);
    show("given up", futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    return arg;
}

static void *lock_timed(void *arg)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 3000000;
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    show("lock until a time", futex(&lock, LOCK_PI | PRIVATE, 0, &until, NULL, 0));
    return arg;
}

static void inheritance(void)
{
    pthread_t thread;
    lock = 0;
    show("lock", futex(&lock, LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    printf("held by the caller: %d\n", lock == (uint32_t)tid());
    show("lock again", futex(&lock, LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    show("try again", futex(&lock, TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    pthread_create(&thread, NULL, lock_timed, NULL);
    pthread_join(thread, NULL);
    show("unlock", futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    printf("free: %d\n", lock == 0);
    show("unlock again", futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    lock = 99999;
    show("held by nobody who lives", futex(&lock, LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    lock = 0;
    show("bad time", futex(&lock, LOCK_PI | PRIVATE, 0, &bad, NULL, 0));
    show("not aligned", futex((char *)&lock + 1, LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    show("nowhere", futex(NULL, LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    show("nowhere to unlock", futex(NULL, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    arrived = 0;
    pthread_create(&thread, NULL, take_and_hold, NULL);
    while (!arrived)
        usleep(500);
    show("try what another holds", futex(&lock, TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    show("unlock what another holds", futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    arrived = 2;
    long result = futex(&lock, LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    pthread_join(thread, NULL);
    show("lock what another gives up", result);
    printf("held by the caller: %d\n", (lock & ~WAITERS) == (uint32_t)tid());
    show("unlock", futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    show("requeue to a lock, two at a time", futex(&a, CMP_REQUEUE_PI | PRIVATE, 2, (void *)1, &lock, a));
    show("requeue to a lock, itself", futex(&a, CMP_REQUEUE_PI | PRIVATE, 1, (void *)1, &a, a));
    show("requeue to a lock, other value", futex(&a, CMP_REQUEUE_PI | PRIVATE, 1, (void *)1, &lock, a + 1));
    show("wait for a lock, itself", futex(&a, WAIT_REQUEUE_PI | PRIVATE, a, NULL, &a, 0));
    show("wait for a lock, other value", futex(&a, WAIT_REQUEUE_PI | PRIVATE, a + 1, NULL, &lock, 0));
}

static void *wait_for_lock(void *arg)
{
    struct wait *wait = arg;
    long result = futex(&a, WAIT_REQUEUE_PI | PRIVATE, 0, NULL, &lock, 0);
    results[wait->number] = result < 0 ? -errno : (lock & ~WAITERS) == (uint32_t)tid() ? 1 : 2;
    futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

/* As a condition variable does it: all go to the lock, and get it one after the other. */
static void requeue_to_lock(void)
{
    a = lock = 0;
    futex(&lock, LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
    for (int i = 0; i < 5; i++) {
        waits[i].number = i;
        results[i] = 0;
        pthread_create(&threads[i], NULL, wait_for_lock, &waits[i]);
    }
    long moved = 0;
    while (moved < 5) {
        long n = futex(&a, CMP_REQUEUE_PI | PRIVATE, 1, (void *)100, &lock, 0);
        if (n < 0) {
            show("requeue", n);
            break;
        }
        moved += n;
        usleep(500);
    }
    show("unlock", futex(&lock, UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
    join(5);
    printf("moved: %ld, got it: %d, free: %d\n", moved, woken(5), lock == 0);
}

/* What a thread leaves behind. */
struct list { struct list *next; };
static struct { struct list list; long offset; struct list *pending; } head;
static struct { struct list list; uint32_t word; } held, other, pending;

static void *leave_locks(void *arg)
{
    held.word = tid() | WAITERS;
    other.word = 12345;
    pending.word = tid();
    head.list.next = &held.list;
    held.list.next = &other.list;
    other.list.next = &head.list;
    head.offset = (char *)&held.word - (char *)&held.list;
    head.pending = &pending.list;
    show("set_robust_list", syscall(SYS_set_robust_list, &head, sizeof head));
    return arg;
}

static void robust(void)
{
    pthread_t thread;
    void *found;
    size_t size;
    pthread_create(&thread, NULL, leave_locks, NULL);
    pthread_join(thread, NULL);
    printf("held: %x, another's: %u, pending: %x\n", held.word, other.word, pending.word);
    show("list of another size", syscall(SYS_set_robust_list, &head, sizeof head - 1));
    show("get_robust_list", syscall(SYS_get_robust_list, 0, &found, &size));
    printf("size: %zu\n", size);
    show("of nobody", syscall(SYS_get_robust_list, 99999, &found, &size));
    show("nowhere", syscall(SYS_get_robust_list, 0, NULL, &size));
}

/* futex_waitv. */
struct waitv { uint64_t value, addr; uint32_t flags, reserved; };

static void *wait_for_any(void *arg)
{
    struct waitv all[3] = { { a, (uintptr_t)&a, 2 | PRIVATE, 0 }, { b, (uintptr_t)&b, 2 | PRIVATE, 0 },
                            { c, (uintptr_t)&c, 2 | PRIVATE, 0 } };
    (void)arg;
    long result = syscall(449, all, 3, 0, NULL, 0);
    return (void *)(result < 0 ? -errno : result);
}

static void several(void)
{
    struct waitv one = { 1, (uintptr_t)&a, 2 | PRIVATE, 0 };
    a = b = c = 0;
    if (syscall(449, NULL, 0, 0, NULL, 0) < 0 && errno == ENOSYS)
        return (void)printf("no futex_waitv\n");
    show("waitv, none", syscall(449, &one, 0, 0, NULL, 0));
    show("waitv, too many", syscall(449, &one, 129, 0, NULL, 0));
    show("waitv, flags", syscall(449, &one, 1, 1, NULL, 0));
    show("waitv, other value", syscall(449, &one, 1, 0, NULL, 0));
    one.flags = 0;
    show("waitv, no size", syscall(449, &one, 1, 0, NULL, 0));
    one.flags = 2 | PRIVATE, one.reserved = 1;
    show("waitv, reserved", syscall(449, &one, 1, 0, NULL, 0));
    one.reserved = 0, one.value = 0;
    show("waitv, past", syscall(449, &one, 1, 0, &past, CLOCK_MONOTONIC));
    show("waitv, bad clock", syscall(449, &one, 1, 0, &past, CLOCK_PROCESS_CPUTIME_ID));
    one.addr = 0;
    show("waitv, nowhere", syscall(449, &one, 1, 0, NULL, 0));
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, wait_for_any, NULL);
    while (futex(&b, WAKE | PRIVATE, 1, NULL, NULL, 0) == 0)
        usleep(500);
    pthread_join(thread, &result);
    printf("woken by number %ld\n", (long)result);
    show("nobody waits any more", futex(&a, WAKE | PRIVATE, 1, NULL, NULL, 0));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    errors();
    wake_ops();
    waiting();
    shared();
    inheritance();
    requeue_to_lock();
    robust();
    several();
    return 0;
}
