// The demo: says where it runs, on what, and with which arguments. A plain Linux program.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct utsname u;
    struct sysinfo si;

    if (uname(&u) || sysinfo(&si)) {
        perror("hello");
        return 1;
    }
    printf("hello from %s %s (%s) on %s\n", u.sysname, u.release, u.machine, u.nodename);
    printf("memory: %lu of %lu KiB free\n", si.freeram * si.mem_unit / 1024, si.totalram * si.mem_unit / 1024);
    printf("pid %d, %ld CPU(s), page size %ld\n", (int)getpid(), sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_PAGESIZE));
    for (int i = 0; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    const char *greeting = getenv("GREETING");
    printf("GREETING=%s\n", greeting ? greeting : "(not set)");
    return fflush(stdout) ? 1 : 0;
}
