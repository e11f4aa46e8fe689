// Messages with control data on sockets of the family AF_UNIX: descriptors, credentials, several messages per call.
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#include "show.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); if (result_ < 0) printf("%s: %s\n", what, name_of(errno)); else printf("%s: %ld\n", what, result_); } while (0)

static const char *name_of(int e) {
    switch (e) {
#define E(name) case name: return #name;
        E(ENOTSOCK) E(EMSGSIZE) E(ENOBUFS) E(EISCONN) E(ENOTCONN) E(ETOOMANYREFS) E(ECONNREFUSED)
#undef E
    }
    return error_name(e);
}

static char control[4096];

// Sends `text` with `n` descriptors.
static long send_fds(int s, const char *text, const int *fds, int n) {
    struct iovec v = {(void *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(4 * n)};
    memset(control, 0, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(4 * n);
    if (n)
        memcpy(CMSG_DATA(c), fds, 4 * n);
    return sendmsg(s, &m, 0);
}

static int got[300], count;

// Receives up to `len` bytes with room for `room` bytes of control data, shows all of it and keeps the descriptors.
static void take(const char *what, int s, size_t len, size_t room, int flags) {
    char b[512];
    struct sockaddr_un name;
    struct iovec v = {b, len};
    struct msghdr m = {&name, sizeof name, &v, 1, control, room, -1};
    memset(control, 0x55, sizeof control);
    errno = 0;
    count = 0;
    long n = recvmsg(s, &m, flags);
    if (n < 0) {
        printf("%s: %s\n", what, name_of(errno));
        return;
    }
    printf("%s: %ld '%.*s' flags %x name %u control %zu\n", what, n, (int)(n < (long)len ? n : (long)len), b, m.msg_flags,
           m.msg_namelen, m.msg_controllen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        printf("  level %d type %d length %zu", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred u;
            memcpy(&u, CMSG_DATA(c), sizeof u);
            printf(" from %d %d %d", u.pid == getpid(), u.uid == getuid(), u.gid == getgid());
        }
        if (c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / 4;
            memcpy(got, CMSG_DATA(c), 4 * count);
            printf(" descriptors %d", count);
            for (int i = 0; i < count && i < 4; i++)
                printf(" %d", fcntl(got[i], F_GETFD));
        }
        puts("");
    }
}

static void drop(void) {
    for (int i = 0; i < count; i++)
        close(got[i]);
    count = 0;
}

static void rights(void) {
    puts("-- descriptors");
    int p[2], q[2], many[300];
    char b[16] = {0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    pipe(q);
    V("send one", send_fds(p[0], "one", &q[1], 1));
    take("one", p[1], 100, sizeof control, 0);
    V("use it", write(got[0], "hello", 5));
    V("it is the same", read(q[0], b, 9));
    drop();
    V("send two", send_fds(p[0], "two", q, 2));
    take("close on exec", p[1], 100, sizeof control, MSG_CMSG_CLOEXEC);
    drop();
    send_fds(p[0], "three", (int[]){q[0], q[1], 0}, 3);
    take("room for one", p[1], 100, CMSG_LEN(4), 0);
    drop();
    send_fds(p[0], "three", (int[]){q[0], q[1], 0}, 3);
    take("room for one and a half", p[1], 100, CMSG_LEN(6), 0);
    drop();
    send_fds(p[0], "four", q, 2);
    take("no room", p[1], 100, 0, 0);
    send_fds(p[0], "five", q, 2);
    take("room for a header", p[1], 100, 16, 0);
    send_fds(p[0], "six", q, 1);
    V("by read", read(p[1], b, 10));
    V("no descriptors", send_fds(p[0], "none", q, 0));
    take("none", p[1], 100, sizeof control, 0);
    V("bad descriptor", send_fds(p[0], "bad", (int[]){q[0], 99}, 2));
    for (int i = 0; i < 300; i++)
        many[i] = q[0];
    V("most", send_fds(p[0], "most", many, 253));
    V("too many", send_fds(p[0], "over", many, 254));
    take("most", p[1], 100, sizeof control, 0);
    drop();
    // What is read together.
    send(p[0], "plain", 5, 0);
    send_fds(p[0], "with", q, 1);
    send(p[0], "after", 5, 0);
    take("together", p[1], 100, sizeof control, 0);
    drop();
    take("behind", p[1], 100, sizeof control, 0);
    send_fds(p[0], "partial", q, 1);
    take("first part", p[1], 3, sizeof control, 0);
    drop();
    take("second part", p[1], 100, sizeof control, 0);
    send_fds(p[0], "looked", q, 1);
    take("peeked", p[1], 100, sizeof control, MSG_PEEK);
    drop();
    take("taken", p[1], 100, sizeof control, 0);
    drop();
    V("without bytes", send_fds(p[0], "", q, 1));
    V("nothing", recv(p[1], b, 1, MSG_DONTWAIT));
    // On their way when everybody has closed them.
    int r[2];
    pipe(r);
    send_fds(p[0], "last", &r[1], 1);
    close(r[1]);
    V("pipe is open", (fcntl(r[0], F_SETFL, O_NONBLOCK), read(r[0], b, 1)));
    close(p[1]);
    V("closed with the socket", read(r[0], b, 1));
    close(p[0]);
    puts("-- datagrams");
    socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
    V("send", send_fds(p[0], "datagram", q, 2));
    V("send empty", send_fds(p[0], "", q, 1));
    take("cut", p[1], 4, sizeof control, 0);
    drop();
    take("empty", p[1], 4, sizeof control, 0);
    drop();
    send_fds(p[0], "datagram", q, 2);
    take("true length", p[1], 4, sizeof control, MSG_TRUNC | MSG_PEEK);
    drop();
    take("gone", p[1], 100, sizeof control, 0);
    drop();
    // A socket through itself, and what it holds.
    V("itself", send_fds(p[0], "self", &p[1], 1));
    take("itself", p[1], 100, sizeof control, 0);
    V("the same", (send(p[0], "x", 1, 0), recv(got[0], b, 9, 0)));
    drop();
    // No more descriptors.
    struct rlimit before, few;
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(0);
    close(next);
    few = before;
    few.rlim_cur = next + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    send_fds(p[0], "limited", q, 2);
    take("limited", p[1], 100, sizeof control, 0);
    drop();
    setrlimit(RLIMIT_NOFILE, &before);
    close(p[0]);
    close(p[1]);
}

static void chain(void) {
    puts("-- sockets in sockets");
    int held = -1, ok = 1;
    for (int i = 0; i < 2000; i++) {
        int p[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p))
            break;
        if (held >= 0) {
            ok &= send_fds(p[0], "x", &held, 1) == 1;
            close(held);
        }
        close(p[0]);
        held = p[1];
    }
    printf("made %d, all went %d\n", held >= 0, ok);
    close(held);
    // Each in the queue of the other, and closed.
    ok = 1;
    for (int i = 0; i < 10000 && ok; i++) {
        int p[2];
        ok = socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0 && send_fds(p[0], "x", p, 2) == 1 && send_fds(p[1], "x", p, 2) == 1;
        close(p[0]);
        close(p[1]);
    }
    printf("through themselves %d\n", ok);
    V("still fine", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
}

static long send_cred(int s, pid_t pid, uid_t uid, gid_t gid, size_t len) {
    struct iovec v = {"cred", 4};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(len)};
    struct ucred u = {pid, uid, gid};
    memset(control, 0, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_CREDENTIALS;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), &u, sizeof u);
    return sendmsg(s, &m, 0);
}

static void credentials(void) {
    puts("-- credentials");
    int p[2], on = 1;
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    V("before", send(p[0], "early", 5, 0));
    V("SO_PASSCRED", setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    V("after", send(p[0], "later", 5, 0));
    take("early", p[1], 100, sizeof control, 0);
    take("later", p[1], 100, sizeof control, 0);
    V("given", send_cred(p[0], getpid(), getuid(), getgid(), sizeof(struct ucred)));
    take("given", p[1], 100, sizeof control, 0);
    V("wrong length", send_cred(p[0], getpid(), getuid(), getgid(), 8));
    send(p[0], "x", 1, 0);
    take("no room", p[1], 100, 0, 0);
    send(p[0], "x", 1, 0);
    take("half", p[1], 100, 20, 0);
    send_fds(p[0], "both", p, 2);
    take("both", p[1], 100, sizeof control, 0);
    for (int i = 0; i < count; i++)
        close(got[i]);
    if (getuid() == 0) {
        setresgid(77, 77, 77);
        setresuid(77, 77, 77);
    }
    V("not mine", send_cred(p[0], getpid(), getuid() + 1, getgid(), sizeof(struct ucred)));
    V("nor group", send_cred(p[0], getpid(), getuid(), getgid() + 1, sizeof(struct ucred)));
    V("nor process", send_cred(p[0], 1, getuid(), getgid(), sizeof(struct ucred)));
    V("mine", send_cred(p[0], getpid(), getuid(), getgid(), sizeof(struct ucred)));
    take("mine", p[1], 100, sizeof control, 0);
}

static void headers(void) {
    puts("-- headers");
    int p[2];
    char b[16];
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
    struct iovec v[2] = {{"head", 4}, {"er", 2}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    V("two buffers", sendmsg(p[0], &m, 0));
    struct iovec r[3] = {{b, 1}, {b + 1, 0}, {b + 1, 15}};
    struct msghdr in = {.msg_iov = r, .msg_iovlen = 3};
    V("three buffers", recvmsg(p[1], &in, 0));
    printf("%.6s\n", b);
    V("bad header", sendmsg(p[0], (void *)8, 0));
    V("bad header", recvmsg(p[1], (void *)8, 0));
    m.msg_iovlen = 1025;
    V("too many buffers", sendmsg(p[0], &m, 0));
    V("too many buffers", recvmsg(p[1], &m, 0));
    m.msg_iovlen = 0;
    V("no buffers", sendmsg(p[0], &m, 0));
    V("no bytes", recvmsg(p[1], &m, 0));
    m.msg_iov = (void *)8;
    m.msg_iovlen = 1;
    V("bad buffers", sendmsg(p[0], &m, 0));
    m.msg_iov = v;
    m.msg_name = b;
    m.msg_namelen = -1;
    V("negative name", sendmsg(p[0], &m, 0));
    V("negative name", recvmsg(p[1], &m, 0));
    m.msg_name = 0;
    V("no name", sendmsg(p[0], &m, 0));
    m.msg_control = (void *)8;
    m.msg_controllen = 16;
    V("bad control", sendmsg(p[0], &m, 0));
    m.msg_control = control;
    memset(control, 0, sizeof control);
    V("control of length 0", sendmsg(p[0], &m, 0));
    m.msg_controllen = 10;
    V("short control", sendmsg(p[0], &m, 0));
    struct cmsghdr *c = (void *)control;
    *c = (struct cmsghdr){.cmsg_len = 24, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    m.msg_controllen = 20;
    V("longer than all", sendmsg(p[0], &m, 0));
    *c = (struct cmsghdr){.cmsg_len = 16, .cmsg_level = SOL_SOCKET, .cmsg_type = 99};
    V("unknown type", sendmsg(p[0], &m, 0));
    *c = (struct cmsghdr){.cmsg_len = 16, .cmsg_level = 99, .cmsg_type = 99};
    V("unknown level", sendmsg(p[0], &m, 0));
    m.msg_controllen = 1ul << 32;
    V("endless control", sendmsg(p[0], &m, 0));
    puts("-- several");
    socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
    struct iovec one = {"one", 3}, two = {"second", 6};
    struct mmsghdr out[3] = {{{.msg_iov = &one, .msg_iovlen = 1}, 99}, {{.msg_iov = &two, .msg_iovlen = 1}, 99}, {{.msg_iov = (void *)8, .msg_iovlen = 1}, 99}};
    V("sendmmsg", sendmmsg(p[0], out, 2, 0));
    printf("lengths %u %u %u\n", out[0].msg_len, out[1].msg_len, out[2].msg_len);
    V("third is bad", sendmmsg(p[0], out, 3, 0));
    V("first is bad", sendmmsg(p[0], out + 2, 1, 0));
    V("none", sendmmsg(p[0], out, 0, 0));
    V("bad array", sendmmsg(p[0], (void *)8, 1, 0));
    V("no socket", sendmmsg(0, out, 1, 0));
    char x[8][8];
    struct iovec bufs[8];
    struct mmsghdr in8[8];
    memset(in8, 0, sizeof in8);
    for (int i = 0; i < 8; i++) {
        bufs[i] = (struct iovec){x[i], 4};
        in8[i].msg_hdr.msg_iov = &bufs[i];
        in8[i].msg_hdr.msg_iovlen = 1;
    }
    V("two of them", recvmmsg(p[1], in8, 2, 0, 0));
    printf("lengths %u %u flags %x %x\n", in8[0].msg_len, in8[1].msg_len, in8[0].msg_hdr.msg_flags, in8[1].msg_hdr.msg_flags);
    V("those that are there", recvmmsg(p[1], in8, 8, MSG_WAITFORONE, 0));
    V("none", recvmmsg(p[1], in8, 8, MSG_DONTWAIT, 0));
    struct timespec bad = {0, 1000000000};
    V("bad time", recvmmsg(p[1], in8, 8, 0, &bad));
    struct timespec zero = {0, 0};
    V("sent", sendmmsg(p[0], out, 2, 0));
    V("no time", recvmmsg(p[1], in8, 8, 0, &zero));
    V("bad array", recvmmsg(p[1], (void *)8, 1, 0, 0));
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    rights();
    chain();
    headers();
    credentials();
    return 0;
}
