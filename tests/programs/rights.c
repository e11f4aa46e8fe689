// Who may do what to files: permissions, owners, sticky directories, set-id bits, capabilities. Works in a directory of its own
// below argument 1. Needs root to begin with.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

// As in linux/capability.h.
struct cap_header { unsigned version; int pid; };
struct cap_data { unsigned effective, permitted, inheritable; };
enum { CAP_CHOWN = 0, CAP_DAC_OVERRIDE = 1, CAP_DAC_READ_SEARCH = 2, CAP_FOWNER = 3 };

#define E(call) do { errno = 0; long n_ = (long)(call); show(#call, n_ < 0 ? -errno : 0); } while (0)

// Puts capabilities in force, of those that are permitted.
static long put_in_force(unsigned long low, unsigned high) {
    struct cap_header header = {0x20080522, 0};
    struct cap_data data[2];
    RAW(SYS_capget, &header, data, 0, 0, 0, 0);
    data[0].effective = (unsigned)low & data[0].permitted;
    data[1].effective = high & data[1].permitted;
    return RAW(SYS_capset, &header, data, 0, 0, 0, 0);
}

static void have(unsigned long capabilities) { show("capabilities", put_in_force(capabilities, 0)); }

// The effective user, group and capabilities of the calls that follow; libc's functions would tell other threads.
static void become(unsigned uid, unsigned gid, int groups, const gid_t *list) {
    put_in_force(~0u, ~0u);
    long failed = RAW(SYS_setresuid, 0, 0, 0, 0, 0, 0);
    failed |= RAW(SYS_setgroups, groups, list, 0, 0, 0, 0);
    failed |= RAW(SYS_setresgid, -1, gid, -1, 0, 0, 0);
    failed |= RAW(SYS_setresuid, -1, uid, -1, 0, 0, 0);
    printf("as %u %u: %ld\n", uid, gid, failed);
}

static void state(const char *path) {
    struct stat st;
    if (lstat(path, &st))
        printf("  %s: %s\n", path, error_name(errno));
    else
        printf("  %s: %o uid %u gid %u\n", path, st.st_mode, st.st_uid, st.st_gid);
}

static int opened(const char *path, int flags) {
    int fd = open(path, flags, 0666);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static void use(const char *path) {
    printf("%s:", path);
    for (int flags = 0; flags < 3; flags++)
        printf(" %s", opened(path, flags) ? error_name(errno) : "ok");
    printf(" path %s, real", opened(path, O_PATH) ? error_name(errno) : "ok");
    for (int mode = 0; mode < 8; mode++)
        printf(" %s", access(path, mode) ? error_name(errno) : "ok");
    printf(", effective");
    for (int mode = 0; mode < 8; mode++) {
        long r = RAW(SYS_faccessat2, AT_FDCWD, path, mode, AT_EACCESS, 0, 0);
        printf(" %s", r ? error_name((int)-r) : "ok");
    }
    puts("");
}

static void make(const char *path, unsigned mode, unsigned uid, unsigned gid) {
    close(open(path, O_CREAT | O_WRONLY, 0600));
    chown(path, uid, gid);
    chmod(path, mode);
}

static void make_dir(const char *path, unsigned mode, unsigned uid, unsigned gid) {
    mkdir(path, 0700);
    chown(path, uid, gid);
    chmod(path, mode);
}

static void reading(void) {
    make("own", 0600, 1000, 1000);
    make("notown", 0066, 1000, 1000);
    make("group", 0640, 5, 1000);
    make("notgroup", 0606, 5, 1000);
    make("other", 0644, 5, 5);
    make("none", 0, 1000, 1000);
    make("exec", 0001, 5, 5);
    make("second", 0060, 5, 77);
    make_dir("closed", 0700, 0, 0);
    make_dir("listed", 0744, 0, 0);
    make_dir("passed", 0711, 0, 0);
    make("closed/f", 0666, 0, 0);
    make("listed/f", 0666, 0, 0);
    make("passed/f", 0666, 0, 0);
    symlink("closed/f", "link");
    const char *all[] = {"own", "notown", "group", "notgroup", "other", "none", "exec", "second", "closed", "listed", "passed",
                         "closed/f", "listed/f", "passed/f", "link", "closed/none", "passed/none", "closed/..", "own/x", "."};
    gid_t groups[] = {99, 77, 3};
    for (int round = 0; round < 7; round++) {
        switch (round) {
        case 0: become(0, 0, 0, 0); break;
        case 1: become(1000, 1000, 0, 0); break;
        case 2: become(1000, 5, 3, groups); break;
        case 3: become(0, 0, 0, 0); have(0); break;
        case 4: become(0, 0, 0, 0); have(1 << CAP_DAC_READ_SEARCH); break;
        case 5: become(0, 0, 0, 0); have(1 << CAP_DAC_OVERRIDE); break;
        case 6: become(0, 0, 0, 0); show("fsuid", setfsuid(1000)); break;
        }
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            use(all[i]);
        struct stat st;
        struct statfs fs;
        char buf[64];
        E(stat("closed/f", &st));
        E(stat("none", &st));
        E(lstat("link", &st));
        E(readlink("link", buf, sizeof buf));
        E(statfs("closed/f", &fs));
        E(chdir("closed") ? -1 : chdir(".."));
        E(chdir("listed") ? -1 : chdir(".."));
        E(truncate("other", 0));
        E(opened("other", O_RDONLY | O_TRUNC));
        E(opened("own", O_RDONLY | O_NOATIME));
        E(opened("other", O_RDONLY | O_NOATIME));
        E(opened("other", O_RDONLY | O_CREAT));
        E(opened("other", O_RDWR | O_CREAT | O_EXCL));
        if (round == 6)
            setfsuid(0);
    }
}

static void names(void) {
    become(0, 0, 0, 0);
    make_dir("free", 0777, 0, 0);
    make_dir("sticky", 01777, 0, 0);
    make_dir("mysticky", 01777, 1000, 0);
    make_dir("readable", 0755, 0, 0);
    make_dir("free/dir", 0755, 0, 0);
    make_dir("free/mine", 0755, 1000, 0);
    make_dir("free/to", 0777, 0, 0);
    make("free/f", 0600, 0, 0);
    make("free/g", 0600, 0, 0);
    make("sticky/f", 0666, 0, 0);
    make("sticky/mine", 0666, 1000, 0);
    make_dir("sticky/dir", 0777, 0, 0);
    make("mysticky/f", 0600, 0, 0);
    make("readable/f", 0666, 0, 0);
    make("readable/mine", 0666, 1000, 0);
    make_dir("readable/dir", 0777, 1000, 0);
    become(1000, 1000, 0, 0);
    E(opened("free/new", O_CREAT | O_WRONLY));
    state("free/new");
    E(open("free/secret", O_CREAT | O_RDWR, 0));
    E(opened("free/secret", O_RDWR));
    E(mkdir("free/newdir", 0777));
    state("free/newdir");
    E(symlink("x", "free/newlink"));
    state("free/newlink");
    E(mkfifo("free/fifo", 0666));
    state("free/fifo");
    E(mknod("free/device", S_IFCHR | 0666, makedev(1, 3)));
    E(mknod("free/block", S_IFBLK | 0666, makedev(1, 3)));
    E(link("free/new", "free/hard"));
    E(open("free", O_TMPFILE | O_RDWR, 0666));
    E(unlink("free/f"));
    E(rmdir("free/dir"));
    E(mkdir("free/dir", 0755));
    E(rename("free/g", "free/h"));
    E(rename("free/mine", "free/to/mine"));
    become(0, 0, 0, 0);
    make_dir("free/theirs", 0755, 0, 0);
    become(1000, 1000, 0, 0);
    E(rename("free/theirs", "free/renamed"));
    E(rename("free/renamed", "free/to/theirs"));
    E(unlink("sticky/f"));
    E(rename("sticky/f", "sticky/g"));
    E(rename("sticky/mine", "sticky/f"));
    E(rename("sticky/mine", "sticky/more"));
    E(rmdir("sticky/dir"));
    E(unlink("sticky/more"));
    E(unlink("mysticky/f"));
    E(unlink("readable/f"));
    E(unlink("readable/mine"));
    E(unlink("readable/none"));
    E(unlink("readable/dir"));
    E(rmdir("readable/dir"));
    E(rmdir("readable/f"));
    E(mkdir("readable/new", 0777));
    E(mkdir("readable/f", 0777));
    E(symlink("x", "readable/new"));
    E(link("readable/mine", "readable/new"));
    E(link("readable/mine", "free/more"));
    E(rename("readable/mine", "free/mine"));
    E(rename("free/new", "readable/new"));
    E(rename("free/new", "readable/mine"));
    E(rename("readable/mine", "readable/mine"));
    E(opened("readable/new", O_CREAT | O_WRONLY));
    E(opened("readable/new", O_WRONLY));
    E(open("readable", O_TMPFILE | O_RDWR, 0666));
    E(mknod("readable/new", S_IFCHR, 0));
    E(opened("closed/new", O_CREAT | O_WRONLY));
    E(unlink("closed/f"));
}

static void owners(void) {
    become(0, 0, 0, 0);
    make("mine", 0644, 1000, 1000);
    make("theirs", 0666, 0, 0);
    make("readonly", 0644, 0, 0);
    gid_t groups[] = {77};
    become(1000, 1000, 1, groups);
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}}, half[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}}, at[2] = {{5, 0}, {6, 0}},
                    omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    const char *files[] = {"mine", "theirs", "readonly"};
    for (int i = 0; i < 3; i++) {
        const char *f = files[i];
        puts(f);
        E(chmod(f, 0664));
        E(chown(f, 1000, -1));
        E(chown(f, 0, -1));
        E(chown(f, -1, -1));
        E(chown(f, -1, 77));
        E(chown(f, -1, 78));
        E(chown(f, -1, 1000));
        E(lchown(f, 1000, 77));
        E(utimensat(AT_FDCWD, f, 0, 0));
        E(utimensat(AT_FDCWD, f, now, 0));
        E(utimensat(AT_FDCWD, f, half, 0));
        E(utimensat(AT_FDCWD, f, at, 0));
        E(utimensat(AT_FDCWD, f, omit, 0));
        int fd = open(f, O_RDONLY);
        E(fchmod(fd, 0644));
        E(fchown(fd, 5, 5));
        E(futimens(fd, at));
        E(futimens(fd, 0));
        close(fd);
        state(f);
    }
    // Bits that run a program with somebody's rights.
    E(chmod("mine", 06755));
    state("mine");
    E(chown("mine", -1, -1));
    state("mine");
    E(chmod("mine", 06755));
    E(chown("mine", -1, 1000));
    state("mine");
    become(0, 0, 0, 0);
    chown("mine", 1000, 500);
    become(1000, 1000, 1, groups);
    E(chmod("mine", 02755));
    state("mine");
    become(0, 0, 0, 0);
    for (unsigned mode = 06000; mode < 07000; mode += 010) {
        if (mode & 0767)
            continue;
        make("set", mode | 0666, 1000, 1000);
        become(1000, 1000, 0, 0);
        int fd = open("set", O_RDWR);
        write(fd, "x", 1);
        state("set");
        become(0, 0, 0, 0);
        chmod("set", mode | 0666);
        write(fd, "x", 1);
        state("set");
        become(1000, 1000, 0, 0);
        E(pwrite(fd, "x", 1, 0));
        state("set");
        become(0, 0, 0, 0);
        chmod("set", mode | 0666);
        become(1000, 1000, 0, 0);
        E(ftruncate(fd, 0));
        state("set");
        become(0, 0, 0, 0);
        chmod("set", mode | 0666);
        become(1000, 1000, 0, 0);
        E(truncate("set", 5));
        state("set");
        become(0, 0, 0, 0);
        chmod("set", mode | 0666);
        chown("set", 5, 5);
        state("set");
        close(fd);
    }
    make_dir("shared", 02777, 0, 77);
    become(1000, 1000, 0, 0);
    E(opened("shared/f", O_CREAT | O_WRONLY));
    state("shared/f");
    E(mkdir("shared/d", 0777));
    state("shared/d");
    E(close(open("shared/s", O_CREAT | O_WRONLY, 02775)));
    state("shared/s");
    become(1000, 77, 0, 0);
    E(close(open("shared/t", O_CREAT | O_WRONLY, 02775)));
    state("shared/t");
    become(0, 0, 0, 0);
    show("fsgid", setfsgid(12));
    show("fsuid", setfsuid(34));
    E(opened("shared/u", O_CREAT | O_WRONLY));
    E(opened("free/u", O_CREAT | O_WRONLY));
    setfsuid(0);
    setfsgid(0);
    state("shared/u");
    state("free/u");
    have(1ul << CAP_CHOWN);
    E(chown("mine", 7, 8));
    E(chmod("mine", 0600));
    have(1ul << CAP_FOWNER);
    E(chown("mine", 8, 9));
    E(chmod("mine", 02711));
    state("mine");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    return at->level ? remove(path) : 0;
}

// For good: nothing of root is left.
static void dropped(const char *dir) {
    become(0, 0, 0, 0);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    make("own", 0600, 1000, 1000);
    make_dir("closed", 0700, 0, 0);
    make_dir("free", 0777, 1000, 1000);
    chown(dir, 1000, 1000);
    umask(027);
    E(setgroups(0, 0));
    E(setgid(1000));
    E(setuid(1000));
    use("own");
    use("closed");
    E(opened("free/last", O_CREAT | O_WRONLY));
    state("free/last");
    E(chmod("free/last", 0777));
    E(setuid(0));
    E(unlink("free/last"));
    // What belongs to the process itself stays open to it.
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    show("own descriptors", fd < 0 ? -errno : 0);
    close(fd);
    E(opened("/proc/self/maps", O_RDONLY));
    E(opened("/proc/self/status", O_RDONLY));
    E(opened("/dev/null", O_RDWR));
    E(opened("/dev/zero", O_RDWR));
    E(mkdir("/rights-test", 0777));
    E(unlink("own"));
    E(rmdir("closed"));
    E(rmdir("free"));
    chdir("/");
    show("all removed", rmdir(dir) ? -errno : 0);
}

int main(int argc, char **argv) {
    char dir[256];
    snprintf(dir, sizeof dir, "%s/rightsXXXXXX", argv[1]);
    umask(022);
    if (!mkdtemp(dir) || chmod(dir, 0755) || chdir(dir))
        return 2;
    reading();
    names();
    owners();
    dropped(dir);
    return 0;
}
