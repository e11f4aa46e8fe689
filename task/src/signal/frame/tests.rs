//! Tests of the signal frame: its layout, what comes back from a handler, and damaged frames.

use super::*;
use crate::testing::{DATA, Running, running};

const STACK_TOP: u64 = DATA + 0x2000;
const HANDLER: u64 = 0x40_1100;

fn action(flags: u32) -> SigAction {
    let flags = u64::from(flags | raw::SA_RESTORER | raw::SA_SIGINFO);
    SigAction { handler: HANDLER, flags, restorer: 0x40_1200, mask: 0 }
}

fn regs(rsp: u64) -> UserRegs {
    UserRegs {
        rip: 0x40_1000,
        rsp,
        rflags: 0x1_0746,
        rbx: 77,
        r12: 12,
        orig_rax: 1,
        cs: 8,
        ss: 16,
        ..UserRegs::default()
    }
}

fn push_info(r: &Running, regs: &mut UserRegs, action: &SigAction) -> Result<(), BadFrame> {
    let info = SigInfo::sent(abi::Signal::SIGUSR1, 0, 2, 0);
    push(r.machine, &r.thread, regs, action, &info, SigSet(0x30))
}

fn read<T: abi::Pod>(r: &Running, addr: u64) -> T {
    UserPtr::new(addr).read(r.machine.user_memory()).unwrap()
}

fn write<T: abi::Pod>(r: &Running, addr: u64, value: &T) {
    UserPtr::new(addr).write(r.machine.user_memory(), value).unwrap();
}

#[test]
fn a_frame_and_the_way_back() {
    let r = running();
    r.machine.vectors.lock().unwrap()[100] = 0xab;
    let before = regs(STACK_TOP - 3);
    let mut now = before;
    push_info(&r, &mut now, &action(0)).unwrap();
    assert_eq!(now.rip, HANDLER);
    assert_eq!(now.rsp % 16, 8, "as after a call");
    assert_eq!((now.rdi, now.rsi, now.rdx, now.rax), (10, now.rsp + 312, now.rsp + 8, 0));
    assert_eq!(now.rflags, before.rflags & !FLAGS_CLEARED);
    let frame: RtSigFrame = read(&r, now.rsp);
    assert_eq!(frame.pretcode, 0x40_1200);
    assert_eq!(frame.uc.flags, 7);
    assert_eq!(frame.uc.sigmask, 0x30);
    let context = frame.uc.mcontext;
    assert_eq!((context.rip, context.rsp, context.rbx), (before.rip, before.rsp, 77));
    assert_eq!((context.cs, context.ss), (0x33, 0x2b));
    assert!(context.fpstate.is_multiple_of(64) && context.fpstate + 836 <= before.rsp - 128);
    assert_eq!(read::<u8>(&r, context.fpstate + 100), 0xab);
    let sw: FpxSwBytes = read(&r, context.fpstate + 464);
    assert_eq!((sw.magic1, sw.extended_size, sw.xfeatures, sw.xstate_size), (FP_XSTATE_MAGIC1, 836, 7, 832));
    assert_eq!(read::<u32>(&r, context.fpstate + 832), FP_XSTATE_MAGIC2);
    assert_eq!(r.machine.vectors.lock().unwrap()[512], 0, "a handler begins with initial vector registers");

    now.rsp += 8;
    pop(r.machine, &r.thread, &mut now).unwrap();
    assert_eq!(now, UserRegs { orig_rax: NO_CALL, ..before });
    assert_eq!(r.thread.mask(), SigSet(0x30));
    assert_eq!(r.machine.vectors.lock().unwrap()[100], 0xab);
}

#[test]
fn what_a_handler_changes() {
    let r = running();
    let mut now = regs(STACK_TOP);
    push_info(&r, &mut now, &action(0)).unwrap();
    let at = now.rsp + 8;
    let uc: UContext = read(&r, at);
    let mut changed = uc;
    changed.mcontext.rax = 5;
    changed.mcontext.rip = 0x40_1004;
    changed.mcontext.rflags = u64::MAX;
    changed.mcontext.cs = 0xdead;
    write(&r, at, &changed);
    now.rsp = at;
    pop(r.machine, &r.thread, &mut now).unwrap();
    assert_eq!((now.rax, now.rip, now.cs, now.ss), (5, 0x40_1004, 8, 16));
    assert_eq!(now.rflags & !FLAGS_RESTORED, 0x1_0746 & !FLAGS_RESTORED & !FLAGS_CLEARED, "IF and IOPL stay");

    for (rip, rsp) in [(USER_END, STACK_TOP), (u64::MAX, STACK_TOP), (0x40_1000, 0xffff_8000_0000_0000)] {
        let mut bad = uc;
        bad.mcontext.rip = rip;
        bad.mcontext.rsp = rsp;
        write(&r, at, &bad);
        now.rsp = at;
        assert_eq!(pop(r.machine, &r.thread, &mut now), Err(BadFrame));
    }
    now.rsp = 0x10;
    assert_eq!(pop(r.machine, &r.thread, &mut now), Err(BadFrame));
}

#[test]
fn damaged_vector_states() {
    let r = running();
    let mut now = regs(STACK_TOP);
    push_info(&r, &mut now, &action(0)).unwrap();
    let at = now.rsp + 8;
    let state = read::<UContext>(&r, at).mcontext.fpstate;
    let back = || pop(r.machine, &r.thread, &mut UserRegs { rsp: at, ..now });
    // Bits of MXCSR, of the header.
    write(&r, state + 24, &0x8000_1f80u32);
    assert_eq!(back(), Err(BadFrame));
    write(&r, state + 24, &0x1f80u32);
    for (offset, value) in [(512, 8u64), (520, 1 << 63), (568, 1)] {
        let good: u64 = read(&r, state + offset);
        write(&r, state + offset, &value);
        assert_eq!(back(), Err(BadFrame), "{offset}");
        write(&r, state + offset, &good);
    }
    // Without the magic words only the legacy part counts.
    for (offset, value) in [(464, 0u32), (832, 0), (480, 100), (480, 4096)] {
        let good: u32 = read(&r, state + offset);
        write(&r, state + offset, &value);
        assert_eq!(back(), Ok(()), "{offset}");
        assert_eq!(r.machine.vectors.lock().unwrap()[512], 3);
        write(&r, state + offset, &good);
    }
    let mut uc: UContext = read(&r, at);
    uc.mcontext.fpstate = 0;
    write(&r, at, &uc);
    assert_eq!(back(), Ok(()));
    assert_eq!(r.machine.vectors.lock().unwrap()[512], 0, "none: initial");
    uc.mcontext.fpstate = 0x10;
    write(&r, at, &uc);
    assert_eq!(back(), Err(BadFrame));
}

#[test]
fn alternate_stacks() {
    let r = running();
    let stack = StackT { sp: DATA, size: 2048, flags: 0, pad: 0 };
    r.thread.set_alt_stack(stack, STACK_TOP).unwrap();
    let mut now = regs(STACK_TOP);
    push_info(&r, &mut now, &action(0)).unwrap();
    assert!(now.rsp > DATA + 2048, "not without SA_ONSTACK");
    let mut now = regs(STACK_TOP);
    push_info(&r, &mut now, &action(raw::SA_ONSTACK)).unwrap();
    assert!(within(&stack, now.rsp));
    assert_eq!(r.thread.set_alt_stack(stack, now.rsp), Err(crate::thread::AltStackError::InUse));
    // A second one does not fit.
    assert_eq!(push_info(&r, &mut now, &action(raw::SA_ONSTACK)), Err(BadFrame));

    let once = StackT { flags: raw::SS_AUTODISARM as i32, ..stack };
    r.thread.set_alt_stack(once, STACK_TOP).unwrap();
    let mut now = regs(STACK_TOP);
    push_info(&r, &mut now, &action(raw::SA_ONSTACK)).unwrap();
    assert_eq!(alt_stack_flags(&r.thread.alt_stack.lock(), now.rsp), raw::SS_DISABLE);
    now.rsp += 8;
    pop(r.machine, &r.thread, &mut now).unwrap();
    assert_eq!(*r.thread.alt_stack.lock(), once, "armed again");
}

#[test]
fn handlers_that_cannot_be_called() {
    let r = running();
    let bad = SigAction { handler: USER_END, ..action(0) };
    assert_eq!(push_info(&r, &mut regs(STACK_TOP), &bad), Err(BadFrame));
    let bad = SigAction { flags: 0, ..action(0) };
    assert_eq!(push_info(&r, &mut regs(STACK_TOP), &bad), Err(BadFrame));
    for rsp in [0, 100, 0x10_0000, u64::MAX] {
        assert_eq!(push_info(&r, &mut regs(rsp), &action(0)), Err(BadFrame));
    }
}
