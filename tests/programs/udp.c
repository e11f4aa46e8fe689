// Sockets for datagrams within the host: addresses, ports, errors, options, control data, readiness, both families, groups.
#define _GNU_SOURCE
#include "show.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); if (result_ < 0) printf("%s: %s\n", what, name_of(errno)); else printf("%s: %ld\n", what, result_); } while (0)
#define K(what, expr) do { errno = 0; long result_ = (long)(expr); printf("%s: %s\n", what, result_ < 0 ? name_of(errno) : "ok"); } while (0)

static const char *name_of(int e) {
    switch (e) {
#define E(name) case name: return #name;
        E(ENOTSOCK) E(EDESTADDRREQ) E(EMSGSIZE) E(EPROTOTYPE) E(ENOPROTOOPT) E(EPROTONOSUPPORT) E(ESOCKTNOSUPPORT)
        E(EAFNOSUPPORT) E(EADDRINUSE) E(EADDRNOTAVAIL) E(ENETUNREACH) E(ECONNRESET) E(ENOBUFS) E(EISCONN)
        E(ENOTCONN) E(ECONNREFUSED) E(EHOSTUNREACH)
#undef E
    }
    return error_name(e);
}

static struct sockaddr_in v4(const char *ip, int port) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

static struct sockaddr_in6 v6(const char *ip, int port) {
    struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    inet_pton(AF_INET6, ip, &a.sin6_addr);
    return a;
}

static int port_of(int fd) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (getsockname(fd, (void *)&a, &len) < 0) return -1;
    return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

// The address, and of the port only whether there is one.
static void show_address(const char *what, int (*get)(int, struct sockaddr *, socklen_t *), int fd) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    memset(&a, 'x', sizeof a);
    if (get(fd, (void *)&a, &len) < 0) {
        printf("%s: %s\n", what, name_of(errno));
        return;
    }
    char text[64] = "?";
    const void *ip = a.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&a)->sin_addr : (void *)&((struct sockaddr_in6 *)&a)->sin6_addr;
    inet_ntop(a.ss_family, ip, text, sizeof text);
    printf("%s: family %d, %s, length %u, %s\n", what, a.ss_family, text, len, ((struct sockaddr_in *)&a)->sin_port ? "a port" : "no port");
}

static int udp(int family) { return socket(family, SOCK_DGRAM, 0); }

static int bound4(const char *ip, int port) {
    int fd = udp(AF_INET);
    struct sockaddr_in a = v4(ip, port);
    if (bind(fd, (void *)&a, sizeof a) < 0) printf("bind %s: %s\n", ip, name_of(errno));
    return fd;
}

static int bound6(const char *ip, int port) {
    int fd = udp(AF_INET6);
    struct sockaddr_in6 a = v6(ip, port);
    if (bind(fd, (void *)&a, sizeof a) < 0) printf("bind %s: %s\n", ip, name_of(errno));
    return fd;
}

static long to4(int fd, const char *data, size_t len, const char *ip, int port) {
    struct sockaddr_in a = v4(ip, port);
    return sendto(fd, data, len, 0, (void *)&a, sizeof a);
}

static long to6(int fd, const char *data, size_t len, const char *ip, int port) {
    struct sockaddr_in6 a = v6(ip, port);
    return sendto(fd, data, len, 0, (void *)&a, sizeof a);
}

static int events(int fd) {
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM };
    poll(&p, 1, 0);
    return p.revents;
}

static int option(int fd, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    errno = 0;
    return getsockopt(fd, level, name, &value, &len) < 0 ? -1000 - errno : value;
}

static int set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value); }

static void making(void) {
    puts("-- making");
    K("tcp protocol", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    K("udp protocol", socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
    K("stream with udp", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    K("seqpacket", socket(AF_INET, SOCK_SEQPACKET, 0));
    K("kind 99", socket(AF_INET, 99, 0));
    K("family 99", socket(99, SOCK_DGRAM, 0));
    int pair[2];
    K("pair", socketpair(AF_INET, SOCK_DGRAM, 0, pair));
    int fd = udp(AF_INET);
    printf("type %d, protocol %d, domain %d, error %d, listening %d\n", option(fd, SOL_SOCKET, SO_TYPE), option(fd, SOL_SOCKET, SO_PROTOCOL),
           option(fd, SOL_SOCKET, SO_DOMAIN), option(fd, SOL_SOCKET, SO_ERROR), option(fd, SOL_SOCKET, SO_ACCEPTCONN));
    show_address("local", getsockname, fd);
    show_address("peer", getpeername, fd);
    K("listen", listen(fd, 1));
    K("accept", accept(fd, NULL, NULL));
    printf("events %#x\n", events(fd));
    char b[8];
    V("receive", recv(fd, b, sizeof b, MSG_DONTWAIT));
    V("send to nobody", send(fd, "x", 1, 0));
    V("write to nobody", write(fd, "x", 1));
    close(fd);
}

static void binding(void) {
    puts("-- binding");
    int a = bound4("127.0.0.1", 0), port = port_of(a);
    printf("chosen port in range: %d\n", port >= 32768 && port <= 60999);
    struct sockaddr_in same = v4("127.0.0.1", port), any = v4("0.0.0.0", port), other = v4("127.0.0.2", port), far = v4("192.0.2.1", 0);
    int b = udp(AF_INET);
    K("same", bind(b, (void *)&same, sizeof same));
    K("any", bind(b, (void *)&any, sizeof any));
    K("not ours", bind(b, (void *)&far, sizeof far));
    struct sockaddr_in6 six = v6("::", 0);
    K("other family", bind(b, (void *)&six, sizeof six));
    K("short", bind(b, (void *)&same, 8));
    K("other address", bind(b, (void *)&other, sizeof other));
    K("again", bind(b, (void *)&other, sizeof other));
    show_address("bound to", getsockname, b);
    close(b);
    int c = udp(AF_INET6);
    struct sockaddr_in6 both = v6("::", port);
    K("both families, port in use", bind(c, (void *)&both, sizeof both));
    K("v6 only", set(c, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    K("one family", bind(c, (void *)&both, sizeof both));
    K("v6 only, too late", set(c, IPPROTO_IPV6, IPV6_V6ONLY, 0));
    close(c);
    close(a);
    int d = udp(AF_INET), e = udp(AF_INET), f = udp(AF_INET);
    set(d, SOL_SOCKET, SO_REUSEADDR, 1);
    struct sockaddr_in free_ = v4("127.0.0.1", 0);
    bind(d, (void *)&free_, sizeof free_);
    free_.sin_port = htons(port_of(d));
    K("reuse by one", bind(e, (void *)&free_, sizeof free_));
    set(e, SOL_SOCKET, SO_REUSEADDR, 1);
    K("reuse by both", bind(e, (void *)&free_, sizeof free_));
    set(f, SOL_SOCKET, SO_REUSEPORT, 1);
    K("reuse of another kind", bind(f, (void *)&free_, sizeof free_));
    close(d), close(e), close(f);
}

static void talking(void) {
    puts("-- talking");
    int s = bound4("127.0.0.1", 0), port = port_of(s), c = udp(AF_INET);
    char b[64];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    V("send", to4(c, "hello", 5, "127.0.0.1", port));
    printf("events %#x\n", events(s));
    int n = -1;
    ioctl(s, FIONREAD, &n);
    printf("waiting %d\n", n);
    V("peek", recv(s, b, 3, MSG_PEEK));
    V("peek with length", recv(s, b, 3, MSG_PEEK | MSG_TRUNC));
    V("receive", recvfrom(s, b, sizeof b, 0, (void *)&from, &len));
    printf("from port %d, length %u, %.5s\n", ntohs(from.sin_port) == port_of(c), len, b);
    V("answer", sendto(s, "you too", 7, 0, (void *)&from, len));
    V("cut", recv(c, b, 3, 0));
    V("empty", to4(c, "", 0, "127.0.0.1", port));
    printf("events %#x\n", events(s));
    V("empty", recv(s, b, sizeof b, 0));
    V("to port 0", to4(c, "x", 1, "127.0.0.1", 0));
    V("to any is to here", to4(c, "any", 3, "0.0.0.0", port));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    V("to the broadcast address", to4(c, "x", 1, "127.255.255.255", port));
    static char big[65536];
    V("largest", to4(c, big, 65507, "127.0.0.1", port));
    V("receive", recv(s, big, sizeof big, 0));
    V("larger", to4(c, big, 65508, "127.0.0.1", port));
    V("oob", send(c, "x", 1, MSG_OOB));
    V("receive oob", recv(s, b, 1, MSG_OOB | MSG_DONTWAIT));
    struct iovec parts[3] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
    struct sockaddr_in to = v4("127.0.0.1", port);
    struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = parts, .msg_iovlen = 3 };
    V("in parts", sendmsg(c, &m, 0));
    struct iovec two[2] = { { b, 2 }, { b + 8, 2 } };
    struct msghdr r = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = two, .msg_iovlen = 2 };
    V("received in parts", recvmsg(s, &r, 0));
    printf("flags %#x, name %u, %.2s %.2s\n", r.msg_flags, r.msg_namelen, b, b + 8);
    struct mmsghdr many[3];
    memset(many, 0, sizeof many);
    for (int i = 0; i < 3; i++) many[i].msg_hdr = m;
    V("many", sendmmsg(c, many, 3, 0));
    struct iovec rooms[4] = { { b, 9 }, { b + 9, 9 }, { b + 18, 9 }, { b + 27, 9 } };
    struct mmsghdr got[4];
    memset(got, 0, sizeof got);
    for (int i = 0; i < 4; i++) got[i].msg_hdr.msg_iov = &rooms[i], got[i].msg_hdr.msg_iovlen = 1;
    V("received many", recvmmsg(s, got, 4, MSG_DONTWAIT, NULL));
    printf("lengths %u %u %u\n", got[0].msg_len, got[1].msg_len, got[2].msg_len);
    V("bad memory", to4(c, (char *)8, 5, "127.0.0.1", port));
    V("nothing came", recv(s, b, sizeof b, MSG_DONTWAIT));
    to4(c, "lost", 4, "127.0.0.1", port);
    V("into bad memory", recv(s, (char *)8, 5, MSG_DONTWAIT));
    V("it is gone", recv(s, b, sizeof b, MSG_DONTWAIT));
    V("short address", sendto(c, "x", 1, 0, (void *)&to, 8));
    to.sin_family = AF_UNIX;
    V("wrong family", sendto(c, "x", 1, 0, (void *)&to, sizeof to));
    close(s), close(c);
}

static void connected(void) {
    puts("-- connected");
    int s = bound4("127.0.0.1", 0), port = port_of(s), c = udp(AF_INET), stranger = udp(AF_INET);
    char b[16];
    struct sockaddr_in to = v4("127.0.0.1", port), nobody = v4("127.0.0.1", 1);
    K("connect", connect(c, (void *)&to, sizeof to));
    show_address("local", getsockname, c);
    show_address("peer", getpeername, c);
    int own = port_of(c);
    V("write", write(c, "one", 3));
    V("read", read(s, b, sizeof b));
    V("with an address", to4(c, "two", 3, "127.0.0.1", port));
    V("read", read(s, b, sizeof b));
    V("a stranger", to4(stranger, "x", 1, "127.0.0.1", own));
    V("is not heard", recv(c, b, sizeof b, MSG_DONTWAIT));
    V("friend", to4(s, "friend", 6, "127.0.0.1", own));
    V("is heard", recv(c, b, sizeof b, MSG_DONTWAIT));
    K("connect to another", connect(c, (void *)&nobody, sizeof nobody));
    printf("port stays: %d\n", port_of(c) == own);
    V("to nobody", write(c, "x", 1));
    printf("events %#x\n", events(c));
    V("then", write(c, "x", 1));
    printf("events %#x\n", events(c));
    V("receive", recv(c, b, sizeof b, MSG_DONTWAIT));
    V("receive", recv(c, b, sizeof b, MSG_DONTWAIT));
    write(c, "x", 1);
    printf("error %s\n", name_of(option(c, SOL_SOCKET, SO_ERROR)));
    printf("error %d\n", option(c, SOL_SOCKET, SO_ERROR));
    struct sockaddr unspec = { .sa_family = AF_UNSPEC };
    K("disconnect", connect(c, &unspec, sizeof unspec));
    show_address("local", getsockname, c);
    show_address("peer", getpeername, c);
    V("write", write(c, "x", 1));
    V("unconnected, to nobody", to4(c, "x", 1, "127.0.0.1", 1));
    V("receive", recv(c, b, sizeof b, MSG_DONTWAIT));
    K("shutdown", shutdown(c, SHUT_RDWR));
    connect(c, (void *)&to, sizeof to);
    K("shutdown of writing", shutdown(c, SHUT_WR));
    V("write", send(c, "x", 1, MSG_NOSIGNAL));
    K("shutdown of reading", shutdown(c, SHUT_RD));
    V("read", read(c, b, sizeof b));
    printf("events %#x\n", events(c));
    struct sockaddr_in broadcast = v4("127.255.255.255", 9);
    K("connect to everybody", connect(stranger, (void *)&broadcast, sizeof broadcast));
    close(s), close(c), close(stranger);
}

static void six(void) {
    puts("-- IPv6");
    int s = bound6("::", 0), port = port_of(s), c = udp(AF_INET6), old = udp(AF_INET);
    char b[16], text[64];
    struct sockaddr_in6 from;
    socklen_t len = sizeof from;
    V("from six", to6(c, "six", 3, "::1", port));
    V("receive", recvfrom(s, b, sizeof b, 0, (void *)&from, &len));
    printf("%s, length %u, scope %u\n", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text), len, from.sin6_scope_id);
    V("from four", to4(old, "four", 4, "127.0.0.1", port));
    len = sizeof from;
    V("receive", recvfrom(s, b, sizeof b, 0, (void *)&from, &len));
    printf("%s, length %u\n", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text), len);
    V("answer", sendto(s, "back", 4, 0, (void *)&from, len));
    V("receive", recv(old, b, sizeof b, MSG_DONTWAIT));
    struct sockaddr_in6 mapped = v6("::ffff:127.0.0.1", port);
    K("connect to four", connect(c, (void *)&mapped, sizeof mapped));
    show_address("local", getsockname, c);
    show_address("peer", getpeername, c);
    V("write", write(c, "x", 1));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    int only = udp(AF_INET6);
    printf("only %d\n", option(only, IPPROTO_IPV6, IPV6_V6ONLY));
    set(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    K("only six, to four", connect(only, (void *)&mapped, sizeof mapped));
    K("mapped and only six", bind(only, (void *)&mapped, sizeof mapped));
    struct sockaddr_in6 local = v6("fe80::1", 0);
    K("link-local without a link", bind(only, (void *)&local, sizeof local));
    int lonely = udp(AF_INET6);
    struct sockaddr_in6 nobody = v6("::1", 1);
    connect(lonely, (void *)&nobody, sizeof nobody);
    write(lonely, "x", 1);
    V("refused", write(lonely, "x", 1));
    V("four on six", to6(old, "x", 1, "::1", port));
    close(s), close(c), close(old), close(only), close(lonely);
}

static void show_control(struct msghdr *m) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        printf("  level %d, type %d, length %d:", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len);
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo *i = (void *)CMSG_DATA(c);
            printf(" %d", i->ipi_ifindex);
            printf(" %s", inet_ntoa(i->ipi_spec_dst));
            printf(" %s\n", inet_ntoa(i->ipi_addr));
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo *i = (void *)CMSG_DATA(c);
            char text[64];
            printf(" %d %s\n", i->ipi6_ifindex, inet_ntop(AF_INET6, &i->ipi6_addr, text, sizeof text));
        } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            struct sock_extended_err *e = (void *)CMSG_DATA(c);
            struct sockaddr *who = SO_EE_OFFENDER(e);
            char text[64] = "";
            if (who->sa_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)who)->sin_addr, text, sizeof text);
            if (who->sa_family == AF_INET6) inet_ntop(AF_INET6, &((struct sockaddr_in6 *)who)->sin6_addr, text, sizeof text);
            printf(" %s, origin %d, type %d, code %d, info %u, from %s\n", name_of(e->ee_errno), e->ee_origin, e->ee_type, e->ee_code, e->ee_info, text);
        } else if (c->cmsg_len == CMSG_LEN(1)) {
            printf(" %d\n", *CMSG_DATA(c));
        } else if (c->cmsg_len == CMSG_LEN(4)) {
            printf(" %d\n", *(int *)CMSG_DATA(c));
        } else {
            puts(" a time");
        }
    }
}

static void control(void) {
    puts("-- control data");
    int s = bound4("0.0.0.0", 0), port = port_of(s), c = udp(AF_INET);
    char b[16], room[256];
    struct iovec part = { b, sizeof b };
    struct sockaddr_in from;
    set(s, IPPROTO_IP, IP_PKTINFO, 1), set(s, IPPROTO_IP, IP_RECVTTL, 1), set(s, IPPROTO_IP, IP_RECVTOS, 1);
    set(s, SOL_SOCKET, SO_TIMESTAMP, 1);
    K("ttl", set(c, IPPROTO_IP, IP_TTL, 33));
    K("tos", set(c, IPPROTO_IP, IP_TOS, 0x20));
    V("send", to4(c, "x", 1, "127.0.0.3", port));
    struct msghdr r = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    V("receive", recvmsg(s, &r, 0));
    show_control(&r);
    // The source is chosen per message.
    char out[CMSG_SPACE(sizeof(struct in_pktinfo))];
    memset(out, 0, sizeof out);
    struct sockaddr_in to = v4("127.0.0.1", port);
    struct iovec data = { "y", 1 };
    struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &data, .msg_iovlen = 1, .msg_control = out, .msg_controllen = sizeof out };
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = IPPROTO_IP, h->cmsg_type = IP_PKTINFO, h->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    ((struct in_pktinfo *)CMSG_DATA(h))->ipi_spec_dst.s_addr = htonl(0x7f000009);
    V("from 127.0.0.9", sendmsg(c, &m, 0));
    r.msg_controllen = sizeof room;
    V("receive", recvmsg(s, &r, 0));
    printf("from %s\n", inet_ntoa(from.sin_addr));
    int t = bound6("::", 0), d = udp(AF_INET6);
    set(t, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1), set(t, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1), set(t, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set(d, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44), set(d, IPPROTO_IPV6, IPV6_TCLASS, 0x30);
    V("send", to6(d, "x", 1, "::1", port_of(t)));
    r.msg_controllen = sizeof room;
    V("receive", recvmsg(t, &r, 0));
    show_control(&r);
    // Room for none of it.
    to6(d, "x", 1, "::1", port_of(t));
    r.msg_controllen = 8;
    V("receive", recvmsg(t, &r, 0));
    printf("flags %#x, control %d\n", r.msg_flags, (int)r.msg_controllen);
    close(s), close(c), close(t), close(d);
}

static void failures(int fd, int to_nobody) {
    char b[32], room[256];
    struct iovec part = { b, sizeof b };
    struct sockaddr_storage from;
    struct msghdr r = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    V("no errors", recvmsg(fd, &r, MSG_ERRQUEUE));
    V("send", to_nobody == 6 ? to6(fd, "quoted", 6, "::1", 1) : to4(fd, "quoted", 6, "127.0.0.1", 1));
    printf("events %#x\n", events(fd));
    V("receive", recv(fd, b, sizeof b, MSG_DONTWAIT));
    printf("events %#x\n", events(fd));
    memset(b, '.', sizeof b);
    V("errors", recvmsg(fd, &r, MSG_ERRQUEUE));
    printf("%.8s, flags %#x, family %d, port %d, length %u\n", b, r.msg_flags, from.ss_family, ntohs(((struct sockaddr_in *)&from)->sin_port), r.msg_namelen);
    show_control(&r);
    printf("events %#x\n", events(fd));
    V("no errors", recvmsg(fd, &r, MSG_ERRQUEUE));
}

static void errors(void) {
    puts("-- errors");
    int a = udp(AF_INET), b = udp(AF_INET6);
    K("ask", set(a, IPPROTO_IP, IP_RECVERR, 1));
    K("ask", set(b, IPPROTO_IPV6, IPV6_RECVERR, 1));
    failures(a, 4);
    failures(b, 6);
    close(a), close(b);
}

static void options(void) {
    puts("-- options");
    int fd = udp(AF_INET), fd6 = udp(AF_INET6);
    static const struct { const char *name; int level, number; } all[] = {
        { "tos", IPPROTO_IP, IP_TOS }, { "ttl", IPPROTO_IP, IP_TTL }, { "pktinfo", IPPROTO_IP, IP_PKTINFO },
        { "mtu discover", IPPROTO_IP, IP_MTU_DISCOVER }, { "recverr", IPPROTO_IP, IP_RECVERR }, { "recvttl", IPPROTO_IP, IP_RECVTTL },
        { "mtu", IPPROTO_IP, IP_MTU }, { "multicast ttl", IPPROTO_IP, IP_MULTICAST_TTL }, { "multicast loop", IPPROTO_IP, IP_MULTICAST_LOOP },
        { "multicast all", IPPROTO_IP, IP_MULTICAST_ALL }, { "freebind", IPPROTO_IP, IP_FREEBIND }, { "cork", IPPROTO_UDP, UDP_CORK },
        { "ip 999", IPPROTO_IP, 999 }, { "udp 999", IPPROTO_UDP, 999 }, { "level 999", 999, 1 }, { "broadcast", SOL_SOCKET, SO_BROADCAST },
        { "v6 on four", IPPROTO_IPV6, IPV6_V6ONLY },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int value = option(fd, all[i].level, all[i].number);
        if (value <= -1000) printf("%s: %s\n", all[i].name, name_of(-1000 - value));
        else printf("%s: %d\n", all[i].name, value);
    }
    static const struct { const char *name; int number; } sixes[] = {
        { "hops", IPV6_UNICAST_HOPS }, { "multicast hops", IPV6_MULTICAST_HOPS }, { "multicast loop", IPV6_MULTICAST_LOOP },
        { "multicast if", IPV6_MULTICAST_IF }, { "tclass", IPV6_TCLASS }, { "recverr", IPV6_RECVERR }, { "mtu discover", IPV6_MTU_DISCOVER },
        { "recvpktinfo", IPV6_RECVPKTINFO }, { "v6 999", 999 },
    };
    for (size_t i = 0; i < sizeof sixes / sizeof *sixes; i++) {
        int value = option(fd6, IPPROTO_IPV6, sixes[i].number);
        if (value <= -1000) printf("%s: %s\n", sixes[i].name, name_of(-1000 - value));
        else printf("%s: %d\n", sixes[i].name, value);
    }
    K("ttl 0", set(fd, IPPROTO_IP, IP_TTL, 0));
    K("ttl 256", set(fd, IPPROTO_IP, IP_TTL, 256));
    K("ttl -1", set(fd, IPPROTO_IP, IP_TTL, -1));
    K("multicast ttl 256", set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 256));
    K("hops 300", set(fd6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 300));
    K("mtu discover 9", set(fd, IPPROTO_IP, IP_MTU_DISCOVER, 9));
    unsigned char byte = 7;
    K("tos of a byte", setsockopt(fd, IPPROTO_IP, IP_TOS, &byte, 1));
    printf("tos %d\n", option(fd, IPPROTO_IP, IP_TOS));
    K("set 999", set(fd, IPPROTO_IP, 999, 1));
    K("set udp 999", set(fd, IPPROTO_UDP, 999, 1));
    K("set level 999", set(fd, 999, 1, 1));
    K("set v6 on four", set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    // A queue that is full loses, and says so.
    int s = bound4("127.0.0.1", 0), port = port_of(s);
    set(s, SOL_SOCKET, SO_RCVBUF, 4096);
    static char block[1000];
    for (int i = 0; i < 100; i++) to4(fd, block, sizeof block, "127.0.0.1", port);
    int got = 0;
    while (recv(s, block, sizeof block, MSG_DONTWAIT) > 0) got++;
    printf("some were lost: %d\n", got > 0 && got < 20);
    close(fd), close(fd6), close(s);
}

static void groups(void) {
    puts("-- groups");
    int s = bound4("0.0.0.0", 0), port = port_of(s), c = udp(AF_INET);
    char b[16];
    struct ip_mreqn join = { .imr_ifindex = 1 };
    inet_pton(AF_INET, "239.7.7.7", &join.imr_multiaddr);
    K("join", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join));
    K("again", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join));
    struct ip_mreqn out = { .imr_ifindex = 1 };
    K("interface", setsockopt(c, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out));
    V("send", to4(c, "group", 5, "239.7.7.7", port));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    V("once", recv(s, b, sizeof b, MSG_DONTWAIT));
    set(c, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
    V("send without loop", to4(c, "group", 5, "239.7.7.7", port));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    set(c, SOL_SOCKET, SO_BROADCAST, 1);
    V("send to everybody", to4(c, "all", 3, "127.255.255.255", port));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    V("once", recv(s, b, sizeof b, MSG_DONTWAIT));
    K("leave", setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &join, sizeof join));
    K("again", setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &join, sizeof join));
    join.imr_ifindex = 12345;
    K("no such interface", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join));
    join.imr_ifindex = 1;
    inet_pton(AF_INET, "10.1.2.3", &join.imr_multiaddr);
    K("no group", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join));
    K("short", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, 4));
    int t = bound6("::", 0), d = udp(AF_INET6);
    struct ipv6_mreq six = { .ipv6mr_interface = 1 };
    inet_pton(AF_INET6, "ff15::7", &six.ipv6mr_multiaddr);
    K("join", setsockopt(t, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six, sizeof six));
    K("interface", set(d, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1));
    K("leave", setsockopt(t, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &six, sizeof six));
    K("again", setsockopt(t, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &six, sizeof six));
    close(s), close(c), close(t), close(d);
}

static void corked(void) {
    puts("-- one datagram from several calls");
    int s = bound4("127.0.0.1", 0), port = port_of(s), t = bound4("127.0.0.1", 0), c = udp(AF_INET);
    struct sockaddr_in there = v4("127.0.0.1", port), elsewhere = v4("127.0.0.1", port_of(t));
    static char b[66000];
    V("more", sendto(c, "one ", 4, MSG_MORE, (void *)&there, sizeof there));
    V("more, elsewhere", sendto(c, "two ", 4, MSG_MORE, (void *)&elsewhere, sizeof elsewhere));
    V("nothing yet", recv(s, b, sizeof b, MSG_DONTWAIT));
    V("the last", sendto(c, "three", 5, 0, (void *)&elsewhere, sizeof elsewhere));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    printf("%.13s\n", b);
    V("elsewhere", recv(t, b, sizeof b, MSG_DONTWAIT));
    K("cork", set(c, IPPROTO_UDP, UDP_CORK, 1));
    V("a", sendto(c, "a", 1, 0, (void *)&there, sizeof there));
    V("b", sendto(c, "b", 1, 0, (void *)&there, sizeof there));
    V("nothing yet", recv(s, b, sizeof b, MSG_DONTWAIT));
    K("uncork", set(c, IPPROTO_UDP, UDP_CORK, 0));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    V("more", sendto(c, b, 40000, MSG_MORE, (void *)&there, sizeof there));
    V("too long", sendto(c, b, 40000, MSG_MORE, (void *)&there, sizeof there));
    V("short", sendto(c, "short", 5, 0, (void *)&there, sizeof there));
    V("receive", recv(s, b, sizeof b, MSG_DONTWAIT));
    V("more to nobody", send(c, "x", 1, MSG_MORE));
    close(s), close(t), close(c);
}

int main(void) {
    making();
    binding();
    talking();
    corked();
    connected();
    six();
    control();
    errors();
    options();
    groups();
    return 0;
}
