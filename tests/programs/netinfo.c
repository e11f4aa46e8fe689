// What programs learn of the loopback interface: lists of interfaces and addresses by rtnetlink, ioctl(2) and /proc/net, and what
// is refused.
#define _GNU_SOURCE
#include "show.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void say(const char *what, long result) { show(what, result < 0 ? -errno : result); }

static void by_getifaddrs(void) {
    struct ifaddrs *list, *i;
    say("getifaddrs", getifaddrs(&list));
    for (i = list; i; i = i->ifa_next) {
        if (strcmp(i->ifa_name, "lo") || !i->ifa_addr) continue;
        char address[64] = "", mask[64] = "";
        int family = i->ifa_addr->sa_family;
        if (family == AF_INET) {
            inet_ntop(family, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, address, sizeof address);
            inet_ntop(family, &((struct sockaddr_in *)i->ifa_netmask)->sin_addr, mask, sizeof mask);
        } else if (family == AF_INET6) {
            inet_ntop(family, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, address, sizeof address);
            inet_ntop(family, &((struct sockaddr_in6 *)i->ifa_netmask)->sin6_addr, mask, sizeof mask);
        }
        printf("%s: family %d, flags %#x, %s %s, %s\n", i->ifa_name, family, i->ifa_flags & (IFF_UP | IFF_LOOPBACK | IFF_BROADCAST | IFF_RUNNING), address, mask,
               i->ifa_data ? "counters" : "no counters");
    }
    freeifaddrs(list);
}

static void by_ioctl(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r;
    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, "lo");
    say("index", ioctl(fd, SIOCGIFINDEX, &r));
    printf("%d\n", r.ifr_ifindex);
    say("flags", ioctl(fd, SIOCGIFFLAGS, &r));
    printf("%#x\n", r.ifr_flags);
    say("address", ioctl(fd, SIOCGIFADDR, &r));
    printf("%s\n", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
    say("mask", ioctl(fd, SIOCGIFNETMASK, &r));
    printf("%s\n", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
    say("broadcast", ioctl(fd, SIOCGIFBRDADDR, &r));
    printf("%s\n", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
    say("hardware", ioctl(fd, SIOCGIFHWADDR, &r));
    printf("type %d, %02x%02x\n", r.ifr_hwaddr.sa_family, r.ifr_hwaddr.sa_data[0], r.ifr_hwaddr.sa_data[5]);
    say("metric", ioctl(fd, SIOCGIFMETRIC, &r));
    strcpy(r.ifr_name, "none9");
    say("no such", ioctl(fd, SIOCGIFFLAGS, &r));
    memset(&r, 0, sizeof r);
    r.ifr_ifindex = 1;
    say("name", ioctl(fd, SIOCGIFNAME, &r));
    printf("%s\n", r.ifr_name);
    r.ifr_ifindex = 99999;
    say("no such name", ioctl(fd, SIOCGIFNAME, &r));
    struct ifconf c = { 0 };
    say("how long", ioctl(fd, SIOCGIFCONF, &c));
    printf("at least one: %d, whole: %d\n", c.ifc_len >= (int)sizeof r, c.ifc_len % (int)sizeof r == 0);
    c.ifc_req = &r;
    c.ifc_len = sizeof r;
    say("first", ioctl(fd, SIOCGIFCONF, &c));
    printf("%s %s, length %d\n", r.ifr_name, inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr), c.ifc_len);
    say("bad memory", ioctl(fd, SIOCGIFFLAGS, 8));
    printf("if_nametoindex %u\n", if_nametoindex("lo"));
    close(fd);
}

static void netlink(void) {
    say("route, dgram", socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE) >= 0 ? 0 : -1);
    say("stream", socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE));
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl own = { .nl_family = AF_NETLINK };
    socklen_t len = sizeof own;
    say("bind", bind(fd, (void *)&own, sizeof own));
    getsockname(fd, (void *)&own, &len);
    printf("port is the process: %d, length %u\n", own.nl_pid == (unsigned)getpid(), len);
    int other = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    say("same port", bind(other, (void *)&own, sizeof own));
    struct { struct nlmsghdr h; struct rtmsg m; struct rtattr a; struct in_addr to; } ask = {
        { sizeof ask, RTM_GETROUTE, NLM_F_REQUEST, 5, 0 }, { .rtm_family = AF_INET, .rtm_dst_len = 32 }, { 8, RTA_DST }, { htonl(INADDR_LOOPBACK) } };
    char buffer[4096];
    say("ask for a route", send(fd, &ask, sizeof ask, 0) > 0);
    long n = recv(fd, buffer, sizeof buffer, 0);
    struct nlmsghdr *h = (void *)buffer;
    struct rtmsg *m = NLMSG_DATA(h);
    printf("got %d, type %d, sequence %u, for us %d, table %d, type %d\n", n > 0, h->nlmsg_type, h->nlmsg_seq, h->nlmsg_pid == own.nl_pid, m->rtm_table, m->rtm_type);
    struct { struct nlmsghdr h; struct ifinfomsg m; } dump = { { sizeof dump, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 6, 0 }, { .ifi_family = AF_UNSPEC } };
    send(fd, &dump, sizeof dump, 0);
    int links = 0, done = 0;
    while (!done && (n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        for (h = (void *)buffer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
            if (h->nlmsg_type == NLMSG_DONE) done = 1;
            else links += h->nlmsg_type == RTM_NEWLINK && (h->nlmsg_flags & NLM_F_MULTI);
        }
    printf("links %s, done %d\n", links > 0 ? "some" : "none", done);
    dump.h.nlmsg_type = 1000;
    dump.h.nlmsg_flags = NLM_F_REQUEST;
    send(fd, &dump, sizeof dump, 0);
    n = recv(fd, buffer, sizeof buffer, 0);
    h = (void *)buffer;
    printf("unknown: type %d, %s, quoted %d\n", h->nlmsg_type, error_name(-((struct nlmsgerr *)NLMSG_DATA(h))->error), n == (long)(NLMSG_LENGTH(sizeof(struct nlmsgerr)) + sizeof dump - sizeof(struct nlmsghdr)));
    say("nothing left", recv(fd, buffer, sizeof buffer, MSG_DONTWAIT));
    close(fd), close(other);
}

static void files(void) {
    static const char *const names[] = { "dev", "route", "arp", "tcp", "tcp6", "udp", "udp6", "raw", "snmp", "netstat", "sockstat", "sockstat6", "if_inet6", "unix" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64], line[512] = "";
        snprintf(path, sizeof path, "/proc/net/%s", names[i]);
        FILE *f = fopen(path, "r");
        if (!f) {
            printf("%s: %s\n", path, error_name(errno));
            continue;
        }
        fgets(line, sizeof line, f);
        line[strcspn(line, "\n")] = 0;
        int first = !strcmp(names[i], "if_inet6") || !strncmp(names[i], "sock", 4) || !strcmp(names[i], "netstat") || !strcmp(names[i], "unix") || !strcmp(names[i], "snmp");
        printf("%s: %d %.*s\n", names[i], first ? 0 : (int)strlen(line), !strcmp(names[i], "if_inet6") ? 0 : first ? 6 : 120, line);
        fclose(f);
    }
}

int main(void) {
    by_getifaddrs();
    by_ioctl();
    netlink();
    files();
    return 0;
}
