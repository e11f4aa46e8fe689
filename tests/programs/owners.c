// Who is to get signals about files, as fcntl keeps it; what /proc says of locks, priorities and mounts.
#define _GNU_SOURCE
#include "show.h"
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define V(what, expr) do { errno = 0; long result_ = (long)(expr); show(what, result_ < 0 ? -errno : result_); } while (0)
#define BAD ((void *)8)

static void owner(const char *what, int fd) {
    struct f_owner_ex who = {9, 9};
    int result = fcntl(fd, F_GETOWN_EX, &who);
    printf("%s: %d, kind %d, me %d, nobody %d, signal %d\n", what, result, who.type, who.pid == getpid(), who.pid == 0,
           fcntl(fd, F_GETSIG));
}

static void owners(const char *dir) {
    int p[2], other;
    if (pipe(p))
        return;
    owner("at first", p[0]);
    V("F_GETOWN", raw(SYS_fcntl, p[0], F_GETOWN, 0, 0, 0, 0));
    V("F_SETOWN", fcntl(p[0], F_SETOWN, getpid()));
    owner("process", p[0]);
    printf("F_GETOWN: %d\n", raw(SYS_fcntl, p[0], F_GETOWN, 0, 0, 0, 0) == getpid());
    other = dup(p[0]);
    owner("its copy", other);
    owner("the other end", p[1]);
    V("group", fcntl(p[0], F_SETOWN, -getpid()));
    owner("group", p[0]);
    printf("F_GETOWN: %d\n", raw(SYS_fcntl, p[0], F_GETOWN, 0, 0, 0, 0) == -getpid());
    V("nobody there", fcntl(p[0], F_SETOWN, 0x3ffffff0));
    V("no group there", fcntl(p[0], F_SETOWN, -0x3ffffff0));
    V("no number", fcntl(p[0], F_SETOWN, INT_MIN));
    owner("still the group", p[0]);
    V("F_SETSIG", fcntl(p[0], F_SETSIG, SIGRTMIN));
    V("not a signal", fcntl(p[0], F_SETSIG, 65));
    V("negative", fcntl(p[0], F_SETSIG, -1));
    struct f_owner_ex who = {F_OWNER_TID, getpid()};
    V("F_SETOWN_EX", fcntl(p[0], F_SETOWN_EX, &who));
    owner("thread", p[0]);
    who.type = 3;
    V("kind", fcntl(p[0], F_SETOWN_EX, &who));
    who = (struct f_owner_ex){F_OWNER_PID, 0x3ffffff0};
    V("nobody there", fcntl(p[0], F_SETOWN_EX, &who));
    V("bad pointer", fcntl(p[0], F_SETOWN_EX, BAD));
    V("bad pointer", fcntl(p[0], F_GETOWN_EX, BAD));
    V("nobody", fcntl(p[0], F_SETOWN, 0));
    V("the usual signal", fcntl(p[0], F_SETSIG, 0));
    owner("nobody", p[0]);
    int path = open(dir, O_PATH);
    V("of a path", fcntl(path, F_SETOWN, getpid()));
    V("of a path", fcntl(path, F_GETOWN, 0));
    V("closed", fcntl(77, F_SETOWN, getpid()));

    int on = 1, off = 0, d = open(dir, O_RDONLY);
    V("asynchronous: a directory", fcntl(d, F_SETFL, O_ASYNC));
    printf("  flag %d\n", !!(fcntl(d, F_GETFL) & O_ASYNC));
    V("on as it is", ioctl(d, FIOASYNC, &on));
    V("off", ioctl(d, FIOASYNC, &off));
    V("off by flag", fcntl(d, F_SETFL, 0));
    V("on", ioctl(d, FIOASYNC, &on));
    V("a pipe: off as it is", ioctl(p[0], FIOASYNC, &off));
    V("bad pointer", ioctl(p[0], FIOASYNC, BAD));
}

// The lines of /proc/locks about a file, without number, and with names instead of numbers.
static void locks(const char *what, const struct stat *s) {
    char line[200], dev[40], kind[20], how[20], access[20], start[30], end[30];
    FILE *f = fopen("/proc/locks", "r");
    snprintf(dev, sizeof dev, ":%lu", (unsigned long)s->st_ino);
    printf("%s:", what);
    while (f && fgets(line, sizeof line, f)) {
        int number, pid, at = 0;
        char place[60];
        if (sscanf(line, "%d: %19s %19s %19s %d %59s %29s %29s%n", &number, kind, how, access, &pid, place, start, end, &at) < 8)
            printf(" malformed %s", line);
        else if (strlen(place) > strlen(dev) && !strcmp(place + strlen(place) - strlen(dev), dev))
            printf(" [%s %s %s %s %s-%s%s]", kind, how, access, pid == getpid() ? "me" : pid == -1 ? "-1" : "other", start, end,
                   line[at] == '\n' ? "" : " and more");
    }
    puts("");
    if (f)
        fclose(f);
}

static void told(const char *dir) {
    char name[4096];
    struct stat s;
    snprintf(name, sizeof name, "%s/owners-%d", dir, getpid());
    int f = open(name, O_RDWR | O_CREAT, 0600), g = open(name, O_RDWR);
    unlink(name);
    fstat(f, &s);
    locks("no locks", &s);
    flock(f, LOCK_EX);
    locks("flock", &s);
    flock(f, LOCK_SH);
    locks("shared", &s);
    flock(f, LOCK_UN);
    struct flock l = {.l_type = F_RDLCK, .l_start = 3};
    fcntl(f, F_SETLK, &l);
    locks("record", &s);
    l = (struct flock){.l_type = F_UNLCK};
    fcntl(f, F_SETLK, &l);
    l = (struct flock){.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
    fcntl(g, F_OFD_SETLK, &l);
    locks("of the description", &s);
    close(g);
    locks("closed", &s);
}

// Priority, nice value, real-time priority and policy in /proc/self/stat.
static void priority(const char *what) {
    char line[2000];
    FILE *f = fopen("/proc/self/stat", "r");
    if (!f || !fgets(line, sizeof line, f))
        return;
    fclose(f);
    char *at = strrchr(line, ')');
    int field = 2;
    printf("%s:", what);
    for (at = strtok(at + 1, " "); at; at = strtok(0, " ")) {
        field++;
        if (field == 18 || field == 19 || field == 40 || field == 41)
            printf(" %s", at);
    }
    puts("");
}

int main(int argc, char **argv) {
    (void)argc;
    setpgid(0, 0);
    owners(argv[1]);
    told(argv[1]);
    priority("ordinary");
    setpriority(PRIO_PROCESS, 0, 7);
    priority("nice");
    struct sched_param p = {0};
    sched_setscheduler(0, SCHED_BATCH, &p);
    priority("batch");

    char text[4096] = "";
    FILE *f = fopen("/proc/self/mountstats", "r");
    int good = 0, bad = 0;
    char kind[100], path[200], same[100];
    while (f && fgets(text, sizeof text, f)) {
        if (sscanf(text, "device %99s mounted on %199s with fstype %99s", kind, path, same) == 3)
            good++;
        else
            bad++;
    }
    printf("mounts told: %d, otherwise %d\n", good > 0, bad);
    f = fopen("/proc/devices", "r");
    int mem = 0, block = 0;
    while (f && fgets(text, sizeof text, f)) {
        mem += !strcmp(text, "  1 mem\n");
        block += !strcmp(text, "Block devices:\n");
    }
    printf("drivers: %d %d\n", mem, block);
    f = fopen("/proc/self/wchan", "r");
    printf("runs: %d\n", f && fgetc(f) == '0' && fgetc(f) == EOF);
    return 0;
}
