/* PVH entry: 32-bit protected mode, paging off, %ebx = physical address of the start info.
 * Builds an identity map of the first 4 GiB (also seen at DIRECT_MAP and, for the first GiB,
 * at KERNEL_BASE), enters long mode and calls rust_entry on the boot stack. */

    .set KERNEL_BASE, 0xffffffff80000000    /* as in layout.rs and kernel.ld */

    .section .note.Xen, "a"
    .balign 4
    .long 4, 4, 18              /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long pvh_entry - KERNEL_BASE

    .section .text.boot, "ax"
    .code32
    .global pvh_entry
pvh_entry:
    cli
    cld
    mov ebp, ebx                            /* start info, until long mode */
    mov esp, offset boot_stack_top - KERNEL_BASE

    /* Long mode is the least that the CPU must offer. */
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb no_long_mode
    mov eax, 0x80000001
    cpuid
    test edx, 1 << 29
    jz no_long_mode
    test edx, 1 << 20                       /* NX */
    jz no_long_mode

    /* Four page directories of 2 MiB pages: 4 GiB, present | writable | large. */
    mov edi, offset boot_pd - KERNEL_BASE
    mov eax, 0x83
    mov ecx, 2048
1:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 1b

    mov eax, offset boot_pd - KERNEL_BASE + 3
    mov edi, offset boot_pdpt - KERNEL_BASE
    mov ecx, 4
2:  mov [edi], eax
    add eax, 4096
    add edi, 8
    dec ecx
    jnz 2b

    mov eax, offset boot_pd - KERNEL_BASE + 3
    mov dword ptr [boot_pdpt_high - KERNEL_BASE + 510 * 8], eax
    mov eax, offset boot_pdpt - KERNEL_BASE + 3
    mov dword ptr [boot_pml4 - KERNEL_BASE], eax
    mov dword ptr [boot_pml4 - KERNEL_BASE + 256 * 8], eax
    mov eax, offset boot_pdpt_high - KERNEL_BASE + 3
    mov dword ptr [boot_pml4 - KERNEL_BASE + 511 * 8], eax

    mov eax, offset boot_pml4 - KERNEL_BASE
    mov cr3, eax
    mov eax, cr4
    or eax, 1 << 5                          /* PAE */
    mov cr4, eax
    mov ecx, 0xc0000080                     /* EFER: LME | NXE | SCE */
    rdmsr
    or eax, (1 << 8) | (1 << 11) | 1
    wrmsr
    mov eax, 0x80010033                     /* PG WP NE ET MP PE */
    mov cr0, eax

    lgdt [boot_gdtr - KERNEL_BASE]
    .byte 0xea                              /* ljmp 0x08:long_mode */
    .long long_mode - KERNEL_BASE
    .word 0x08

no_long_mode:                               /* one line on the first serial port, then stop */
    mov esi, offset no_long_mode_text - KERNEL_BASE
3:  lodsb
    test al, al
    jz 4f
    mov dx, 0x3f8
    out dx, al
    jmp 3b
4:  hlt
    jmp 4b

    .code64
long_mode:
    mov eax, 0x10
    mov ss, eax
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    lea rsp, [rip + boot_stack_top]
    movabs rax, offset high
    jmp rax
high:
    movabs rsp, offset boot_stack_top
    mov edi, ebp
    xor ebp, ebp
    call rust_entry
    ud2

    .section .rodata.boot, "a"
no_long_mode_text:
    .asciz "nospin: this CPU has no 64-bit mode with NX\r\n"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                /* 0x08: 64-bit code */
    .quad 0x00cf93000000ffff                /* 0x10: data */
boot_gdtr:
    .word 23
    .quad boot_gdt - KERNEL_BASE

    .section .bss.boot, "aw", @nobits
    .balign 4096
    .global boot_pml4
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096
boot_pdpt_high: .skip 4096
boot_pd:        .skip 4 * 4096
    .global boot_stack_bottom, boot_stack_top
boot_stack_guard:  .skip 4096
boot_stack_bottom: .skip 32768
boot_stack_top:
