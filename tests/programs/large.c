// Memory that is large enough for large pages, cut, protected, moved and dropped in pieces.
#define _GNU_SOURCE
#include "show.h"
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define LARGE (2ul << 20)
#define RW (PROT_READ | PROT_WRITE)
enum { PAGES = 4096 };

static int readable(const void *p) {
    long old = 0, result = RAW(SYS_rt_sigprocmask, 0, p, &old, 8, 0, 0);
    RAW(SYS_rt_sigprocmask, 2, &old, 0, 8, 0, 0);
    return result != -EFAULT;
}

static unsigned value[PAGES];
static char state[PAGES]; // 0: writable, 1: read-only, 2: gone

int main(void) {
    char *p = mmap(0, PAGES * PAGE + LARGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p = (char *)(((uintptr_t)p + LARGE - 1) & -LARGE);
    unsigned seed = 7, wrong = 0, faults = 0;
    for (int i = 0; i < PAGES; i += 3)
        *(unsigned *)(p + i * PAGE) = value[i] = i;
    for (int round = 0; round < 1500; round++) {
        seed = seed * 1103515245 + 12345;
        int page = (seed >> 8) % PAGES, len = 1 + (seed >> 20) % (round % 7 ? 20 : 900);
        if (round % 50 == 0)
            page &= -512, len = 512;
        if (page + len > PAGES)
            len = PAGES - page;
        char *at = p + page * PAGE;
        int what = (seed >> 4) % 16, uniform = 1;
        for (int i = page; i < page + len; i++)
            uniform &= state[i] == 0;
        if (what < 8) {
            for (int i = page; i < page + len; i++)
                if (state[i] == 0)
                    *(unsigned *)(p + i * PAGE) = value[i] = seed + i;
        } else if (what < 10) {
            madvise(at, len * PAGE, MADV_DONTNEED);
            for (int i = page; i < page + len; i++)
                if (state[i] != 2)
                    value[i] = 0;
        } else if (what < 12 && uniform) {
            mprotect(at, len * PAGE, PROT_READ);
            memset(state + page, 1, len);
        } else if (what == 12) {
            munmap(at, len * PAGE);
            memset(state + page, 2, len);
        } else if (what == 13) {
            mmap(at, len * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            memset(state + page, 0, len);
            memset(value + page, 0, len * sizeof *value);
        } else if (uniform) {
            char *there = mremap(at, len * PAGE, len * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGES * PAGE + 64 * LARGE);
            if (there != MAP_FAILED)
                mremap(there, len * PAGE, len * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
        }
        for (int i = page; i < page + len; i += 5)
            if (state[i] != 2)
                wrong += *(unsigned *)(p + i * PAGE) != value[i];
    }
    for (int i = 0; i < PAGES; i++)
        if (state[i] == 2)
            faults += readable(p + i * PAGE);
        else
            wrong += *(unsigned *)(p + i * PAGE) != value[i];
    printf("wrong %u, readable though unmapped %u\n", wrong, faults);
    // Realloc of a block of large pages, and all of it given back, many times.
    for (int round = 0; round < 20; round++) {
        char *block = malloc(20 << 20);
        memset(block, round, 20 << 20);
        block = realloc(block, 40 << 20);
        wrong += block[0] != round || block[(20 << 20) - 1] != round;
        free(block);
    }
    printf("wrong %u\n", wrong);
    return 0;
}
