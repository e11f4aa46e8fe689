# A kernel that only knows its devices: enough to test the tools around it.
# PVH enters at _start in 32-bit protected mode with paging off and EBX pointing to the start info.
# Assembled with --defsym SCENARIO=n; see support/mod.rs for what each number does.

    .set CONSOLE, 0x3f8
    .set CHANNEL, 0xe9
    .set EXIT, 0xf4

    .section .note.Xen, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long _start

    .text
    .code32
    .globl _start
_start:
    movl $stack_top, %esp
    movl %ebx, %ebp
    call scenario
    call drain
    movw $EXIT, %dx
    xorl %eax, %eax
    outl %eax, %dx
stop:
    cli
    hlt
    jmp stop

    # AL to the console, when the port can take it.
putc:
    movb %al, %ah
    movw $CONSOLE + 5, %dx
1:  inb %dx, %al
    testb $0x20, %al
    jz 1b
    movb %ah, %al
    movw $CONSOLE, %dx
    outb %al, %dx
    ret

    # Waits until the port has sent everything.
drain:
    movw $CONSOLE + 5, %dx
1:  inb %dx, %al
    testb $0x40, %al
    jz 1b
    ret

    # The next byte of the console's input in AL.
getc:
    movw $CONSOLE + 5, %dx
1:  inb %dx, %al
    testb $1, %al
    jz 1b
    movw $CONSOLE, %dx
    inb %dx, %al
    ret

    # The string at ESI, ended by NUL, to the console or to the second channel.
puts:
    lodsb
    testb %al, %al
    jz 1f
    call putc
    jmp puts
1:  ret

message:
    movw $CHANNEL, %dx
2:  lodsb
    testb %al, %al
    jz 1f
    outb %al, %dx
    jmp 2b
1:  ret

    .macro say function, text
    .section .rodata
8:  .asciz "\text"
    .text
    movl $8b, %esi
    call \function
    .endm

    .globl scenario
    .type scenario, @function
scenario:
    .if SCENARIO == 0                   # a program that prints and exits with 7
    say puts "hello\n"
    say message "a message\n\036exit 7\n"
    .endif

    .if SCENARIO == 1                   # sends its input back until end of file
    say message "\036input\n"
1:  call getc
    cmpb $0xff, %al
    jne 2f
    call getc
    testb %al, %al
    jz 3f
2:  call putc
    jmp 1b
3:  say message "\036exit 0\n"
    .endif

    .if SCENARIO == 2                   # prints the command line from the start info
    movl 24(%ebp), %esi
    call puts
    say message "\036exit 0\n"
    .endif

    .if SCENARIO == 3                   # prints 300,000 bytes, the status before the last of them is read
    xorl %ebx, %ebx
1:  movb %bl, %al
    call putc
    incl %ebx
    cmpl $300000, %ebx
    jne 1b
    say message "\036exit 3\n"
    .endif

    .if SCENARIO == 4                   # ends without a word
    say puts "partial"
    .endif

    .if SCENARIO == 5                   # panics
    say message "panicked at nothing\n\036kernel abababababababababababababababababababab\n"
    say message "  at 0x401136\n  at 0xffffffff80100000\n\036panic\n"
    .endif

    .if SCENARIO == 6                   # never ends
    say puts "running\n"
    cli
1:  hlt
    jmp 1b
    .endif

    .if SCENARIO == 7                   # killed by signal 11
    say message "\036signal 11\n"
    .endif

    .if SCENARIO == 8                   # says that it serves, prints the command line, and never ends
    say message "\036listen tcp 0.0.0.0 80\n\036listen udp 0.0.0.0 53\n\036listen tcp 0.0.0.0 80\n"
    movl 24(%ebp), %esi
    call puts
    say puts "\n"
    cli
1:  hlt
    jmp 1b
    .endif
    ret

    .bss
    .fill 4096
stack_top:
