// mremap, madvise, mincore, the mlock family, msync and the rarer flags of mmap.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static int readable(const void *p) {
    long old = 0, result = RAW(SYS_rt_sigprocmask, 0, p, &old, 8, 0, 0);
    RAW(SYS_rt_sigprocmask, 2, &old, 0, 8, 0, 0);
    return result != -EFAULT;
}

static char *map(size_t pages, int prot) {
    return mmap(0, pages * PAGE, prot, ANON, -1, 0);
}

static int zero(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return 0;
    return 1;
}

// A range with free space around it: the start of `pages` pages inside an area that has been unmapped.
static char *clear_range(size_t pages) {
    char *p = map(pages + 64, PROT_NONE);
    munmap(p, (pages + 64) * PAGE);
    return p + 32 * PAGE;
}

static char *map_at(char *at, size_t pages, int prot) {
    return mmap(at, pages * PAGE, prot, ANON | MAP_FIXED, -1, 0);
}

static void show_map(const char *what, const char *base, int pages) {
    printf("%s:", what);
    for (int i = 0; i < pages; i++)
        printf(" %d", readable(base + i * PAGE));
    printf("\n");
}

static void resizing(void) {
    char *at = clear_range(64), *p = map_at(at, 4, RW);
    for (int i = 0; i < 4; i++)
        p[i * PAGE] = i + 1;
    show("grow in place", RAW(SYS_mremap, p, 4 * PAGE, 8 * PAGE, 0, 0, 0) == (long)p);
    printf("content %d %d, new part zero %d\n", p[0], p[3 * PAGE], zero(p + 4 * PAGE, 4 * PAGE));
    show("shrink", RAW(SYS_mremap, p, 8 * PAGE, 2 * PAGE, 0, 0, 0) == (long)p);
    show_map("left", p, 10);
    show("grow again", RAW(SYS_mremap, p, 2 * PAGE, 4 * PAGE, 0, 0, 0) == (long)p);
    printf("zero again %d\n", zero(p + 2 * PAGE, 2 * PAGE));
    show("same size", RAW(SYS_mremap, p, 4 * PAGE, 4 * PAGE, 0, 0, 0) == (long)p);
    show("same size, bytes", RAW(SYS_mremap, p, 3 * PAGE + 1, 4 * PAGE - 5, 0, 0, 0) == (long)p);
    map_at(p + 4 * PAGE, 1, PROT_READ);
    show("no room", RAW(SYS_mremap, p, 4 * PAGE, 8 * PAGE, 0, 0, 0));
    p[3 * PAGE] = 9;
    char *q = (char *)RAW(SYS_mremap, p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE, 0, 0);
    printf("moved %d, content %d %d, zero %d\n", q != p, q[0], q[3 * PAGE], zero(q + 4 * PAGE, 4 * PAGE));
    show_map("old place", p, 5);
    // Only the middle of an area.
    show("middle moves", (q = (char *)RAW(SYS_mremap, q + PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0, 0)) > 0);
    printf("content %d\n", q[0]);
    munmap(at - PAGE, 66 * PAGE);
}

static void fixed(void) {
    char *at = clear_range(64), *p = map_at(at, 4, RW), *to = at + 16 * PAGE;
    memset(p, 5, 4 * PAGE);
    map_at(to, 2, RW);
    to[0] = 77;
    show("fixed", RAW(SYS_mremap, p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to, 0) == (long)to);
    printf("replaced %d %d\n", to[0], to[4 * PAGE - 1]);
    show_map("old place", p, 4);
    show("fixed, longer", RAW(SYS_mremap, to, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p, 0) == (long)p);
    printf("content %d %d\n", p[3 * PAGE], p[5 * PAGE]);
    show("fixed, shorter", RAW(SYS_mremap, p, 6 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to, 0) == (long)to);
    show_map("old place", p, 6);
    show_map("new place", to, 6);
    show("keep the old", RAW(SYS_mremap, to, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, p, 0) > 0);
    printf("old one empty %d\n", zero(to, 2 * PAGE));
    show("fixed overlap", RAW(SYS_mremap, to, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE, 0));
    show("fixed overlap below", RAW(SYS_mremap, to, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to - PAGE, 0));
    show("fixed unaligned", RAW(SYS_mremap, to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 1, 0));
    show("fixed without may move", RAW(SYS_mremap, to, PAGE, PAGE, MREMAP_FIXED, at, 0));
    show("fixed beyond", RAW(SYS_mremap, to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, 0x7ffffffff000, 0));
    show("keep without may move", RAW(SYS_mremap, to, PAGE, PAGE, MREMAP_DONTUNMAP, 0, 0));
    show("keep and resize", RAW(SYS_mremap, to, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, 0));
    show("unknown flag", RAW(SYS_mremap, to, PAGE, PAGE, 8, 0, 0));
    show("unaligned", RAW(SYS_mremap, to + 1, PAGE, PAGE, 0, 0, 0));
    show("no new length", RAW(SYS_mremap, to, PAGE, 0, MREMAP_MAYMOVE, 0, 0));
    show("no old length, private", RAW(SYS_mremap, to, 0, PAGE, MREMAP_MAYMOVE, 0, 0));
    show("not mapped", RAW(SYS_mremap, at + 40 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0, 0));
    show("longer than it is", RAW(SYS_mremap, to, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0, 0));
    show("too long", RAW(SYS_mremap, to, PAGE, 1ul << 46, MREMAP_MAYMOVE, 0, 0));
    show("much too long", RAW(SYS_mremap, to, PAGE, ~0ul - PAGE, MREMAP_MAYMOVE, 0, 0));
    munmap(at - PAGE, 66 * PAGE);
    // Large: what realloc does.
    size_t big = 3000;
    p = map(big, RW);
    for (size_t i = 0; i < big; i++)
        *(unsigned *)(p + i * PAGE) = i;
    for (int round = 0; round < 4; round++) {
        mmap(p + big * PAGE, PAGE, PROT_NONE, ANON, -1, 0);
        p = mremap(p, big * PAGE, (big + 500) * PAGE, MREMAP_MAYMOVE);
        big += 500;
    }
    unsigned wrong = 0;
    for (unsigned i = 0; i < big; i++)
        wrong += *(unsigned *)(p + i * PAGE) != (i < 3000 ? i : 0);
    printf("large: wrong %u\n", wrong);
}

static void advice(void) {
    static const struct { int value; const char *name; } list[] = {
#define A(x) {x, #x}
        A(MADV_NORMAL), A(MADV_RANDOM), A(MADV_SEQUENTIAL), A(MADV_WILLNEED), A(MADV_DONTNEED), A(MADV_FREE),
        A(MADV_REMOVE), A(MADV_DONTFORK), A(MADV_DOFORK), A(MADV_HUGEPAGE), A(MADV_NOHUGEPAGE), A(MADV_DONTDUMP),
        A(MADV_DODUMP), A(MADV_WIPEONFORK), A(MADV_KEEPONFORK), A(MADV_COLD), A(MADV_PAGEOUT), {22, "POPULATE_READ"},
        {23, "POPULATE_WRITE"}, {24, "DONTNEED_LOCKED"}, {5, "5"}, {6, "6"}, {7, "7"}, {1000, "1000"}, {-1, "-1"},
#undef A
    };
    char *at = clear_range(64), *p = map_at(at, 8, RW), *hole = at + 16 * PAGE;
    char *fixed_part = map_at(hole, 4, PROT_READ);
    munmap(hole + PAGE, PAGE);
    int fd = open("/proc/self/exe", O_RDONLY);
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++) {
        char *name = (char *)list[i].name;
        char text[100];
        memset(p, 3, 8 * PAGE);
        snprintf(text, sizeof text, "%s", name);
        show(text, RAW(SYS_madvise, p, 8 * PAGE, list[i].value, 0, 0, 0));
        printf("  content %d\n", list[i].value == MADV_FREE || list[i].value == MADV_PAGEOUT ? -1 : p[5 * PAGE]);
        snprintf(text, sizeof text, "  %s over a hole", name);
        show(text, RAW(SYS_madvise, fixed_part, 4 * PAGE, list[i].value, 0, 0, 0));
        snprintf(text, sizeof text, "  %s where nothing is", name);
        show(text, RAW(SYS_madvise, hole + PAGE, PAGE, list[i].value, 0, 0, 0));
        snprintf(text, sizeof text, "  %s unaligned", name);
        show(text, RAW(SYS_madvise, p + 1, PAGE, list[i].value, 0, 0, 0));
        snprintf(text, sizeof text, "  %s of nothing", name);
        show(text, RAW(SYS_madvise, p, 0, list[i].value, 0, 0, 0));
        mlock(p, 8 * PAGE);
        snprintf(text, sizeof text, "  %s locked", name);
        show(text, RAW(SYS_madvise, p, 8 * PAGE, list[i].value, 0, 0, 0));
        munlock(p, 8 * PAGE);
        munmap(p, 8 * PAGE);
        map_at(at, 8, RW);
    }
    show("wraps around", RAW(SYS_madvise, p, ~0ul, MADV_NORMAL, 0, 0, 0));
    show("wraps around, pages", RAW(SYS_madvise, p, -PAGE, MADV_NORMAL, 0, 0, 0));
    mprotect(p, PAGE, PROT_NONE);
    show("populate, no access", RAW(SYS_madvise, p, 2 * PAGE, 22, 0, 0, 0));
    mprotect(p, PAGE, PROT_READ);
    show("populate for writing, read only", RAW(SYS_madvise, p, 2 * PAGE, 23, 0, 0, 0));
    if (fd >= 0)
        close(fd);
    munmap(at - PAGE, 66 * PAGE);
}

static void residency(void) {
    unsigned char pages[16];
    char *p = map(8, RW);
    madvise(p, 8 * PAGE, MADV_NOHUGEPAGE);
    p[PAGE] = p[4 * PAGE] = 1;
    memset(pages, 0xee, sizeof pages);
    show("mincore", RAW(SYS_mincore, p, 8 * PAGE - 5, pages, 0, 0, 0));
    for (int i = 0; i < 9; i++)
        printf(" %x", pages[i] == 0xee ? 0xee : pages[i] & 1);
    printf("\n");
    show("mincore unaligned", RAW(SYS_mincore, p + 1, PAGE, pages, 0, 0, 0));
    show("mincore of nothing", RAW(SYS_mincore, p, 0, pages, 0, 0, 0));
    show("mincore bad vector", RAW(SYS_mincore, p, PAGE, 1, 0, 0, 0));
    show("mincore vector in the kernel", RAW(SYS_mincore, p, PAGE, -4096, 0, 0, 0));
    munmap(p + 4 * PAGE, PAGE);
    show("mincore over a hole", RAW(SYS_mincore, p, 8 * PAGE, pages, 0, 0, 0));
    show("mincore beyond", RAW(SYS_mincore, 0x7fffffff0000, 1ul << 40, pages, 0, 0, 0));
    show("mincore far beyond", RAW(SYS_mincore, -PAGE, PAGE, pages, 0, 0, 0));
    show("populate", madvise(p, 4 * PAGE, 23));
    RAW(SYS_mincore, p, 4 * PAGE, pages, 0, 0, 0);
    printf("resident %d %d %d %d\n", pages[0] & 1, pages[1] & 1, pages[2] & 1, pages[3] & 1);
    munmap(p, 8 * PAGE);
    p = mmap(0, 4 * PAGE, RW, ANON | MAP_POPULATE, -1, 0);
    RAW(SYS_mincore, p, 4 * PAGE, pages, 0, 0, 0);
    printf("populated %d %d %d %d\n", pages[0] & 1, pages[1] & 1, pages[2] & 1, pages[3] & 1);
    munmap(p, 4 * PAGE);
}

static void locks(void) {
    unsigned char pages[8];
    char *p = map(8, RW);
    show("mlock", RAW(SYS_mlock, p + 5, PAGE, 0, 0, 0, 0));
    RAW(SYS_mincore, p, 3 * PAGE, pages, 0, 0, 0);
    printf("fetched %d %d %d\n", pages[0] & 1, pages[1] & 1, pages[2] & 1);
    show("mlock2 on fault", RAW(SYS_mlock2, p + 4 * PAGE, PAGE, 1, 0, 0, 0));
    show("mlock2 bad flag", RAW(SYS_mlock2, p, PAGE, 2, 0, 0, 0));
    show("mlock nothing", RAW(SYS_mlock, p, 0, 0, 0, 0, 0));
    show("mlock wraps", RAW(SYS_mlock, p, -PAGE, 0, 0, 0, 0));
    show("mlock wraps more", RAW(SYS_mlock, p, ~0ul, 0, 0, 0, 0));
    munmap(p + 6 * PAGE, PAGE);
    show("mlock over a hole", RAW(SYS_mlock, p, 8 * PAGE, 0, 0, 0, 0));
    show("munlock over a hole", RAW(SYS_munlock, p, 8 * PAGE, 0, 0, 0, 0));
    show("munlock", RAW(SYS_munlock, p, 4 * PAGE, 0, 0, 0, 0));
    char *none = map(1, PROT_NONE);
    show("mlock without access", RAW(SYS_mlock, none, PAGE, 0, 0, 0, 0));
    munmap(none, PAGE);
    show("msync", RAW(SYS_msync, p, 2 * PAGE, MS_SYNC, 0, 0, 0));
    show("msync both", RAW(SYS_msync, p, PAGE, MS_SYNC | MS_ASYNC, 0, 0, 0));
    show("msync unknown flag", RAW(SYS_msync, p, PAGE, 8, 0, 0, 0));
    show("msync unaligned", RAW(SYS_msync, p + 1, PAGE, MS_SYNC, 0, 0, 0));
    show("msync over a hole", RAW(SYS_msync, p, 8 * PAGE, MS_ASYNC, 0, 0, 0));
    show("msync of nothing", RAW(SYS_msync, p, 0, MS_ASYNC, 0, 0, 0));
    show("msync wraps", RAW(SYS_msync, p, ~0ul, MS_ASYNC, 0, 0, 0));
    mlock(p, PAGE);
    show("msync invalidate locked", RAW(SYS_msync, p, PAGE, MS_INVALIDATE, 0, 0, 0));
    munlock(p, PAGE);
    show("msync invalidate", RAW(SYS_msync, p, PAGE, MS_INVALIDATE | MS_ASYNC, 0, 0, 0));
    show("mlockall none", RAW(SYS_mlockall, 0, 0, 0, 0, 0, 0));
    show("mlockall unknown", RAW(SYS_mlockall, 8, 0, 0, 0, 0, 0));
    show("mlockall on fault alone", RAW(SYS_mlockall, 4, 0, 0, 0, 0, 0));
    show("mlockall future", RAW(SYS_mlockall, MCL_FUTURE, 0, 0, 0, 0, 0));
    char *q = map(3, RW);
    RAW(SYS_mincore, q, 3 * PAGE, pages, 0, 0, 0);
    printf("fetched %d %d %d\n", pages[0] & 1, pages[1] & 1, pages[2] & 1);
    show("munlockall", RAW(SYS_munlockall, 0, 0, 0, 0, 0, 0));
    q = map(3, RW);
    RAW(SYS_mincore, q, 3 * PAGE, pages, 0, 0, 0);
    printf("not fetched %d %d %d\n", pages[0] & 1, pages[1] & 1, pages[2] & 1);
    munmap(p, 8 * PAGE);
}

static void flags(void) {
    char *p = mmap(0, PAGE, RW, ANON | MAP_32BIT, -1, 0);
    printf("low: %d\n", (uintptr_t)p < 1ul << 31);
    p[0] = 1;
    munmap(p, PAGE);
    p = mmap(0, 2 << 20, RW, ANON | MAP_HUGETLB, -1, 0);
    show("huge", p == MAP_FAILED ? -errno : 0);
    p = mmap(0, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0);
    show("validated and anonymous", p == MAP_FAILED ? -errno : 0);
    p = mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    show("shared stack", p == MAP_FAILED ? -errno : 0);
    p = mmap(0, PAGE, RW, ANON | MAP_STACK | MAP_NORESERVE, -1, 0);
    p[9] = 1;
    munmap(p, PAGE);
    p = mmap(0, PAGE, RW, ANON | MAP_LOCKED, -1, 0);
    unsigned char resident = 0;
    RAW(SYS_mincore, p, PAGE, &resident, 0, 0, 0);
    printf("locked: resident %d\n", resident & 1);
    munmap(p, PAGE);
    char *at = clear_range(1024) + 1000 * PAGE;
    p = mmap(at, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    p[0] = 1;
    p[-1] = 2;
    p[-20 * (long)PAGE] = 3;
    printf("grown down: %d %d %d\n", p[0], p[-1], p[-20 * (long)PAGE]);
    char *q = mmap(p - 40 * PAGE, PAGE, RW, ANON, -1, 0);
    printf("hint inside the guard gap taken: %d\n", q == p - 40 * PAGE);
}

int main(void) {
    resizing();
    fixed();
    advice();
    residency();
    locks();
    flags();
    return 0;
}
