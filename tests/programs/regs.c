// What a system call leaves alone: general registers, flags, the red zone, vector registers, MXCSR and x87 control.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

uint64_t probe_in[13], probe_out[17], probe_rip;
extern void probe(void);

// probe: loads the registers from probe_in, makes the system call getppid, stores them to probe_out.
asm(".text\n.globl probe\nprobe:\n"
    "  push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "  movq probe_in+0(%rip), %rbx\n movq probe_in+8(%rip), %rbp\n movq probe_in+16(%rip), %rdx\n"
    "  movq probe_in+24(%rip), %rsi\n movq probe_in+32(%rip), %rdi\n movq probe_in+40(%rip), %r8\n"
    "  movq probe_in+48(%rip), %r9\n movq probe_in+56(%rip), %r10\n movq probe_in+64(%rip), %r12\n"
    "  movq probe_in+72(%rip), %r13\n movq probe_in+80(%rip), %r14\n movq probe_in+88(%rip), %r15\n"
    "  leaq 1f(%rip), %rax\n movq %rax, probe_rip(%rip)\n"
    "  movq %rsp, probe_out+128(%rip)\n"
    "  pushq probe_in+96(%rip)\n popfq\n"
    "  movl $110, %eax\n"
    "  syscall\n"
    "1: movq %rbx, probe_out+0(%rip)\n movq %rbp, probe_out+8(%rip)\n movq %rdx, probe_out+16(%rip)\n"
    "  movq %rsi, probe_out+24(%rip)\n movq %rdi, probe_out+32(%rip)\n movq %r8, probe_out+40(%rip)\n"
    "  movq %r9, probe_out+48(%rip)\n movq %r10, probe_out+56(%rip)\n movq %r12, probe_out+64(%rip)\n"
    "  movq %r13, probe_out+72(%rip)\n movq %r14, probe_out+80(%rip)\n movq %r15, probe_out+88(%rip)\n"
    "  movq %rcx, probe_out+96(%rip)\n movq %r11, probe_out+104(%rip)\n"
    "  pushfq\n popq probe_out+112(%rip)\n"
    "  movq %rsp, probe_out+120(%rip)\n"
    "  cld\n"
    "  pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

static void general(uint64_t flags) {
    static const char *names[] = {"rbx", "rbp", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r12", "r13", "r14", "r15"};
    for (int i = 0; i < 12; i++)
        probe_in[i] = 0x0123456789abcdeful * (i + 3) ^ flags << 40;
    probe_in[12] = flags;
    probe();
    for (int i = 0; i < 12; i++)
        printf("%s %s\n", names[i], probe_in[i] == probe_out[i] ? "kept" : "LOST");
    printf("rcx is the address behind the call: %d\n", probe_out[12] == probe_rip);
    printf("r11 %#lx, flags %#lx\n", (unsigned long)(probe_out[13] & 0x237fd7), (unsigned long)(probe_out[14] & 0x237fd7));
    printf("rsp %s\n", probe_out[15] == probe_out[16] ? "kept" : "LOST");
}

// Fills the 128 bytes below RSP, makes system calls and lets time pass for interrupts, and looks at them again.
static long red_zone(void) {
    long bad;
    asm volatile(
        "  xorl %%r12d, %%r12d\n"
        "  movl $200, %%r13d\n"
        "1: movl $16, %%r14d\n"
        "  movabsq $0x5a5aa5a5deadbeef, %%r15\n"
        "2: leaq (%%r15,%%r14), %%rax\n"
        "  movq %%r14, %%rbx\n negq %%rbx\n"
        "  movq %%rax, (%%rsp,%%rbx,8)\n"
        "  decl %%r14d\n jnz 2b\n"
        "  movl $110, %%eax\n syscall\n"
        "  movl $20000, %%ecx\n"
        "3: decl %%ecx\n jnz 3b\n"
        "  movl $16, %%r14d\n"
        "4: leaq (%%r15,%%r14), %%rax\n"
        "  movq %%r14, %%rbx\n negq %%rbx\n"
        "  cmpq %%rax, (%%rsp,%%rbx,8)\n"
        "  je 5f\n incq %%r12\n"
        "5: decl %%r14d\n jnz 4b\n"
        "  decl %%r13d\n jnz 1b\n"
        "  movq %%r12, %0\n"
        : "=m"(bad)
        :
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    return bad;
}

static int has_avx(void) {
    unsigned a, b, c, d, lo, hi;
    asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    if ((c & 0x18000000) != 0x18000000)     // OSXSAVE, AVX
        return 0;
    asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (lo & 6) == 6;
}

static uint8_t vin[16][32], vout[16][32];

static void vectors(int avx) {
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 32; j++)
            vin[i][j] = (uint8_t)(i * 37 + j * 11 + 5);
    memset(vout, 0, sizeof vout);
#define EACH(op, reg) \
    op(0, reg) op(1, reg) op(2, reg) op(3, reg) op(4, reg) op(5, reg) op(6, reg) op(7, reg) op(8, reg) op(9, reg) \
    op(10, reg) op(11, reg) op(12, reg) op(13, reg) op(14, reg) op(15, reg)
#define LOADX(n, r) "movdqu 32*" #n "(%0), %%xmm" #n "\n"
#define SAVEX(n, r) "movdqu %%xmm" #n ", 32*" #n "(%1)\n"
#define LOADY(n, r) "vmovdqu 32*" #n "(%0), %%ymm" #n "\n"
#define SAVEY(n, r) "vmovdqu %%ymm" #n ", 32*" #n "(%1)\n"
#define CALL "movl $110, %%eax\n syscall\n movl $24, %%eax\n syscall\n"
    if (avx)
        asm volatile(EACH(LOADY, 0) CALL EACH(SAVEY, 0) "vzeroupper\n"
                     : : "r"(vin), "r"(vout) : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    else
        asm volatile(EACH(LOADX, 0) CALL EACH(SAVEX, 0)
                     : : "r"(vin), "r"(vout) : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    int bad = 0;
    for (int i = 0; i < 16; i++)
        bad += memcmp(vin[i], vout[i], avx ? 32 : 16) != 0;
    printf("vector registers lost: %d\n", bad);
}

static void control(void) {
    unsigned mxcsr = 0x7f80, mxcsr_after = 0;
    unsigned short cw = 0x0e7f, cw_after = 0;
    double st = 0;
    asm volatile("ldmxcsr %3\n fldcw %4\n fldpi\n movl $110, %%eax\n syscall\n stmxcsr %0\n fnstcw %1\n fstpl %2\n"
                 : "=m"(mxcsr_after), "=m"(cw_after), "=m"(st)
                 : "m"(mxcsr), "m"(cw)
                 : "rax", "rcx", "r11");
    printf("mxcsr %#x, x87 control %#x, st(0) %.6f\n", mxcsr_after, cw_after, st);
    mxcsr = 0x1f80;
    cw = 0x37f;
    asm volatile("ldmxcsr %0\n fldcw %1" : : "m"(mxcsr), "m"(cw));
}

int main(void) {
    unsigned mxcsr;
    unsigned short cw;
    asm volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr), "=m"(cw));
    printf("at start: mxcsr %#x, x87 control %#x\n", mxcsr & ~0x3fu, cw);
    general(0x202);
    general(0x202 | 0x8d5);         // carry, parity, adjust, zero, sign, overflow
    general(0x202 | 0x400);         // direction
    general(0x202 | 0x200000);      // ID
    printf("red zone words lost: %ld\n", red_zone());
    vectors(0);
    vectors(has_avx());
    control();
    return 0;
}
