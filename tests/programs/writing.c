// Makes, changes, moves and removes files in a directory of its own below argument 1, and cleans up.
#define _GNU_SOURCE
#include "show.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <utime.h>

#ifndef FALLOC_FL_ZERO_RANGE
#define FALLOC_FL_ZERO_RANGE 0x10
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
#define S(call) show(#call, (long)(call) < 0 ? -errno : 0)
#define N(call) do { errno = 0; long n_ = (long)(call); show(#call, n_ < 0 ? -errno : n_); } while (0)

static char all[65536];

// Not every libc has renameat2.
static int move2(int from, const char *old, int to, const char *new, unsigned flags) {
    return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

static void state(const char *path) {
    struct stat st;
    if (lstat(path, &st)) {
        printf("  %s: %s\n", path, error_name(errno));
        return;
    }
    printf("  %s: mode %o links %lu uid %u gid %u", path, st.st_mode, (unsigned long)st.st_nlink, st.st_uid, st.st_gid);
    if (!S_ISDIR(st.st_mode))
        printf(" size %ld", (long)st.st_size);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
        printf(" device %u %u", major(st.st_rdev), minor(st.st_rdev));
    puts("");
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path) {
    char *names[256];
    int n = 0;
    DIR *d = opendir(path);
    if (!d) {
        printf("list %s: %s\n", path, error_name(errno));
        return;
    }
    for (struct dirent *e; (e = readdir(d)) && n < 256;) {
        char *line = malloc(300);
        snprintf(line, 300, "%s/%d", e->d_name, e->d_type);
        names[n++] = line;
    }
    closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    printf("%s:", path);
    for (int i = 0; i < n; i++) {
        printf(" %s", names[i]);
        free(names[i]);
    }
    puts("");
}

static unsigned sum(int fd) {
    unsigned sum = 0;
    long n, at = 0;
    while ((n = pread(fd, all, sizeof all, at)) > 0) {
        for (long i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)all[i];
        at += n;
    }
    printf("  %ld bytes, sum %x\n", at, sum);
    return sum;
}

static void opening(void) {
    puts("-- opening");
    umask(027);
    N(open("a", O_RDONLY));
    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0666);
    state("a");
    S(open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
    N(write(fd, "hello", 5));
    N(fcntl(fd, F_GETFL) & (O_ACCMODE | O_CREAT | O_EXCL | O_APPEND));
    int ap = open("a", O_WRONLY | O_APPEND);
    N(write(ap, " world", 6));
    N(lseek(ap, 0, SEEK_CUR));
    N(pwrite(ap, "!", 1, 0));
    N(lseek(fd, 0, SEEK_CUR));
    sum(fd);
    N(read(ap, all, 1));
    close(ap);
    S(close(open("a", O_WRONLY | O_TRUNC)));
    state("a");
    N(read(fd, all, 1));
    S(close(creat("b", 0777)));
    state("b");
    S(open("a/x", O_RDONLY | O_CREAT, 0600));
    S(open("none/x", O_RDONLY | O_CREAT, 0600));
    S(open("new/", O_RDONLY | O_CREAT, 0600));
    S(open(".", O_RDWR | O_CREAT, 0600));
    S(open(".", O_RDWR));
    S(open("", O_RDWR | O_CREAT, 0600));
    memset(all, 'n', 256);
    all[256] = 0;
    S(open(all, O_RDWR | O_CREAT, 0600));
    all[255] = 0;
    S(close(open(all, O_RDWR | O_CREAT, 0600)));
    S(unlink(all));
    S(symlink("target", "link"));
    S(open("link", O_RDWR | O_CREAT | O_EXCL, 0600));
    S(open("link", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    S(close(open("link", O_RDWR | O_CREAT, 0600)));
    state("link");
    state("target");
    S(symlink("loop", "loop"));
    S(open("loop", O_RDWR | O_CREAT, 0600));
    S(open("a", O_RDONLY | O_DIRECTORY));
    int p = open("a", O_PATH);
    N(read(p, all, 1));
    N(write(p, all, 1));
    S(ftruncate(p, 0));
    show("fchmod: path only", RAW(SYS_fchmod, p, 0, 0, 0, 0, 0));
    S(fsync(p));
    int t = open(".", O_TMPFILE | O_RDWR, 0600);
    N(write(t, "unnamed", 7));
    struct stat st;
    fstat(t, &st);
    printf("unnamed: links %lu mode %o\n", (unsigned long)st.st_nlink, st.st_mode);
    S(linkat(t, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    state("named");
    close(t);
    t = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    S(linkat(t, "", AT_FDCWD, "never", AT_EMPTY_PATH));
    close(t);
    S(open(".", O_TMPFILE | O_RDONLY, 0600));
    S(open("a", O_TMPFILE | O_RDWR, 0600));
    close(p);
    close(fd);
    list(".");
}

static void content(void) {
    puts("-- content");
    int fd = open("c", O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 20000; i++)
        all[i] = (char)(i * 7);
    N(write(fd, all, 20000));
    N(pwrite(fd, "xyz", 3, 4095));
    sum(fd);
    S(ftruncate(fd, 4097));
    S(ftruncate(fd, 9000));
    sum(fd);
    N(pwrite(fd, "far", 3, 1000000));
    sum(fd);
    N(lseek(fd, 0, SEEK_HOLE));
    N(lseek(fd, 12288, SEEK_DATA));
    N(lseek(fd, 1000000, SEEK_HOLE));
    N(lseek(fd, 2000000, SEEK_DATA));
    N(lseek(fd, -1, SEEK_DATA));
    N(lseek(fd, 0, SEEK_END));
    N(write(fd, "end", 3));
    sum(fd);
    N(pwrite(fd, "x", 1, 0x7fffffffffffffff));
    N(pwrite(fd, "x", 1, -1));
    S(ftruncate(fd, -1));
    S(truncate("c", 100));
    S(truncate("c", -1));
    S(truncate(".", 0));
    S(truncate("none", 0));
    S(truncate("/dev/null", 0));
    sum(fd);
    S(fallocate(fd, 0, 0, 20000));
    state("c");
    S(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 60000));
    state("c");
    N(pwrite(fd, all, 20000, 0));
    S(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 10000));
    sum(fd);
    N(lseek(fd, 0, SEEK_HOLE));
    S(fallocate(fd, FALLOC_FL_ZERO_RANGE, 15000, 10000));
    sum(fd);
    S(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
    S(fallocate(fd, 0, -1, 1));
    S(fallocate(fd, 0, 0, 0));
    S(fallocate(0, 0, 0, 1));
    S(posix_fallocate(fd, 0, 30000));
    state("c");
    struct iovec { void *base; size_t len; } v[3] = {{"one", 3}, {"two", 3}, {"three", 5}};
    lseek(fd, 3, SEEK_SET);
    show("writev", RAW(SYS_writev, fd, v, 3, 0, 0, 0));
    N(pread(fd, all, 14, 0));
    show("pwritev", RAW(SYS_pwritev, fd, v, 3, 29000, 0, 0));
    show("pwritev: negative", RAW(SYS_pwritev, fd, v, 3, -1, 0, 0));
    show("pwritev2", RAW(SYS_pwritev2, fd, v, 3, 29000, 0, 4 /* RWF_SYNC */));
    show("pwritev2: negative", RAW(SYS_pwritev2, fd, v, 3, -2, 0, 0));
    show("preadv2: unknown flag", RAW(SYS_preadv2, fd, v, 3, 0, 0, 1 << 20));
    show("preadv2: bad descriptor", RAW(SYS_preadv2, -1, v, 3, 0, 0, 1 << 20));
    show("preadv2: bad vectors", RAW(SYS_preadv2, fd, 8, 3, 0, 0, 0));
    show("seek", lseek(fd, 28995, SEEK_SET));
    show("preadv2: at the position", RAW(SYS_preadv2, fd, (&(struct iovec){all, 20}), 1, -1, 0, 1 /* RWF_HIPRI */));
    show("seek", lseek(fd, 0, SEEK_CUR));
    show("preadv", RAW(SYS_preadv, fd, (&(struct iovec){all, 20}), 1, 28995, 0, 0));
    printf("%.16s\n", all + 5);
    show("write: bad address", RAW(SYS_write, fd, 16, 5, 0, 0, 0));
    S(fsync(fd));
    S(fdatasync(fd));
    S(syncfs(fd));
    S(sync_file_range(fd, 0, 0, 0));
    S(fsync(0));
    S(fsync(99));
    sync();
    char *map = mmap(0, 30000, PROT_READ, MAP_PRIVATE, fd, 0);
    unsigned mapped = 0;
    for (int i = 0; map != MAP_FAILED && i < 30000; i++)
        mapped = mapped * 31 + (unsigned char)map[i];
    printf("mapped as read: %d\n", mapped == sum(fd));
    S(unlink("c"));
    struct stat st;
    fstat(fd, &st);
    printf("links %lu\n", (unsigned long)st.st_nlink);
    N(pwrite(fd, "still", 5, 40000));
    sum(fd);
    close(fd);
}

static void names(void) {
    puts("-- names");
    umask(022);
    S(mkdir("d", 0777));
    S(mkdir("d", 0777));
    S(mkdir("d/e/f", 0777));
    S(mkdir("d/e/", 0700));
    S(mkdir("link", 0700));
    S(mkdir(".", 0700));
    S(mkdir("/", 0700));
    S(mkdir("a/x", 0700));
    S(mkdir("sticky", 03775));
    S(mkdir("sticky/inherits", 0700));
    state("sticky");
    state("d");
    S(rmdir("d"));
    S(rmdir("a"));
    S(rmdir("d/e/."));
    S(rmdir("d/e/.."));
    S(rmdir("none"));
    S(rmdir("/"));
    S(unlink("d"));
    S(unlink("a/"));
    S(unlink("d/"));
    S(unlink("none"));
    S(unlink("none/"));
    S(link("a", "d/hard"));
    S(link("a", "d/hard"));
    S(link("d", "dd"));
    S(link("none", "dd"));
    S(link("link", "d/linklink"));
    S(linkat(AT_FDCWD, "link", AT_FDCWD, "d/linktarget", AT_SYMLINK_FOLLOW));
    S(link("a", "/dev/null"));
    S(link("a", "d/slash/"));
    state("a");
    state("d/linklink");
    state("target");
    S(symlink("", "d/empty"));
    S(symlink("x", "a"));
    S(symlink("a", "d/s/"));
    S(mknod("d/fifo", S_IFIFO | 0666, 0));
    S(mknod("d/socket", S_IFSOCK | 0666, 0));
    S(mknod("d/null", S_IFCHR | 0666, makedev(1, 3)));
    S(mknod("d/block", S_IFBLK | 0600, makedev(259, 300)));
    S(mknod("d/plain", 0600, 0));
    S(mknod("d/dir", S_IFDIR | 0600, 0));
    S(mknod("d/fifo", S_IFIFO | 0666, 0));
    state("d/fifo");
    state("d/block");
    N(write(open("d/null", O_WRONLY), "x", 1));
    S(open("d/socket", O_RDONLY));
    list("d");
}

static void moving(void) {
    puts("-- moving");
    S(rename("a", "d/a"));
    S(rename("d/a", "d/hard"));
    state("d/a");
    state("d/hard");
    S(rename("d/a", "a"));
    S(rename("a", "a"));
    S(rename("none", "x"));
    S(rename("a", "none/x"));
    S(rename("d", "d/e/x"));
    S(rename("d", "d"));
    S(rename("d/e", "d"));
    S(rename("a", "d"));
    S(rename("d", "a"));
    S(rename("a", "new/"));
    S(rename("a/", "new"));
    S(rename(".", "new"));
    S(rename("d/..", "new"));
    S(rename("a", "."));
    S(rename("/", "/new")); /* on one mount, so that EXDEV does not come first */
    S(rename("/var", "/"));
    S(rename("", "new"));
    S(rename("/dev/null", "null"));
    S(mkdir("m", 0700));
    S(rename("m", "d/e/"));
    state("d/e");
    S(mkdir("m", 0755));
    S(rename("d/e", "m/"));
    state("m");
    state("d");
    S(rename("link", "d/moved"));
    state("d/moved");
    S(move2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
    S(move2(AT_FDCWD, "a", AT_FDCWD, "a2", RENAME_NOREPLACE));
    S(move2(AT_FDCWD, "a2", AT_FDCWD, "m", RENAME_EXCHANGE));
    state("a2");
    state("m");
    S(move2(AT_FDCWD, "a2", AT_FDCWD, "none", RENAME_EXCHANGE));
    S(move2(AT_FDCWD, "d", AT_FDCWD, "d/hard", RENAME_EXCHANGE));
    S(move2(AT_FDCWD, "d/hard", AT_FDCWD, "d", RENAME_EXCHANGE));
    S(move2(AT_FDCWD, "a2", AT_FDCWD, "m", RENAME_EXCHANGE | RENAME_NOREPLACE));
    S(move2(AT_FDCWD, "a2", AT_FDCWD, "m", 0x80));
    int d = open("d", O_RDONLY | O_DIRECTORY);
    S(renameat(d, "hard", d, "soft"));
    S(unlinkat(d, "soft", 0));
    S(unlinkat(d, "fifo", AT_REMOVEDIR));
    S(unlinkat(d, "fifo", 1));
    S(mkdirat(d, "sub", 0700));
    S(unlinkat(d, "sub", 0));
    S(unlinkat(d, "sub", AT_REMOVEDIR));
    S(unlinkat(99, "sub", 0));
    S(symlinkat("t", d, "sl"));
    S(mkdirat(d, "gone", 0700));
    int g = openat(d, "gone", O_RDONLY | O_DIRECTORY);
    S(unlinkat(d, "gone", AT_REMOVEDIR));
    struct stat st;
    S(fstat(g, &st));
    printf("links of a removed directory: %lu\n", (unsigned long)st.st_nlink);
    S(openat(g, "x", O_CREAT | O_RDWR, 0600));
    S(mkdirat(g, "x", 0600));
    show("getdents64: removed", RAW(SYS_getdents64, g, all, 100, 0, 0, 0));
    close(g);
    close(d);
    list("d");
    list(".");
}

static void attributes(void) {
    puts("-- attributes");
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    struct stat st;
    S(chmod("f", 06755));
    state("f");
    S(chown("f", 5, 6));
    state("f");
    S(fchmod(fd, 02640));
    S(fchown(fd, -1, 7));
    state("f");
    S(symlink("f", "fl"));
    S(lchown("fl", 9, 9));
    state("fl");
    S(chmod("fl", 0600));
    S(fchmodat(AT_FDCWD, "fl", 0604, 0));
    S(fchownat(AT_FDCWD, "fl", 8, -1, AT_SYMLINK_NOFOLLOW));
    S(fchownat(AT_FDCWD, "fl", 8, -1, 1));
    state("fl");
    state("f");
    S(chmod("none", 0600));
    S(chown("none", 0, 0));
    S(fchmod(99, 0600));
    S(access("f", R_OK | W_OK));
    S(access("f", X_OK));
    S(chmod("f", 0001));
    S(access("f", X_OK));
    struct timespec ts[2] = {{100, 1}, {200, 2}};
    S(utimensat(AT_FDCWD, "f", ts, 0));
    stat("f", &st);
    printf("times %ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, (long)st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    long changed = st.st_ctim.tv_sec;
    ts[0].tv_nsec = UTIME_OMIT;
    ts[1].tv_nsec = UTIME_NOW;
    S(futimens(fd, ts));
    stat("f", &st);
    printf("access %ld, change is now: %d\n", (long)st.st_atim.tv_sec, st.st_mtim.tv_sec >= changed);
    ts[1].tv_nsec = 1000000000;
    S(utimensat(AT_FDCWD, "f", ts, 0));
    ts[0].tv_nsec = ts[1].tv_nsec = UTIME_OMIT;
    S(utimensat(AT_FDCWD, "none", ts, 0));
    S(utimensat(AT_FDCWD, "none", 0, 0));
    show("utimensat: no path", RAW(SYS_utimensat, AT_FDCWD, 0, 0, 0, 0, 0));
    struct timeval tv[2] = {{300, 3}, {400, 4}};
    S(utimes("fl", tv));
    stat("f", &st);
    printf("times %ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, (long)st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    struct utimbuf ub = {500, 600};
    S(utime("f", &ub));
    N(write(fd, "x", 1));
    stat("f", &st);
    printf("access %ld, change is now: %d %d\n", (long)st.st_atim.tv_sec, st.st_mtim.tv_sec >= changed, st.st_ctim.tv_sec >= changed);
    N(pread(fd, all, 1, 0));
    stat("f", &st);
    printf("access is now: %d\n", st.st_atim.tv_sec >= changed);
    struct statfs fs;
    S(statfs("f", &fs));
    printf("names %ld block %ld some free %d\n", (long)fs.f_namelen, (long)fs.f_bsize, fs.f_bfree > 0 && fs.f_blocks >= fs.f_bfree);
    S(fstatfs(fd, &fs));
    S(statfs("none", &fs));
    S(fstatfs(99, &fs));
    close(fd);
}

static void copying(void) {
    puts("-- copying and locks");
    int in = open("in", O_RDWR | O_CREAT, 0600), out = open("out", O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 50000; i++)
        all[i] = (char)(i * 11);
    write(in, all, 50000);
    off_t at = 100;
    N(sendfile(out, in, &at, 30000));
    N(at);
    lseek(in, 0, SEEK_SET);
    N(sendfile(out, in, 0, 10));
    N(lseek(in, 0, SEEK_CUR));
    N(sendfile(out, in, 0, 1000000));
    sum(out);
    loff_t from = 5, to = 7;
    show("copy_file_range: in, &from, out, &to, 1000, 0", RAW(SYS_copy_file_range, in, &from, out, &to, 1000, 0));
    N(from);
    N(to);
    from = 0, to = 50;
    show("copy_file_range: in, &from, in, &to, 100, 0", RAW(SYS_copy_file_range, in, &from, in, &to, 100, 0));
    show("copy_file_range: in, 0, out, 0, 100, 1", RAW(SYS_copy_file_range, in, 0, out, 0, 100, 1));
    show("copy_file_range: in, 0, 99, 0, 100, 0", RAW(SYS_copy_file_range, in, 0, 99, 0, 100, 0));
    sum(out);
    int other = open("in", O_RDWR);
    S(flock(in, LOCK_EX));
    S(flock(other, LOCK_SH | LOCK_NB));
    S(flock(in, LOCK_SH));
    S(flock(other, LOCK_SH | LOCK_NB));
    S(flock(in, LOCK_EX | LOCK_NB));
    close(other);
    S(flock(in, LOCK_EX | LOCK_NB));
    S(flock(in, LOCK_UN));
    S(flock(in, 77));
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
    S(fcntl(in, F_SETLK, &fl));
    S(fcntl(in, F_GETLK, &fl));
    printf("lock type %d\n", fl.l_type);
    fl.l_type = F_WRLCK;
    fl.l_start = -5;
    S(fcntl(in, F_SETLK, &fl));
    fl.l_start = 0;
    fl.l_type = 77;
    S(fcntl(in, F_SETLK, &fl));
    close(in);
    close(out);
}

static void removing(void) {
    puts("-- removing while listing");
    char name[64];
    int n = 0;
    mkdir("many", 0700);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "many/a file with a longish name %d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    DIR *d = opendir("many");
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            n++;
            unlinkat(dirfd(d), e->d_name, 0);
        }
    closedir(d);
    printf("%d\n", n);
    S(rmdir("many"));
    mkdir("cwd", 0700);
    chdir("cwd");
    S(rmdir("../cwd"));
    S(getcwd(name, sizeof name) ? 0 : -1);
    S(open("x", O_CREAT | O_RDWR, 0600));
    S(open(".", O_RDONLY));
    S(chdir(".."));
}

int main(int argc, char **argv) {
    static char dir[256];
    snprintf(dir, sizeof dir, "%s/writing-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (!mkdtemp(dir) || chdir(dir))
        return perror(dir), 2;
    opening();
    content();
    names();
    moving();
    attributes();
    copying();
    removing();
    puts("-- the end");
    static const char *left[] = {"d/linklink", "d/linktarget", "d/socket", "d/null", "d/block", "d/plain", "d/fifo", "d/moved", "d/sl", "d/a", "a2/e", "a2", "b", "in", "out", "f", "fl", "loop", "named", "target", "m", "sticky/inherits", "sticky", "d"};
    for (unsigned i = 0; i < sizeof left / sizeof *left; i++)
        show(left[i], remove(left[i]) ? -errno : 0);
    list(".");
    chdir("/");
    S(rmdir(dir));
    return 0;
}
