/* How another processor than the boot processor comes up: ap_trampoline is copied to a page below 1 MiB, where the startup
 * IPI lets the processor begin in real mode. It goes to long mode in one step, on the boot page tables, which map the first
 * 4 GiB as they are; then finds its own entry in the list of processors by its APIC id, and its stack with it. */

    .set KERNEL_BASE, 0xffffffff80000000

    .section .rodata.trampoline, "a"
    .code16
    .global ap_trampoline, ap_trampoline_end
ap_trampoline:
    cli
    cld
    mov ax, cs
    mov ds, ax
    .byte 0x66, 0x0f, 0x01, 0x16            /* lgdt [ap_gdtr], with all 32 bits of the base */
    .word ap_gdtr - ap_trampoline
    mov eax, cr4
    or eax, 1 << 5                          /* PAE */
    mov cr4, eax
    mov eax, offset boot_pml4 - KERNEL_BASE
    mov cr3, eax
    mov ecx, 0xc0000080                     /* EFER: LME | NXE | SCE */
    rdmsr
    or eax, (1 << 8) | (1 << 11) | 1
    wrmsr
    mov eax, 0x80010033                     /* PG WP NE ET MP PE */
    mov cr0, eax
    .byte 0x66, 0xea                        /* ljmp 0x08:ap_long_mode, in the kernel's text */
    .long ap_long_mode - KERNEL_BASE
    .word 0x08
ap_gdtr:
    .word 23
    .long boot_gdt - KERNEL_BASE
ap_trampoline_end:

    .section .text.boot, "ax"
    .code64
ap_long_mode:
    mov eax, 0x10
    mov ss, eax
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    movabs rax, offset ap_high
    jmp rax
ap_high:
    mov rax, [rip + ap_root]                /* the kernel's own page tables */
    mov cr3, rax
    /* The APIC id: 32 bits from leaf 11 where it is there, otherwise 8 bits from leaf 1. */
    xor eax, eax
    cpuid
    cmp eax, 11
    jb 1f
    mov eax, 11
    xor ecx, ecx
    cpuid
    test ebx, ebx
    jz 1f
    mov edi, edx
    jmp 2f
1:  mov eax, 1
    cpuid
    shr ebx, 24
    mov edi, ebx
2:  mov rsi, [rip + ap_list]
    mov rcx, [rip + ap_list_len]
3:  test rcx, rcx
    jz 5f
    cmp [rsi], edi
    je 4f
    add rsi, 56
    dec rcx
    jmp 3b
4:  mov rsp, [rsi + 8]
    mov rdi, rsi
    xor ebp, ebp
    call ap_entry
5:  cli                                     /* nobody expects this processor */
    hlt
    jmp 5b
