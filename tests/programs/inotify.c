// inotify: every event that file operations raise. The argument is a directory that can be written. Needs root to begin with.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : result_); } while (0)
static int in;
static char buf[1 << 16] __attribute__((aligned(8)));

static void events(const char *what) {
    static const char *names[32] = {"ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM",
        "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", [13] = "UNMOUNT", "Q_OVERFLOW", "IGNORED",
        [30] = "ISDIR"};
    static unsigned last_cookie;
    printf("%s:", what);
    ssize_t n = read(in, buf, sizeof buf);
    for (char *p = buf; n > 0 && p < buf + n;) {
        struct inotify_event *e = (void *)p;
        printf(" %d", e->wd);
        for (int bit = 0; bit < 32; bit++)
            if (e->mask & 1u << bit)
                printf("+%s", names[bit] ? names[bit] : "?");
        if (e->len)
            printf("(%s,%u)", e->name, e->len);
        if (e->cookie)
            printf("#%s", e->cookie == last_cookie ? "same" : "new");
        last_cookie = e->cookie;
        p += sizeof *e + e->len;
    }
    printf("%s\n", n < 0 ? error_name(errno) : "");
}

static void touch(const char *name) { close(open(name, O_WRONLY | O_CREAT, 0600)); }

static void of_directory(void) {
    int wd = inotify_add_watch(in, ".", IN_ALL_EVENTS);
    printf("watch %d\n", wd);
    events("nothing");
    touch("a");
    events("create");
    int f = open("a", O_RDWR);
    events("open");
    char b[10];
    read(f, b, 1);
    events("read at the end");
    write(f, "xyz", 3);
    write(f, "xyz", 3);
    events("two writes are one");
    pread(f, b, 1, 0);
    write(f, "", 0);
    pwrite(f, "1", 1, 9);
    events("pread, empty write, pwrite");
    ftruncate(f, 2);
    events("ftruncate");
    fchmod(f, 0644);
    events("fchmod");
    futimens(f, NULL);
    events("futimens");
    close(f);
    events("close");
    truncate("a", 1);
    events("truncate");
    chmod("a", 0600);
    utimes("a", NULL);
    events("chmod, utimes");
    close(open("a", O_RDONLY));
    events("open and close");
    close(open("a", O_PATH));
    events("O_PATH");
    link("a", "b");
    events("link");
    symlink("a", "s");
    events("symlink");
    mkdir("d", 0700);
    events("mkdir");
    mknod("fifo", S_IFIFO | 0600, 0);
    events("mknod");
    rename("a", "c");
    events("rename");
    rename("c", "d/c");
    events("rename away");
    rename("d/c", "c");
    events("rename into");
    rename("b", "d/b");
    rename("d", "e");
    events("rename of a directory");
    touch("z");
    events("create");
    syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "e", 2);
    events("exchange");
    rename("z", "c/b");
    events("rename over");
    unlink("c/b");
    unlink("s");
    unlink("fifo");
    events("unlink");
    rmdir("c");
    events("rmdir");
    unlink("e");
    events("unlink");
    int d = open(".", O_RDONLY | O_DIRECTORY);
    events("open of the directory");
    syscall(SYS_getdents64, d, buf, sizeof buf);
    events("getdents");
    close(d);
    events("close");
    chmod(".", 0700);
    events("chmod of the directory");
    f = open("gone", O_RDWR | O_CREAT, 0600);
    unlink("gone");
    events("unlink while open");
    write(f, "1", 1);
    close(f);
    events("write and close of what has no name");
    V("remove", inotify_rm_watch(in, wd));
    events("ignored");
    V("again", inotify_rm_watch(in, wd));
}

static void of_file(void) {
    touch("a");
    int wd = inotify_add_watch(in, "a", IN_ALL_EVENTS);
    printf("watch %d\n", wd);
    V("the same", inotify_add_watch(in, "./a", IN_ALL_EVENTS) == wd);
    int f = open("a", O_RDWR);
    write(f, "x", 1);
    link("a", "b");
    unlink("b");
    rename("a", "c");
    events("open, write, link, unlink, rename");
    unlink("c");
    events("of the last");
    close(f);
    events("close");
    touch("a");
    printf("watch %d\n", inotify_add_watch(in, "a", IN_ALL_EVENTS));
    unlink("a");
    events("unlink");
    touch("a");
    touch("b");
    wd = inotify_add_watch(in, "b", IN_ALL_EVENTS);
    rename("a", "b");
    events("rename over");
    mkdir("d", 0700);
    wd = inotify_add_watch(in, "d", IN_ALL_EVENTS);
    rename("d", "e");
    close(open("e", O_RDONLY));
    rmdir("e");
    events("a directory");
    unlink("b");
}

static void options(void) {
    touch("a");
    int wd = inotify_add_watch(in, "a", IN_OPEN | IN_ONESHOT);
    close(open("a", O_RDONLY));
    events("oneshot");
    V("is gone", inotify_rm_watch(in, wd));
    wd = inotify_add_watch(in, "a", IN_OPEN);
    V("add", inotify_add_watch(in, "a", IN_MASK_ADD | IN_CLOSE) == wd);
    V("create", inotify_add_watch(in, "a", IN_MASK_CREATE | IN_CLOSE));
    close(open("a", O_RDONLY));
    events("both");
    V("replace", inotify_add_watch(in, "a", IN_ATTRIB) == wd);
    close(open("a", O_RDONLY));
    chmod("a", 0600);
    events("attrib");
    inotify_rm_watch(in, wd);
    events("removed");
    symlink("a", "s");
    wd = inotify_add_watch(in, "s", IN_DONT_FOLLOW | IN_ALL_EVENTS);
    close(open("s", O_RDONLY));
    events("the link");
    unlink("s");
    events("unlinked");
    V("ONLYDIR", inotify_add_watch(in, "a", IN_ONLYDIR | IN_OPEN));
    wd = inotify_add_watch(in, ".", IN_ONLYDIR | IN_EXCL_UNLINK | IN_MODIFY | IN_OPEN);
    int f = open("a", O_WRONLY);
    unlink("a");
    write(f, "x", 1);
    events("nothing of unlinked files");
    close(f);
    inotify_rm_watch(in, wd);
    events("removed");

    V("bad mask", inotify_add_watch(in, ".", 0));
    V("bad mask", inotify_add_watch(in, ".", IN_MASK_ADD | IN_MASK_CREATE | IN_OPEN));
    V("bad descriptor", inotify_add_watch(77, ".", IN_OPEN));
    V("no inotify", inotify_add_watch(0, ".", IN_OPEN));
    V("no file", inotify_add_watch(in, "nothing", IN_OPEN));
    V("empty path", inotify_add_watch(in, "", IN_OPEN));
    V("bad path", inotify_add_watch(in, (void *)8, IN_OPEN));
    V("bad descriptor", inotify_rm_watch(77, 1));
    V("no inotify", inotify_rm_watch(0, 1));
    V("bad watch", inotify_rm_watch(in, 12345));
    V("bad flags", inotify_init1(1));
    V("write", write(in, "x", 1));
    V("lseek", lseek(in, 0, SEEK_SET));
}

static void reading(void) {
    int wd = inotify_add_watch(in, ".", IN_CREATE | IN_DELETE | IN_MOVE);
    struct pollfd p = {in, POLLIN | POLLOUT, 0};
    V("poll", poll(&p, 1, 0));
    int e = epoll_create1(0), n = -1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    V("epoll", epoll_ctl(e, EPOLL_CTL_ADD, in, &event));
    V("wait", epoll_wait(e, &event, 1, 0));
    touch("sixteen-letters!");
    touch("fifteen-letters");
    V("poll", poll(&p, 1, 0));
    printf("%x\n", p.revents);
    V("wait", epoll_wait(e, &event, 1, 0));
    V("again", epoll_wait(e, &event, 1, 0));
    V("FIONREAD", ioctl(in, FIONREAD, &n));
    printf("%d bytes\n", n);
    V("too small", read(in, buf, 47));
    V("one", read(in, buf, 60));
    V("other", read(in, buf, 60));
    unlink("sixteen-letters!"), unlink("fifteen-letters");
    V("bad buffer", read(in, (void *)8, 1000));
    events("which lost the first");
    struct stat st;
    fstat(in, &st);
    printf("mode %o, flags %x\n", st.st_mode & S_IFMT, fcntl(in, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
    char link[100] = "", name[50];
    snprintf(name, sizeof name, "/proc/self/fd/%d", in);
    readlink(name, link, 99);
    printf("%s\n", link);
    for (int i = 0; i < 100; i++)
        touch("many"), unlink("many");
    n = 0;
    ioctl(in, FIONREAD, &n);
    printf("%d bytes\n", n);
    while (read(in, buf, sizeof buf) > 0)
        ;
    inotify_rm_watch(in, wd);
    events("removed");
    int other = inotify_init();
    V("first watch of another", inotify_add_watch(other, ".", IN_OPEN));
    V("second", inotify_add_watch(other, "/", IN_OPEN));
    V("close", close(other));
    close(e);
}

static void late(void) {
    touch("a");
    int wd = inotify_add_watch(in, ".", IN_ALL_EVENTS);
    V("setxattr", setxattr("a", "user.x", "1", 1, 0));
    events("setxattr");
    V("again", setxattr("a", "user.x", "1", 1, XATTR_CREATE));
    V("getxattr", getxattr("a", "user.x", buf, 10));
    events("nothing changed");
    V("removexattr", removexattr("a", "user.x"));
    events("removexattr");
    uint64_t how[3] = {O_RDWR, 0, 0};
    int f = (int)syscall(SYS_openat2, AT_FDCWD, "a", how, sizeof how);
    events("openat2");
    V("fsetxattr", fsetxattr(f, "user.y", "2", 1, 0));
    events("fsetxattr");
    V("fremovexattr", fremovexattr(f, "user.y"));
    events("fremovexattr");
    struct iovec v = {"text", 4}, to = {buf, 4};
    V("pwritev2", syscall(SYS_pwritev2, f, &v, 1, -1L, 0, 16 /* RWF_APPEND */));
    events("pwritev2");
    V("pwritev2", syscall(SYS_pwritev2, f, &v, 1, 0L, 0, 0));
    events("pwritev2 at an offset");
    V("preadv2", syscall(SYS_preadv2, f, &to, 1, 0L, 0, 0));
    events("preadv2");
    V("fallocate", fallocate(f, 0, 0, 100));
    events("fallocate");
    V("punch", fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10));
    events("punch");
    // Which of IN_OPEN and IN_MODIFY comes first changed in Linux 6.8.
    inotify_add_watch(in, ".", IN_ALL_EVENTS & ~IN_OPEN);
    V("O_TRUNC", close(open("a", O_WRONLY | O_TRUNC)));
    events("O_TRUNC");
    inotify_add_watch(in, ".", IN_ALL_EVENTS);
    V("mkfifo", mkfifo("fifo", 0600));
    int p = open("fifo", O_RDWR | O_TRUNC);
    events("a FIFO");
    write(f, "text", 4);
    lseek(f, 0, SEEK_SET);
    events("write");
    // The directory is not told of it by newer Linux.
    inotify_add_watch(in, ".", IN_ALL_EVENTS & ~(IN_ACCESS | IN_MODIFY));
    int own = inotify_add_watch(in, "fifo", IN_ACCESS | IN_MODIFY);
    V("splice", splice(f, NULL, p, NULL, 4, 0));
    read(in, buf, sizeof buf);
    V("write", write(p, "x", 1));
    V("read", read(p, buf, 5));
    events("of a FIFO");
    inotify_rm_watch(in, own);
    inotify_add_watch(in, ".", IN_ALL_EVENTS);
    close(p), close(f);
    unlink("fifo");
    events("closed");

    mkdir("closed", 0700);
    chmod(".", 0755);
    touch("closed/x");
    read(in, buf, sizeof buf);
    RAW(SYS_setresuid, -1, 1000, -1, 0, 0, 0);
    V("no right to read", inotify_add_watch(in, "a", IN_OPEN));
    V("directory", inotify_add_watch(in, "closed", IN_OPEN));
    V("no right to search", inotify_add_watch(in, "closed/x", IN_OPEN));
    V("not a directory either", inotify_add_watch(in, "a", IN_OPEN | IN_ONLYDIR));
    V("open", open("a", O_RDONLY));
    V("create", open("new", O_CREAT | O_RDWR, 0600));
    V("unlink", unlink("a"));
    V("rename", rename("a", "b"));
    V("chmod", chmod("a", 0777));
    V("truncate", truncate("a", 0));
    V("mkdir", mkdir("new", 0777));
    events("nothing happened");
    RAW(SYS_setresuid, -1, 0, -1, 0, 0, 0);
    inotify_rm_watch(in, wd);
    unlink("a"), unlink("closed/x"), rmdir("closed");
    events("removed");
}

int main(int argc, char **argv) {
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/watched-%d", argc > 1 ? argv[1] : "/tmp", getpid());
    V("directory", mkdir(dir, 0700) | chdir(dir));
    in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    printf("cloexec %d\n", fcntl(in, F_GETFD));
    of_directory();
    of_file();
    options();
    reading();
    late();
    chdir("/");
    V("leftovers", rmdir(dir));
    return 0;
}
