/* How the CPU comes into the kernel and leaves it again: the system call, exceptions, interrupts.
 * Everything runs in ring 0; see trap.rs and syscall_entry.rs for what the frames mean. */

    .set GS_USER_RSP, 8
    .set GS_KSTACK_TOP, 16
    .set GS_ATTENTION, 40
    .set CS_KERNEL, 0x08
    .set SS_KERNEL, 0x10
    .set STRING_MIN, 256          /* bytes from which on string instructions pay off */
    .set FLAGS_USER, 0x240cd5     /* CF PF AF ZF SF DF OF AC ID: what a program may own */

    .text
    .code64

/* Completes the UserRegs at RSP, of which only the registers that a function may clobber are stored. */
    .macro store_callee_saved
    mov [rsp], r15
    mov [rsp + 8], r14
    mov [rsp + 16], r13
    mov [rsp + 24], r12
    mov [rsp + 32], rbp
    mov [rsp + 40], rbx
    .endm

/* syscall: interrupts are masked by SFMASK, RSP is the program's, RCX = RIP, R11 = RFLAGS.
 * Builds a UserRegs on the thread's kernel stack. The six callee-saved registers keep the program's
 * values through the Rust code; their slots are filled only when syscall_dispatch asks for it. */
    .balign 64
    .global syscall_entry
syscall_entry:
    mov gs:[GS_USER_RSP], rsp
    mov rsp, gs:[GS_KSTACK_TOP]
    push SS_KERNEL
    push gs:[GS_USER_RSP]
    push r11
    push CS_KERNEL
    push rcx
    push rax
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    sub rsp, 48
    sti
    mov rdi, rsp
    call syscall_dispatch
    test eax, eax
    jnz 1f
    /* Back at once: nothing touches the program's stack, and no interrupt is taken between the
     * pop of the flags (IF clear) and the jump (sti shadows it). */
    cli
    cmp byte ptr gs:[GS_ATTENTION], 0
    jne 3f
2:  add rsp, 48
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    add rsp, 8
    pop rdx
    pop rsi
    pop rdi
    add rsp, 8
    pop rcx
    add rsp, 8
    and dword ptr [rsp], FLAGS_USER
    popfq
    mov rsp, [rsp]
    sti
    jmp rcx
1:  /* The call needs the whole register set, or something is to be done before returning. */
    store_callee_saved
    mov rdi, rsp
    call syscall_slow
    cli
    jmp frame_return
3:  /* Something may have come for the thread since the call looked, or it has been switched to. */
    call syscall_look
    test eax, eax
    jz 2b
    store_callee_saved
    mov rdi, rsp
    call syscall_late
    cli
    jmp frame_return

/* First entry of a program: rdi = UserRegs on this thread's kernel stack. */
    .global enter_program
enter_program:
    cli
    mov rsp, rdi
    /* fallthrough */
frame_return:
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    add rsp, 8
    iretq

/* Saves the general registers below the hardware frame; orig_rax holds {vector << 32 | error}. */
    .macro save_regs
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    cld
    .endm

/* Exceptions: on the thread's fault stack (IST 2). trap_move returns where the frame was moved to:
 * the thread's kernel stack, so that a nested fault finds the IST stack free. */
fault_common:
    save_regs
    mov rdi, rsp
    sub rsp, 8
    call trap_move
    mov rsp, rax
    mov rdi, rax
    call trap_handle
    cli
    jmp frame_return

/* NMI, double fault, machine check: on per-CPU stacks, never rescheduled, never moved. */
critical_common:
    save_regs
    mov rdi, rsp
    sub rsp, 8
    call trap_critical
    add rsp, 8
    jmp frame_return

/* Interrupts: on the thread's interrupt stack (IST 1), interrupts masked throughout. */
irq_common:
    save_regs
    mov rdi, rsp
    sub rsp, 8
    call trap_interrupt
    test rax, rax
    jnz 1f
    add rsp, 8
    jmp frame_return
1:  /* Work to be done in thread context: the frame was moved to the thread's kernel stack. */
    mov rsp, rax
    mov rdi, rax
    call trap_deferred
    cli
    jmp frame_return

/* One stub of 16 bytes for each of the 256 vectors. */
    .macro stub vector
    .balign 16
    .if (\vector == 8) || (\vector == 10) || (\vector == 11) || (\vector == 12) || (\vector == 13) || (\vector == 14) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
    .else
    push 0
    .endif
    mov dword ptr [rsp + 4], \vector
    .if (\vector == 2) || (\vector == 8) || (\vector == 18)
    jmp critical_common
    .elseif \vector < 32
    jmp fault_common
    .else
    jmp irq_common
    .endif
    .endm

    .balign 16
    .global trap_stubs
trap_stubs:
    .altmacro
    .set i, 0
    .rept 256
    stub %i
    .set i, i + 1
    .endr
    .noaltmacro

/* usercopy(dst, src, len) -> bytes copied. Up to 32 bytes, and what is left of more, are the first and the last words of
 * them, which may overlap. A fault there, in the loop or in the string instruction of long copies restarts bytewise, so
 * that the count is exact; a fault in the byte loop ends the copy. usercopy.rs knows the labels. */
    .balign 64
    .global usercopy, usercopy_string, usercopy_rest, usercopy_words, usercopy_bytes, usercopy_end, usercopy_out
usercopy:
    mov r11, rdx
    cmp rdx, 32
    ja 4f
usercopy_words:
1:  cmp rdx, 8
    jb 3f
    cmp rdx, 16
    ja 2f
    mov rax, [rsi]
    mov rcx, [rsi + rdx - 8]
    mov [rdi], rax
    mov [rdi + rdx - 8], rcx
    mov rax, r11
    ret
2:  mov rax, [rsi]
    mov rcx, [rsi + 8]
    mov r8, [rsi + rdx - 16]
    mov r9, [rsi + rdx - 8]
    mov [rdi], rax
    mov [rdi + 8], rcx
    mov [rdi + rdx - 16], r8
    mov [rdi + rdx - 8], r9
    mov rax, r11
    ret
3:  cmp rdx, 4
    jb usercopy_bytes
    mov eax, [rsi]
    mov ecx, [rsi + rdx - 4]
    mov [rdi], eax
    mov [rdi + rdx - 4], ecx
    mov rax, r11
    ret
4:  cmp rdx, STRING_MIN
    jae 7f
5:  mov rax, [rsi]
    mov rcx, [rsi + 8]
    mov r8, [rsi + 16]
    mov r9, [rsi + 24]
    mov [rdi], rax
    mov [rdi + 8], rcx
    mov [rdi + 16], r8
    mov [rdi + 24], r9
    add rsi, 32
    add rdi, 32
    sub rdx, 32
    cmp rdx, 32
    ja 5b
    jmp 1b
usercopy_bytes:
    test rdx, rdx
    jz usercopy_out
6:  mov al, [rsi]
    mov [rdi], al
    inc rsi
    inc rdi
    dec rdx
    jnz 6b
usercopy_end:
usercopy_out:
    mov rax, r11
    sub rax, rdx
    ret
7:  mov rcx, rdx
    shr rcx, 3
usercopy_string:
    rep movsq
usercopy_rest:
    /* RCX words are left, and what is no whole word. */
    and edx, 7
    lea rdx, [rdx + rcx * 8]
    jmp usercopy_bytes

/* userzero(dst, len) -> bytes cleared. */
    .balign 64
    .global userzero, userzero_string, userzero_rest, userzero_words, userzero_bytes, userzero_end, userzero_out
userzero:
    mov rdx, rsi
    xor eax, eax
    mov rcx, rsi
    shr rcx, 3
    jz userzero_bytes
    cmp rsi, STRING_MIN
    jb userzero_words
userzero_string:
    rep stosq
userzero_rest:
    and esi, 7
    lea rsi, [rsi + rcx * 8]
    jmp userzero_bytes
userzero_words:
1:  mov [rdi], rax
    add rdi, 8
    sub rsi, 8
    dec rcx
    jnz 1b
userzero_bytes:
    test rsi, rsi
    jz userzero_out
2:  mov [rdi], al
    inc rdi
    dec rsi
    jnz 2b
userzero_end:
userzero_out:
    mov rax, rdx
    sub rax, rsi
    ret

/* Words of the program, for futexes: load(addr) and compare_exchange(addr, old, new) return the word in eax and 0 in edx, or
 * 1 in edx after a fault. In the paging forms a fault first goes to the address space; in the others never, because the
 * caller holds locks. usercopy.rs knows the labels. */
    .balign 16
    .global userword_paging, userword_nopaging, userword_end, userword_fault
    .global userword_load_paging, userword_load, userword_exchange_paging, userword_exchange
userword_paging:
userword_load_paging:
    mov eax, [rdi]
    xor edx, edx
    ret
userword_exchange_paging:
    mov eax, esi
    mov ecx, edx
    lock cmpxchg [rdi], ecx
    mov edx, 0
    ret
userword_nopaging:
userword_load:
    mov eax, [rdi]
    xor edx, edx
    ret
userword_exchange:
    mov eax, esi
    mov ecx, edx
    lock cmpxchg [rdi], ecx
    mov edx, 0
    ret
userword_end:
userword_fault:
    mov edx, 1
    ret
