/* The vDSO: a small shared object that exec maps into every program (vdso(7)), with the clocks that can be read
 * without entering the kernel. The page below it is the data page, `[vvar]`, whose layout is `DataPage` in vdso.rs.
 *
 * The ELF file is written out by hand: no linker runs over it, so every offset is a difference of labels. It is
 * position independent, has one read-only executable segment, and is never changed.
 * No function here touches the stack, so one entry of call-frame information is right for all of them.
 * A clock that cannot be read here - unknown, or the data page is being changed or not filled in yet - is left to the
 * system call; nothing is tried twice. */

    .section .rodata.vdso, "a", @progbits

    .set VVAR_SEQ, 0            /* odd while the page is being changed */
    .set VVAR_READY, 4          /* bit 0: monotonic, bit 1: wall clock */
    .set VVAR_TSC, 8
    .set VVAR_MULT, 16
    .set VVAR_OFFSET, 24        /* nanoseconds to add: monotonic, wall clock */

    .set MONOTONIC_CLOCKS, (1 << 1) | (1 << 4) | (1 << 6) | (1 << 7)
    .set WALL_CLOCKS, (1 << 0) | (1 << 5) | (1 << 11)
    .set COARSE_CLOCKS, (1 << 5) | (1 << 6)
    .set COARSE_NS, 4000000
    .set NS_PER_SECOND, 1000000000

    .set NR_GETTIMEOFDAY, 96
    .set NR_TIME, 201
    .set NR_CLOCK_GETTIME, 228
    .set NR_CLOCK_GETRES, 229

    .balign 4096
    .global vdso_start
vdso_start:
.Lstart:
    .byte 0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0
    .zero 8
    .short 3, 62                        /* ET_DYN, EM_X86_64 */
    .long 1
    .quad 0
    .quad .Lphdrs - .Lstart
    .quad .Lshdrs - .Lstart
    .long 0
    .short 64, 56, 3, 64, 11, 10

.macro phdr type, flags, from, to, align
    .long \type, \flags
    .quad \from - .Lstart, \from - .Lstart, \from - .Lstart, \to - \from, \to - \from, \align
.endm
.Lphdrs:
    phdr 1, 5, .Lstart, .Lend, 4096                          /* PT_LOAD */
    phdr 2, 4, .Ldynamic, .Ldynamic_end, 8                   /* PT_DYNAMIC */
    phdr 0x6474e550, 4, .Leh_hdr, .Leh_hdr_end, 4            /* PT_GNU_EH_FRAME */

    .balign 8
/* One bucket: a table of ten names needs no more. */
.Lhash:
    .long 1, 11, 1
    .long 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0
.Lhash_end:

    .balign 8
.macro symbol name, info, at
    .long \name - .Ldynstr
    .byte \info, 0
    .short 9
    .quad \at - .Lstart, \at\()_end - \at
.endm
.Ldynsym:
    .zero 24
    symbol .Ln_vdso_clock_gettime, 0x12, .Lclock_gettime
    symbol .Ln_vdso_gettimeofday, 0x12, .Lgettimeofday
    symbol .Ln_vdso_time, 0x12, .Ltime
    symbol .Ln_vdso_clock_getres, 0x12, .Lclock_getres
    symbol .Ln_vdso_getcpu, 0x12, .Lgetcpu
    symbol .Ln_clock_gettime, 0x22, .Lclock_gettime
    symbol .Ln_gettimeofday, 0x22, .Lgettimeofday
    symbol .Ln_time, 0x22, .Ltime
    symbol .Ln_clock_getres, 0x22, .Lclock_getres
    symbol .Ln_getcpu, 0x22, .Lgetcpu
.Ldynsym_end:

/* The short names are the tails of the long ones. */
.Ldynstr:
    .byte 0
.Ln_vdso_clock_gettime: .ascii "__vdso_"
.Ln_clock_gettime: .asciz "clock_gettime"
.Ln_vdso_gettimeofday: .ascii "__vdso_"
.Ln_gettimeofday: .asciz "gettimeofday"
.Ln_vdso_time: .ascii "__vdso_"
.Ln_time: .asciz "time"
.Ln_vdso_clock_getres: .ascii "__vdso_"
.Ln_clock_getres: .asciz "clock_getres"
.Ln_vdso_getcpu: .ascii "__vdso_"
.Ln_getcpu: .asciz "getcpu"
.Ln_soname: .asciz "linux-vdso.so.1"
.Ln_version: .asciz "LINUX_2.6"
.Ldynstr_end:

    .balign 2
.Lversym:
    .short 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2
.Lversym_end:

    .balign 8
.Lverdef:
    .short 1, 1, 1, 1                   /* the object itself */
    .long 0x0deebfa1, 20, 28
    .long .Ln_soname - .Ldynstr, 0
    .short 1, 0, 2, 1                   /* the version of the symbols */
    .long 0x03ae75f6, 20, 0
    .long .Ln_version - .Ldynstr, 0
.Lverdef_end:

    .balign 8
.Ldynamic:
    .quad 14, .Ln_soname - .Ldynstr     /* DT_SONAME */
    .quad 4, .Lhash - .Lstart           /* DT_HASH */
    .quad 5, .Ldynstr - .Lstart         /* DT_STRTAB */
    .quad 6, .Ldynsym - .Lstart         /* DT_SYMTAB */
    .quad 10, .Ldynstr_end - .Ldynstr   /* DT_STRSZ */
    .quad 11, 24                        /* DT_SYMENT */
    .quad 0x6ffffff0, .Lversym - .Lstart
    .quad 0x6ffffffc, .Lverdef - .Lstart
    .quad 0x6ffffffd, 2                 /* DT_VERDEFNUM */
    .quad 0, 0
.Ldynamic_end:

    .balign 4
.Leh_hdr:
    .byte 1, 0x1b, 0x03, 0x3b
    .long .Leh - .
    .long 1
    .long .Ltext - .Leh_hdr, .Lfde - .Leh_hdr
.Leh_hdr_end:

    .balign 8
.Leh:
    .long .Lcie_end - .Lcie
.Lcie:
    .long 0
    .byte 1, 0x7a, 0x52, 0              /* version 1, "zR" */
    .byte 1, 0x78, 16                   /* factors 1 and -8, return address in column 16 */
    .byte 1, 0x1b                       /* addresses are relative */
    .byte 0x0c, 7, 8                    /* CFA = RSP + 8 */
    .byte 0x90, 1                       /* return address at CFA - 8 */
    .balign 8
.Lcie_end:
.Lfde:
    .long .Lfde_end - .Lfde_start
.Lfde_start:
    .long . - .Leh
    .long .Ltext - .
    .long .Ltext_end - .Ltext
    .byte 0
    .balign 8
.Lfde_end:
    .long 0
.Leh_end:

/* RAX = nanoseconds of the clock whose index (0 monotonic, 1 wall) is in R10; otherwise jumps to `fail` with the
 * arguments as they were. Uses RCX, RDX, R9, R11. Loads are not reordered with loads, and the fence keeps the counter
 * from being read before the sequence number. */
.macro read_clock fail
    lea r9, [rip + .Lstart - 4096]
    mov r11d, [r9 + VVAR_SEQ]
    test r11d, 1
    jnz \fail
    mov ecx, [r9 + VVAR_READY]
    bt ecx, r10d
    jnc \fail
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    xor ecx, ecx
    sub rax, [r9 + VVAR_TSC]
    cmovb rax, rcx
    mul qword ptr [r9 + VVAR_MULT]
    shrd rax, rdx, 32
    add rax, [r9 + VVAR_OFFSET + r10 * 8]
    cmp r11d, [r9 + VVAR_SEQ]
    jne \fail
.endm

/* RAX = seconds, RDX = nanoseconds of RAX. */
.macro split_seconds
    xor edx, edx
    mov ecx, NS_PER_SECOND
    div rcx
.endm

    .balign 64
.Ltext:
/* int clock_gettime(clockid_t clock, struct timespec *time) */
.Lclock_gettime:
    cmp edi, 12
    jae 8f
    xor r10d, r10d
    mov eax, MONOTONIC_CLOCKS
    bt eax, edi
    jc 1f
    mov eax, WALL_CLOCKS
    bt eax, edi
    jnc 8f
    inc r10d
1:  read_clock 8f
    split_seconds
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
8:  mov eax, NR_CLOCK_GETTIME
    syscall
    ret
.Lclock_gettime_end:

    .balign 16
/* int gettimeofday(struct timeval *time, struct timezone *zone) */
.Lgettimeofday:
    test rsi, rsi
    jnz 8f
    test rdi, rdi
    jz 2f
    mov r10d, 1
    read_clock 8f
    split_seconds
    mov [rdi], rax
    mov eax, edx
    xor edx, edx
    mov ecx, 1000
    div ecx
    mov [rdi + 8], rax
2:  xor eax, eax
    ret
8:  mov eax, NR_GETTIMEOFDAY
    syscall
    ret
.Lgettimeofday_end:

    .balign 16
/* time_t time(time_t *out) */
.Ltime:
    mov r10d, 1
    read_clock 8f
    split_seconds
    test rdi, rdi
    jz 2f
    mov [rdi], rax
2:  ret
8:  mov eax, NR_TIME
    syscall
    ret
.Ltime_end:

    .balign 16
/* int clock_getres(clockid_t clock, struct timespec *resolution) */
.Lclock_getres:
    cmp edi, 12
    jae 8f
    mov eax, MONOTONIC_CLOCKS | WALL_CLOCKS
    bt eax, edi
    jnc 8f
    test rsi, rsi
    jz 2f
    mov ecx, 1
    mov edx, COARSE_NS
    mov eax, COARSE_CLOCKS
    bt eax, edi
    cmovc ecx, edx
    mov qword ptr [rsi], 0
    mov [rsi + 8], rcx
2:  xor eax, eax
    ret
8:  mov eax, NR_CLOCK_GETRES
    syscall
    ret
.Lclock_getres_end:

    .balign 16
/* int getcpu(unsigned *cpu, unsigned *node, void *unused): GS is the CPU's area in the program too; see percpu.rs. */
.Lgetcpu:
    test rdi, rdi
    jz 1f
    mov eax, gs:[32]
    mov [rdi], eax
1:  test rsi, rsi
    jz 2f
    mov dword ptr [rsi], 0
2:  xor eax, eax
    ret
.Lgetcpu_end:
.Ltext_end:

.Lshstrtab:
    .byte 0
.Ls_hash: .asciz ".hash"
.Ls_dynsym: .asciz ".dynsym"
.Ls_dynstr: .asciz ".dynstr"
.Ls_versym: .asciz ".gnu.version"
.Ls_verdef: .asciz ".gnu.version_d"
.Ls_dynamic: .asciz ".dynamic"
.Ls_eh_hdr: .asciz ".eh_frame_hdr"
.Ls_eh: .asciz ".eh_frame"
.Ls_text: .asciz ".text"
.Ls_shstrtab: .asciz ".shstrtab"
.Lshstrtab_end:

    .balign 8
.macro section name, type, flags, from, link, info, align, entry
    .long \name - .Lshstrtab, \type
    .quad \flags, \from - .Lstart, \from - .Lstart, \from\()_end - \from
    .long \link, \info
    .quad \align, \entry
.endm
.Lshdrs:
    .zero 64
    section .Ls_hash, 5, 2, .Lhash, 2, 0, 8, 4
    section .Ls_dynsym, 11, 2, .Ldynsym, 3, 1, 8, 24
    section .Ls_dynstr, 3, 2, .Ldynstr, 0, 0, 1, 0
    section .Ls_versym, 0x6fffffff, 2, .Lversym, 2, 0, 2, 2
    section .Ls_verdef, 0x6ffffffd, 2, .Lverdef, 3, 2, 8, 0
    section .Ls_dynamic, 6, 2, .Ldynamic, 3, 0, 8, 16
    section .Ls_eh_hdr, 1, 2, .Leh_hdr, 0, 0, 4, 0
    section .Ls_eh, 1, 2, .Leh, 0, 0, 8, 0
    section .Ls_text, 1, 6, .Ltext, 0, 0, 64, 0
    section .Ls_shstrtab, 3, 0, .Lshstrtab, 0, 0, 1, 0
.Lend:
    .balign 4096
    .global vdso_end
vdso_end:

    .text
