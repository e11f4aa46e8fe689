// What /proc and /sys say about this program: shapes, units and consistency, not the numbers.
#define _GNU_SOURCE
#include "show.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static char buf[1 << 20];
static long slurp(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        printf("%s: %s\n", path, error_name(errno));
        buf[0] = 0;
        return -1;
    }
    long n = 0, r;
    while ((r = read(fd, buf + n, 997)) > 0)
        n += r;
    buf[n] = 0;
    close(fd);
    return n;
}

// Digits become 9 (one for each number), so that texts can be compared.
static void shape(const char *path) {
    slurp(path);
    printf("%s: ", path);
    for (char *p = buf; *p; p++) {
        if (isdigit((unsigned char)*p)) {
            putchar('9');
            while (isdigit((unsigned char)p[1]))
                p++;
        } else
            putchar(*p);
    }
    if (!*buf)
        puts("(empty)");
}

static void has(const char *path, const char *const *names) {
    slurp(path);
    for (; *names; names++) {
        char line[200];
        snprintf(line, sizeof line, "\n%s", *names);
        char *at = strncmp(buf, *names, strlen(*names)) ? strstr(buf, line) : buf - 1;
        printf("%s %s: ", path, *names);
        if (!at) {
            puts("missing");
            continue;
        }
        at += 1 + strlen(*names);
        // The unit, and where it stands.
        int column = 0;
        while (at[column] && at[column] != '\n')
            column++;
        printf("%d columns, ends %c%c\n", (int)(strlen(*names) + (size_t)column), at[column - 2], at[column - 1]);
    }
}

static long field(const char *path, const char *name) {
    slurp(path);
    char *at = strstr(buf, name);
    return at ? strtol(at + strlen(name), 0, 10) : -1;
}

static void link_of(const char *path) {
    char to[300];
    long n = readlink(path, to, sizeof to - 1);
    if (n < 0)
        printf("%s -> %s\n", path, error_name(errno));
    else
        printf("%s -> %.*s\n", path, (int)n, to);
}

static void maps(char **argv) {
    slurp("/proc/self/maps");
    int lines = 0, well = 0, stack = 0, own = 0;
    unsigned long last = 0, here = (unsigned long)&lines, code = (unsigned long)maps;
    char *save, exe[300] = "";
    readlink("/proc/self/exe", exe, sizeof exe - 1);
    for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(0, "\n", &save)) {
        unsigned long from, to, offset, inode;
        unsigned major, minor;
        char perms[5], name[300] = "";
        int at = -1, n = sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n %299s", &from, &to, perms, &offset, &major, &minor, &inode, &at, name);
        lines++;
        well += n >= 7 && from < to && from >= last && strlen(perms) == 4 && perms[3] == 'p' && (!*name || line[73] == name[0]);
        last = to;
        if (here >= from && here < to)
            stack = !strcmp(name, "[stack]") && !strcmp(perms, "rw-p");
        if (code >= from && code < to)
            own = !strcmp(name, exe) && !strcmp(perms, "r-xp") && inode != 0;
    }
    printf("maps: all well formed %d, stack %d, code %d\n", lines == well && lines > 4, stack, own);
    void *p = mmap(0, 5 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect((char *)p + 4096, 4096, PROT_NONE);
    char want[100];
    snprintf(want, sizeof want, "%lx-%lx ---p 00000000 00:00 0 \n", (unsigned long)p + 4096, (unsigned long)p + 8192);
    slurp("/proc/self/maps");
    printf("maps: new area %d\n", strstr(buf, want) != 0);
    (void)argv;
}

static void smaps(void) {
    char *p = mmap(0, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(p + 40 * 4096, 4096, PROT_NONE);
    madvise(p, 64 * 4096, MADV_NOHUGEPAGE);
    for (int i = 0; i < 10; i++)
        p[i * 4096] = 1;
    slurp("/proc/self/smaps");
    char want[60];
    snprintf(want, sizeof want, "%lx-", (unsigned long)p);
    char *at = strstr(buf, want);
    printf("smaps: found %d\n", at != 0);
    if (!at)
        return;
    const char *const names[] = {"\nSize:", "\nRss:", "\nPrivate_Dirty:", "\nPrivate_Clean:", "\nAnonymous:", "\nSwap:", 0};
    for (int i = 0; names[i]; i++) {
        char *value = strstr(at, names[i]);
        printf("smaps%.20s %ld\n", names[i] + 1, value ? strtol(value + strlen(names[i]), 0, 10) : -1);
    }
    long rss = 0, total = field("/proc/self/statm", "") ;
    (void)total;
    slurp("/proc/self/smaps");
    for (char *s = buf; (s = strstr(s, "\nRss:")); s += 5)
        rss += strtol(s + 5, 0, 10);
    long shown = field("/proc/self/status", "VmRSS:");
    printf("smaps: sum is like VmRSS %d\n", labs(shown - rss) < 200);
}

static void processes(char **argv) {
    char path[100], self[100] = "";
    readlink("/proc/self", self, sizeof self - 1);
    printf("self is the pid %d\n", atoi(self) == getpid());
    readlink("/proc/thread-self", self, sizeof self - 1);
    snprintf(path, sizeof path, "%d/task/%d", getpid(), getpid());
    printf("thread-self %d\n", !strcmp(self, path));
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", getpid(), getpid());
    prctl(PR_SET_NAME, "a name");
    slurp(path);
    printf("comm: %s", buf);
    int fd = open("/proc/self/comm", O_RDWR);
    show("write comm", write(fd, "another name which is long", 26));
    slurp("/proc/self/comm");
    printf("comm: %s", buf);
    close(fd);
    long n = slurp("/proc/self/cmdline");
    printf("cmdline: %ld bytes, same %d, %s\n", n - (long)strlen(argv[0]), !strcmp(buf, argv[0]), buf + strlen(argv[0]) + 1);
    n = slurp("/proc/self/environ");
    printf("environ: %d\n", n > 0 && buf[n - 1] == 0 && memmem(buf, (size_t)n, "MARK=found", 11) != 0);
    n = slurp("/proc/self/auxv");
    printf("auxv: %d\n", n > 160 && n % 16 == 0);
    slurp("/proc/self/stat");
    char *end = strrchr(buf, ')');
    int spaces = 0;
    for (char *p = end; *p; p++)
        spaces += *p == ' ';
    int pid, ppid, group, session;
    char state;
    sscanf(buf, "%d", &pid);
    sscanf(end + 2, "%c %d %d %d", &state, &ppid, &group, &session);
    printf("stat: %d fields, state %c, pid %d, parent %d, group %d\n", spaces + 2, state, pid == getpid(), ppid == getppid(), group == getpgrp());
    unsigned long vsize, rss, limit, code, code_end, stack;
    char *p = end + 2;
    for (int i = 3; i < 23; i++)
        p = strchr(p, ' ') + 1;
    sscanf(p, "%lu %lu %lu %lu %lu %lu", &vsize, &rss, &limit, &code, &code_end, &stack);
    printf("stat: vsize in bytes %d, rss %d, code %d, stack %d\n", vsize % 4096 == 0 && vsize > 100000, rss > 10 && rss < vsize / 4096,
           (unsigned long)processes > code && (unsigned long)processes < code_end, stack > (unsigned long)&stack && stack < (unsigned long)argv + 4096);
    unsigned long total, resident, shared, text, lib, data, dirty;
    slurp("/proc/self/statm");
    n = sscanf(buf, "%lu %lu %lu %lu %lu %lu %lu", &total, &resident, &shared, &text, &lib, &data, &dirty);
    printf("statm: %ld fields, %d %d\n", n, total > resident && resident > shared && data > 20, lib == 0 && dirty == 0);
    printf("VmSize is statm's %d\n", labs(field("/proc/self/status", "VmSize:") - (long)total * 4) < 64);
    printf("Threads %ld\n", field("/proc/self/status", "Threads:"));
}

static void descriptors(void) {
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC), three = dup2(fd, 77);
    lseek(three, 10, SEEK_SET);
    slurp("/proc/self/fdinfo/77");
    printf("fdinfo: %.8s %s\n", buf, strstr(buf, "flags:\t0") ? "flags" : "none");
    // A device that has no positions does not move one.
    int zero = open("/dev/zero", O_RDONLY);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", zero);
    printf("zero: %ld\n", (long)read(zero, buf, 5));
    slurp(path);
    printf("fdinfo of zero: %.6s\n", buf);
    close(zero);
    DIR *d = opendir("/proc/self/fd");
    int count = 0, odd = 0, seen = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        count++;
        seen += atoi(e->d_name) == 77;
        odd += e->d_type != DT_LNK;
    }
    printf("fd: enough %d, odd %d, seen %d\n", count >= 5, odd, seen);
    closedir(d);
    int again = open("/proc/self/fd/77", O_RDONLY);
    show("a position of its own", lseek(again, 0, SEEK_CUR));
    show("no such descriptor", open("/proc/self/fd/99", O_RDONLY) < 0 ? -errno : 0);
    show("no such process", open("/proc/99999999/stat", O_RDONLY) < 0 ? -errno : 0);
    show("not canonical", open("/proc/self/fd/077", O_RDONLY) < 0 ? -errno : 0);
    struct stat a, b;
    printf("exe leads to the program: %d\n", !stat("/proc/self/exe", &a) && S_ISREG(a.st_mode) && a.st_size > 1000);
    printf("fd leads to the file: %d\n", !stat("/proc/self/fd/77", &a) && !fstat(77, &b) && a.st_ino == b.st_ino);
    lstat("/proc/self/fd/77", &a);
    printf("it is a link: %o\n", a.st_mode & S_IFMT);
    stat("/proc/self/maps", &a);
    printf("maps: mode %o size %ld\n", a.st_mode, (long)a.st_size);
    stat("/proc/meminfo", &a);
    printf("meminfo: mode %o size %ld\n", a.st_mode, (long)a.st_size);
    chdir("/usr");
    link_of("/proc/self/cwd");
    link_of("/proc/self/root");
    chdir("/");
    link_of("/dev/stdin");
    link_of("/dev/stdout");
    link_of("/dev/stderr");
    link_of("/dev/fd");
    int out = open("/dev/stdout", O_WRONLY);
    show("through /dev/stdout", write(out, "again\n", 6));
    char c[10];
    fd = open("/dev/fd/0", O_RDONLY);
    show("through /dev/fd/0", read(fd, c, 3));
    printf("%.3s\n", c);
    fd = open("/proc/self/oom_score_adj", O_RDWR);
    show("oom_score_adj", write(fd, "300", 3));
    show("too much", write(fd, "2000", 4) < 0 ? -errno : 0);
    shape("/proc/self/oom_score_adj");
    fd = open("/proc/self/statm", O_RDONLY);
    char x[100] = {0}, y[100] = {0};
    read(fd, x, 4);
    read(fd, x + 4, 90);
    lseek(fd, 0, SEEK_SET);
    show("pread", pread(fd, y, 3, 0));
    printf("read in pieces %d\n", !strncmp(x, y, 3) && x[strlen(x) - 1] == '\n');
}

int main(int argc, char **argv) {
    (void)argc;
    setvbuf(stdout, 0, _IONBF, 0);
    processes(argv);
    maps(argv);
    smaps();
    descriptors();
    static const char *const status[] = {"Name:", "State:", "Tgid:", "Pid:", "PPid:", "Uid:", "VmPeak:", "VmSize:", "VmHWM:", "VmRSS:", "VmData:", "VmStk:", "SigCgt:", "CapEff:", "Cpus_allowed_list:", 0};
    slurp("/proc/self/status");
    for (int i = 0; status[i]; i++)
        printf("status %s %d\n", status[i], strstr(buf, status[i]) != 0);
    static const char *const meminfo[] = {"MemTotal:", "MemFree:", "MemAvailable:", "Buffers:", "Cached:", "SwapTotal:", "Dirty:", "AnonPages:", "Mapped:", "Shmem:", "CommitLimit:", "Committed_AS:", "HugePages_Total:", "Hugepagesize:", 0};
    has("/proc/meminfo", meminfo);
    shape("/proc/uptime");
    slurp("/proc/loadavg");
    printf("loadavg: %d\n", sscanf(buf, "%*f %*f %*f %*d/%*d %d", &(int){0}));
    slurp("/proc/stat");
    printf("stat: %d\n", !strncmp(buf, "cpu  ", 5) && strstr(buf, "\ncpu0 ") && strstr(buf, "\nbtime 1") && strstr(buf, "\nctxt "));
    slurp("/proc/cpuinfo");
    printf("cpuinfo: %d\n", strstr(buf, "processor\t: 0\n") && strstr(buf, "model name\t: ") && strstr(buf, "flags\t\t: fpu "));
    slurp("/proc/version");
    printf("version: %.14s\n", buf);
    static const char *const same[] = {"/proc/sys/kernel/ostype", "/proc/sys/kernel/cap_last_cap", "/proc/sys/vm/overcommit_memory", "/proc/sys/net/core/somaxconn", "/proc/sys/kernel/ngroups_max", "/proc/sys/kernel/random/uuid", "/proc/sys/kernel/random/boot_id", "/sys/devices/system/node/online", "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", 0};
    for (int i = 0; same[i]; i++) {
        long n = slurp(same[i]);
        printf("%s: %ld bytes %s", same[i], n, strstr(same[i], "random") ? "\n" : buf);
    }
    static const char *const there[] = {"/proc/sys/vm/max_map_count", "/proc/sys/kernel/hostname", "/proc/sys/kernel/pid_max", "/proc/sys/fs/file-max", "/proc/sys/fs/nr_open", "/proc/filesystems", "/proc/mounts", "/proc/self/mountinfo", "/proc/self/limits", "/proc/self/cgroup", "/sys/devices/system/cpu/online", "/sys/devices/system/cpu/possible", "/sys/kernel/mm/transparent_hugepage/enabled", 0};
    for (int i = 0; there[i]; i++)
        printf("%s: %d\n", there[i], slurp(there[i]) > 1);
    slurp("/proc/self/limits");
    printf("%.79s\n", buf);
    slurp("/proc/self/mounts");
    printf("mounts: %d %d\n", strstr(buf, " /proc proc rw,") != 0, strstr(buf, " /sys sysfs rw,") != 0);
    show("not a directory", open("/proc/self/stat/x", O_RDONLY) < 0 ? -errno : 0);
    fflush(stdout);
    return 0;
}
