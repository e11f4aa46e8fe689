// Takes and touches memory until it is refused (or the program is ended), 1 MiB at a time, by argument 1.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int main(int argc, char **argv) {
    int by_mmap = argc > 1 && !strcmp(argv[1], "mmap");
    size_t mib = 1 << 20;
    puts("taking");
    fflush(stdout);
    for (long n = 0; n < 1 << 20; n++) {
        char *p = by_mmap ? mmap(0, mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : malloc(mib);
        if (!p || p == MAP_FAILED) {
            puts("refused");
            return 0;
        }
        memset(p, 1, mib);
    }
    puts("no end of memory");
    return 1;
}
