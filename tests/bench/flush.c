// Changes of mappings while threads of the program run on all other CPUs, for flush.py, which counts the kernel's instructions.
// As the first process of a Linux guest it mounts what it needs, and turns the machine off in the end.
#define _GNU_SOURCE
#include "marks.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096L
#define MANY 64

// mmap and page faults are part of some; flush.py subtracts.
static char *map(long pages) {
    char *at = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < pages; i++)
        at[i * PAGE] = 1;
    return at;
}

static void unmap(long n, long pages) {
    while (n--)
        munmap(map(pages), pages * PAGE);
}

static void protect(long n, long pages) {
    char *at = map(pages);
    while (n--) {
        mprotect(at, pages * PAGE, PROT_READ);
        mprotect(at, pages * PAGE, PROT_READ | PROT_WRITE);
        for (long i = 0; i < pages; i++)
            at[i * PAGE] = 2;
    }
    munmap(at, pages * PAGE);
}

static void give_back(long n, long pages) {
    char *at = map(pages);
    while (n--) {
        madvise(at, pages * PAGE, MADV_DONTNEED);
        for (long i = 0; i < pages; i++)
            at[i * PAGE] = 2;
    }
    munmap(at, pages * PAGE);
}

static void unmap_1(long n) { unmap(n, 1); }
static void unmap_many(long n) { unmap(n, MANY); }
static void protect_1(long n) { protect(n, 1); }
static void protect_many(long n) { protect(n, MANY); }
static void give_back_1(long n) { give_back(n, 1); }

static const struct operation ops[] = {
    {"mmap, touch, munmap: 1 page", unmap_1}, {"mmap, touch, munmap: 64 pages", unmap_many},
    {"mprotect there and back, touch: 1 page", protect_1}, {"mprotect there and back, touch: 64 pages", protect_many},
    {"madvise DONTNEED, touch: 1 page", give_back_1},
};

static void bind_to(long cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static volatile long running;

static void *compute(void *cpu) {
    bind_to((long)cpu);
    __sync_fetch_and_add(&running, 1);
    for (;;)
        __builtin_ia32_pause(); // Without it QEMU would run this processor for a tenth of a second before the next.
    return 0;
}

int main(int argc, char **argv) {
    long counts[2] = {argc > 1 ? atol(argv[1]) : 200, argc > 2 ? atol(argv[2]) : 1200};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (getpid() == 1) {
        mkdir("/dev", 0755);
        mount("dev", "/dev", "devtmpfs", 0, 0);
    }
    bind_to(0);
    for (long cpu = 1; cpu < cpus; cpu++) {
        pthread_t thread;
        if (pthread_create(&thread, 0, compute, (void *)cpu))
            return 1;
    }
    while (running < cpus - 1)
        sched_yield();
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        measure(ops[i], 20, counts);
    end_marks();
    return 0;
}
