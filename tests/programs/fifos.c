// FIFOs, packets in pipes, how pipes fill, splice, tee, vmsplice, sendfile. The argument is a directory that can be written.
// Needs root to begin with.
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : result_); } while (0)
#define OK(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : 0); } while (0)
static char big[1 << 20], dir[4096], path[8192];

static const char *at(const char *name) {
    snprintf(path, sizeof path, "%s/%s-%d", dir, name, getpid());
    return path;
}

static int events(int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    return p.revents;
}

static int waiting(int fd) {
    int n = -1;
    ioctl(fd, FIONREAD, &n);
    return n;
}

static void fifos(void) {
    V("mkfifo", mkfifo(at("fifo"), 0640));
    V("again", mkfifo(at("fifo"), 0640));
    struct stat st;
    stat(at("fifo"), &st);
    printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
    V("writer without reader", open(at("fifo"), O_WRONLY | O_NONBLOCK));
    int r, w;
    OK("reader", r = open(at("fifo"), O_RDONLY | O_NONBLOCK));
    char b[64];
    V("no writer yet", read(r, b, 1));
    printf("reader %x\n", events(r));
    OK("writer", w = open(at("fifo"), O_WRONLY));
    V("nothing written", read(r, b, 1));
    V("write", write(w, "hello", 5));
    printf("waiting %d, reader %x writer %x\n", waiting(r), events(r), events(w));
    V("read", read(r, b, 64));
    V("write", write(w, "rest", 4));
    close(w);
    printf("reader %x\n", events(r));
    V("read", read(r, b, 64));
    V("end", read(r, b, 64));
    printf("reader %x\n", events(r));
    OK("writer again", w = open(at("fifo"), O_WRONLY | O_NONBLOCK));
    printf("reader %x\n", events(r));
    V("nothing", read(r, b, 64));
    fstat(r, &st);
    struct stat other;
    fstat(w, &other);
    printf("one node %d, fifo %d\n", st.st_ino == other.st_ino, S_ISFIFO(st.st_mode));
    V("lseek", lseek(r, 0, SEEK_SET));
    V("pread", pread(r, b, 1, 0));
    V("size", fcntl(r, F_GETPIPE_SZ));
    V("stays", write(w, "lost", 4));
    close(r);
    V("broken", write(w, "x", 1));
    printf("writer %x\n", events(w));
    close(w);
    OK("reader", r = open(at("fifo"), O_RDONLY | O_NONBLOCK));
    V("content went with the last user", read(r, b, 64));
    close(r);
    OK("both", r = open(at("fifo"), O_RDWR));
    V("write", write(r, "own", 3));
    printf("both %x\n", events(r));
    int e = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET}, out;
    OK("epoll", epoll_ctl(e, EPOLL_CTL_ADD, r, &event));
    V("wait", epoll_wait(e, &out, 1, 0));
    printf("%x\n", out.events);
    V("no edge", epoll_wait(e, &out, 1, 0));
    V("write", write(r, "more", 4));
    V("edge", epoll_wait(e, &out, 1, 0));
    V("read", read(r, b, 64));
    OK("blocking reader with a writer there", w = open(at("fifo"), O_RDONLY));
    V("unlink", unlink(at("fifo")));
    V("write", write(r, "still", 5));
    V("read", read(w, b, 64));
    char name[64], link[256] = "";
    snprintf(name, sizeof name, "/proc/self/fd/%d", r);
    ssize_t n = readlink(name, link, sizeof link - 1);
    printf("%s\n", n > 10 ? link + n - 10 : "short");
    V("truncate", ftruncate(r, 0));
    V("fallocate", fallocate(r, 0, 0, 1));
    V("fsync", fsync(r));
    V("O_DIRECTORY", open(at("fifo"), O_RDONLY | O_DIRECTORY));
    close(r), close(w), close(e);
    V("mkfifo", mkfifo(at("fifo"), 0600));
    V("O_DIRECTORY", open(at("fifo"), O_RDONLY | O_DIRECTORY));
    OK("O_CREAT", r = open(at("fifo"), O_RDWR | O_CREAT | O_TRUNC, 0600));
    V("O_EXCL", open(at("fifo"), O_RDWR | O_CREAT | O_EXCL, 0600));
    close(r);
    V("unlink", unlink(at("fifo")));
    V("mknod", mknod(at("sock"), S_IFSOCK | 0600, 0));
    V("open of a socket", open(at("sock"), O_RDONLY));
    V("unlink", unlink(at("sock")));
}

static void filling(void) {
    int p[2];
    V("pipe", pipe2(p, O_NONBLOCK));
    int n = 0;
    while (write(p[1], big, 3000) == 3000)
        n++;
    printf("%d times 3000, %d bytes, writer %x\n", n, waiting(p[0]), events(p[1]));
    V("1096 more fit into the last page", write(p[1], big, 1096));
    V("no more", write(p[1], big, 1));
    V("read 2999", read(p[0], big, 2999));
    V("no more", write(p[1], big, 1));
    V("read 1", read(p[0], big, 1));
    V("one page", write(p[1], big, 9000));
    V("shrink", fcntl(p[0], F_SETPIPE_SZ, 8192));
    V("read all", read(p[0], big, sizeof big));
    V("shrink", fcntl(p[0], F_SETPIPE_SZ, 8192));
    n = 0;
    while (write(p[1], big, 100) == 100)
        n++;
    printf("%d times 100\n", n);
    V("grow", fcntl(p[0], F_SETPIPE_SZ, 4097 * 2));
    V("odd write", write(p[1], big, 4096 + 50));
    printf("%d bytes\n", waiting(p[1]));
    V("zero", fcntl(p[0], F_SETPIPE_SZ, 0));
    V("too large", fcntl(p[0], F_SETPIPE_SZ, -1));
    V("of a file", fcntl(0x7fff, F_SETPIPE_SZ, 4096));
    V("read all", read(p[0], big, sizeof big));
    char *edge = big + sizeof big - 10;
    V("half a bad buffer", write(p[1], (char *)(~0ul >> 17 << 12), 10));
    V("fine", write(p[1], edge, 10));
    V("bad reader", read(p[0], (void *)8, 10));
    V("still there", read(p[0], big, 10));
    close(p[0]), close(p[1]);
}

static void packets(void) {
    int p[2];
    V("packets", pipe2(p, O_DIRECT | O_NONBLOCK));
    printf("flags %d %d\n", !!(fcntl(p[0], F_GETFL) & O_DIRECT), !!(fcntl(p[1], F_GETFL) & O_DIRECT));
    V("one", write(p[1], "one", 3));
    V("second", write(p[1], "second", 6));
    V("empty", write(p[1], "", 0));
    V("large", write(p[1], big, 5000));
    printf("waiting %d\n", waiting(p[0]));
    char b[64];
    V("whole", read(p[0], b, 64));
    V("part", read(p[0], b, 2));
    V("first page", read(p[0], big, 10000));
    V("rest", read(p[0], big, 10000));
    V("none", read(p[0], big, 10000));
    int n = 0;
    while (write(p[1], "x", 1) == 1)
        n++;
    printf("%d packets\n", n);
    V("one at a time", read(p[0], big, 10000));
    V("now a stream", fcntl(p[1], F_SETFL, O_NONBLOCK));
    V("write", write(p[1], "ab", 2));
    V("write", write(p[1], "cd", 2));
    while (n-- > 1)
        read(p[0], big, 1);
    V("merged", read(p[0], big, 100));
    close(p[0]), close(p[1]);
}

static void splices(void) {
    int p[2], q[2];
    OK("pipes", pipe2(p, O_NONBLOCK) | pipe2(q, O_NONBLOCK));
    int f = open(at("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 20000; i++)
        big[i] = 'a' + i % 26;
    V("file", write(f, big, 20000));
    off_t off = 100, zero = 0, negative = -1;
    V("file to pipe", splice(f, &off, p[1], NULL, 5000, 0));
    printf("offset %ld position %ld waiting %d\n", (long)off, (long)lseek(f, 0, SEEK_CUR), waiting(p[0]));
    V("at the end", splice(f, NULL, p[1], NULL, 5000, 0));
    V("tee", tee(p[0], q[1], 4500, 0));
    printf("waiting %d %d\n", waiting(p[0]), waiting(q[0]));
    V("read", read(q[0], big, 10));
    printf("%.10s\n", big);
    V("pipe to pipe", splice(p[0], NULL, q[1], NULL, 100, SPLICE_F_MOVE | SPLICE_F_MORE));
    V("all", splice(p[0], NULL, q[1], NULL, 100000, SPLICE_F_NONBLOCK));
    V("empty", splice(p[0], NULL, q[1], NULL, 100, 0));
    V("tee of empty", tee(p[0], q[1], 100, 0));
    V("to file", splice(q[0], NULL, f, &zero, 3000, 0));
    printf("offset %ld size %ld\n", (long)zero, (long)lseek(f, 0, SEEK_END));
    V("to file at the position", splice(q[0], NULL, f, NULL, 1 << 20, 0));
    printf("size %ld waiting %d\n", (long)lseek(f, 0, SEEK_CUR), waiting(q[0]));
    V("begin", lseek(f, 0, SEEK_SET));
    V("as much as fits", splice(f, NULL, p[1], NULL, 1 << 20, 0));
    V("position", lseek(f, 0, SEEK_CUR));
    V("again", lseek(f, 10, SEEK_SET));
    V("to a pipe with room", splice(f, NULL, p[1], NULL, 1 << 20, 0));
    int n = 0;
    while (splice(f, &off, p[1], NULL, 1, 0) == 1)
        n++;
    printf("%d single bytes, %s\n", n, error_name(errno));
    V("full", tee(p[0], p[1], 1, 0));
    V("sendfile to a full pipe", sendfile(p[1], f, NULL, 10));
    V("flags", splice(f, NULL, p[1], NULL, 1, 16));
    V("flags with nothing to do", splice(f, NULL, p[1], NULL, 0, 16));
    V("tee flags with nothing to do", tee(p[0], q[1], 0, 16));
    V("no pipe", splice(f, NULL, f, NULL, 1, 0));
    V("same pipe", splice(p[0], NULL, p[1], NULL, 1, 0));
    V("offset of a pipe", splice(p[0], &off, f, NULL, 1, 0));
    V("offset of a pipe", splice(f, NULL, p[1], &off, 1, 0));
    V("wrong end", splice(p[1], NULL, f, NULL, 1, 0));
    V("wrong end", splice(f, NULL, p[0], NULL, 1, 0));
    V("bad input", splice(77, NULL, p[1], NULL, 1, 0));
    V("bad output", splice(f, NULL, 77, NULL, 1, 0));
    V("negative offset", splice(p[0], NULL, f, &negative, 1, 0));
    V("bad offset", splice(p[0], NULL, f, (void *)8, 1, 0));
    V("tee of files", tee(f, p[1], 1, 0));
    V("tee to files", tee(p[0], f, 1, 0));
    V("tee wrong end", tee(p[1], q[1], 1, 0));
    V("tee bad", tee(77, q[1], 1, 0));
    int a = open(at("file"), O_WRONLY | O_APPEND), r = open(at("file"), O_RDONLY), e = eventfd(0, 0);
    V("to the end only", splice(p[0], NULL, a, NULL, 1, 0));
    V("to a reader", splice(p[0], NULL, r, NULL, 1, 0));
    V("to an eventfd", splice(p[0], NULL, e, NULL, 8, 0));
    V("to null", splice(p[0], NULL, open("/dev/null", O_WRONLY), NULL, 1 << 20, 0));
    V("directory", splice(open("/", O_RDONLY), NULL, p[1], NULL, 1, 0));
    close(r), close(a), close(e);

    struct iovec v[3] = {{"abc", 3}, {"", 0}, {"defgh", 5}};
    V("vmsplice", vmsplice(p[1], v, 3, 0));
    char b[64] = "";
    V("read", read(p[0], b, 64));
    printf("%s\n", b);
    V("write", write(p[1], "uvwxyz", 6));
    struct iovec to[2] = {{b, 2}, {b + 10, 3}};
    V("vmsplice out", vmsplice(p[0], to, 2, 0));
    printf("%.2s %.3s\n", b, b + 10);
    V("drain", read(p[0], b, 64));
    V("empty", vmsplice(p[0], to, 2, SPLICE_F_NONBLOCK));
    V("nothing", vmsplice(p[1], v, 0, 0));
    V("too many", vmsplice(p[1], v, 1025, 0));
    V("flags", vmsplice(p[1], v, 1, 16));
    V("no pipe", vmsplice(f, v, 1, 0));
    V("bad", vmsplice(77, v, 1, 0));
    V("bad vectors", vmsplice(p[1], (void *)8, 1, 0));
    struct iovec bad = {(void *)8, 3};
    V("bad buffer", vmsplice(p[1], &bad, 1, 0));
    V("gift", vmsplice(p[1], v, 1, SPLICE_F_GIFT));
    V("drain", read(p[0], b, 64));

    off = 0;
    V("sendfile", sendfile(p[1], f, &off, 1 << 20));
    printf("offset %ld\n", (long)off);
    close(p[0]);
    V("sendfile to nobody", sendfile(p[1], f, &off, 1));
    V("splice to nobody", splice(f, NULL, p[1], NULL, 1, 0));
    V("vmsplice to nobody", vmsplice(p[1], v, 1, 0));
    V("write", write(q[1], "x", 1));
    V("pipe to nobody", splice(q[0], NULL, p[1], NULL, 1, 0));
    V("tee to nobody", tee(q[0], p[1], 1, 0));
    close(q[1]);
    V("last", splice(q[0], NULL, f, NULL, 10, 0));
    V("end", splice(q[0], NULL, f, NULL, 10, 0));
    close(f);
    unlink(at("file"));
}

// Opens with a flag that makes no difference for who has the right.
static void use(const char *what, int flags) {
    int fd = open(at("fifo"), flags | O_NONBLOCK);
    show(what, fd < 0 ? -errno : 0);
    if (fd >= 0)
        close(fd);
}

static void rights(void) {
    umask(0);
    int r, p[2];
    V("mkfifo", mkfifo(at("fifo"), 0620));
    OK("reader", r = open(at("fifo"), O_RDONLY | O_NONBLOCK));
    RAW(SYS_setresuid, -1, 1000, -1, 0, 0, 0);
    use("read", O_RDONLY), use("write", O_WRONLY), use("both", O_RDWR), use("path", O_PATH);
    RAW(SYS_setresuid, -1, 0, -1, 0, 0, 0);
    V("chmod", chmod(at("fifo"), 0602));
    RAW(SYS_setresuid, -1, 1000, -1, 0, 0, 0);
    use("read", O_RDONLY), use("write", O_WRONLY), use("both", O_RDWR);
    V("truncate", truncate(at("fifo"), 0));
    V("unknown attribute", setxattr(at("fifo"), "user.x", "1", 1, 0));
    RAW(SYS_setresuid, -1, 0, -1, 0, 0, 0);
    close(r);
    unsigned long how[3] = {O_RDONLY | O_NONBLOCK, 0, 0};
    OK("openat2", r = (int)syscall(SYS_openat2, AT_FDCWD, at("fifo"), how, sizeof how));
    OK("chown", chown(at("fifo"), 1000, 1000));
    struct stat st;
    fstat(r, &st);
    printf("%o %u %u\n", st.st_mode, st.st_uid, st.st_gid);
    close(r);
    V("unlink", unlink(at("fifo")));

    // A file that is written no longer runs with its owner's rights.
    int f = open(at("file"), O_RDWR | O_CREAT, 0600);
    OK("pipe", pipe(p) | write(p[1], "text", 4));
    OK("owner", fchown(f, 1000, 1000));
    OK("chmod", fchmod(f, 06777));
    V("splice", splice(p[0], NULL, f, NULL, 1, 0));
    fstat(f, &st);
    printf("%o\n", st.st_mode);
    RAW(SYS_setresuid, -1, 1000, -1, 0, 0, 0);
    V("splice", splice(p[0], NULL, f, NULL, 1, 0));
    RAW(SYS_setresuid, -1, 0, -1, 0, 0, 0);
    fstat(f, &st);
    printf("%o\n", st.st_mode);
    close(f), close(p[0]), close(p[1]);
    unlink(at("file"));
}

int main(int argc, char **argv) {
    snprintf(dir, sizeof dir, "%s", argc > 1 ? argv[1] : "/tmp");
    signal(SIGPIPE, SIG_IGN);
    fifos();
    filling();
    packets();
    splices();
    rights();
    return 0;
}
