// Uses more memory than there is: by touching it ("touch"), by growing its stack ("stack"), or in files ("file"), which a call can
// refuse.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

static char *piece(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return mmap(NULL, PIECE, PROT_READ | PROT_WRITE, flags, -1, 0);
}

static void touch(void) {
    for (;;) {
        char *at = piece();
        if (at == MAP_FAILED) {
            puts("refused");
            return;
        }
        memset(at, 1, PIECE);
    }
}

static int deeper(int depth) {
    volatile char frame[16 << 10];
    frame[depth % sizeof frame] = 1;
    return depth < 1 << 30 ? deeper(depth + 1) + frame[0] : 0;
}

static void file(void) {
    int fd = open("/tmp/greedy", O_CREAT | O_RDWR | O_TRUNC, 0600);
    char *at = piece();
    ssize_t n = 0;
    memset(at, 1, PIECE);
    for (int i = 0; i < 1 << 16 && n >= 0; i++) {
        n = write(fd, at, PIECE);
    }
    printf("written: %s\n", n < 0 ? strerrorname_np(errno) : "all");
    // What was there before still is, and room comes back.
    printf("emptied: %d\n", ftruncate(fd, 0));
    printf("written again: %zd\n", write(fd, at, PIECE));
    unlink("/tmp/greedy");
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "touch";
    puts("begin");
    fflush(stdout);
    if (!strcmp(how, "touch")) {
        touch();
    } else if (!strcmp(how, "stack")) {
        struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
        setrlimit(RLIMIT_STACK, &all);
        return deeper(0);
    } else {
        file();
    }
    return 0;
}
