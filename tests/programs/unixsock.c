// Sockets of the family AF_UNIX: names, connections, errors, what can be read and written, readiness. The argument is a directory
// that can be written.
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); if (result_ < 0) printf("%s: %s\n", what, name_of(errno)); else printf("%s: %ld\n", what, result_); } while (0)
// Descriptors and lengths without importance.
#define K(what, expr) do { errno = 0; long result_ = (long)(expr); printf("%s: %s\n", what, result_ < 0 ? name_of(errno) : "ok"); } while (0)

static const char *name_of(int e) {
    switch (e) {
#define E(name) case name: return #name;
        E(ENOTSOCK) E(EDESTADDRREQ) E(EMSGSIZE) E(EPROTOTYPE) E(ENOPROTOOPT) E(EPROTONOSUPPORT) E(ESOCKTNOSUPPORT)
        E(EAFNOSUPPORT) E(EADDRINUSE) E(EADDRNOTAVAIL) E(ENETUNREACH) E(ECONNABORTED) E(ECONNRESET) E(ENOBUFS) E(EISCONN)
        E(ENOTCONN) E(ETOOMANYREFS) E(ECONNREFUSED) E(EALREADY) E(EINPROGRESS) E(ENXIO)
#undef E
    }
    return error_name(e);
}

static const char *dir;
static volatile int pipes;
static void on_pipe(int s) { pipes += s == SIGPIPE; }

static socklen_t path(struct sockaddr_un *a, const char *name) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path, sizeof a->sun_path, "%s/%s", dir, name);
    return offsetof(struct sockaddr_un, sun_path) + strlen(a->sun_path) + 1;
}

static socklen_t abstract(struct sockaddr_un *a, const char *name) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "nospin-%d-%s", (int)getpid(), name);
    return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

static void show_name(const char *what, int (*get)(int, struct sockaddr *, socklen_t *), int fd) {
    struct sockaddr_un a;
    memset(&a, 'x', sizeof a);
    socklen_t len = sizeof a;
    errno = 0;
    if (get(fd, (void *)&a, &len) < 0) {
        printf("%s: %s\n", what, name_of(errno));
        return;
    }
    size_t n = len - offsetof(struct sockaddr_un, sun_path);
    if (len <= offsetof(struct sockaddr_un, sun_path))
        printf("%s: family %d, unnamed, length %u\n", what, a.sun_family, len);
    else if (a.sun_path[0])
        printf("%s: %s, rest %d\n", what, a.sun_path + strlen(dir), (int)(n - strlen(a.sun_path)));
    else
        printf("%s: abstract of %d\n", what, (int)n > 8 ? 99 : (int)n);
}

static void events(const char *what, int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
    int n = poll(&p, 1, 0);
    printf("%s: %d%s%s%s%s%s\n", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "",
           p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "", p.revents & POLLRDHUP ? " RDHUP" : "");
}

static void making(void) {
    puts("-- making");
    K("stream", socket(AF_UNIX, SOCK_STREAM, 0));
    K("datagram", socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 1));
    K("seqpacket", socket(AF_UNIX, SOCK_SEQPACKET, 0));
    K("raw", socket(AF_UNIX, SOCK_RAW, 0));
    V("rdm", socket(AF_UNIX, SOCK_RDM, 0));
    V("protocol", socket(AF_UNIX, SOCK_STREAM, 6));
    V("kind 11", socket(AF_UNIX, 11, 0));
    V("kind 9", socket(AF_UNIX, 9, 0));
    V("flags", socket(AF_UNIX, SOCK_STREAM | 0x10, 0));
    V("family 77", socket(77, SOCK_STREAM, 0));
    V("family -1", socket(-1, SOCK_STREAM, 0));
    int p[2] = {-1, -1};
    V("pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p));
    printf("flags %x %x\n", fcntl(p[0], F_GETFL), fcntl(p[0], F_GETFD));
    V("bad array", socketpair(AF_UNIX, SOCK_STREAM, 0, (void *)8));
    struct stat st;
    fstat(p[0], &st);
    printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
    char link[64], text[64] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", p[0]);
    V("readlink", readlink(link, text, 60) > 9);
    printf("%.8s\n", text);
    V("open of it", open(link, O_RDWR));
    V("lseek", lseek(p[0], 0, SEEK_CUR));
    V("pread", pread(p[0], text, 1, 0));
    V("ftruncate", ftruncate(p[0], 0));
    V("fsync", fsync(p[0]));
    V("read", read(p[0], text, 1));
    V("nothing", read(p[0], text, 0));
    V("not a socket", send(0, "x", 1, 0));
    V("not open", recv(99, text, 1, 0));
    V("accept not a socket", accept(0, 0, 0));
    V("accept not open", accept(-1, 0, 0));
    int place = open(dir, O_PATH);
    V("a place", listen(place, 1));
    V("bad flags of accept4", accept4(p[0], 0, 0, 3));
    V("shutdown how", shutdown(p[0], 3));
}

static void names(void) {
    puts("-- names");
    struct sockaddr_un a, b;
    int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
    show_name("none", getsockname, s);
    show_name("no peer", getpeername, s);
    socklen_t n = path(&a, "s");
    unlink(a.sun_path);
    V("listen without", listen(s, 5));
    V("too short", bind(s, (void *)&a, 1));
    V("too long", bind(s, (void *)&a, 111));
    V("beyond", bind(s, (void *)&a, 200));
    V("negative", bind(s, (void *)&a, -1));
    V("bad pointer", bind(s, (void *)8, n));
    b = a;
    b.sun_family = AF_INET;
    V("wrong family", bind(s, (void *)&b, n));
    path(&b, "none/s");
    V("no directory", bind(s, (void *)&b, sizeof b));
    V("bind", bind(s, (void *)&a, n));
    V("again", bind(s, (void *)&a, n));
    V("in use", bind(t, (void *)&a, n));
    show_name("bound", getsockname, s);
    struct stat st;
    stat(a.sun_path, &st);
    printf("node %o\n", st.st_mode & ~022);
    V("open node", open(a.sun_path, O_RDWR));
    V("connect before listen", connect(t, (void *)&a, n));
    V("wrong kind", connect(d, (void *)&a, n));
    V("listen", listen(s, 1));
    V("listen datagram", listen(d, 1));
    V("accept datagram", accept(d, 0, 0));
    V("connect", connect(t, (void *)&a, n));
    V("connect again", connect(t, (void *)&a, n));
    V("listen connected", listen(t, 1));
    show_name("peer", getpeername, t);
    show_name("client", getsockname, t);
    struct sockaddr_un who;
    memset(&who, 'x', sizeof who);
    socklen_t len = sizeof who;
    int c = accept4(s, (void *)&who, &len, SOCK_NONBLOCK);
    printf("accepted %d, length %u, family %d\n", c >= 0, len, who.sun_family);
    printf("flags %x of %x\n", fcntl(c, F_GETFL), fcntl(s, F_GETFL));
    show_name("accepted", getsockname, c);
    show_name("its peer", getpeername, c);
    len = 3;
    memset(&who, 'x', sizeof who);
    V("little room", getsockname(s, (void *)&who, &len));
    printf("length %d, %d\n", (int)(len - strlen(dir)), who.sun_path[1]);
    len = -1;
    V("negative room", getsockname(s, (void *)&who, &len));
    V("bad length", getsockname(s, (void *)&who, (void *)8));
    V("rename", rename(a.sun_path, (path(&b, "moved"), b.sun_path)));
    close(t);
    t = socket(AF_UNIX, SOCK_STREAM, 0);
    V("old name", connect(t, (void *)&a, n));
    V("new name", connect(t, (void *)&b, path(&b, "moved")));
    close(s);
    close(t);
    t = socket(AF_UNIX, SOCK_STREAM, 0);
    V("dead node", connect(t, (void *)&b, sizeof b));
    V("unlink", unlink(b.sun_path));
    V("no node", connect(t, (void *)&b, sizeof b));
    int f = open((path(&b, "file"), b.sun_path), O_CREAT | O_RDWR, 0600);
    V("a file", connect(t, (void *)&b, sizeof b));
    V("a directory", connect(t, (void *)&b, (path(&b, "."), sizeof b)));
    unlink((path(&b, "file"), b.sun_path));
    close(f);
    puts("-- abstract");
    s = socket(AF_UNIX, SOCK_STREAM, 0);
    n = abstract(&a, "one");
    V("bind", bind(s, (void *)&a, n));
    V("in use", bind(t, (void *)&a, n));
    V("longer", bind(t, (void *)&a, n + 1));
    V("not listening", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, n));
    show_name("abstract", getsockname, s);
    V("other kind", connect(d, (void *)&a, n));
    V("other kind binds", bind(d, (void *)&a, n));
    close(s);
    s = socket(AF_UNIX, SOCK_STREAM, 0);
    V("free again", bind(s, (void *)&a, n));
    int e = socket(AF_UNIX, SOCK_DGRAM, 0);
    V("autobind", bind(e, (void *)&a, sizeof(sa_family_t)));
    show_name("autobound", getsockname, e);
    V("empty connect", connect(e, (void *)&a, sizeof(sa_family_t)));
}

static void streams(void) {
    puts("-- streams");
    int p[2], n = 0;
    char b[256] = {0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    events("fresh", p[0]);
    V("write", write(p[0], "hello ", 6));
    struct iovec v[2] = {{"wor", 3}, {"ld", 2}};
    V("writev", writev(p[0], v, 2));
    V("FIONREAD", ioctl(p[1], FIONREAD, &n));
    printf("waiting %d\n", n);
    V("peek", recv(p[1], b, 4, MSG_PEEK));
    V("peek over both", recv(p[1], b, 40, MSG_PEEK));
    printf("%s\n", b);
    memset(b, 0, sizeof b);
    V("part", recv(p[1], b, 3, 0));
    struct iovec r[2] = {{b + 3, 2}, {b + 5, 40}};
    V("rest", readv(p[1], r, 2));
    printf("%s\n", b);
    V("no more", recv(p[1], b, 1, MSG_DONTWAIT));
    V("trunc", (send(p[0], "abcdef", 6, 0), recv(p[1], b, 2, MSG_TRUNC)));
    V("left", recv(p[1], b, 40, 0));
    V("bad pointer", send(p[0], (void *)8, 4, 0));
    V("beyond memory", send(p[0], (void *)-4096, 4, 0));
    send(p[0], "xy", 2, 0);
    V("bad pointer", recv(p[1], (void *)8, 4, 0));
    V("still there", recv(p[1], b, 4, 0));
    V("to somebody", sendto(p[0], "x", 1, 0, (void *)b, 10));
    struct sockaddr_un a;
    path(&a, "nobody");
    V("to a name", sendto(p[0], "x", 1, 0, (void *)&a, sizeof a));
    int lone = socket(AF_UNIX, SOCK_STREAM, 0);
    V("lone to a name", sendto(lone, "x", 1, 0, (void *)&a, sizeof a));
    V("lone send", send(lone, "x", 1, 0));
    V("lone receive", recv(lone, b, 1, 0));
    events("lone", lone);
    V("lone shutdown", shutdown(lone, SHUT_RDWR));
    V("send nothing", send(p[0], b, 0, 0));
    V("was nothing", recv(p[1], b, 1, MSG_DONTWAIT));
    V("waitall", (send(p[0], "1234", 4, 0), recv(p[1], b, 4, MSG_WAITALL)));
    send(p[0], "56", 2, 0);
    shutdown(p[0], SHUT_WR);
    V("waitall to the end", recv(p[1], b, 4, MSG_WAITALL));
    V("end", recv(p[1], b, 4, 0));
    events("half closed", p[1]);
    events("its other end", p[0]);
    pipes = 0;
    V("send after shutdown", send(p[0], "x", 1, 0));
    V("quietly", send(p[0], "x", 1, MSG_NOSIGNAL));
    printf("SIGPIPE %d\n", pipes);
    V("other way", write(p[1], "back", 4));
    V("back", read(p[0], b, 10));
    V("shut read", shutdown(p[0], SHUT_RD));
    V("send to shut", write(p[1], "x", 1));
    printf("SIGPIPE %d\n", pipes);
    events("both shut", p[0]);
    close(p[0]);
    events("closed peer", p[1]);
    show_name("closed peer's name", getpeername, p[1]);
    close(p[1]);
    puts("-- resets");
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    send(p[0], "for you", 7, 0);
    send(p[1], "unread", 6, 0);
    close(p[1]);
    events("reset", p[0]);
    V("send", send(p[0], "x", 1, MSG_NOSIGNAL));
    V("reset", recv(p[0], b, 10, 0));
    V("then the end", recv(p[0], b, 10, 0));
    close(p[0]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    send(p[1], "last words", 10, 0);
    send(p[0], "unread", 6, 0);
    close(p[1]);
    int error = 0;
    socklen_t len = sizeof error;
    V("SO_ERROR", getsockopt(p[0], SOL_SOCKET, SO_ERROR, &error, &len));
    printf("%s\n", name_of(error));
    V("still", recv(p[0], b, 20, 0));
    V("end", recv(p[0], b, 20, 0));
    close(p[0]);
}

static void filling(void) {
    puts("-- filling");
    static char big[1 << 20];
    int p[2];
    for (int kind = SOCK_STREAM; kind <= SOCK_SEQPACKET; kind++) {
        if (socketpair(AF_UNIX, kind | SOCK_NONBLOCK, 0, p))
            continue;
        long total = 0, n, messages = 0;
        while ((n = send(p[0], big, 5000, 0)) > 0) {
            total += n;
            messages++;
        }
        printf("kind %d full: %s %d\n", kind, name_of(errno), total > 50000 && total < 500000);
        events("full", p[0]);
        events("can be read", p[1]);
        long taken = 0, count = 0;
        while ((n = recv(p[1], big, 5000, 0)) > 0) {
            taken += n;
            count++;
        }
        printf("all came: %d, one by one %d\n", taken == total, kind == SOCK_STREAM || messages == count);
        events("empty", p[0]);
        if (kind == SOCK_STREAM) {
            n = send(p[0], big, sizeof big, 0);
            printf("a part went: %d\n", n > 50000 && n < (long)sizeof big);
        } else {
            V("too long", send(p[0], big, sizeof big, 0));
        }
        close(p[0]);
        close(p[1]);
    }
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    struct timeval tv = {0, 30000};
    V("SO_RCVTIMEO", setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    V("SO_SNDTIMEO", setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
    V("late", recv(p[0], big, 1, 0));
    V("part of it", (send(p[1], "abc", 3, 0), recv(p[0], big, 10, MSG_WAITALL)));
    long sent = send(p[0], big, sizeof big, 0);
    printf("late, but some: %d\n", sent > 50000 && sent < (long)sizeof big);
    V("late and none", send(p[0], big, 1, 0));
    close(p[0]);
    close(p[1]);
}

static void backlog(void) {
    puts("-- backlog");
    struct sockaddr_un a;
    socklen_t n = abstract(&a, "backlog");
    for (int kind = SOCK_STREAM; kind <= SOCK_SEQPACKET; kind += 4) {
        int s = socket(AF_UNIX, kind | SOCK_NONBLOCK, 0);
        bind(s, (void *)&a, n);
        V("accept before listen", accept(s, 0, 0));
        V("listen", listen(s, 1));
        events("listening", s);
        V("accept", accept(s, 0, 0));
        V("recv", recv(s, &a, 1, 0));
        V("send", send(s, &a, 1, MSG_NOSIGNAL));
        int c[4];
        for (int i = 0; i < 4; i++) {
            c[i] = socket(AF_UNIX, kind | SOCK_NONBLOCK, 0);
            V("connect", connect(c[i], (void *)&a, n));
        }
        events("pending", s);
        V("early", send(c[0], "early", 5, 0));
        struct timeval tv = {0, 20000};
        int w = socket(AF_UNIX, kind, 0);
        setsockopt(w, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
        V("late", connect(w, (void *)&a, n));
        int f = accept(s, 0, 0);
        char b[9];
        V("was early", read(f, b, 9));
        V("room again", connect(c[2], (void *)&a, n));
        V("larger", listen(s, 5));
        V("room for more", connect(c[3], (void *)&a, n));
        close(s);
        V("reset", recv(c[1], b, 1, 0));
        V("end", recv(c[1], b, 1, 0));
        V("refused", connect(w, (void *)&a, n));
        V("accepted lives", send(f, "x", 1, 0));
        for (int i = 0; i < 4; i++)
            close(c[i]);
        close(f);
        close(w);
    }
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(s, (void *)&a, n);
    listen(s, 5);
    V("connect and close", connect(c, (void *)&a, n));
    send(c, "bye", 3, 0);
    close(c);
    char b[9];
    c = accept(s, 0, 0);
    V("bye", read(c, b, 9));
    V("gone", read(c, b, 9));
    V("write", send(c, "x", 1, MSG_NOSIGNAL));
    V("shutdown listener", shutdown(s, SHUT_RD));
    V("accept then", accept(s, 0, 0));
    int d = socket(AF_UNIX, SOCK_STREAM, 0);
    V("connect then", connect(d, (void *)&a, n));
    close(s);
    close(c);
    close(d);
}

static void datagrams(void) {
    puts("-- datagrams");
    struct sockaddr_un a, b, who;
    socklen_t na = path(&a, "a"), nb = abstract(&b, "b"), len;
    unlink(a.sun_path);
    int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), t = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    char buf[64] = {0};
    bind(s, (void *)&a, na);
    events("fresh", s);
    V("send to nobody", send(t, "x", 1, 0));
    V("send", sendto(t, "none", 4, 0, (void *)&a, na));
    len = sizeof who;
    V("without name", recvfrom(s, buf, 64, 0, (void *)&who, &len));
    printf("from length %u\n", len);
    V("send", sendto(t, "one", 3, 0, (void *)&a, na));
    bind(t, (void *)&b, nb);
    V("send named", sendto(t, "second", 6, 0, (void *)&a, na));
    V("send empty", sendto(t, "", 0, 0, (void *)&a, na));
    int n = 0;
    ioctl(s, FIONREAD, &n);
    printf("first is %d\n", n);
    len = sizeof who;
    V("first", recvfrom(s, buf, 64, 0, (void *)&who, &len));
    printf("its name now %d\n", len == nb);
    len = sizeof who;
    V("peek", recvfrom(s, buf, 2, MSG_PEEK, (void *)&who, &len));
    V("cut", recvfrom(s, buf, 2, MSG_TRUNC, (void *)&who, &len));
    printf("from b %d %d\n", len == nb, memcmp(&who, &b, nb));
    V("empty one", recv(s, buf, 64, 0));
    V("none", recv(s, buf, 64, 0));
    V("nobody there", sendto(t, "x", 1, 0, (void *)&b, nb + 1));
    V("no node", sendto(t, "x", 1, 0, (void *)&b, (path(&b, "zz"), sizeof b)));
    V("no name", sendto(t, "x", 1, 0, (void *)&b, 2));
    V("wrong family", (b.sun_family = AF_INET, sendto(t, "x", 1, 0, (void *)&b, sizeof b)));
    V("connect", connect(t, (void *)&a, na));
    V("send connected", send(t, "hi", 2, 0));
    V("write nothing", write(t, "", 0));
    V("to another", sendto(t, "x", 1, 0, (void *)&a, na));
    int u = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    nb = abstract(&b, "b");
    V("back", (connect(s, (void *)&b, nb), send(s, "back", 4, 0)));
    V("third party", sendto(u, "x", 1, 0, (void *)&b, nb));
    V("third party to s", sendto(u, "x", 1, 0, (void *)&a, na));
    V("third party connects", connect(u, (void *)&a, na));
    V("recv", recv(s, buf, 64, 0));
    V("recv", recv(s, buf, 64, 0));
    V("recv", recv(s, buf, 64, 0));
    V("recv", recv(s, buf, 64, 0));
    struct sockaddr none = {AF_UNSPEC, {0}};
    V("disconnect", connect(s, &none, sizeof none));
    show_name("peer", getpeername, s);
    V("disconnect with unread", connect(t, &none, sizeof none));
    V("unread is gone", recv(t, buf, 64, 0));
    V("error of s", send(s, "x", 1, 0));
    connect(t, (void *)&a, na);
    V("filling", ({ int i = 0; while (i < 5000 && send(t, "x", 1, 0) == 1) i++; i > 5 && i < 5000; }));
    printf("%s\n", name_of(errno));
    events("full", t);
    V("one out", recv(s, buf, 64, 0));
    events("room", t);
    V("out of band", send(t, "x", 1, MSG_OOB));
    V("out of band", recv(t, buf, 1, MSG_OOB));
    V("shutdown", shutdown(s, SHUT_RD));
    V("send to shut", send(t, "x", 1, 0));
    V("still there", recv(s, buf, 64, 0));
    close(s);
    V("gone", send(t, "x", 1, 0));
    V("again", send(t, "x", 1, 0));
    V("connect to dead", connect(t, (void *)&a, na));
    unlink(a.sun_path);
    printf("SIGPIPE %d\n", pipes);
    int p[2];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p);
    pipes = 0;
    V("seqpacket", send(p[0], "abcdef", 6, 0));
    V("cut", recv(p[1], buf, 2, 0));
    V("rest is gone", recv(p[1], buf, 2, MSG_DONTWAIT));
    V("to a name", sendto(p[0], "x", 1, 0, (void *)&a, na));
    V("it went", recv(p[1], buf, 2, 0));
    close(p[0]);
    events("closed", p[1]);
    V("end", recv(p[1], buf, 2, 0));
    V("send", send(p[1], "x", 1, 0));
    printf("SIGPIPE %d\n", pipes);
    int q = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    V("lone recv", recv(q, buf, 2, 0));
    V("lone send", send(q, buf, 2, 0));
    events("lone", q);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
    close(p[0]);
    events("pair closed", p[1]);
    V("pair closed", send(p[1], "x", 1, 0));
    V("pair closed", send(p[1], "x", 1, 0));
}

static void option(const char *what, int fd, int level, int name, socklen_t room) {
    unsigned char v[32];
    memset(v, 0xee, sizeof v);
    socklen_t len = room;
    errno = 0;
    int r = getsockopt(fd, level, name, v, &len);
    printf("%s: %s length %u:", what, r ? name_of(errno) : "ok", len);
    for (unsigned i = 0; i < room && i < 16; i++)
        printf(" %x", v[i]);
    puts("");
}

static int put(int fd, int name, int value) { return setsockopt(fd, SOL_SOCKET, name, &value, sizeof value); }

static void options(void) {
    puts("-- options");
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    option("SO_TYPE", s, SOL_SOCKET, SO_TYPE, 4);
    option("SO_DOMAIN", s, SOL_SOCKET, SO_DOMAIN, 4);
    option("SO_PROTOCOL", s, SOL_SOCKET, SO_PROTOCOL, 4);
    option("SO_ERROR", s, SOL_SOCKET, SO_ERROR, 4);
    option("SO_ACCEPTCONN", s, SOL_SOCKET, SO_ACCEPTCONN, 4);
    option("SO_PEERCRED", s, SOL_SOCKET, SO_PEERCRED, 12);
    option("little room", s, SOL_SOCKET, SO_TYPE, 2);
    option("much room", s, SOL_SOCKET, SO_TYPE, 12);
    option("unknown", s, SOL_SOCKET, 9999, 4);
    option("unknown level", s, 77, 1, 4);
    option("SO_LINGER", s, SOL_SOCKET, SO_LINGER, 8);
    option("SO_RCVLOWAT", s, SOL_SOCKET, SO_RCVLOWAT, 4);
    option("SO_RCVTIMEO", s, SOL_SOCKET, SO_RCVTIMEO, 16);
    option("SO_SNDBUF", s, SOL_SOCKET, SO_SNDBUF, 4);
    option("SO_RCVBUF", s, SOL_SOCKET, SO_RCVBUF, 4);
    V("set SO_SNDBUF", put(s, SO_SNDBUF, 10000));
    option("SO_SNDBUF", s, SOL_SOCKET, SO_SNDBUF, 4);
    V("small", put(s, SO_SNDBUF, 1));
    option("SO_SNDBUF", s, SOL_SOCKET, SO_SNDBUF, 4);
    V("small", put(s, SO_RCVBUF, 1));
    option("SO_RCVBUF", s, SOL_SOCKET, SO_RCVBUF, 4);
    V("SO_TYPE", put(s, SO_TYPE, 1));
    V("SO_ERROR", put(s, SO_ERROR, 1));
    V("unknown", put(s, 9999, 1));
    V("unknown level", setsockopt(s, 77, 1, &s, 4));
    V("short", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &s, 3));
    V("negative", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &s, -1));
    V("bad pointer", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4));
    V("SO_REUSEADDR", put(s, SO_REUSEADDR, 7));
    option("SO_REUSEADDR", s, SOL_SOCKET, SO_REUSEADDR, 4);
    V("SO_KEEPALIVE", put(s, SO_KEEPALIVE, 1));
    V("SO_PRIORITY", put(s, SO_PRIORITY, 3));
    V("SO_PASSCRED", put(s, SO_PASSCRED, 1));
    struct linger l = {1, 5};
    V("SO_LINGER", setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l));
    option("SO_LINGER", s, SOL_SOCKET, SO_LINGER, 8);
    struct timeval tv = {3, 1000000};
    V("too many microseconds", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    tv.tv_usec = 500000;
    V("SO_RCVTIMEO", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    option("SO_RCVTIMEO", s, SOL_SOCKET, SO_RCVTIMEO, 16);
    option("part of it", s, SOL_SOCKET, SO_RCVTIMEO, 8);
    V("short", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 8));
    socklen_t len = -1;
    V("negative room", getsockopt(s, SOL_SOCKET, SO_TYPE, &s, &len));
    V("bad length", getsockopt(s, SOL_SOCKET, SO_TYPE, &s, (void *)8));
    V("not a socket", getsockopt(0, SOL_SOCKET, SO_TYPE, &s, &len));
    int p[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    struct ucred u;
    len = sizeof u;
    V("SO_PEERCRED", getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &len));
    printf("me %d %d %d\n", u.pid == getpid(), u.uid == getuid(), u.gid == getgid());
    int n = 1;
    V("FIONBIO", ioctl(p[0], FIONBIO, &n));
    V("then", recv(p[0], &u, 1, 0));
    V("TIOCOUTQ", ioctl(p[0], TIOCOUTQ, &n));
    printf("%d\n", n);
    send(p[0], "x", 1, 0);
    ioctl(p[0], TIOCOUTQ, &n);
    printf("%d\n", n > 0);
    char line[200], mine[300];
    struct sockaddr_un a;
    socklen_t na = path(&a, "shown");
    bind(s, (void *)&a, na);
    listen(s, 1);
    FILE *f = fopen("/proc/net/unix", "r");
    snprintf(mine, sizeof mine, "%s\n", a.sun_path);
    int found = 0;
    while (f && fgets(line, sizeof line, f)) {
        unsigned refs, protocol, flags, kind, state;
        if (!strncmp(line, "Num", 3))
            printf("%s", line);
        size_t end = strlen(line), own = strlen(mine);
        if (end > own && !strcmp(line + end - own, mine) && sscanf(line, "%*[^:]: %x %x %x %x %x", &refs, &protocol, &flags, &kind, &state) == 5)
            found += printf("shown: protocol %x flags %x kind %x state %x\n", protocol, flags, kind, state) > 0;
    }
    printf("found %d\n", found);
    unlink(a.sun_path);
    V("no terminal", isatty(p[0]));
    V("ioctl", ioctl(p[0], 0x1234, &n));
}

static void wait_for(const char *what, int e) {
    struct epoll_event v[8];
    int n = epoll_wait(e, v, 8, 0);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++)
        printf(" %u:%x", v[i].data.u32, v[i].events);
    puts("");
}

static void watching(void) {
    puts("-- epoll");
    int p[2], e = epoll_create1(0);
    char b[64];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
    struct epoll_event v = {EPOLLIN | EPOLLRDHUP | EPOLLET, {.u32 = 1}};
    epoll_ctl(e, EPOLL_CTL_ADD, p[1], &v);
    wait_for("nothing", e);
    send(p[0], "ab", 2, 0);
    wait_for("edge", e);
    wait_for("no edge", e);
    recv(p[1], b, 1, 0);
    wait_for("half read", e);
    send(p[0], "c", 1, 0);
    wait_for("more came", e);
    recv(p[1], b, 64, 0);
    wait_for("all read", e);
    shutdown(p[0], SHUT_WR);
    wait_for("half closed", e);
    wait_for("told once", e);
    close(p[0]);
    wait_for("closed", e);
    v.events = EPOLLIN;
    epoll_ctl(e, EPOLL_CTL_MOD, p[1], &v);
    wait_for("level", e);
    wait_for("level again", e);
    close(p[1]);
    wait_for("gone", e);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
    v.events = EPOLLOUT | EPOLLET;
    v.data.u32 = 2;
    epoll_ctl(e, EPOLL_CTL_ADD, p[0], &v);
    wait_for("writable", e);
    static char big[1 << 16];
    while (send(p[0], big, sizeof big, 0) > 0) {}
    wait_for("full", e);
    while (recv(p[1], big, sizeof big, 0) > 0) {}
    wait_for("drained", e);
    wait_for("told once", e);
    v.events = EPOLLIN | EPOLLONESHOT;
    epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v);
    send(p[1], "x", 1, 0);
    wait_for("one shot", e);
    send(p[1], "x", 1, 0);
    wait_for("spent", e);
    close(p[1]);
    wait_for("spent, even for closing", e);
    epoll_ctl(e, EPOLL_CTL_MOD, p[0], &v);
    wait_for("armed again", e);
    close(p[0]);
    struct sockaddr_un a;
    socklen_t n = abstract(&a, "epoll");
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    bind(s, (void *)&a, n);
    listen(s, 5);
    v.events = EPOLLIN | EPOLLET;
    v.data.u32 = 3;
    epoll_ctl(e, EPOLL_CTL_ADD, s, &v);
    wait_for("listener", e);
    connect(c, (void *)&a, n);
    wait_for("connection", e);
    wait_for("told once", e);
    int d = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(d, (void *)&a, n);
    wait_for("another", e);
    V("accept", accept(s, 0, 0) >= 0);
    V("accept", accept(s, 0, 0) >= 0);
    wait_for("none left", e);
    V("accept", accept(s, 0, 0));
}

// Receives 4 bytes while SIGALRM comes again and again, so that one which comes before the call is not the last.
static ssize_t alarmed_recv(int fd, void *to, int flags) {
    struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, 0);
    ssize_t n = recv(fd, to, 4, flags);
    int failed = errno;
    setitimer(ITIMER_REAL, &never, 0);
    errno = failed;
    return n;
}

static void interrupted(void) {
    puts("-- signals");
    int p[2];
    char b[4];
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    struct sigaction sa = {.sa_handler = on_pipe};
    sigaction(SIGALRM, &sa, 0);
    V("recv", alarmed_recv(p[0], b, 0));
    send(p[1], "ab", 2, 0);
    V("waitall", alarmed_recv(p[0], b, MSG_WAITALL));
    sa.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &sa, 0);
    // Longer than a first alarm that comes late.
    struct timeval tv = {30, 0};
    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    V("with a time limit", alarmed_recv(p[0], b, 0));
    signal(SIGALRM, SIG_IGN);
    tv = (struct timeval){0, 200000};
    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    V("ignored", alarmed_recv(p[0], b, 0));
}

int main(int argc, char **argv) {
    static char own[200];
    snprintf(own, sizeof own, "%s/unixsock.%d", argc > 1 ? argv[1] : "/tmp", (int)getpid());
    dir = own;
    mkdir(dir, 0700);
    signal(SIGPIPE, on_pipe);
    making();
    names();
    streams();
    filling();
    backlog();
    datagrams();
    options();
    watching();
    interrupted();
    struct sockaddr_un a;
    unlink((path(&a, "s"), a.sun_path));
    printf("tidy %d\n", rmdir(dir));
    return 0;
}
