// Errors of calls on memory: which one, and which comes first if several things are wrong. Argument 1 is a directory to
// work in.
#define _GNU_SOURCE
#include "provoke.h"
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PAGE 4096ul
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
// Results that are addresses.
#define MAPS(name, ...) show_ok(#name "(" #__VA_ARGS__ ")", CALL_(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0))
// The first page behind what a program may map, and one below the last.
#define END 0x7ffffffff000
#define HOLE ((char *)0x123456789000)

static int closed = 900, rd, wr, path, dir, pr, pw, null, empty;

static void open_all(void) {
    int p[2];
    close(open("file", O_RDWR | O_CREAT, 0600));
    truncate("file", 10000);
    rd = open("file", O_RDONLY);
    wr = open("file", O_WRONLY);
    path = open("file", O_PATH);
    dir = open(".", O_RDONLY);
    null = open("/dev/null", O_RDWR);
    empty = open("empty", O_RDWR | O_CREAT, 0600);
    pipe(p);
    pr = p[0], pw = p[1];
}

static void mapping(void) {
    puts("-- mmap");
    CALL(mmap, 0, 0, RW, ANON, -1, 0);
    CALL(mmap, 0, -1, RW, ANON, -1, 0);
    CALL(mmap, 0, -PAGE, RW, ANON, -1, 0);
    CALL(mmap, 0, END, RW, ANON, -1, 0);
    CALL(mmap, 0, END + PAGE, RW, ANON, -1, 0);
    CALL(mmap, 0, PAGE, RW, MAP_ANONYMOUS, -1, 0);
    CALL(mmap, 0, PAGE, RW, MAP_ANONYMOUS | 0xc, -1, 0);
    CALL(mmap, 0, 0, RW, MAP_ANONYMOUS, -1, 0);
    CALL(mmap, 0, PAGE, RW, ANON, -1, 1);
    CALL(mmap, 0, 0, RW, ANON, -1, 1);
    MAPS(mmap, 0, PAGE, RW, ANON, -1, PAGE);
    MAPS(mmap, 0, PAGE, RW, ANON, closed, 0);
    MAPS(mmap, 0, PAGE, 0xff0, ANON, -1, 0);
    MAPS(mmap, HOLE + 1, PAGE, RW, ANON, -1, 0);
    CALL(mmap, HOLE + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    CALL(mmap, END, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    CALL(mmap, END - PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    CALL(mmap, -PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    MAPS(mmap, -PAGE, PAGE, RW, ANON, -1, 0);
    CALL(mmap, HOLE + 1, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    char *three = mmap(0, 3 * PAGE, RW, ANON, -1, 0);
    munmap(three, PAGE);
    CALL(mmap, three + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    CALL(mmap, three, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    MAPS(mmap, three, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    CALL(mmap, 0, PAGE, RW, MAP_PRIVATE, closed, 0);
    CALL(mmap, 0, 0, RW, MAP_PRIVATE, closed, 0);
    CALL(mmap, 0, PAGE, RW, MAP_PRIVATE, closed, 1);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, -1, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, path, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, wr, 0);
    CALL(mmap, 0, PAGE, PROT_WRITE, MAP_PRIVATE, wr, 0);
    CALL(mmap, 0, PAGE, PROT_NONE, MAP_SHARED, wr, 0);
    MAPS(mmap, 0, PAGE, RW, MAP_PRIVATE, rd, 0);
    CALL(mmap, 0, PAGE, RW, MAP_SHARED, rd, 0);
    CALL(mmap, 0, PAGE, RW, MAP_SHARED_VALIDATE, rd, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, rd, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, dir, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, pr, 0);
    CALL(mmap, 0, PAGE, RW, MAP_SHARED, pr, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, null, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_SHARED, pw, 0);
    CALL(mmap, 0, 2 * PAGE, PROT_READ, MAP_PRIVATE, rd, -PAGE);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, rd, 1);
    CALL(mmap, 0, 0, PROT_READ, MAP_PRIVATE, rd, 0);
    CALL(mmap, 0, PAGE, PROT_READ, MAP_ANONYMOUS, rd, 0);
    CALL(mmap, 0, PAGE, PROT_READ, 0, rd, 0);
    MAPS(mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, empty, 0);
    CALL(mmap, 0, PAGE, RW, ANON | MAP_HUGETLB | 31 << 26, -1, 0);
    CALL(mmap, 0, PAGE, RW, MAP_PRIVATE | MAP_HUGETLB, rd, 0);

    puts("-- munmap");
    CALL(munmap, HOLE, 0);
    CALL(munmap, HOLE + 1, PAGE);
    CALL(munmap, HOLE + 1, 0);
    CALL(munmap, HOLE, PAGE);
    CALL(munmap, HOLE, -1);
    CALL(munmap, HOLE, -PAGE);
    CALL(munmap, END, PAGE);
    CALL(munmap, END - PAGE, 2 * PAGE);
    CALL(munmap, HOLE, 1);

    puts("-- mprotect");
    char *two = mmap(0, 3 * PAGE, RW, ANON, -1, 0);
    munmap(two + 2 * PAGE, PAGE);
    CALL(mprotect, two + 1, PAGE, PROT_READ);
    CALL(mprotect, two + 1, 0, PROT_READ);
    CALL(mprotect, two, 0, PROT_READ);
    CALL(mprotect, HOLE, 0, PROT_READ);
    CALL(mprotect, HOLE, 0, 0x100);
    CALL(mprotect, HOLE, 1, PROT_READ);
    CALL(mprotect, two, -1, PROT_READ);
    CALL(mprotect, two, -PAGE, PROT_READ);
    CALL(mprotect, two, 3 * PAGE, PROT_READ);
    CALL(mprotect, two, PAGE, 0x100);
    CALL(mprotect, two, PAGE, PROT_GROWSDOWN | PROT_GROWSUP);
    CALL(mprotect, two, PAGE, PROT_READ | PROT_GROWSDOWN);
    CALL(mprotect, two, PAGE, PROT_READ | PROT_GROWSUP);
    CALL(mprotect, END, PAGE, PROT_READ);
    char *shared = mmap(0, PAGE, PROT_READ, MAP_SHARED, rd, 0);
    CALL(mprotect, shared, PAGE, RW);
    CALL(mprotect, shared, PAGE, PROT_WRITE);
    CALL(mprotect, shared, PAGE, PROT_EXEC);
    char *private = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, rd, 0);
    CALL(mprotect, private, PAGE, RW);
}

static void changing(void) {
    static unsigned char vec[16];
    struct rlimit limit;
    puts("-- mremap");
    // Where nothing else is put by itself, so that the hole stays one.
    char *a = mmap(HOLE + (1 << 30), 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    munmap(a + 3 * PAGE, PAGE);
    CALL(mremap, a + 1, PAGE, PAGE, 0);
    CALL(mremap, a, PAGE, 0, 0);
    CALL(mremap, a, PAGE, 0, MREMAP_MAYMOVE);
    CALL(mremap, a, PAGE, PAGE, 0x80);
    CALL(mremap, a, PAGE, PAGE, MREMAP_FIXED, HOLE);
    CALL(mremap, a, PAGE, 2 * PAGE, 0);
    CALL(mremap, a, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
    CALL(mremap, HOLE, PAGE, PAGE, 0);
    CALL(mremap, HOLE, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    CALL(mremap, a, 0, PAGE, MREMAP_MAYMOVE);
    CALL(mremap, a, 0, PAGE, 0);
    CALL(mremap, a, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, HOLE + 1);
    CALL(mremap, a, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, END);
    CALL(mremap, a, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, -PAGE);
    CALL(mremap, a, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, a + PAGE);
    CALL(mremap, a, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, a + PAGE);
    CALL(mremap, a, PAGE, END, MREMAP_MAYMOVE);
    CALL(mremap, a, PAGE, -1, MREMAP_MAYMOVE);
    CALL(mremap, a, PAGE, 2 * PAGE, MREMAP_DONTUNMAP);
    CALL(mremap, a, PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE);
    CALL(mremap, HOLE + 1, 0, 0, 0x80);
    CALL(mremap, END, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    puts("-- brk");
    void *now = (void *)RAW(SYS_brk, 0, 0, 0, 0, 0, 0);
    show("brk below the start", (void *)RAW(SYS_brk, 1, 0, 0, 0, 0, 0) == now);
    show("brk into the kernel", (void *)RAW(SYS_brk, -1, 0, 0, 0, 0, 0) == now);
    show("brk beyond all", (void *)RAW(SYS_brk, END, 0, 0, 0, 0, 0) == now);
    puts("-- madvise");
    CALL(madvise, a + 1, PAGE, MADV_NORMAL);
    CALL(madvise, a + 1, PAGE, 7777);
    CALL(madvise, a, PAGE, 7777);
    CALL(madvise, a, 0, 7777);
    CALL(madvise, a, 0, MADV_DONTNEED);
    CALL(madvise, HOLE, 0, MADV_DONTNEED);
    CALL(madvise, a, -1, MADV_DONTNEED);
    CALL(madvise, a, -PAGE, MADV_DONTNEED);
    CALL(madvise, a, 5 * PAGE, MADV_DONTNEED);
    CALL(madvise, a, 5 * PAGE, MADV_WILLNEED);
    CALL(madvise, HOLE, PAGE, MADV_WILLNEED);
    CALL(madvise, HOLE, PAGE, MADV_FREE);
    CALL(madvise, HOLE, PAGE, MADV_SEQUENTIAL);
    CALL(madvise, HOLE, PAGE, MADV_HUGEPAGE);
    CALL(madvise, a, PAGE, MADV_REMOVE);
    char *shared = mmap(0, PAGE, PROT_READ, MAP_SHARED, rd, 0);
    CALL(madvise, shared, PAGE, MADV_REMOVE);
    CALL(madvise, shared, PAGE, MADV_FREE);
    CALL(madvise, shared, PAGE, MADV_WIPEONFORK);
    CALL(madvise, shared, PAGE, MADV_DOFORK);
    mlock(a, PAGE);
    CALL(madvise, a, PAGE, MADV_DONTNEED);
    CALL(madvise, a, PAGE, MADV_REMOVE);
    munlock(a, PAGE);
    puts("-- mincore and msync");
    CALL(mincore, a + 1, PAGE, vec);
    CALL(mincore, a + 1, PAGE, NOWHERE);
    CALL(mincore, a, PAGE, NOWHERE);
    CALL(mincore, a, 0, NOWHERE);
    CALL(mincore, a, 0, KERNEL);
    CALL(mincore, HOLE, 0, vec);
    CALL(mincore, HOLE, PAGE, vec);
    CALL(mincore, HOLE, PAGE, NOWHERE);
    CALL(mincore, a, 5 * PAGE, vec);
    CALL(mincore, a, -1, vec);
    CALL(mincore, END, PAGE, vec);
    CALL(mincore, KERNEL, PAGE, vec);
    CALL(msync, a + 1, PAGE, MS_ASYNC);
    CALL(msync, a, PAGE, MS_ASYNC | MS_SYNC);
    CALL(msync, a, PAGE, 0x80);
    CALL(msync, a + 1, PAGE, 0x80);
    CALL(msync, a, PAGE, 0);
    CALL(msync, HOLE, 0, MS_SYNC);
    CALL(msync, HOLE, PAGE, MS_SYNC);
    CALL(msync, a, 5 * PAGE, MS_SYNC);
    CALL(msync, a, 5 * PAGE, MS_ASYNC);
    CALL(msync, a, -1, MS_SYNC);
    CALL(msync, a, -PAGE, MS_SYNC);
    CALL(msync, a, PAGE, MS_INVALIDATE);
    mlock(shared, PAGE);
    CALL(msync, shared, PAGE, MS_INVALIDATE);
    CALL(msync, shared, PAGE, MS_SYNC);
    munlock(shared, PAGE);
    puts("-- locks");
    CALL(mlock, HOLE, PAGE);
    CALL(mlock, HOLE, 0);
    CALL(mlock, a, 5 * PAGE);
    CALL(mlock, a, -1);
    CALL(mlock, a + 1, 1);
    CALL(munlock, HOLE, PAGE);
    CALL(munlock, a, 5 * PAGE);
    CALL(munlock, a, -1);
    CALL(munlock, a + 1, 1);
    CALL(mlock2, a, PAGE, 2);
    CALL(mlock2, HOLE, PAGE, 2);
    CALL(mlock2, HOLE, PAGE, 1);
    CALL(mlock2, a, PAGE, 1);
    CALL(mlockall, 0);
    CALL(mlockall, 8);
    CALL(mlockall, MCL_ONFAULT);
    char *none = mmap(0, PAGE, PROT_NONE, ANON, -1, 0);
    CALL(mlock, none, PAGE);
    CALL(munlock, a, PAGE);
    CALL(munlock, none, PAGE);
    puts("-- barriers");
    CALL(membarrier, 77, 0, 0);
    CALL(membarrier, 0, 77, 0);
    puts("-- limits");
    getrlimit(RLIMIT_AS, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 1;
    setrlimit(RLIMIT_AS, &limit);
    CALL(mmap, 0, PAGE, RW, ANON, -1, 0);
    CALL(mmap, 0, 0, RW, ANON, -1, 0);
    CALL(mmap, 0, PAGE, RW, MAP_PRIVATE, closed, 0);
    CALL(mmap, 0, PAGE, RW, MAP_SHARED, rd, 0);
    CALL(mmap, 0, PAGE, RW, MAP_PRIVATE, dir, 0);
    MAPS(mmap, a, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    CALL(mremap, a, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    CALL(mremap, HOLE, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    show("brk", (void *)RAW(SYS_brk, (char *)now + 64 * PAGE, 0, 0, 0, 0, 0) == now);
    limit.rlim_cur = before;
    setrlimit(RLIMIT_AS, &limit);
}

int main(int argc, char **argv) {
    char work[] = "errnoXXXXXX";
    if (argc < 2 || chdir(argv[1]) || !mkdtemp(work) || chdir(work))
        return 1;
    open_all();
    mapping();
    changing();
    unlink("file");
    unlink("empty");
    chdir("..");
    rmdir(work);
    return 0;
}
