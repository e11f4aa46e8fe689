// Dies in the way of argument 1. What comes before must come out.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOLE 0x123456789000ul   // mapped nowhere, by chance least of all

#define KERNEL_TEXT 0xffffffff80130000ul    // inside the text of every kernel so far

static const int constant = 1;
static unsigned char data[64] = {0xc3};

__attribute__((noinline)) void jump(uintptr_t to) { ((void (*volatile)(void))to)(); }

#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) static int deeper(volatile char *above) {
    volatile char frame[4096];
    frame[0] = *above;
    return deeper(frame) + frame[0];
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    volatile int zero = 0;
    char c = 'x';
    printf("before %s\n", how);
    fflush(stdout);

    if (!strcmp(how, "read-null"))
        return *(volatile int *)0;
    if (!strcmp(how, "write-null"))
        *(volatile int *)8 = 1;
    if (!strcmp(how, "exec-null"))
        jump(0);
    if (!strcmp(how, "read-unmapped"))
        return *(volatile int *)HOLE;
    if (!strcmp(how, "write-unmapped"))
        *(volatile int *)(HOLE + 0x10) = 1;
    if (!strcmp(how, "exec-unmapped"))
        jump(HOLE + 0x20);
    if (!strcmp(how, "write-constant"))
        *(volatile int *)&constant = 2;
    if (!strcmp(how, "write-code"))
        *(volatile unsigned char *)(uintptr_t)jump = 0xc3;
    if (!strcmp(how, "exec-data"))
        jump((uintptr_t)data);
    if (!strcmp(how, "exec-stack")) {
        volatile unsigned char code[16] = {0xc3};
        jump((uintptr_t)code);
    }
    if (!strcmp(how, "prot-none"))
        return *(volatile int *)mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!strcmp(how, "write-read-only"))
        *(volatile int *)mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
    if (!strcmp(how, "after-munmap")) {
        volatile int *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *p = 1;
        munmap((void *)p, 4096);
        return *p;
    }
    if (!strcmp(how, "after-mprotect")) {
        volatile int *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *p = 1;
        mprotect((void *)p, 4096, PROT_READ);
        *p = 2;
    }
    if (!strcmp(how, "not-canonical"))
        return *(volatile int *)0x8000000000000000ul;
    if (!strcmp(how, "kernel-end"))
        return *(volatile int *)0x7ffffffff000ul;
    if (!strcmp(how, "stack-overflow"))
        return deeper(&c);
    if (!strcmp(how, "divide"))
        return 100 / zero;
    if (!strcmp(how, "divide-overflow"))
        asm volatile("cqto; idivq %2" : : "a"(INT64_MIN), "d"(0), "r"(-1l));
    if (!strcmp(how, "x87-divide")) {
        unsigned short cw = 0x37f & ~4u;
        asm volatile("fldcw %0; fldz; fld1; fdivp; fwait" : : "m"(cw));
    }
    if (!strcmp(how, "invalid"))
        asm volatile("ud2");
    if (!strcmp(how, "breakpoint"))
        asm volatile("int3");
    if (!strcmp(how, "interrupt"))
        asm volatile("int $0x40");
    if (!strcmp(how, "halt"))
        asm volatile("hlt");
    if (!strcmp(how, "trap"))
        __builtin_trap();
    if (!strcmp(how, "abort"))
        abort();
    // The kernel's half, which ring 0 could reach: its text and constants are read-only everywhere, and nothing but its
    // text can be executed.
    if (!strcmp(how, "write-kernel-text"))
        *(volatile char *)KERNEL_TEXT = 0;
    if (!strcmp(how, "write-kernel-constants"))
        *(volatile char *)0xffffffff80100000ul = 0;
    if (!strcmp(how, "write-kernel-text-alias"))
        *(volatile char *)(0xffff800000000000ul + (KERNEL_TEXT & 0x7fffffff)) = 0;
    if (!strcmp(how, "exec-kernel-constants"))
        jump(0xffffffff80100000ul);
    if (!strcmp(how, "exec-physical-memory"))
        jump(0xffff800000000000ul + 0x1000);
    if (!strcmp(how, "move-gs")) {
        asm volatile("mov %0, %%gs" : : "r"(0));
        getppid();
        // Natively GS is the program's: end as the kernel would end it, which refuses the move.
        raise(SIGSEGV);
    }
    if (!strcmp(how, "tls"))
        asm volatile("movq %%fs:0x7fffffff, %%rax; movq %%fs:-0x7fffffff, %%rax" : : : "rax");
    puts("survived");
    return 97;
}
