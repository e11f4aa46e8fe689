// brk, mmap, munmap, mprotect, madvise: what they do to content and neighbours.
#include "show.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

// Whether the kernel can read eight bytes there: answered by a call, not by a fault.
static int readable(const void *p) {
    long old = 0, result = RAW(SYS_rt_sigprocmask, 0, p, &old, 8, 0, 0);
    RAW(SYS_rt_sigprocmask, 2, &old, 0, 8, 0, 0);
    return result != -EFAULT;
}

static int zero(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return 0;
    return 1;
}

static void breaks(void) {
    char *start = (char *)RAW(SYS_brk, 0, 0, 0, 0, 0, 0);
    char *end = (char *)RAW(SYS_brk, start + 100 * PAGE + 5, 0, 0, 0, 0, 0);
    show("brk: grown by", end - start);
    printf("brk: zero %d\n", zero(start, 100 * PAGE + 5));
    memset(start, 7, 100 * PAGE);
    show("brk: shrunk to", (char *)RAW(SYS_brk, start + PAGE, 0, 0, 0, 0, 0) - start);
    printf("brk: gone %d\n", !readable((char *)((uintptr_t)(start + 3 * PAGE) & -PAGE)));
    show("brk: grown again to", (char *)RAW(SYS_brk, start + 100 * PAGE, 0, 0, 0, 0, 0) - start);
    printf("brk: zero again %d\n", zero((char *)((uintptr_t)(start + 2 * PAGE) & -PAGE), 90 * PAGE));
    show("brk: too far, stays", (char *)RAW(SYS_brk, 0x7ffffffff000, 0, 0, 0, 0, 0) - start == (long)(100 * PAGE));
    show("brk: below the start, stays", (char *)RAW(SYS_brk, 1, 0, 0, 0, 0, 0) - start == (long)(100 * PAGE));
    RAW(SYS_brk, start, 0, 0, 0, 0, 0);
}

static void maps(void) {
    char *p = mmap(0, 16 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    printf("mmap: aligned %d, zero %d\n", (uintptr_t)p % PAGE == 0, zero(p, 16 * PAGE));
    memset(p, 1, 16 * PAGE);
    show("munmap: middle", munmap(p + 4 * PAGE, 4 * PAGE));
    printf("around the hole: %d %d %d %d\n", readable(p + 4 * PAGE - 8), readable(p + 4 * PAGE), readable(p + 8 * PAGE - 8), readable(p + 8 * PAGE));
    printf("content kept: %d %d\n", p[0] == 1, p[8 * PAGE] == 1);
    show("munmap: a hole again", munmap(p + 4 * PAGE, 4 * PAGE));
    char *q = mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    printf("mmap: hint taken %d\n", q == p + 4 * PAGE);
    q = mmap(p + 2 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
    printf("mmap: fixed over old %d, zero %d, neighbours %d %d\n", q == p + 2 * PAGE, zero(q, 4 * PAGE), p[2 * PAGE - 1], p[8 * PAGE]);
    q = mmap(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    show("mmap: no replacing", q == MAP_FAILED ? -errno : 0);
    munmap(p, 16 * PAGE);
    q = mmap(p, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    printf("mmap: no replacing needed %d\n", q == p);
    munmap(q, PAGE);
    p = mmap(0, 1ul << 36, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    show_ok("mmap: 64 GiB reserved", p == MAP_FAILED ? -errno : 0);
    show("mprotect: part of it", mprotect(p + (1ul << 35), PAGE, PROT_READ | PROT_WRITE));
    p[1ul << 35] = 3;
    printf("written there %d\n", p[1ul << 35]);
    show("munmap: all of it", munmap(p, 1ul << 36));
}

static void protection(void) {
    char *p = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    memset(p, 5, 8 * PAGE);
    int zero_fd = open("/dev/zero", O_RDONLY);
    show("mprotect: read only", mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ));
    show("read into read-only", RAW(SYS_read, zero_fd, p + 2 * PAGE, 10, 0, 0, 0));
    show("read into the page before", RAW(SYS_read, zero_fd, p + PAGE, 10, 0, 0, 0));
    printf("content kept %d\n", p[2 * PAGE]);
    show("mprotect: none", mprotect(p + 3 * PAGE, 3 * PAGE, PROT_NONE));
    printf("readable: %d %d %d %d\n", readable(p + 2 * PAGE), readable(p + 3 * PAGE), readable(p + 5 * PAGE), readable(p + 6 * PAGE));
    show("mprotect: back", mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE));
    printf("content kept %d %d\n", p[3 * PAGE], p[5 * PAGE]);
    show("mprotect: over a hole", (munmap(p + 4 * PAGE, PAGE), mprotect(p, 8 * PAGE, PROT_READ) ? -errno : 0));
    unsigned char *code = mmap(0, PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6);
    show("mprotect: executable", mprotect(code, PAGE, PROT_READ | PROT_EXEC));
    show("run", ((int (*)(void))code)());
    close(zero_fd);
}

static void advice(void) {
    char *p = mmap(0, 512 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    memset(p, 9, 512 * PAGE);
    show("madvise: not needed", madvise(p + 10 * PAGE, 100 * PAGE, MADV_DONTNEED));
    printf("dropped %d, kept %d %d\n", zero(p + 10 * PAGE, 100 * PAGE), p[10 * PAGE - 1], p[110 * PAGE]);
    show("madvise: hints", madvise(p, 512 * PAGE, MADV_WILLNEED) | madvise(p, 512 * PAGE, MADV_SEQUENTIAL));
    show("madvise: huge pages", (madvise(p, 512 * PAGE, MADV_HUGEPAGE), 0));
    munmap(p, 512 * PAGE);
}

static void heap(void) {
    enum { N = 400 };
    unsigned char *block[N];
    size_t size[N];
    unsigned seed = 1, bad = 0;
    for (int i = 0; i < N; i++) {
        seed = seed * 1103515245 + 12345;
        size[i] = seed >> 8 & (i % 10 ? 0xfff : 0xffff);
        block[i] = malloc(size[i]);
        memset(block[i], i & 255, size[i]);
    }
    for (int i = 0; i < N; i += 2)
        block[i] = realloc(block[i], size[i] * 2);
    for (int i = 0; i < N; i++)
        for (size_t j = 0; j < size[i]; j++)
            bad += block[i][j] != (i & 255);
    for (int i = 0; i < N; i++)
        free(block[i]);
    printf("heap: wrong bytes %u\n", bad);
}

int main(void) {
    breaks();
    maps();
    protection();
    advice();
    heap();
    return 0;
}
