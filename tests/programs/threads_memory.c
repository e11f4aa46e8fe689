/* Memory used by many threads at once: faults on the same page, pages that are taken away while others use them, sizes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef _Atomic int atomic_int;
typedef _Atomic long atomic_long;

#define PAGE 4096L

static void run(int count, void *(*body)(void *), void *arg)
{
    pthread_t threads[64];
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, body, arg);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static atomic_int wrong;
static atomic_long number;
static char *area;
static pthread_barrier_t barrier;

static char *map(long bytes)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* All add to all words of pages that nobody has touched. */
static void *add_everywhere(void *arg)
{
    long pages = (long)arg;
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < pages; i++)
        __atomic_fetch_add((long *)(area + i * PAGE), 1, __ATOMIC_RELAXED);
    return NULL;
}

static void same_pages(const char *what, long pages)
{
    pthread_barrier_init(&barrier, NULL, 4);
    run(4, add_everywhere, (void *)pages);
    long bad = 0;
    for (long i = 0; i < pages; i++)
        bad += *(long *)(area + i * PAGE) != 4;
    printf("%s: %ld pages, %ld wrong\n", what, pages, bad);
    pthread_barrier_destroy(&barrier);
    munmap(area, pages * PAGE);
}

/* Pages of a file, written privately by all at once: each is copied once. */
static void private_pages(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(fd, 200 * PAGE);
    area = mmap(NULL, 200 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    long sum = 0;
    for (long i = 0; i < 200; i++)
        sum += area[i * PAGE];
    same_pages("private pages of a file", 200);
    area = mmap(NULL, 200 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    same_pages("shared pages of a file", 200);
    close(fd);
    unlink(path);
}

/* Own mappings come and go in all threads; nobody sees another's content. */
static void *map_and_unmap(void *arg)
{
    long own = ++number;
    for (int i = 0; i < 200; i++) {
        long pages = 1 + (i * 7 + own) % 40;
        long *mine = (long *)map(pages * PAGE);
        for (long k = 0; k < pages; k++) {
            wrong += mine[k * 512] != 0;
            mine[k * 512] = own;
        }
        for (long k = 0; k < pages; k++)
            wrong += mine[k * 512] != own;
        munmap(mine, pages * PAGE);
    }
    return arg;
}

/* One thread replaces a page again and again; what the others read is never older than what they know to be there. */
static volatile long *shown;
static atomic_long version;
static atomic_int stop;

static void *look(void *arg)
{
    while (!stop) {
        long known = version;
        long seen = *shown;
        wrong += seen < known;
    }
    return arg;
}

static void *replace(void *arg)
{
    static long *spare;
    for (long i = 1; i <= 300; i++) {
        spare = (long *)map(PAGE);
        *spare = i;
        if (mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)shown) == MAP_FAILED)
            printf("mremap: %s\n", strerror(errno));
        version = i;
    }
    stop = 1;
    return arg;
}

static void replaced_page(void)
{
    pthread_t threads[4];
    shown = (long *)map(PAGE);
    wrong = stop = 0;
    *shown = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i == 0 ? replace : look, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("replaced page: %d old values\n", wrong);
}

/* After mprotect returns nobody writes any more. */
static _Thread_local sigjmp_buf back;

static void on_fault(int signal) { (void)signal; siglongjmp(back, 1); }

static void *write_on(void *arg)
{
    volatile long *word = arg;
    while (!stop) {
        if (sigsetjmp(back, 1) == 0)
            for (int i = 0; i < 100; i++)
                __atomic_fetch_add((long *)word, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void protected_page(void)
{
    pthread_t threads[3];
    signal(SIGSEGV, on_fault);
    area = map(PAGE);
    wrong = stop = 0;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, write_on, area);
    for (int i = 0; i < 200; i++) {
        mprotect(area, PAGE, PROT_READ);
        long before = *(volatile long *)area;
        sched_yield();
        for (volatile int k = 0; k < 1000; k++)
            ;
        wrong += *(volatile long *)area != before;
        mprotect(area, PAGE, PROT_READ | PROT_WRITE);
        usleep(10);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    printf("protected page: changed %d times\n", wrong);
    munmap(area, PAGE);
    signal(SIGSEGV, SIG_DFL);
}

/* Pages that are given back are zero, also for those who had them in use. */
static void *dirty(void *arg)
{
    while (!stop)
        for (long i = 0; i < 16; i++)
            ((volatile char *)area)[i * PAGE + 1]++;
    return arg;
}

static void dropped_pages(void)
{
    pthread_t threads[2];
    area = map(16 * PAGE);
    wrong = stop = 0;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, dirty, NULL);
    for (int i = 0; i < 200; i++) {
        memset(area + 8, 0x55, 8);
        madvise(area, 16 * PAGE, MADV_DONTNEED);
        wrong += area[8] != 0;
        char *other = map(16 * PAGE);
        for (long k = 0; k < 16; k++)
            wrong += other[k * PAGE + 1] != 0;
        munmap(other, 16 * PAGE);
    }
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("dropped pages: %d wrong\n", wrong);
    munmap(area, 16 * PAGE);
}

/* The allocator of the C library, with all its arenas. */
static void *allocate(void *arg)
{
    unsigned long state = 88172645463325252UL + (unsigned long)++number;
    void *held[64] = { 0 };
    size_t sizes[64];
    for (int i = 0; i < 3000; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        int at = state % 64;
        if (held[at]) {
            unsigned char *bytes = held[at];
            wrong += bytes[0] != (unsigned char)at || bytes[sizes[at] - 1] != (unsigned char)at;
            free(held[at]);
        }
        sizes[at] = 1 + (state >> 32) % (state % 50 == 0 ? 300000 : 2000);
        held[at] = malloc(sizes[at]);
        memset(held[at], at, sizes[at]);
    }
    for (int i = 0; i < 64; i++)
        free(held[i]);
    return arg;
}

/* System calls into memory that comes and goes fail or work, and nothing else. */
static int fds[2];

static void *come_and_go(void *arg)
{
    while (!stop) {
        mmap(area, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(area, PAGE);
    }
    return arg;
}

static void calls_into_it(void)
{
    pthread_t thread;
    int zero = open("/dev/zero", O_RDONLY);
    area = map(PAGE);
    stop = wrong = 0;
    pthread_create(&thread, NULL, come_and_go, NULL);
    for (int i = 0; i < 3000; i++) {
        ssize_t n = read(zero, area, 100);
        wrong += n != 100 && !(n == -1 && errno == EFAULT) && !(n >= 0 && n < 100);
    }
    stop = 1;
    pthread_join(thread, NULL);
    printf("calls into memory that comes and goes: %d wrong\n", wrong);
    close(zero);
    (void)fds;
}

int main(int argc, char **argv)
{
    char path[200];
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(path, sizeof path, "%s/pages.%d", argc > 1 ? argv[1] : "/tmp", (int)getpid());
    area = map(500 * PAGE);
    same_pages("fresh pages", 500);
    private_pages(path);
    run(6, map_and_unmap, NULL);
    printf("own mappings: %d wrong\n", wrong);
    replaced_page();
    protected_page();
    dropped_pages();
    wrong = 0;
    run(6, allocate, NULL);
    printf("allocator: %d wrong\n", wrong);
    calls_into_it();
    return 0;
}
