/* Switching between the stacks of threads, with interrupts masked; see switch.rs. */

    .text
    .code64

/* switch_stacks(save, load): stores RSP at rdi once the callee-saved registers are on the stack; goes on where the stack
 * pointer rsi was stored. */
    .balign 64
    .global switch_stacks
switch_stacks:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, rsi
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

/* Where a new thread goes on after its first switch. */
    .global thread_start
thread_start:
    xor ebp, ebp
    call thread_begin
    ud2
