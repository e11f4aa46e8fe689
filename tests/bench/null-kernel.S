// A PVH kernel that only stops the machine: what QEMU's firmware executes before any kernel is counted with it.
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18                  // sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long _start

    .text
    .code32
    .globl _start
_start:
    movw $0xf4, %dx                 // isa-debug-exit
    xorl %eax, %eax
    outl %eax, %dx
1:  hlt
    jmp 1b
    .section .note.GNU-stack, "", @progbits
