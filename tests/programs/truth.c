// What /proc says agrees with what the calls say; timeouts and sets of the calls that wait.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/utsname.h>
#include <time.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : result_); } while (0)

static void line(const char *file, const char *name, char *out, size_t size) {
    FILE *f = fopen(file, "r");
    char text[4096];
    *out = 0;
    while (f && fgets(text, sizeof text, f))
        if (!name || !strncmp(text, name, strlen(name)))
            snprintf(out, size, "%s", text + (name ? strlen(name) : 0));
    if (f)
        fclose(f);
}

static void same(const char *what, const char *want, const char *got) {
    if (strcmp(want, got))
        printf("%s: differs: \"%s\" \"%s\"\n", what, want, got);
    else
        printf("%s: agrees\n", what);
}

static void who(const char *when) {
    char got[4096], want[4096];
    uid_t r, e, s;
    printf("%s\n", when);
    getresuid(&r, &e, &s);
    line("/proc/self/status", "Uid:", got, sizeof got);
    snprintf(want, sizeof want, "\t%u\t%u\t%u\t%u\n", r, e, s, (unsigned)syscall(SYS_setfsuid, -1));
    same("Uid", want, got);
    getresgid(&r, &e, &s);
    line("/proc/self/status", "Gid:", got, sizeof got);
    snprintf(want, sizeof want, "\t%u\t%u\t%u\t%u\n", r, e, s, (unsigned)syscall(SYS_setfsgid, -1));
    same("Gid", want, got);
    gid_t groups[64];
    int n = getgroups(64, groups), at = sprintf(want, "\t");
    for (int i = 0; i < n; i++)
        at += sprintf(want + at, "%s%u", i ? " " : "", groups[i]);
    sprintf(want + at, " \n");
    line("/proc/self/status", "Groups:", got, sizeof got);
    same("Groups", want, got);
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    syscall(SYS_capget, &h, d);
    line("/proc/self/status", "CapEff:", got, sizeof got);
    snprintf(want, sizeof want, "\t%08x%08x\n", d[1].effective, d[0].effective);
    same("CapEff", want, got);
    line("/proc/self/status", "CapPrm:", got, sizeof got);
    snprintf(want, sizeof want, "\t%08x%08x\n", d[1].permitted, d[0].permitted);
    same("CapPrm", want, got);
    line("/proc/self/status", "CapInh:", got, sizeof got);
    snprintf(want, sizeof want, "\t%08x%08x\n", d[1].inheritable, d[0].inheritable);
    same("CapInh", want, got);
    uint64_t bounding = 0;
    for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
        bounding |= (uint64_t)prctl(PR_CAPBSET_READ, i) << i;
    line("/proc/self/status", "CapBnd:", got, sizeof got);
    snprintf(want, sizeof want, "\t%016lx\n", bounding);
    same("CapBnd", want, got);
    line("/proc/self/status", "NoNewPrivs:", got, sizeof got);
    snprintf(want, sizeof want, "\t%d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    same("NoNewPrivs", want, got);
}

static void names(void) {
    struct utsname u;
    char got[4096], want[4096];
    uname(&u);
    const char *const pairs[][2] = {{"hostname", u.nodename}, {"domainname", u.domainname}, {"osrelease", u.release},
        {"version", u.version}, {"ostype", u.sysname}};
    for (int i = 0; i < 5; i++) {
        snprintf(got, sizeof got, "/proc/sys/kernel/%s", pairs[i][0]);
        snprintf(want, sizeof want, "%s\n", pairs[i][1]);
        line(got, NULL, got, sizeof got);
        same(pairs[i][0], want, got);
    }
}

static void waits(void) {
    struct { long words[16]; } set;
    struct timespec bad = {0, 1000000000}, negative = {-1, 0}, none = {0, 0};
    struct timeval now = {0, 0};
    fd_set *s = (fd_set *)&set;
    memset(&set, 0, sizeof set);
    set.words[0] = 1ul << 40;
    V("closed below 64", select(64, s, NULL, NULL, &now));
    V("not asked for", select(40, s, NULL, NULL, &now));
    memset(&set, 0, sizeof set);
    set.words[8] = 1;
    V("closed far above", select(600, s, NULL, NULL, &now));
    V("pselect timeout", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &bad, NULL));
    V("pselect timeout", syscall(SYS_pselect6, 0, NULL, NULL, NULL, &negative, NULL));
    V("pselect timeout", syscall(SYS_pselect6, 0, NULL, NULL, NULL, 8, NULL));
    V("ppoll timeout", syscall(SYS_ppoll, NULL, 0, &bad, NULL, 8));
    V("ppoll timeout", syscall(SYS_ppoll, NULL, 0, &negative, NULL, 8));
    V("ppoll timeout", syscall(SYS_ppoll, NULL, 0, 8, NULL, 8));
    V("ppoll", syscall(SYS_ppoll, NULL, 0, &none, NULL, 8));
    int e = epoll_create1(0);
    struct epoll_event event;
    V("epoll_pwait2 timeout", syscall(SYS_epoll_pwait2, e, &event, 1, &bad, NULL, 8));
    V("epoll_pwait2 timeout", syscall(SYS_epoll_pwait2, e, &event, 1, &negative, NULL, 8));
    V("epoll_pwait2 timeout", syscall(SYS_epoll_pwait2, e, &event, 1, 8, NULL, 8));
    V("epoll_pwait2", syscall(SYS_epoll_pwait2, e, &event, 1, &none, NULL, 8));
}

int main(void) {
    names();
    waits();
    who("at the start");
    gid_t groups[3] = {5, 3, 1000};
    V("setgroups", setgroups(3, groups));
    V("setresgid", setresgid(1, 2, 3));
    V("drop", prctl(PR_CAPBSET_DROP, 3, 0, 0, 0));
    V("setfsuid", syscall(SYS_setfsuid, 77));
    who("after changes");
    V("setresuid", setresuid(4, 5, 6));
    V("no new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    V("dumpable", prctl(PR_SET_DUMPABLE, 1));
    who("as somebody else");
    return 0;
}
