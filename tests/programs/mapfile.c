// Maps files of the file system below argument 1 and changes them through mappings, write(), truncation and other names.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static int readable(const void *p) {
    long old = 0, result = RAW(SYS_rt_sigprocmask, 0, p, &old, 8, 0, 0);
    RAW(SYS_rt_sigprocmask, 2, &old, 0, 8, 0, 0);
    return result != -EFAULT;
}

static void *map(int fd, size_t pages, int prot, int flags, long offset) {
    void *p = mmap(0, pages * PAGE, prot, flags, fd, offset);
    if (p == MAP_FAILED) {
        printf("mmap: %s\n", error_name(errno));
        exit(1);
    }
    return p;
}

static void shared(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    char buf[32] = "";
    ftruncate(fd, 3 * PAGE);
    char *p = map(fd, 4, RW, MAP_SHARED, 0), *q = map(fd, 1, PROT_READ, MAP_SHARED, PAGE), *r = map(fd, 3, RW, MAP_PRIVATE, 0);
    strcpy(p + PAGE, "stored");
    show("read", pread(fd, buf, 7, PAGE));
    printf("read \"%s\", other mapping \"%s\", private \"%s\"\n", buf, q, r + PAGE);
    show("write", pwrite(fd, "written", 8, PAGE));
    printf("mappings \"%s\" \"%s\" \"%s\"\n", p + PAGE, q, r + PAGE);
    strcpy(r + PAGE, "own");
    strcpy(p + PAGE, "more");
    printf("after a private change: \"%s\" \"%s\" \"%s\"\n", p + PAGE, q, r + PAGE);
    int other = open("f", O_RDWR);
    show("through another descriptor", pwrite(other, "two", 4, 2 * PAGE));
    printf("\"%s\" \"%s\"\n", p + 2 * PAGE, r + 2 * PAGE);
    show("sync", msync(p, 3 * PAGE, MS_SYNC) | msync(p, PAGE, MS_ASYNC | MS_INVALIDATE));
    show("sync not mapped", msync((char *)PAGE, PAGE, MS_SYNC) ? -errno : 0);
    show("fsync", fsync(fd));
    printf("behind the end: %d\n", readable(p + 3 * PAGE));
    show("shorter", ftruncate(other, PAGE + 10));
    printf("readable %d %d %d, private %d %d\n", readable(p), readable(p + PAGE), readable(p + 2 * PAGE), readable(r + PAGE), readable(r + 2 * PAGE));
    show("longer", ftruncate(other, 3 * PAGE));
    printf("zeros %d %d\n", p[2 * PAGE], p[PAGE + 11]);
    strcpy(p + 2 * PAGE, "again");
    show("O_TRUNC", open("f", O_RDWR | O_TRUNC));
    printf("readable %d %d\n", readable(p), readable(p + 2 * PAGE));
    show("truncate", truncate("f", 2 * PAGE) ? -errno : 0);
    printf("readable %d, zero %d\n", readable(p), p[0]);
    strcpy(p, "first");
    strcpy(p + PAGE, "second");
    show("hole", fallocate(fd, 3, 0, PAGE) ? -errno : 0);
    printf("\"%s\" \"%s\" \"%s\"\n", p, p + PAGE, q);
    show("remove", madvise(p + PAGE, PAGE, MADV_REMOVE) ? -errno : 0);
    printf("\"%s\" \"%s\"\n", p + PAGE, q);
    strcpy(p + PAGE, "kept");
    show("drop", madvise(p, 2 * PAGE, MADV_DONTNEED));
    printf("\"%s\"\n", p + PAGE);
    // Names do not matter to a mapping.
    rename("f", "g");
    unlink("g");
    close(fd);
    strcpy(p, "nameless");
    show("read", pread(other, buf, 9, 0));
    printf("\"%s\"\n", buf);
    close(other);
    printf("\"%s\" \"%s\"\n", p, q);
    munmap(p, 4 * PAGE);
    printf("\"%s\"\n", q);
    munmap(q, PAGE);
    munmap(r, 3 * PAGE);
}

static void rights(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600), r = open("f", O_RDONLY), w = open("f", O_WRONLY);
    ftruncate(fd, PAGE);
    struct { const char *name; int fd, prot, flags; } all[] = {
        {"rw", fd, RW, MAP_SHARED}, {"r, read", r, PROT_READ, MAP_SHARED}, {"r, write", r, RW, MAP_SHARED},
        {"r, private", r, RW, MAP_PRIVATE}, {"w, read", w, PROT_READ, MAP_SHARED}, {"w, write", w, PROT_WRITE, MAP_SHARED},
        {"w, private", w, PROT_READ, MAP_PRIVATE}, {"validate", fd, RW, MAP_SHARED_VALIDATE},
        {"neither", fd, RW, 0}, {"executable", fd, RW | PROT_EXEC, MAP_SHARED},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        void *p = mmap(0, PAGE, all[i].prot, all[i].flags, all[i].fd, 0);
        show(all[i].name, p == MAP_FAILED ? -errno : 0);
        if (p != MAP_FAILED)
            munmap(p, PAGE);
    }
    char *p = map(r, 1, PROT_READ, MAP_SHARED, 0);
    show("made writable", mprotect(p, PAGE, RW) ? -errno : 0);
    pwrite(w, "seen", 5, 0);
    printf("\"%s\"\n", p);
    int dir = open(".", O_RDONLY);
    show("directory", mmap(0, PAGE, PROT_READ, MAP_SHARED, dir, 0) == MAP_FAILED ? -errno : 0);
    show("odd offset", mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED ? -errno : 0);
    show("huge offset", mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, -(long)PAGE) == MAP_FAILED ? -errno : 0);
    show("read into the file's own mapping", pread(r, map(fd, 1, RW, MAP_SHARED, 0), 5, 0));
    char *m = map(fd, 1, RW, MAP_SHARED, 0);
    strcpy(m + 100, "self");
    show("write from the file's own mapping", pwrite(fd, m + 100, 5, 50));
    printf("\"%s\"\n", m + 50);
    unlink("f");
}

// A file with holes, and one that grows by stores and writes in turn: what a database's shared memory does.
static void growing(void) {
    int fd = open("shm", O_RDWR | O_CREAT | O_TRUNC, 0644);
    unsigned sum = 0;
    for (unsigned i = 0; i < 20; i++) {
        show("grow", ftruncate(fd, (i + 1) * 8 * (long)PAGE));
        unsigned *p = mmap(0, 8 * PAGE, RW, MAP_SHARED, fd, i * 8 * (long)PAGE);
        for (unsigned k = 0; k < 8 * PAGE / 4; k += 512)
            p[k] = i * 1000 + k;
        munmap(p, 8 * PAGE);
    }
    unsigned word;
    for (long at = 0; pread(fd, &word, 4, at) == 4; at += 2048)
        sum = sum * 31 + word;
    printf("sum %u\n", sum);
    struct stat st;
    fstat(fd, &st);
    printf("size %ld\n", (long)st.st_size);
    unlink("shm");
    ftruncate(fd, 0);
    ftruncate(fd, 10 * PAGE);
    char *p = map(fd, 10, RW, MAP_SHARED, 0);
    p[5 * PAGE] = 1;
    printf("data %ld, hole %ld\n", (long)lseek(fd, 0, SEEK_DATA), (long)lseek(fd, 5 * PAGE, SEEK_HOLE));
    close(fd);
}

int main(int argc, char **argv) {
    char dir[256];
    snprintf(dir, sizeof dir, "%s/mapXXXXXX", argv[1]);
    if (!mkdtemp(dir) || chdir(dir))
        return 2;
    if (argc > 2) {
        int fd = open("f", O_RDWR | O_CREAT, 0600);
        write(fd, "x", 1);
        volatile char *p = map(fd, 2, RW, MAP_SHARED, 0);
        p[1] = 1;
        unlink("f");
        rmdir(dir);
        p[PAGE] = 1;
    }
    shared();
    rights();
    growing();
    chdir("/");
    show("all removed", rmdir(dir) ? -errno : 0);
    return 0;
}
