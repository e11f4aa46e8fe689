// Extended attributes of files below argument 1: values, names, sizes, kinds, rights. Needs root to begin with.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define E(call) do { errno = 0; long n_ = (long)(call); printf("%s: %s\n", #call, n_ < 0 ? name_of(errno) : value_of(n_)); } while (0)

static const char *name_of(int e) { return e == ENODATA ? "ENODATA" : error_name(e); }

static const char *value_of(long n) {
    static char text[24];
    snprintf(text, sizeof text, "%ld", n);
    return text;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// Names in their order, without those that the system itself may set.
static void names(const char *path) {
    char list[4096], *all[64];
    long n = llistxattr(path, list, sizeof list);
    int count = 0;
    for (char *p = list; n > 0 && p < list + n; p += strlen(p) + 1)
        if (strncmp(p, "security.selinux", 16))
            all[count++] = p;
    qsort(all, (size_t)count, sizeof *all, by_name);
    printf("%s:", path);
    for (int i = 0; i < count; i++)
        printf(" %s", all[i]);
    printf("%s\n", n < 0 ? name_of(errno) : "");
}

static char buf[70000], *bad = (char *)8;

static void values(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644), path = open("f", O_PATH);
    E(getxattr("f", "user.a", buf, 100));
    E(listxattr("f", buf, sizeof buf) <= 17);
    E(setxattr("f", "user.a", "value", 5, XATTR_REPLACE));
    E(setxattr("f", "user.a", "value", 5, XATTR_CREATE));
    E(setxattr("f", "user.a", "value", 5, XATTR_CREATE));
    E(setxattr("f", "user.a", "other value", 11, XATTR_REPLACE));
    E(getxattr("f", "user.a", 0, 0));
    E(getxattr("f", "user.a", buf, 10));
    E(getxattr("f", "user.a", buf, 11));
    printf("%.11s\n", buf);
    E(fgetxattr(fd, "user.a", buf, 100));
    E(fsetxattr(fd, "user.b", "", 0, 0));
    E(fgetxattr(fd, "user.b", buf, 100));
    E(fsetxattr(fd, "user.b", "again", 5, 0));
    E(setxattr("f", "trusted.t", "\0\1\2", 3, 0));
    E(setxattr("f", "security.test", "s", 1, 0));
    names("f");
    E(flistxattr(fd, 0, 0) > 10);
    E(flistxattr(fd, buf, 3));
    E(link("f", "g"));
    names("g");
    E(rename("g", "h"));
    names("h");
    E(removexattr("h", "user.a"));
    E(getxattr("f", "user.a", buf, 100));
    E(removexattr("f", "user.a"));
    E(fremovexattr(fd, "trusted.t"));
    names("f");
    struct stat before, after;
    stat("f", &before);
    usleep(20000);
    E(setxattr("f", "user.c", "x", 1, 0));
    stat("f", &after);
    printf("change time moves: %d, modification: %d\n", before.st_ctim.tv_nsec != after.st_ctim.tv_nsec, before.st_mtim.tv_nsec != after.st_mtim.tv_nsec);
    // What the manual pages name.
    E(setxattr("f", "user.d", "x", 1, 4));
    E(setxattr("f", "user.d", "x", 1, 3));
    E(setxattr("f", "user.c", "x", 1, 3));
    E(setxattr("f", "user.", "x", 1, 0));
    E(getxattr("f", "user.", buf, 1));
    E(setxattr("f", "", "x", 1, 0));
    E(setxattr("f", "name", "x", 1, 0));
    E(getxattr("f", "name", buf, 1));
    E(removexattr("f", "name"));
    E(setxattr("f", "other.name", "x", 1, 0));
    E(setxattr("f", "user.big", buf, 65537, 0));
    E(setxattr("f", "user.d", bad, 1, 0));
    E(setxattr("f", bad, "x", 1, 0));
    E(setxattr(bad, "user.d", "x", 1, 0));
    E(getxattr("f", "user.c", bad, 1));
    E(listxattr("f", bad, 1000));
    E(setxattr("none", "user.d", "x", 1, 0));
    E(getxattr("none", "user.d", buf, 1));
    E(listxattr("none", buf, 1));
    E(removexattr("none", "user.d"));
    E(setxattr("f/x", "user.d", "x", 1, 0));
    E(fsetxattr(99, "user.d", "x", 1, 0));
    E(fgetxattr(99, "user.d", buf, 1));
    E(flistxattr(99, buf, 1));
    E(fremovexattr(99, "user.d"));
    E(fsetxattr(path, "user.d", "x", 1, 0));
    E(fgetxattr(path, "user.d", buf, 1));
    E(flistxattr(path, buf, 1));
    char name[300] = "user.";
    memset(name + 5, 'n', 290);
    name[256] = 0;
    E(setxattr("f", name, "x", 1, 0));
    name[255] = 0;
    E(setxattr("f", name, "x", 1, 0));
    E(removexattr("f", name));
    close(fd);
    close(path);
}

static void kinds(void) {
    E(mkdir("d", 0755));
    E(symlink("f", "l"));
    E(mkfifo("p", 0666));
    E(setxattr("d", "user.a", "dir", 3, 0));
    E(setxattr("l", "user.a", "by link", 7, 0));
    E(getxattr("f", "user.a", buf, 100));
    E(lsetxattr("l", "user.a", "x", 1, 0));
    E(lgetxattr("l", "user.a", buf, 100));
    E(lsetxattr("l", "trusted.a", "link", 4, 0));
    E(lgetxattr("l", "trusted.a", buf, 100));
    E(getxattr("l", "trusted.a", buf, 100));
    names("l");
    E(lremovexattr("l", "trusted.a"));
    names("l");
    E(setxattr("p", "user.a", "x", 1, 0));
    E(getxattr("p", "user.a", buf, 1));
    E(setxattr("p", "trusted.a", "x", 1, 0));
    names("d");
    names("p");
    E(setxattr("/proc/self/status", "user.a", "x", 1, 0));
    E(getxattr("/proc/self/status", "user.a", buf, 1));
}

static void rights(void) {
    chmod("f", 0644);
    chmod("d", 0755);
    E(setxattr("f", "trusted.t", "t", 1, 0));
    int closed = open("c", O_RDWR | O_CREAT, 0600);
    fsetxattr(closed, "user.a", "x", 1, 0);
    fsetxattr(closed, "trusted.a", "x", 1, 0);
    mkdir("s", 01777);
    chmod("s", 01777);
    RAW(SYS_setresuid, -1, 1000, -1, 0, 0, 0);
    E(getxattr("f", "user.a", buf, 100));
    E(setxattr("f", "user.a", "x", 1, 0));
    E(removexattr("f", "user.a"));
    E(getxattr("f", "trusted.t", buf, 100));
    E(setxattr("f", "trusted.t", "x", 1, 0));
    E(removexattr("f", "trusted.t"));
    E(getxattr("f", "security.test", buf, 100));
    E(setxattr("f", "security.test", "x", 1, 0));
    E(getxattr("c", "user.a", buf, 100));
    E(fgetxattr(closed, "user.a", buf, 100));
    names("f");
    names("c");
    E(setxattr("s", "user.a", "x", 1, 0));
    E(setxattr("d", "user.a", "x", 1, 0));
    RAW(SYS_setresuid, -1, 0, -1, 0, 0, 0);
    close(closed);
}

int main(int argc, char **argv) {
    char dir[256];
    snprintf(dir, sizeof dir, "%s/xattrXXXXXX", argv[1]);
    umask(022);
    if (!mkdtemp(dir) || chmod(dir, 0755) || chdir(dir))
        return 2;
    values();
    kinds();
    rights();
    const char *all[] = {"f", "h", "l", "p", "c"};
    for (int i = 0; i < 5; i++)
        unlink(all[i]);
    rmdir("d");
    rmdir("s");
    chdir("/");
    E(rmdir(dir));
    return 0;
}
