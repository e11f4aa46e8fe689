// Private mappings of a file of the image (argument 1, 100000 bytes) while the file is changed in every way there is. It is not
// run natively, as it changes its file; its output is Linux's.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static volatile unsigned char *map(int fd, int prot, int flags) {
    void *p = mmap(0, 25 * PAGE, prot, flags, fd, 0);
    if (p == MAP_FAILED) {
        printf("mmap: %s\n", error_name(errno));
        exit(1);
    }
    return p;
}

int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDWR), pipes[2], source = memfd_create("source", 0);
    volatile unsigned char *r = map(fd, PROT_READ, MAP_PRIVATE), *w = map(fd, RW, MAP_PRIVATE);
    unsigned sum = 0;
    for (int page = 0; page < 25; page++)
        sum += r[page * PAGE] + w[page * PAGE];
    w[2 * PAGE] = 'w';
    w[2 * PAGE + 1] = 'w';
    pwrite(fd, "A", 1, 0);
    lseek(fd, PAGE, SEEK_SET);
    write(fd, "B", 1);
    pwrite(fd, "C", 1, 2 * PAGE);
    printf("write: %c %c %c, %c %c %c\n", r[0], r[PAGE], r[2 * PAGE], w[0], w[PAGE], w[2 * PAGE]);
    struct iovec vector = {"D", 1};
    show("pwritev", RAW(SYS_pwritev, fd, &vector, 1, 3 * PAGE, 0, 0));
    show("pwritev2", RAW(SYS_pwritev2, fd, &vector, 1, 4 * PAGE, 0, 0));
    printf("%c %c %c %c\n", r[3 * PAGE], w[3 * PAGE], r[4 * PAGE], w[4 * PAGE]);
    write(source, "EF", 2);
    off_t from = 0, to = 5 * PAGE;
    show("copy_file_range", copy_file_range(fd, &from, fd, &to, 1, 0));
    from = 1;
    lseek(fd, 6 * PAGE, SEEK_SET);
    show("sendfile", RAW(SYS_sendfile, fd, source, &from, 1, 0, 0));
    pipe(pipes);
    write(pipes[1], "G", 1);
    to = 7 * PAGE;
    show("splice", splice(pipes[0], 0, fd, &to, 1, 0));
    printf("%c %c %c, %c %c %c\n", r[5 * PAGE], r[6 * PAGE], r[7 * PAGE], w[5 * PAGE], w[6 * PAGE], w[7 * PAGE]);
    volatile unsigned char *shared = map(fd, RW, MAP_SHARED);
    shared[8 * PAGE] = 'H';
    printf("store through a shared mapping: %c %c\n", r[8 * PAGE], w[8 * PAGE]);
    show("call that stores there", pread(source, (void *)(shared + 9 * PAGE), 1, 0));
    printf("%c %c\n", r[9 * PAGE], w[9 * PAGE]);
    show("hole", fallocate(fd, 3, 10 * PAGE, 2 * PAGE));
    show("zeros", fallocate(fd, 16, 12 * PAGE + 1, PAGE));
    printf("%d %d %d %d\n", r[10 * PAGE], w[11 * PAGE], r[12 * PAGE + 1], w[13 * PAGE]);
    // The last page is not all the file's.
    pwrite(fd, "I", 1, 24 * PAGE);
    printf("last page: %c %c\n", r[24 * PAGE], w[24 * PAGE]);
    show("cut", ftruncate(fd, 20 * PAGE + 1));
    printf("%d %d\n", r[20 * PAGE + 1], w[20 * PAGE + 2]);
    printf("own page: %c%c, %d\n", w[2 * PAGE], w[2 * PAGE + 1], w[2 * PAGE + 2] == r[2 * PAGE + 2]);
    printf("untouched: %d\n", r[15 * PAGE] == w[15 * PAGE]);
    return sum == 0;
}
