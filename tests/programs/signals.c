// Signal handlers: frames, faults, order, masks, alternate stacks.
#define _GNU_SOURCE
#include "show.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

static void on(int sig, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&act.sa_mask);
    if (sigaction(sig, &act, 0))
        perror("sigaction");
}

static sigset_t set_of(int a, int b) {
    sigset_t set;
    sigemptyset(&set);
    if (a)
        sigaddset(&set, a);
    if (b)
        sigaddset(&set, b);
    return set;
}

static void told(int sig, siginfo_t *info, void *context) {
    (void)context;
    printf("handler %d code %d", sig, info->si_code);
    if (info->si_code == SI_USER || info->si_code == SI_TKILL || info->si_code == SI_QUEUE)
        printf(" from me %d uid %d", info->si_pid == getpid(), info->si_uid == getuid());
    if (info->si_code == SI_QUEUE)
        printf(" value %d", info->si_value.sival_int);
    printf("\n");
}

// The frame: registers, stack, vector state.
static uintptr_t sp_before;
static void look(int sig, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    greg_t *r = uc->uc_mcontext.gregs;
    unsigned char *fp = (void *)uc->uc_mcontext.fpregs;
    uint32_t *sw = (uint32_t *)(fp + 464);
    printf("frame: rbx %llx r12 %llx csgsfs %llx\n", r[REG_RBX], r[REG_R12], r[REG_CSGSFS]);
    printf("frame: rsp %d aligned %d in order %d signal %d\n", (uintptr_t)r[REG_RSP] == sp_before, (uintptr_t)fp % 64 == 0,
           (uintptr_t)fp + 512 < sp_before - 128 && (uintptr_t)context < (uintptr_t)fp && (uintptr_t)info > (uintptr_t)context,
           sig == info->si_signo);
    printf("frame: flags %lx magic %x %x\n", uc->uc_flags & 7, sw[0], sw[0] == 0x46505853 ? *(uint32_t *)(fp + sw[4]) : 0);
    printf("frame: sizes %d features %d\n", sw[1] == sw[4] + 4, (sw[2] & 3) == 3);
    printf("frame: xmm5 %llx mxcsr %x\n", *(unsigned long long *)(fp + 160 + 5 * 16), *(uint32_t *)(fp + 24));
    uint32_t mxcsr;
    asm volatile("stmxcsr %0" : "=m"(mxcsr));
    printf("frame: mxcsr in the handler %x\n", mxcsr);
    asm volatile("pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6" : : : "xmm5", "xmm6");
    *(unsigned long long *)(fp + 160 + 6 * 16) = 0x6666;
    r[REG_RBX] = 0x2222;
}

static void frames(void) {
    on(SIGUSR1, look, 0);
    uint64_t rbx = 0x1111, x5 = 0x5555, x6 = 0x6, out5, out6, r12;
    uint32_t mxcsr = 0x9f80, after;
    long pid = getpid();
    asm volatile("ldmxcsr %[csr]\n movq %[a], %%xmm5\n movq %[b], %%xmm6\n movq %%rsp, %[sp]\n movq $0x1212, %%r12\n"
                 "movl $62, %%eax\n movq %[pid], %%rdi\n movl $10, %%esi\n syscall\n"
                 "movq %%xmm5, %[c]\n movq %%xmm6, %[d]\n movq %%r12, %[e]\n stmxcsr %[after]"
                 : "+b"(rbx), [sp] "=m"(sp_before), [c] "=m"(out5), [d] "=m"(out6), [e] "=m"(r12), [after] "=m"(after)
                 : [a] "m"(x5), [b] "m"(x6), [csr] "m"(mxcsr), [pid] "m"(pid)
                 : "rax", "rdi", "rsi", "rcx", "r11", "r12", "xmm5", "xmm6", "memory");
    printf("after: rbx %lx r12 %lx xmm5 %lx xmm6 %lx mxcsr %x\n", (long)rbx, (long)r12, (long)out5, (long)out6, after);
    mxcsr = 0x1f80;
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
}

#if defined(__x86_64__)
static void clobber(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info, (void)context;
    asm volatile("vzeroall" : : : "memory");
}
__attribute__((target("avx"))) static void avx(void) {
    if (!__builtin_cpu_supports("avx")) {
        puts("ymm kept 1");
        return;
    }
    on(SIGUSR1, clobber, 0);
    unsigned char in[32], out[32];
    for (int i = 0; i < 32; i++)
        in[i] = i * 7 + 1;
    long pid = getpid();
    asm volatile("vmovdqu %[in], %%ymm9\n movl $62, %%eax\n movq %[pid], %%rdi\n movl $10, %%esi\n syscall\n vmovdqu %%ymm9, %[out]\n vzeroupper"
                 : [out] "=m"(out) : [in] "m"(in), [pid] "m"(pid) : "rax", "rdi", "rsi", "rcx", "r11", "xmm9", "memory");
    printf("ymm kept %d\n", !memcmp(in, out, 32));
}
#endif

// Faults: what the handler is told.
static sigjmp_buf env;
static void *expected;
static volatile int steps;
static void caught(int sig, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    int with_addr = sig == SIGSEGV || sig == SIGBUS;
    int at_rip = info->si_addr == (void *)r[REG_RIP];
    printf("signal %d code %d addr %s trapno %lld", sig, info->si_code,
           info->si_addr == expected ? "as expected" : at_rip ? "rip" : info->si_addr ? "other" : "none", r[REG_TRAPNO]);
    if (with_addr && r[REG_TRAPNO] == 14)
        printf(" err %llx cr2 %d", r[REG_ERR] & 0x16, (void *)r[REG_CR2] == info->si_addr);
    printf("\n");
    siglongjmp(env, 1);
}
static void stepped(int sig, siginfo_t *info, void *context) {
    (void)sig;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (++steps == 1)
        printf("step: code %d at rip %d trapno %lld\n", info->si_code, info->si_addr == (void *)r[REG_RIP], r[REG_TRAPNO]);
}

#define TRY(what, addr, code) \
    do { printf("%s: ", what); expected = (void *)(addr); if (!sigsetjmp(env, 1)) { code; puts("nothing"); } } while (0)

static void faults(void) {
    static unsigned char data[8] = {0xc3};
    for (int sig = 1; sig < 32; sig++)
        if (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP)
            on(sig, caught, 0);
    volatile int zero = 0;
    char *page = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY("read null", 8, (void)*(volatile int *)8);
    TRY("write null", 16, *(volatile int *)16 = 1);
    TRY("execute null", 0, ((void (*volatile)(void))0)());
    TRY("write read-only", page, *(volatile int *)page = 1);
    mprotect(page, 4096, PROT_NONE);
    TRY("read protected", page + 8, (void)*(volatile int *)(page + 8));
    TRY("execute data", data, ((void (*volatile)(void))(uintptr_t)data)());
    TRY("not canonical", -1, (void)*(volatile int *)0x8000000000000000ul);
    TRY("divide", -1, zero = 1 / zero);
    TRY("invalid", -1, asm volatile("ud2"));
    TRY("breakpoint", -1, asm volatile("int3"));
    TRY("unaligned vector", -1, asm volatile("movaps 1(%0), %%xmm0" : : "r"(page + 4096) : "xmm0"));
    TRY("x87", -1, { unsigned short cw = 0x37b; asm volatile("fldcw %0; fldz; fld1; fdivp; fwait" : : "m"(cw)); });
    on(SIGTRAP, stepped, 0);
    asm volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop; nop; pushfq; andl $~0x100, (%%rsp); popfq; nop" : : : "cc", "memory");
    printf("steps %d\n", steps);
}

// A handler on the alternate stack after the stack has overflowed.
#pragma GCC diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) static int deeper(volatile char *above) {
    volatile char frame[4096];
    frame[0] = *above;
    return deeper(frame) + frame[0];
}
static char alt[65536];
static void overflown(int sig, siginfo_t *info, void *context) {
    (void)info;
    char here;
    stack_t now;
    printf("overflow: signal %d on the stack %d", sig, &here >= alt && &here < alt + sizeof alt);
    printf(" shown %d", ((ucontext_t *)context)->uc_stack.ss_sp == alt);
    sigaltstack(0, &now);
    printf(" flags %d", now.ss_flags);
    show(" change", sigaltstack(&now, 0) ? -errno : 0);
    siglongjmp(env, 1);
}
static void disarmed(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info, (void)context;
    stack_t now;
    sigaltstack(0, &now);
    printf("disarmed: %x\n", now.ss_flags);
}
static void stacks(void) {
    char c = 0;
    stack_t stack = {.ss_sp = alt, .ss_size = sizeof alt};
    sigaltstack(&stack, 0);
    on(SIGSEGV, overflown, SA_ONSTACK);
    for (int i = 0; i < 2; i++)
        if (!sigsetjmp(env, 1))
            deeper(&c);
    sigaltstack(0, &stack);
    printf("flags after %d\n", stack.ss_flags);
    stack.ss_flags = 1u << 31;
    sigaltstack(&stack, 0);
    on(SIGUSR1, disarmed, SA_ONSTACK);
    raise(SIGUSR1);
    sigaltstack(0, &stack);
    printf("armed: %x\n", stack.ss_flags);
}

// Order, nesting, masks.
static void nested(int sig, siginfo_t *info, void *context) {
    (void)info, (void)context;
    printf("in %d\n", sig);
    static int count;
    if (sig == SIGUSR1 && !count++)
        raise(SIGUSR2);
    static int once;
    if (sig == SIGUSR2 && !once++)
        raise(SIGUSR1);
    printf("out %d\n", sig);
}
static int depth;
static void again(int sig, siginfo_t *info, void *context) {
    (void)info, (void)context;
    printf("depth %d\n", ++depth);
    if (depth < 3)
        raise(sig);
}
static void masks(void) {
    sigset_t set = set_of(SIGUSR1, SIGUSR2), old, pending;
    sigset_t all;
    sigfillset(&all);
    on(SIGUSR1, told, 0), on(SIGUSR2, told, 0);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR2), kill(getpid(), SIGUSR1), kill(getpid(), SIGUSR1);
    sigpending(&pending);
    printf("pending %d %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2), sigismember(&pending, SIGHUP));
    sigprocmask(SIG_SETMASK, &old, 0);
    // Real-time signals: lowest first, in the order of sending.
    sigprocmask(SIG_BLOCK, &all, 0);
    for (int i = 0; i < 3; i++) {
        for (int sig = SIGRTMIN + 1; sig >= SIGRTMIN; sig--) {
            on(sig, told, 0);
            if (sigqueue(getpid(), sig, (union sigval){.sival_int = 10 * i + sig - SIGRTMIN}))
                perror("sigqueue");
        }
    }
    siginfo_t info;
    sigset_t first = set_of(SIGRTMIN, 0);
    printf("wait %d value %d\n", sigwaitinfo(&first, &info) == SIGRTMIN, info.si_value.sival_int);
    struct timespec soon = {0, 1000000};
    first = set_of(SIGHUP, 0);
    printf("wait %s\n", sigtimedwait(&first, 0, &soon) < 0 ? error_name(errno) : "?");
    sigprocmask(SIG_SETMASK, &old, 0);
    on(SIGUSR1, nested, 0), on(SIGUSR2, nested, 0);
    raise(SIGUSR1);
    on(SIGUSR1, again, SA_NODEFER);
    raise(SIGUSR1);
    on(SIGUSR1, told, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction act;
    sigaction(SIGUSR1, 0, &act);
    printf("reset %d\n", act.sa_handler == SIG_DFL);
    // sigsuspend delivers under its own mask and goes back.
    on(SIGUSR1, told, 0);
    set = set_of(SIGUSR1, 0);
    sigprocmask(SIG_BLOCK, &set, 0);
    raise(SIGUSR1);
    puts("suspend");
    sigset_t none = set_of(0, 0);
    printf("%s\n", sigsuspend(&none) ? error_name(errno) : "?");
    sigprocmask(SIG_SETMASK, 0, &old);
    printf("blocked again %d\n", sigismember(&old, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &set, 0);
    // Ignored ones vanish, unless they are blocked.
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    set = set_of(SIGUSR2, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, 0);
    raise(SIGUSR2), raise(SIGCHLD);
    sigpending(&pending);
    printf("ignored but blocked: %d %d\n", sigismember(&pending, SIGUSR2), sigismember(&pending, SIGCHLD));
    signal(SIGUSR2, SIG_IGN);
    sigpending(&pending);
    printf("discarded: %d\n", sigismember(&pending, SIGUSR2));
    sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void on_abort(int sig, siginfo_t *info, void *context) {
    told(sig, info, context);
    fflush(stdout);
}

int main(int argc, char **argv) {
    frames();
    avx();
    faults();
    stacks();
    masks();
    const char *end = argc > 1 ? argv[1] : "";
    fflush(stdout);
    on(SIGABRT, on_abort, 0);
    if (!strcmp(end, "abort"))
        abort();
    if (!strcmp(end, "blocked")) {
        sigset_t set = set_of(SIGSEGV, 0);
        on(SIGSEGV, told, 0);
        sigprocmask(SIG_BLOCK, &set, 0);
        *(volatile int *)0 = 1;
    }
    if (!strcmp(end, "ignored")) {
        signal(SIGSEGV, SIG_IGN);
        *(volatile int *)0 = 1;
    }
    if (!strcmp(end, "no stack")) {
        char c = 0;
        on(SIGSEGV, told, 0);
        return deeper(&c);
    }
    if (!strcmp(end, "bad frame"))
        asm volatile("movq $16, %%rsp; movl $15, %%eax; syscall" : : : "memory");
    return 0;
}
