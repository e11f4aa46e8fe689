// Record locks of processes and of descriptions, and flock. The argument is a directory that can be written.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/stat.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : result_); } while (0)

static int lock(int fd, int command, int type, int whence, long start, long len) {
    struct flock l = {.l_type = type, .l_whence = whence, .l_start = start, .l_len = len};
    return fcntl(fd, command, &l);
}

static void ask(const char *what, int fd, int command, int type, long start, long len) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    if (fcntl(fd, command, &l) < 0) {
        printf("%s: %s\n", what, error_name(errno));
        return;
    }
    const char *pid = l.l_pid == getpid() ? "this process" : l.l_pid == -1 ? "a description" : "0";
    printf("%s: type %d whence %d start %ld len %ld pid %s\n", what, l.l_type, l.l_whence, (long)l.l_start,
           (long)l.l_len, pid);
}

static int a, b;
static char path[4096];

static void of_process(void) {
    V("write lock", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 10, 10));
    ask("own lock is not seen", a, F_GETLK, F_WRLCK, 0, 0);
    ask("nor through another descriptor", b, F_GETLK, F_WRLCK, 0, 0);
    ask("a description sees it", b, F_OFD_GETLK, F_RDLCK, 0, 0);
    ask("not before it", b, F_OFD_GETLK, F_RDLCK, 0, 10);
    ask("not behind it", b, F_OFD_GETLK, F_RDLCK, 20, 0);
    ask("one byte before its end", b, F_OFD_GETLK, F_RDLCK, 19, 1);
    V("a description cannot have it", lock(b, F_OFD_SETLK, F_RDLCK, SEEK_SET, 0, 0));
    V("read lock in the middle", lock(a, F_SETLK, F_RDLCK, SEEK_SET, 13, 2));
    ask("split: first", b, F_OFD_GETLK, F_WRLCK, 0, 0);
    ask("split: middle", b, F_OFD_GETLK, F_WRLCK, 13, 1);
    ask("split: last", b, F_OFD_GETLK, F_WRLCK, 15, 0);
    ask("readers do not mind", b, F_OFD_GETLK, F_RDLCK, 13, 2);
    V("description reads too", lock(b, F_OFD_SETLK, F_RDLCK, SEEK_SET, 13, 1));
    V("no upgrade then", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 13, 2));
    V("description lets go", lock(b, F_OFD_SETLK, F_UNLCK, SEEK_SET, 0, 0));
    V("upgrade", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 13, 2));
    ask("merged", b, F_OFD_GETLK, F_WRLCK, 0, 0);
    V("unlock the middle", lock(a, F_SETLK, F_UNLCK, SEEK_SET, 12, 4));
    ask("left", b, F_OFD_GETLK, F_WRLCK, 0, 0);
    ask("hole", b, F_OFD_GETLK, F_WRLCK, 12, 4);
    ask("right", b, F_OFD_GETLK, F_WRLCK, 12, 0);
    V("up to the end", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 18, 0));
    ask("right, to the end", b, F_OFD_GETLK, F_WRLCK, 12, 0);
    ask("far away", b, F_OFD_GETLK, F_WRLCK, 1L << 62, 1);
    V("unlock what is not locked", lock(a, F_SETLK, F_UNLCK, SEEK_SET, 1000000, 5));
    ask("now two pieces", b, F_OFD_GETLK, F_WRLCK, 1000000, 5);
    ask("behind the gap", b, F_OFD_GETLK, F_WRLCK, 1000000, 6);
    V("close of any descriptor", close(open(path, O_RDONLY)));
    ask("all gone", b, F_OFD_GETLK, F_WRLCK, 0, 0);
    V("again", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
    int fd = open(path, O_RDONLY);
    V("dup2 over a descriptor", dup2(1, fd) == fd);
    ask("gone", b, F_OFD_GETLK, F_WRLCK, 0, 0);
    V("again", lock(a, F_SETLKW, F_WRLCK, SEEK_SET, 0, 1));
    close(fd);
    ask("another file's close does nothing", b, F_OFD_GETLK, F_WRLCK, 0, 1);
    V("unlock", lock(a, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
}

static void places(void) {
    V("position", lseek(a, 100, SEEK_SET));
    V("from the position", lock(a, F_SETLK, F_WRLCK, SEEK_CUR, 5, 3));
    ask("it", b, F_OFD_GETLK, F_WRLCK, 0, 0);
    V("from the end", lock(a, F_SETLK, F_WRLCK, SEEK_END, -10, 4));
    ask("it", b, F_OFD_GETLK, F_WRLCK, 110, 0);
    V("backwards", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 50, -20));
    ask("it", b, F_OFD_GETLK, F_WRLCK, 0, 60);
    V("whole", lock(a, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
    V("to the last byte", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 7, INT64_MAX - 6));
    ask("is to the end", b, F_OFD_GETLK, F_WRLCK, 0, 0);
    V("whole", lock(a, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
    V("before the start", lock(a, F_SETLK, F_WRLCK, SEEK_SET, -1, 1));
    V("reaches before the start", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 5, -6));
    V("beyond the last byte", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 8, INT64_MAX - 6));
    V("position beyond", lock(a, F_SETLK, F_WRLCK, SEEK_CUR, INT64_MAX, 1));
}

static void errors(void) {
    V("bad whence", lock(a, F_SETLK, F_WRLCK, 9, 0, 0));
    V("bad type", lock(a, F_SETLK, 9, SEEK_SET, 0, 0));
    V("bad pointer", fcntl(a, F_SETLK, (void *)8));
    V("bad pointer", fcntl(a, F_GETLK, (void *)8));
    V("bad descriptor", lock(77, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
    V("ask for bad type", lock(a, F_GETLK, 9, SEEK_SET, 0, 0));
    struct flock l = {.l_type = F_RDLCK, .l_pid = 1};
    V("description with a pid", fcntl(a, F_OFD_SETLK, &l));
    V("description with a pid asks", fcntl(a, F_OFD_GETLK, &l));
    int r = open(path, O_RDONLY), w = open(path, O_WRONLY), p = open(path, O_PATH);
    V("write lock on a reader", lock(r, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
    V("read lock on a writer", lock(w, F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
    V("OFD write lock on a reader", lock(r, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 1));
    V("ask on a reader", lock(r, F_GETLK, F_WRLCK, SEEK_SET, 0, 1));
    V("unlock on a reader", lock(r, F_SETLK, F_UNLCK, SEEK_SET, 0, 1));
    V("O_PATH", lock(p, F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
    int pipes[2];
    V("pipe", pipe(pipes));
    V("lock on a pipe", lock(pipes[0], F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
    V("lock from a pipe's position", lock(pipes[0], F_SETLK, F_RDLCK, SEEK_CUR, 0, 1));
    int dir = open("/", O_RDONLY);
    V("lock on a directory", lock(dir, F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
    close(r), close(w), close(p), close(dir), close(pipes[0]), close(pipes[1]);
}

static void of_descriptions(void) {
    V("write lock", lock(a, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 10));
    V("another description", lock(b, F_OFD_SETLK, F_WRLCK, SEEK_SET, 9, 1));
    V("its own", lock(a, F_OFD_SETLK, F_RDLCK, SEEK_SET, 5, 1));
    V("the process", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 5, 1));
    V("the process reads", lock(b, F_SETLK, F_RDLCK, SEEK_SET, 5, 1));
    ask("the process asks", a, F_GETLK, F_WRLCK, 0, 0);
    int copy = dup(a);
    V("a copy is the same", lock(copy, F_OFD_SETLK, F_WRLCK, SEEK_SET, 20, 1));
    V("close of another", close(open(path, O_RDWR)));
    ask("still there", b, F_OFD_GETLK, F_WRLCK, 20, 1);
    V("close of the copy", close(copy));
    ask("still there", b, F_OFD_GETLK, F_WRLCK, 20, 1);
    int fd = open(path, O_RDWR);
    V("third", lock(fd, F_OFD_SETLK, F_WRLCK, SEEK_SET, 30, 1));
    ask("it", b, F_OFD_GETLK, F_WRLCK, 30, 1);
    close(fd);
    ask("gone", b, F_OFD_GETLK, F_WRLCK, 30, 1);
    V("unlock", lock(a, F_OFD_SETLK, F_UNLCK, SEEK_SET, 0, 0));
}

static void whole_files(void) {
    V("shared", flock(a, LOCK_SH));
    V("shared", flock(b, LOCK_SH | LOCK_NB));
    V("upgrade", flock(a, LOCK_EX | LOCK_NB));
    V("which lost the first", flock(b, LOCK_EX | LOCK_NB));
    V("now it cannot", flock(a, LOCK_SH | LOCK_NB));
    V("record locks are apart", lock(a, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
    V("downgrade", flock(b, LOCK_SH | LOCK_NB));
    V("shared", flock(a, LOCK_SH | LOCK_NB));
    int copy = dup(b);
    V("a copy unlocks", flock(copy, LOCK_UN));
    V("so it is free", flock(a, LOCK_EX | LOCK_NB));
    close(copy);
    int r = open(path, O_RDONLY);
    V("a reader waits", flock(r, LOCK_EX | LOCK_NB));
    V("unlock", flock(a, LOCK_UN));
    V("a reader may", flock(r, LOCK_EX | LOCK_NB));
    V("close unlocks", close(r));
    V("so it is free", flock(a, LOCK_EX | LOCK_NB));
    V("bad operation", flock(a, 0));
    V("bad operation", flock(a, LOCK_SH | LOCK_EX));
    V("bad descriptor", flock(77, LOCK_SH));
    V("O_PATH", flock(open(path, O_PATH), LOCK_SH));
    V("unlock", flock(a, LOCK_UN));
}

int main(int argc, char **argv) {
    snprintf(path, sizeof path, "%s/locked-%d", argc > 1 ? argv[1] : "/tmp", getpid());
    a = open(path, O_RDWR | O_CREAT, 0600);
    b = open(path, O_RDWR);
    V("size", ftruncate(a, 1000));
    of_process();
    places();
    errors();
    of_descriptions();
    whole_files();
    unlink(path);
    return 0;
}
