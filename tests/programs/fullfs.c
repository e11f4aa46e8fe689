// Fills the file system below argument 1, which must be small, and finds that nothing is lost by that.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>

int main(int argc, char **argv) {
    static char block[65536];
    struct statfs before, full, after;
    if (argc < 2 || chdir(argv[1]) || statfs(".", &before))
        return 2;
    memset(block, 'f', sizeof block);
    int keep = open("keep", O_RDWR | O_CREAT, 0600), fill = open("fill", O_RDWR | O_CREAT, 0600);
    write(keep, block, 4096);
    long n, total = 0;
    while ((n = write(fill, block, sizeof block)) > 0)
        total += n;
    show("write to a full file system", n < 0 ? -errno : n);
    statfs(".", &full);
    printf("nothing is free: %d\n", full.f_bfree == 0);
    printf("all of it was written: %d\n", total + 4096 == (long)(before.f_bfree * 4096));
    printf("the half of memory at most: %d\n", (long)before.f_blocks * 4096 <= 64l << 20 >> 1);
    show("overwriting works", pwrite(keep, "over", 4, 0));
    show("growing does not", pwrite(keep, "x", 1, 4096) < 0 ? -errno : 0);
    show("nor does fallocate", fallocate(keep, 0, 0, 1 << 20) < 0 ? -errno : 0);
    show("a hole needs nothing", ftruncate(keep, 1 << 30) < 0 ? -errno : 0);
    char *memory = malloc(8 << 20);
    printf("memory for the program: %d\n", memory != 0);
    if (memory)
        memset(memory, 1, 8 << 20);
    unlink("fill");
    show("unlinked but open", pwrite(keep, "x", 1, 4096) < 0 ? -errno : 0);
    close(fill);
    show("closed", pwrite(keep, "x", 1, 4096) < 0 ? -errno : 0);
    unlink("keep");
    close(keep);
    statfs(".", &after);
    printf("all is free again: %d\n", after.f_bfree == before.f_bfree);
    return 0;
}
