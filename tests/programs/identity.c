// Who the program is, and the state of signals that it sets and reads back.
#define _GNU_SOURCE
#include "show.h"
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static void nothing(int sig) { (void)sig; }

int main(void) {
    struct utsname u;
    uname(&u);
    printf("%s %s\n", u.sysname, u.machine);
    printf("thread is process: %d\n", getpid() == RAW(SYS_gettid, 0, 0, 0, 0, 0, 0));
    printf("not init: %d, has a parent: %d\n", getpid() > 1, getppid() > 0);
    show("umask", (umask(027), umask(022)));
    char name[17] = {0};
    show("PR_SET_NAME", prctl(PR_SET_NAME, "a long name that is cut"));
    show("PR_GET_NAME", prctl(PR_GET_NAME, name));
    printf("name %s\n", name);
    cpu_set_t set;
    CPU_ZERO(&set);
    printf("cpus: %d\n", sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
    show("yield", sched_yield());
    struct rlimit lim;
    show("getrlimit", getrlimit(RLIMIT_STACK, &lim));
    printf("stack limit at least 1 MiB: %d\n", lim.rlim_cur >= 1 << 20);
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = 20;
    show("setrlimit", setrlimit(RLIMIT_NOFILE, &lim));
    getrlimit(RLIMIT_NOFILE, &lim);
    printf("descriptors %lu\n", (unsigned long)lim.rlim_cur);

    struct sigaction act = {.sa_handler = nothing, .sa_flags = SA_RESTART}, old;
    sigaddset(&act.sa_mask, SIGUSR2);
    show("sigaction", sigaction(SIGUSR1, &act, &old));
    printf("was default: %d\n", old.sa_handler == SIG_DFL);
    sigaction(SIGUSR1, 0, &old);
    printf("is ours: %d %d %d\n", old.sa_handler == nothing, !!(old.sa_flags & SA_RESTART), sigismember(&old.sa_mask, SIGUSR2));
    show("sigaction on SIGKILL", sigaction(SIGKILL, &act, 0) ? -errno : 0);
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGKILL);
    show("block", sigprocmask(SIG_BLOCK, &mask, &before));
    printf("nothing was blocked: %d\n", !sigismember(&before, SIGTERM));
    sigprocmask(SIG_SETMASK, 0, &mask);
    printf("blocked: SIGTERM %d, SIGKILL %d\n", sigismember(&mask, SIGTERM), sigismember(&mask, SIGKILL));
    show("unblock", sigprocmask(SIG_UNBLOCK, &mask, 0));
    static char stack[65536];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack}, was;
    show("sigaltstack", sigaltstack(&ss, &was));
    printf("there was none: %d\n", !!(was.ss_flags & SS_DISABLE));
    sigaltstack(0, &was);
    printf("is ours: %d\n", was.ss_sp == stack && was.ss_size == sizeof stack);
    ss.ss_size = 10;
    show("sigaltstack, too small", sigaltstack(&ss, 0) ? -errno : 0);
    return 0;
}
