// Memory and files that several mappings share: MAP_SHARED, memfd_create, seals, truncation.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC 16u
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 32
#endif

static int readable(const void *p) {
    long old = 0, result = RAW(SYS_rt_sigprocmask, 0, p, &old, 8, 0, 0);
    RAW(SYS_rt_sigprocmask, 2, &old, 0, 8, 0, 0);
    return result != -EFAULT;
}

static long map_result(size_t len, int prot, int flags, int fd, long offset) {
    void *p = mmap(0, len, prot, flags, fd, offset);
    if (p == MAP_FAILED)
        return -errno;
    munmap(p, len);
    return 0;
}

static void anonymous(void) {
    char *p = mmap(0, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(p + PAGE, "shared");
    // Without old length, mremap makes a second mapping of shared pages.
    char *q = mremap(p, 0, 4 * PAGE, MREMAP_MAYMOVE);
    printf("second mapping: %d, \"%s\"\n", q != p && q != MAP_FAILED, q + PAGE);
    strcpy(q + 2 * PAGE, "back");
    printf("seen in the first: \"%s\"\n", p + 2 * PAGE);
    char *r = mremap(p + PAGE, 0, PAGE, MREMAP_MAYMOVE);
    printf("part of it: \"%s\"\n", r);
    show("dropping", madvise(p, 4 * PAGE, MADV_DONTNEED));
    printf("still there: \"%s\" \"%s\"\n", p + PAGE, q + PAGE);
    show("free is for private memory", madvise(p, PAGE, MADV_FREE) ? -errno : 0);
    show("wipe is for private memory", madvise(p, PAGE, MADV_WIPEONFORK) ? -errno : 0);
    show("removing", madvise(q + PAGE, PAGE, MADV_REMOVE) ? -errno : 0);
    printf("gone everywhere: \"%s\" \"%s\" \"%s\", kept \"%s\"\n", p + PAGE, q + PAGE, r, p + 2 * PAGE);
    show("protect", mprotect(p, PAGE, PROT_READ) | mprotect(p, PAGE, RW));
    munmap(p, 4 * PAGE);
    q[3 * PAGE] = 5;
    char *moved = mremap(q, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    printf("moved and longer: %d, behind the object %d\n", moved[3 * PAGE], readable(moved + 4 * PAGE));
    munmap(moved, 6 * PAGE);
    munmap(r, PAGE);
}

static void content(void) {
    int fd = memfd_create("test", MFD_CLOEXEC);
    struct stat st;
    show("cloexec", fcntl(fd, F_GETFD));
    show("flags", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    fstat(fd, &st);
    printf("stat: %o links %d size %ld blocks %ld\n", st.st_mode, (int)st.st_nlink, (long)st.st_size, (long)st.st_blocks);
    show("map of nothing", map_result(PAGE, RW, MAP_SHARED, fd, 0));
    show("truncate", ftruncate(fd, 3 * PAGE + 100));
    show("read a hole", (int)lseek(fd, PAGE, SEEK_SET));
    char buf[64] = "????";
    show("", read(fd, buf, 4));
    printf("zeros %d\n", buf[0] | buf[3]);
    char *p = mmap(0, 5 * PAGE, RW, MAP_SHARED, fd, 0), *priv = mmap(0, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    show("write", pwrite(fd, "by write", 9, PAGE));
    printf("mappings: \"%s\" \"%s\"\n", p + PAGE, priv + PAGE);
    strcpy(p + PAGE, "by store");
    printf("private follows until written: \"%s\"\n", priv + PAGE);
    strcpy(priv + PAGE, "own");
    strcpy(p + PAGE + 100, "later");
    printf("copied: \"%s\" \"%s\", shared \"%s\"\n", priv + PAGE, priv + PAGE + 100, p + PAGE);
    show("read", pread(fd, buf, 20, PAGE));
    printf("\"%s\"\n", buf);
    fstat(fd, &st);
    printf("size %ld blocks %ld\n", (long)st.st_size, (long)st.st_blocks);
    printf("readable:");
    for (int i = 0; i < 5; i++)
        printf(" %d", readable(p + i * PAGE));
    printf("\n");
    p[3 * PAGE + 200] = 9;
    show("longer", ftruncate(fd, 4 * PAGE));
    // What was stored behind the old end is a matter of the file system: not looked at.
    printf("behind the new end: readable %d\n", readable(p + 4 * PAGE));
    p[2 * PAGE] = p[0] = 1;
    show("shorter", ftruncate(fd, PAGE + 4));
    printf("readable: %d %d %d, private %d %d\n", readable(p), readable(p + PAGE), readable(p + 2 * PAGE), readable(priv + PAGE), readable(priv + 2 * PAGE));
    printf("cut: \"%s\", private copy \"%s\"\n", p + PAGE, priv + PAGE);
    show("longer again", ftruncate(fd, 4 * PAGE));
    printf("zeros: %d %d\n", p[2 * PAGE], p[PAGE + 5]);
    show("write behind the end", pwrite(fd, "x", 1, 8 * PAGE));
    show("size", lseek(fd, 0, SEEK_END));
    show("write far behind", pwrite(fd, "x", 1, 0x7fffffffffffffff));
    show("negative size", ftruncate(fd, -1) ? -errno : 0);
    unsigned char pages[4];
    show("mincore", mincore(p, 4 * PAGE, pages) ? -errno : 0);
    printf("resident %d %d %d\n", pages[0] & 1, pages[1] & 1, pages[2] & 1);
    show("sync", msync(p, 4 * PAGE, MS_SYNC));
    // The mapping outlives the descriptor.
    strcpy(p, "alive");
    close(fd);
    printf("after close: \"%s\"\n", p);
    show("closed", map_result(PAGE, RW, MAP_SHARED, fd, 0));
    munmap(p, 5 * PAGE);
    munmap(priv, 4 * PAGE);
}

static void seals(void) {
    int fd = memfd_create("plain", 0);
    show("seals of a plain one", fcntl(fd, F_GET_SEALS));
    show("add", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0 ? -errno : 0);
    close(fd);
    fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    show("seals", fcntl(fd, F_GET_SEALS));
    ftruncate(fd, 2 * PAGE);
    show("grow, shrink", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
    show("longer", ftruncate(fd, 3 * PAGE) ? -errno : 0);
    show("shorter", ftruncate(fd, PAGE) ? -errno : 0);
    show("same", ftruncate(fd, 2 * PAGE) ? -errno : 0);
    show("write inside", pwrite(fd, "abc", 3, 0));
    show("write over the end", pwrite(fd, "abcdef", 6, 2 * PAGE - 3) < 0 ? -errno : 0);
    show("write behind", pwrite(fd, "abcdef", 6, 2 * PAGE) < 0 ? -errno : 0);
    char *p = mmap(0, PAGE, RW, MAP_SHARED, fd, 0);
    show("write seal while mapped", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 ? -errno : 0);
    mprotect(p, PAGE, PROT_READ);
    show("even read-only for now", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 ? -errno : 0);
    show("future writes", fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    mprotect(p, PAGE, RW);
    strcpy(p, "still");
    show("write", pwrite(fd, "abc", 3, 0) < 0 ? -errno : 0);
    show("map writable", map_result(PAGE, RW, MAP_SHARED, fd, 0));
    char *q = mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    printf("map read-only: \"%s\"\n", q);
    show("make it writable", mprotect(q, PAGE, RW) ? -errno : 0);
    show("map private", map_result(PAGE, RW, MAP_PRIVATE, fd, 0));
    munmap(p, PAGE);
    show("write seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    show("unknown seal", fcntl(fd, F_ADD_SEALS, 0x1000) < 0 ? -errno : 0);
    show("last seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    show("none after it", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) < 0 ? -errno : 0);
    show("all", fcntl(fd, F_GET_SEALS));
    munmap(q, PAGE);
    close(fd);
    show("seals of a pipe or terminal", fcntl(0, F_GET_SEALS) < 0 ? -errno : 0);
    fd = memfd_create("noexec", MFD_NOEXEC_SEAL);
    struct stat st;
    fstat(fd, &st);
    printf("no execution: %o %x\n", st.st_mode, fcntl(fd, F_GET_SEALS));
    close(fd);
    fd = memfd_create("exec", MFD_EXEC | MFD_ALLOW_SEALING);
    show("seal execution", fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC));
    printf("implies %x\n", fcntl(fd, F_GET_SEALS));
    close(fd);
    char name[300];
    memset(name, 'n', sizeof name);
    name[250] = 0;
    show("long name", memfd_create(name, 0) < 0 ? -errno : 0);
    name[249] = 0;
    fd = memfd_create(name, 0);
    show("longest name", fd < 0 ? -errno : 0);
    close(fd);
    show("no name", RAW(SYS_memfd_create, 0, 0, 0, 0, 0, 0));
    show("unknown flag", memfd_create("x", 0x40) < 0 ? -errno : 0);
    show("both", memfd_create("x", MFD_EXEC | MFD_NOEXEC_SEAL) < 0 ? -errno : 0);
    show("no descriptor", fcntl(99, F_GET_SEALS) < 0 ? -errno : 0);
    show("truncate nothing", ftruncate(99, 0) ? -errno : 0);
}

int main(int argc, char **argv) {
    anonymous();
    content();
    seals();
    if (argc > 1) {
        // A mapping of more than the file: SIGBUS.
        int fd = memfd_create("short", 0);
        ftruncate(fd, PAGE);
        volatile char *p = mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, 0);
        p[0] = 1;
        ftruncate(fd, 0);
        fflush(stdout);
        p[0] = 2;
    }
    return 0;
}
