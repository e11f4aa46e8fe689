// Ways of opening and of reading and writing that came late: openat2, fchmodat2, preadv2, pwritev2, O_TMPFILE, names by
// descriptor. In a directory of its own below argument 1.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define E(call) do { errno = 0; long n_ = (long)(call); show(#call, n_ < 0 ? -errno : n_); } while (0)
#define NO_XDEV 1
#define NO_MAGICLINKS 2
#define NO_SYMLINKS 4
#define BENEATH 8
#define IN_ROOT 16
#define CACHED 32
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#ifndef RWF_DSYNC
#define RWF_DSYNC 2
#define RWF_SYNC 4
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif
#ifndef RWF_APPEND
#define RWF_APPEND 16
#endif

// Not every libc has them.
static long readv2(int fd, const void *v, int n, long at, int flags) { return syscall(SYS_preadv2, fd, v, n, at, 0, flags); }
static long writev2(int fd, const void *v, int n, long at, int flags) { return syscall(SYS_pwritev2, fd, v, n, at, 0, flags); }

struct how { uint64_t flags, mode, resolve, more[9]; };

static char page[8192];

static void how(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve, size_t size) {
    struct how h = {flags, mode, resolve, {0}};
    long fd = RAW(SYS_openat2, dir, path, &h, size, 0, 0);
    printf("openat2 \"%s\" flags %lx mode %lo resolve %lx: %s\n", path, (long)flags, (long)mode, (long)resolve, fd < 0 ? error_name((int)-fd) : "ok");
    if (fd >= 0)
        close((int)fd);
}

static void restricted(const char *dir) {
    int d = open("d", O_RDONLY), f = open("f", O_RDONLY);
    const char *paths[] = {"g", "sub/h", "..", "../f", "sub/../g", "sub/../../f", "up", "up/f", "in", "absolute", "root", "/", "/f", "/d/g", "none",
                           "loop", ".", "sub/..", "sub/up2", "sub/down/h"};
    uint64_t resolve[] = {0, NO_SYMLINKS, BENEATH, IN_ROOT, NO_XDEV, NO_MAGICLINKS};
    for (int i = 0; i < 6; i++)
        for (size_t k = 0; k < sizeof paths / sizeof *paths; k++)
            // Whether the root is another mount depends on the machine.
            if (resolve[i] != NO_XDEV || (strcmp(paths[k], "absolute") && strcmp(paths[k], "root")))
                how(d, paths[k], O_RDONLY, 0, resolve[i], 24);
    how(d, "in", O_PATH | O_NOFOLLOW, 0, NO_SYMLINKS, 24);
    how(d, "in", O_RDONLY | O_NOFOLLOW, 0, 0, 24);
    how(d, "new", O_RDWR | O_CREAT | O_EXCL, 0600, BENEATH, 24);
    how(d, "new", O_RDWR | O_CREAT | O_EXCL, 0600, BENEATH, 24);
    unlinkat(d, "new", 0);
    how(d, "../new", O_RDWR | O_CREAT, 0600, BENEATH, 24);
    how(d, "../new", O_RDWR | O_CREAT, 0600, IN_ROOT, 24);
    unlinkat(d, "new", 0);
    how(AT_FDCWD, "/proc/self/fd/0", O_RDONLY, 0, NO_MAGICLINKS, 24);
    how(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, NO_MAGICLINKS, 24);
    how(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, NO_XDEV, 24);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", f);
    how(AT_FDCWD, link, O_RDONLY, 0, 0, 24);
    snprintf(link, sizeof link, "self/fd/%d", f);
    int proc = open("/proc", O_RDONLY);
    how(proc, link, O_RDONLY, 0, BENEATH, 24);
    how(proc, link, O_RDONLY, 0, IN_ROOT, 24);
    how(proc, link, O_RDONLY, 0, NO_XDEV, 24);
    how(proc, "self/status", O_RDONLY, 0, BENEATH, 24);
    how(d, "g", O_RDONLY, 0, CACHED, 24);
    how(d, "new", O_RDWR | O_CREAT, 0600, CACHED, 24);
    how(d, "g", O_RDWR | O_TRUNC, 0, CACHED, 24);
    // Arguments.
    how(d, "g", O_RDONLY, 0, BENEATH | IN_ROOT, 24);
    how(d, "g", O_RDONLY, 0, 64, 24);
    how(d, "g", O_RDONLY, 0600, 0, 24);
    how(d, "n", O_RDWR | O_CREAT, 010600, 0, 24);
    how(d, "g", 1ull << 40, 0, 0, 24);
    how(d, "g", O_RDONLY | 1 << 30, 0, 0, 24);
    how(d, "g", O_PATH | O_RDWR, 0, 0, 24);
    how(d, "g", O_PATH | O_CLOEXEC, 0, 0, 24);
    how(d, ".", O_TMPFILE | O_RDWR, 0600, 0, 24);
    how(d, ".", O_TMPFILE | O_RDONLY, 0600, 0, 24);
    how(d, "g", O_DIRECTORY | O_CREAT, 0600, 0, 24);
    how(d, "g", O_RDONLY, 0, 0, 23);
    how(d, "g", O_RDONLY, 0, 0, 0);
    how(d, "g", O_RDONLY, 0, 0, 25);
    how(d, "g", O_RDONLY, 0, 0, 96);
    how(99, "g", O_RDONLY, 0, 0, 24);
    how(f, "g", O_RDONLY, 0, 0, 24);
    how(d, "", O_RDONLY, 0, 0, 24);
    struct how h = {O_RDONLY, 0, 0, {0}};
    memset(page, 0, sizeof page);
    memcpy(page, &h, 24);
    show("a page", RAW(SYS_openat2, d, "none", page, 4096, 0, 0));
    show("more than a page", RAW(SYS_openat2, d, "none", page, 4097, 0, 0));
    page[90] = 1;
    show("unknown field", RAW(SYS_openat2, d, "none", page, 96, 0, 0));
    show("bad structure", RAW(SYS_openat2, d, "none", 8, 24, 0, 0));
    show("bad path", RAW(SYS_openat2, d, 8, &h, 24, 0, 0));
    close(d);
    close(f);
    close(proc);
}

static void at_flags(const char *dir) {
    struct stat st;
    int fd = open("f", O_RDWR), path = open("f", O_PATH), in = open("d/in", O_PATH | O_NOFOLLOW);
    show("fchmodat2", RAW(SYS_fchmodat2, AT_FDCWD, "f", 0640, 0, 0, 0));
    show("by descriptor", RAW(SYS_fchmodat2, fd, "", 0604, AT_EMPTY_PATH, 0, 0));
    fstat(fd, &st);
    printf("%o\n", st.st_mode);
    show("by path descriptor", RAW(SYS_fchmodat2, path, "", 0600, AT_EMPTY_PATH, 0, 0));
    show("empty path", RAW(SYS_fchmodat2, fd, "", 0600, 0, 0, 0));
    show("not following a file", RAW(SYS_fchmodat2, AT_FDCWD, "f", 0644, AT_SYMLINK_NOFOLLOW, 0, 0));
    show("not following a link", RAW(SYS_fchmodat2, AT_FDCWD, "d/in", 0644, AT_SYMLINK_NOFOLLOW, 0, 0));
    show("unknown flag", RAW(SYS_fchmodat2, AT_FDCWD, "f", 0644, 4, 0, 0));
    show("nothing there", RAW(SYS_fchmodat2, AT_FDCWD, "none", 0644, 0, 0, 0));
    show("bad descriptor", RAW(SYS_fchmodat2, 99, "f", 0644, 0, 0, 0));
    show("bad path", RAW(SYS_fchmodat2, AT_FDCWD, 8, 0644, 0, 0, 0));
    E(fchownat(path, "", 3, 4, AT_EMPTY_PATH));
    E(fstatat(path, "", &st, AT_EMPTY_PATH));
    printf("%u %u\n", st.st_uid, st.st_gid);
    E(fchownat(in, "", 5, 6, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
    E(fstatat(in, "", &st, AT_EMPTY_PATH));
    printf("link %o %u %u\n", st.st_mode, st.st_uid, st.st_gid);
    E(fchown(path, 0, 0));
    E(fchmod(path, 0600));
    char target[64];
    E(readlinkat(in, "", target, sizeof target));
    E(readlinkat(path, "", target, sizeof target) < 0);
    // A file without a name gets one.
    int tmp = open(".", O_TMPFILE | O_RDWR, 0600), never = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    write(tmp, "late", 4);
    fstat(tmp, &st);
    printf("links %d size %d\n", (int)st.st_nlink, (int)st.st_size);
    E(linkat(tmp, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    E(linkat(tmp, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    E(linkat(tmp, "", AT_FDCWD, "twice", AT_EMPTY_PATH));
    E(linkat(never, "", AT_FDCWD, "no", AT_EMPTY_PATH));
    E(linkat(tmp, "", AT_FDCWD, "more", 0));
    E(linkat(tmp, "", AT_FDCWD, "more", 1));
    fstat(tmp, &st);
    printf("links %d\n", (int)st.st_nlink);
    char name[64];
    int second = open(".", O_TMPFILE | O_WRONLY, 0600);
    snprintf(name, sizeof name, "/proc/self/fd/%d", second);
    E(linkat(AT_FDCWD, name, AT_FDCWD, "by proc", AT_SYMLINK_FOLLOW));
    E(linkat(AT_FDCWD, name, AT_FDCWD, "by proc 2", 0));
    unlink("named");
    unlink("twice");
    fstat(tmp, &st);
    printf("links %d\n", (int)st.st_nlink);
    E(linkat(tmp, "", AT_FDCWD, "again", AT_EMPTY_PATH));
    E(unlink("by proc"));
    E(open("f", O_TMPFILE | O_RDWR, 0600));
    E(open(".", O_TMPFILE, 0600));
    E(open("none", O_TMPFILE | O_RDWR, 0600));
    E(mkdir("/proc/new", 0777));
    E(open("/proc/new", O_CREAT | O_RDWR, 0600));
    E(symlink("x", "/proc/new"));
    E(unlink("/proc/new"));
    E(unlink("/proc/version"));
    E(rmdir("/proc/version"));
    E(rmdir("/proc/self/fd"));
    E(mkdir("/proc/version", 0777));
    E(link("f", "/proc/new"));
    E(mkdir("/sys/new", 0777));
    for (int i = fd; i <= second; i++)
        close(i);
}

static void flags(void) {
    int fd = open("io", O_RDWR | O_CREAT | O_TRUNC, 0600), append = open("io", O_WRONLY | O_APPEND), read_only = open("io", O_RDONLY), p[2];
    struct iovec out[2] = {{"hello ", 6}, {"world", 5}};
    char buf[32] = "";
    struct iovec in[2] = {{buf, 3}, {buf + 3, 20}}, none = {buf, 0};
    pipe(p);
    E(writev2(fd, out, 2, -1, 0));
    E(lseek(fd, 0, SEEK_CUR));
    E(writev2(fd, out, 2, 20, 0));
    E(lseek(fd, 0, SEEK_CUR));
    E(writev2(fd, out, 1, 0, RWF_APPEND));
    E(lseek(fd, 0, SEEK_END));
    E(lseek(fd, 4, SEEK_SET));
    E(writev2(fd, out, 1, -1, RWF_APPEND));
    E(lseek(fd, 0, SEEK_CUR));
    E(readv2(fd, in, 2, 0, 0));
    printf("%s\n", buf);
    lseek(fd, 6, SEEK_SET);
    memset(buf, 0, sizeof buf);
    E(readv2(fd, in, 1, -1, 0));
    printf("%s\n", buf);
    E(lseek(fd, 0, SEEK_CUR));
    E(writev2(fd, out, 1, 0, RWF_SYNC | RWF_DSYNC));
    E(writev2(append, out, 1, 0, 0));
    E(lseek(fd, 0, SEEK_END));
    E(readv2(fd, in, 1, 0, 1 << 20));
    E(writev2(fd, out, 1, 0, 1 << 20));
    E(readv2(fd, &none, 1, 0, 1 << 20));
    E(readv2(fd, in, 1, -2, 0));
    E(writev2(fd, out, 1, -2, 0));
    E(readv2(99, in, 1, 0, 0));
    E(readv2(append, in, 1, 0, 0));
    E(writev2(read_only, out, 1, 0, 0));
    E(readv2(fd, (void *)8, 1, 0, 0));
    E(readv2(fd, in, -1, 0, 0));
    E(readv2(fd, in, 2000, 0, 0));
    E(readv2(p[0], in, 1, 0, 0));
    E(readv2(p[0], in, 1, -1, RWF_NOWAIT));
    E(writev2(p[1], out, 2, -1, 0));
    E(readv2(p[0], in, 1, -1, RWF_NOWAIT));
    E(readv2(p[0], in, 2, -1, 0));
    E(preadv(fd, in, 1, -1));
    E(pwritev(p[1], out, 1, 0));
}

int main(int argc, char **argv) {
    char dir[256];
    snprintf(dir, sizeof dir, "%s/opensXXXXXX", argv[1]);
    umask(022);
    if (!mkdtemp(dir) || chdir(dir))
        return 2;
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    close(open("f", O_CREAT | O_WRONLY, 0644));
    close(open("d/g", O_CREAT | O_WRONLY, 0644));
    close(open("d/sub/h", O_CREAT | O_WRONLY, 0644));
    symlink("..", "d/up");
    symlink("g", "d/in");
    symlink("/d/g", "d/absolute");
    symlink("/", "d/root");
    symlink("loop", "d/loop");
    symlink("../../f", "d/sub/up2");
    symlink("../sub", "d/sub/down");
    restricted(dir);
    at_flags(dir);
    flags();
    const char *all[] = {"f", "io", "d/g", "d/sub/h", "d/up", "d/in", "d/absolute", "d/root", "d/loop", "d/sub/up2", "d/sub/down"};
    for (int i = 0; i < 11; i++)
        unlink(all[i]);
    rmdir("d/sub");
    rmdir("d");
    chdir("/");
    E(rmdir(dir));
    return 0;
}
