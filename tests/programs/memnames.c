// Names for memory (PR_SET_VMA_ANON_NAME) and protection keys, which there are none of. Not compared with a native run: names are a
// matter of Linux's configuration, keys one of the CPU.
#define _GNU_SOURCE
#include "show.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static char *base;

// The areas of the test's memory: first page, pages, name.
static void areas(const char *what) {
    char line[400];
    FILE *maps = fopen("/proc/self/maps", "r");
    printf("%s:", what);
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        int name = 0;
        sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &start, &end, &name);
        if (start < (unsigned long)base || start >= (unsigned long)base + 32 * PAGE)
            continue;
        line[strcspn(line, "\n")] = 0;
        printf(" %lu+%lu '%s'", (start - (unsigned long)base) / PAGE, (end - start) / PAGE, line + name);
    }
    puts("");
    fclose(maps);
}

static long name(unsigned long first, unsigned long bytes, const char *text) {
    return RAW(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, base + first * PAGE, bytes, text, 0);
}

int main(int argc, char **argv) {
    static char longest[81];
    memset(longest, 'x', 80);
    // Between areas without access that are not the test's.
    char *all = mmap(0, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    base = all + 16 * PAGE;
    mmap(base, 32 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    areas("before");
    show("a name", name(4, 8 * PAGE, "arena one"));
    areas("named");
    show("the same behind it", name(12, PAGE + 1, "arena one"));
    areas("joined");
    show("another in the middle", name(6, 2 * PAGE, "two"));
    areas("split");
    munmap(base + 7 * PAGE, PAGE);
    show("over a hole", name(5, 4 * PAGE, "three"));
    areas("both sides");
    mmap(base + 7 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    show("taken away", name(0, 32 * PAGE, 0));
    areas("after");
    show("empty name", name(0, PAGE, ""));
    areas("empty");
    show("no name again", name(0, PAGE, 0));
    mmap(base + 16 * PAGE, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    show("shared memory", name(16, 2 * PAGE, "both"));
    areas("shared");
    mprotect(base, PAGE, PROT_READ);
    show("moved memory", name(8, 2 * PAGE, "wanders"));
    mremap(base + 8 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 24 * PAGE);
    areas("moved");
    show("nothing", name(0, 0, "x"));
    show("unaligned", RAW(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, base + 1, PAGE, "x", 0));
    show("unknown", RAW(SYS_prctl, PR_SET_VMA, 1, base, PAGE, "x", 0));
    show("length without end", name(0, -1ul, "x"));
    show("bracket", name(0, PAGE, "a]"));
    show("control character", name(0, PAGE, "a\n"));
    show("byte beyond ASCII", name(0, PAGE, "\xc3\xa4"));
    show("too long", name(0, PAGE, longest));
    longest[79] = 0;
    show("longest", name(0, PAGE, longest));
    show("no text", RAW(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, base, PAGE, 8, 0));
    FILE *self = fopen(argv[0], "r");
    char *file = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fileno(self), 0);
    show("a file", RAW(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, file, PAGE, "x", 0));
    show("pkey_alloc", RAW(SYS_pkey_alloc, 0, 0, 0, 0, 0, 0));
    show("pkey_alloc with flags", RAW(SYS_pkey_alloc, 1, 0, 0, 0, 0, 0));
    show("pkey_free", RAW(SYS_pkey_free, 1, 0, 0, 0, 0, 0));
    show("pkey_free 0", RAW(SYS_pkey_free, 0, 0, 0, 0, 0, 0));
    show("pkey_mprotect with key 0", RAW(SYS_pkey_mprotect, base, PAGE, RW, 0, 0, 0));
    show("pkey_mprotect with key 1", RAW(SYS_pkey_mprotect, base, PAGE, RW, 1, 0, 0));
    show("pkey_mprotect without", RAW(SYS_pkey_mprotect, base, PAGE, RW, -1, 0, 0));
    show("pkey_mprotect of nothing", RAW(SYS_pkey_mprotect, base, 0, RW, 1, 0, 0));
    base[0] = 1;
    return 0;
}
