// Limits on memory, set at run time: what each refuses, and that lifting it helps.
#define _GNU_SOURCE
#include "show.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PAGE 4096ul
#define MIB (1ul << 20)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void limit(int resource, rlim_t soft) {
    struct rlimit r;
    getrlimit(resource, &r);
    r.rlim_cur = soft;
    if (setrlimit(resource, &r))
        printf("setrlimit failed\n");
}

static long map(size_t len, int prot, int flags) {
    void *p = mmap(0, len, prot, flags, -1, 0);
    if (p == MAP_FAILED)
        return -errno;
    munmap(p, len);
    return 0;
}

static long grow(char *start, size_t by) {
    char *end = (char *)RAW(SYS_brk, start + by, 0, 0, 0, 0, 0);
    RAW(SYS_brk, start, 0, 0, 0, 0, 0);
    return end == start + by;
}

static __attribute__((noinline)) int deep(int n) {
    volatile char frame[PAGE];
    frame[0] = n;
    return n ? deep(n - 1) + frame[0] - n : 0;
}

int main(void) {
    setvbuf(stdout, malloc(PAGE), _IOFBF, PAGE);
    char *heap = (char *)RAW(SYS_brk, 0, 0, 0, 0, 0, 0);
    char *p = mmap(0, 4 * MIB, RW, ANON, -1, 0);
    munmap(p + MIB, MIB);
    limit(RLIMIT_AS, 64 * MIB);
    show("AS: small", map(MIB, RW, ANON));
    show("AS: too large", map(100 * MIB, RW, ANON));
    show("AS: too large without rights", map(100 * MIB, PROT_NONE, ANON | MAP_NORESERVE));
    show("AS: too large and shared", map(100 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS));
    show("AS: heap", grow(heap, 100 * MIB));
    show("AS: small heap", grow(heap, MIB));
    show("AS: mremap", (long)mremap(p, MIB, 100 * MIB, MREMAP_MAYMOVE) < 0 ? -errno : 0);
    limit(RLIMIT_AS, PAGE);
    show("AS: less than there is", map(PAGE, RW, ANON));
    show("AS: heap", grow(heap, MIB));
    void *over = mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    show("AS: in place of old pages", over == MAP_FAILED ? -errno : 0);
    limit(RLIMIT_AS, RLIM_INFINITY);
    show("AS: lifted", map(100 * MIB, RW, ANON));
    limit(RLIMIT_DATA, 32 * MIB);
    show("DATA: small", map(MIB, RW, ANON));
    show("DATA: too large", map(60 * MIB, RW, ANON));
    show("DATA: read only", map(60 * MIB, PROT_READ, ANON));
    show("DATA: shared", map(60 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS));
    show("DATA: heap", grow(heap, 60 * MIB));
    show("DATA: small heap", grow(heap, MIB));
    char *q = mmap(0, 60 * MIB, PROT_READ, ANON, -1, 0);
    show("DATA: made writable", mprotect(q, 60 * MIB, RW) ? -errno : 0);
    show("DATA: a part of it", mprotect(q, MIB, RW) ? -errno : 0);
    show("DATA: mremap", (long)mremap(q, MIB, 60 * MIB, MREMAP_MAYMOVE) < 0 ? -errno : 0);
    limit(RLIMIT_DATA, RLIM_INFINITY);
    show("DATA: lifted", mprotect(q, 60 * MIB, RW) ? -errno : 0);
    limit(RLIMIT_STACK, 4 * MIB);
    show("STACK: deep", deep(700));
    limit(RLIMIT_STACK, 16 * MIB);
    show("STACK: deeper", deep(2500));
    show("more than memory", map(1ul << 45, RW, ANON));
    show("more than memory, not reserved", map(1ul << 45, RW, ANON | MAP_NORESERVE));
    fflush(stdout);
    limit(RLIMIT_STACK, 18 * MIB);
    return deep(10000);
}
