//! Signals to itself, masks, dispositions, futexes.

use super::{BAD, Caller, READ_ONLY};
use crate::{Outcome, dispatch, dispatch_full};
use abi::general as raw;
use abi::structs::{SigAction, StackT, Timespec};
use abi::{Errno, Signal, UserRegs, nr};
use task::ExitStatus;
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;
const ABRT: u64 = 6;

#[test]
fn a_signal_to_itself_ends_the_program_with_a_report() {
    let c = Caller::new();
    for (call, args) in [
        (nr::KILL, vec![2, ABRT]),
        (nr::KILL, vec![0, ABRT]),
        (nr::KILL, vec![(-2i64) as u64, ABRT]),
        (nr::TKILL, vec![2, ABRT]),
        (nr::TGKILL, vec![2, 2, ABRT]),
    ] {
        assert_eq!(c.exits(call, &args), ExitStatus::Signal(Signal::SIGABRT));
        let report = c.r.machine.take_messages().join("\n");
        assert!(report.contains("killed by SIGABRT (Aborted): sent to the program"), "{report}");
        assert!(report.contains("\n  at 0x401000"), "{report}");
    }
    c.ok(nr::KILL, &[2, 0]);
    c.ok(nr::KILL, &[1, 15]);
    c.ok(nr::KILL, &[2, u64::from(raw::SIGCHLD)]);
    c.fails(nr::KILL, &[2, 65], Errno::EINVAL);
    c.fails(nr::KILL, &[2, u64::MAX], Errno::EINVAL);
    c.fails(nr::KILL, &[77, 0], Errno::ESRCH);
    c.fails(nr::KILL, &[u64::MAX, 9], Errno::ESRCH);
    c.fails(nr::TKILL, &[0, ABRT], Errno::EINVAL);
    c.fails(nr::TKILL, &[3, ABRT], Errno::ESRCH);
    c.fails(nr::TGKILL, &[2, 0, ABRT], Errno::EINVAL);
    c.fails(nr::TGKILL, &[2, 2, 99], Errno::EINVAL);
    c.fails(nr::TGKILL, &[3, 2, ABRT], Errno::ESRCH);
}

#[test]
fn the_result_survives_until_the_signals_are_delivered() {
    let c = Caller::new();
    let mut regs = UserRegs::default().with_call(nr::GETPPID.into(), [0; 6]);
    let mut ctx = c.context(&mut regs);
    assert_eq!(dispatch(&mut ctx), Outcome::Return(1));
    c.r.process.send_kernel(Signal::SIGTSTP);
    assert_eq!(dispatch(&mut ctx), Outcome::AllRegisters);
    assert_eq!(dispatch_full(&mut ctx), Outcome::Return(1));
    assert_eq!(dispatch(&mut ctx), Outcome::Return(1), "delivered once");
}

#[test]
fn blocked_signals_wait() {
    let c = Caller::new();
    c.put(BUF, &(1u64 << 5));
    c.ok(nr::RT_SIGPROCMASK, &[raw::SIG_BLOCK.into(), BUF, BUF + 8, 8]);
    assert_eq!(c.get::<u64>(BUF + 8), 0);
    c.ok(nr::KILL, &[2, ABRT]);
    c.ok(nr::GETPID, &[]);
    let unblock = [raw::SIG_UNBLOCK.into(), BUF, 0, 8];
    assert_eq!(c.exits(nr::RT_SIGPROCMASK, &unblock), ExitStatus::Signal(Signal::SIGABRT));
    c.put(BUF, &u64::MAX);
    c.ok(nr::RT_SIGPROCMASK, &[raw::SIG_SETMASK.into(), BUF, 0, 8]);
    c.ok(nr::RT_SIGPROCMASK, &[0, 0, BUF, 8]);
    assert_eq!(c.get::<u64>(BUF), !(1 << 8 | 1 << 18), "KILL and STOP cannot be blocked");
    c.fails(nr::RT_SIGPROCMASK, &[9, BUF, 0, 8], Errno::EINVAL);
    c.fails(nr::RT_SIGPROCMASK, &[0, BUF, 0, 4], Errno::EINVAL);
    c.fails(nr::RT_SIGPROCMASK, &[0, BAD, 0, 8], Errno::EFAULT);
    c.fails(nr::RT_SIGPROCMASK, &[0, 0, READ_ONLY, 8], Errno::EFAULT);
}

#[test]
fn dispositions() {
    let c = Caller::new();
    let term = Signal::SIGTERM.raw().into();
    let ignore = SigAction { handler: 1, ..SigAction::default() };
    c.put(BUF, &ignore);
    c.ok(nr::RT_SIGACTION, &[term, BUF, BUF + 64, 8]);
    assert_eq!(c.get::<SigAction>(BUF + 64), SigAction::default());
    c.ok(nr::KILL, &[2, term]);
    c.put(BUF, &SigAction { handler: 0x40_1000, flags: 0x0400_0000, restorer: 0x40_1010, mask: 0 });
    c.ok(nr::RT_SIGACTION, &[term, BUF, BUF + 64, 8]);
    assert_eq!(c.get::<SigAction>(BUF + 64), ignore);
    c.ok(nr::RT_SIGACTION, &[9, 0, BUF, 8]);
    for (args, errno) in [
        ([9, BUF, 0, 8], Errno::EINVAL),
        ([19, BUF, 0, 8], Errno::EINVAL),
        ([0, 0, BUF, 8], Errno::EINVAL),
        ([65, 0, BUF, 8], Errno::EINVAL),
        ([term, BUF, 0, 16], Errno::EINVAL),
        ([term, BAD, 0, 8], Errno::EFAULT),
        ([term, 0, BAD, 8], Errno::EFAULT),
    ] {
        c.fails(nr::RT_SIGACTION, &args, errno);
    }
}

#[test]
fn alternate_stacks() {
    let c = Caller::new();
    c.ok(nr::SIGALTSTACK, &[0, BUF]);
    assert_eq!(c.get::<StackT>(BUF).flags, raw::SS_DISABLE as i32);
    c.put(BUF, &StackT { sp: DATA, size: 8192, flags: 0, pad: 0xdead });
    c.ok(nr::SIGALTSTACK, &[BUF, 0]);
    c.ok(nr::SIGALTSTACK, &[0, BUF + 32]);
    assert_eq!(c.get::<StackT>(BUF + 32), StackT { sp: DATA, size: 8192, flags: 0, pad: 0 });
    c.put(BUF, &StackT { sp: DATA, size: 2047, flags: 0, pad: 0 });
    c.fails(nr::SIGALTSTACK, &[BUF, 0], Errno::ENOMEM);
    c.put(BUF, &StackT { sp: DATA, size: 8192, flags: 8, pad: 0 });
    c.fails(nr::SIGALTSTACK, &[BUF, 0], Errno::EINVAL);
    c.fails(nr::SIGALTSTACK, &[BAD, 0], Errno::EFAULT);
    c.fails(nr::SIGALTSTACK, &[0, BAD], Errno::EFAULT);
}

#[test]
fn a_terminal_signal_ends_a_wait() {
    let c = Caller::with_terminal();
    c.r.line.input.lock().extend(b"\x03");
    assert_eq!(c.exits(nr::READ, &[0, BUF, 10]), ExitStatus::Signal(Signal::SIGINT));
    let messages = c.r.machine.take_messages();
    assert!(
        messages.len() == 1 && messages[0].contains("killed by SIGINT"),
        "one line, no report: {messages:?}"
    );
}

#[test]
fn sleeping_calls_end_by_signals() {
    let c = Caller::new();
    c.put(BUF, &u64::MAX);
    c.ok(nr::RT_SIGPROCMASK, &[raw::SIG_SETMASK.into(), BUF, 0, 8]);
    c.ok(nr::KILL, &[2, u64::from(raw::SIGTERM)]);
    // poll with everything blocked: only the time ends it.
    assert_eq!(c.ok(nr::POLL, &[0, 0, 5]), 0);
    // ppoll with nothing blocked: the signal does, and is delivered.
    c.put(BUF, &0u64);
    assert_eq!(c.exits(nr::PPOLL, &[0, 0, 0, BUF, 8]), ExitStatus::Signal(Signal::SIGTERM));
}

#[test]
fn futexes() {
    let c = Caller::new();
    let wait = u64::from(raw::FUTEX_WAIT_PRIVATE);
    c.put(BUF, &5u32);
    c.fails(nr::FUTEX, &[BUF, wait, 4, 0], Errno::EAGAIN);
    c.put(BUF + 16, &Timespec { tv_sec: 1, tv_nsec: 0 });
    let before: u64 = task::Platform::monotonic_ns(c.r.machine);
    c.fails(nr::FUTEX, &[BUF, wait, 5, BUF + 16], Errno::ETIMEDOUT);
    assert!(task::Platform::monotonic_ns(c.r.machine) - before >= 1_000_000_000);
    let bitset = u64::from(raw::FUTEX_WAIT_BITSET_PRIVATE);
    c.fails(nr::FUTEX, &[BUF, bitset, 5, BUF + 16, 0, u64::MAX], Errno::ETIMEDOUT);
    c.fails(nr::FUTEX, &[BUF, bitset, 5, BUF + 16, 0, 0], Errno::EINVAL);
    assert_eq!(c.ok(nr::FUTEX, &[BUF, raw::FUTEX_WAKE_PRIVATE.into(), 1]), 0);
    c.fails(nr::FUTEX, &[BUF, raw::FUTEX_CMP_REQUEUE.into(), 1, 1, BUF, 4], Errno::EAGAIN);
    assert_eq!(c.ok(nr::FUTEX, &[BUF, raw::FUTEX_CMP_REQUEUE.into(), 1, 1, BUF, 5]), 0);
    c.fails(nr::FUTEX, &[BUF + 1, wait, 5, 0], Errno::EINVAL);
    c.fails(nr::FUTEX, &[BAD, wait, 5, 0], Errno::EFAULT);
    c.fails(nr::FUTEX, &[BAD, raw::FUTEX_WAKE.into(), 5, 0], Errno::EFAULT);
    c.fails(nr::FUTEX, &[BUF, wait, 5, BAD], Errno::EFAULT);
    c.put(BUF + 16, &Timespec { tv_sec: -1, tv_nsec: 0 });
    c.fails(nr::FUTEX, &[BUF, wait, 5, BUF + 16], Errno::EINVAL);
    c.fails(nr::FUTEX, &[BUF, 99, 5, 0], Errno::ENOSYS);
    assert_eq!(c.exits(nr::FUTEX, &[BUF, wait, 5, 0]), ExitStatus::Signal(Signal::SIGKILL));
    assert!(c.r.machine.take_messages()[0].contains("waits for ever for the futex"));
}

/// Makes `handler` at 0x401000 run for `signal`.
fn handle(c: &Caller, signal: u32, flags: u32) {
    let flags = u64::from(flags | raw::SA_RESTORER);
    c.put(BUF, &SigAction { handler: 0x40_1000, flags, restorer: 0x40_1010, mask: 0 });
    c.ok(nr::RT_SIGACTION, &[signal.into(), BUF, 0, 8]);
}

/// The registers that a call returns to, with RAX as the entry code leaves it.
fn registers_after(c: &Caller, nr: u32, args: [u64; 6]) -> UserRegs {
    let mut regs =
        UserRegs { rip: 0x40_1500, rsp: DATA + 0x1800, ..UserRegs::default() }.with_call(nr.into(), args);
    let mut ctx = c.context(&mut regs);
    match dispatch(&mut ctx) {
        Outcome::Return(value) => ctx.regs.rax = value,
        Outcome::AllRegisters => match dispatch_full(&mut ctx) {
            Outcome::Return(value) => ctx.regs.rax = value,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    regs
}

#[test]
fn handlers_run_and_return() {
    let c = Caller::new();
    handle(&c, raw::SIGUSR1, raw::SA_SIGINFO);
    let regs = registers_after(&c, nr::KILL, [2, raw::SIGUSR1.into(), 0, 0, 0, 0]);
    assert_eq!((regs.rip, regs.rdi), (0x40_1000, raw::SIGUSR1.into()));
    assert!(c.r.thread.mask().contains(Signal::SIGUSR1), "blocked in its handler");
    let mut back = UserRegs { rsp: regs.rsp + 8, orig_rax: nr::RT_SIGRETURN.into(), ..regs };
    let mut ctx = c.context(&mut back);
    assert_eq!(dispatch(&mut ctx), Outcome::AllRegisters);
    assert_eq!(dispatch_full(&mut ctx), Outcome::Return(0));
    assert_eq!((back.rip, back.rsp), (0x40_1500, DATA + 0x1800));
    assert!(!c.r.thread.mask().contains(Signal::SIGUSR1));
    // A bad frame is a SIGSEGV.
    let mut bad = UserRegs { rsp: 0x10, orig_rax: nr::RT_SIGRETURN.into(), ..regs };
    let outcome = dispatch_full(&mut c.context(&mut bad));
    assert_eq!(outcome, Outcome::Exit(ExitStatus::Signal(Signal::SIGSEGV)));
}

#[test]
fn calls_that_start_again() {
    // Whether an interrupted pause, sleep and terminal read return EINTR or are called again.
    let c = Caller::with_terminal();
    let pause = |flags| {
        handle(&c, raw::SIGUSR1, flags | raw::SA_NODEFER);
        c.r.process.send_kernel(Signal::SIGUSR1);
        let regs = registers_after(&c, nr::PAUSE, [0; 6]);
        c.get::<abi::sigframe::RtSigFrame>(regs.rsp).uc.mcontext
    };
    assert_eq!(pause(raw::SA_RESTART).rax, Errno::EINTR.to_rax(), "pause never starts again");
    let read = |flags| {
        handle(&c, raw::SIGINT, flags | raw::SA_NODEFER);
        c.r.line.input.lock().extend(b"\x03");
        let regs = registers_after(&c, nr::READ, [0, BUF, 10, 0, 0, 0]);
        c.get::<abi::sigframe::RtSigFrame>(regs.rsp).uc.mcontext
    };
    assert_eq!((read(0).rax, read(0).rip), (Errno::EINTR.to_rax(), 0x40_1500));
    let context = read(raw::SA_RESTART);
    assert_eq!((context.rax, context.rip), (nr::READ.into(), 0x40_14fe));
    // Without a handler: nobody notices.
    c.r.process.send_kernel(Signal::SIGTSTP);
    c.put(BUF + 64, &Timespec { tv_sec: 5, tv_nsec: 0 });
    let regs = registers_after(&c, nr::NANOSLEEP, [BUF + 64, BUF + 80, 0, 0, 0, 0]);
    assert_eq!((regs.rax, regs.rip), (nr::RESTART_SYSCALL.into(), 0x40_14fe));
    assert!(c.get::<Timespec>(BUF + 80).tv_sec >= 4);
    assert_eq!(c.ok(nr::RESTART_SYSCALL, &[]), 0);
    c.fails(nr::RESTART_SYSCALL, &[], Errno::EINTR);
}

#[test]
fn queued_and_waited_for() {
    let c = Caller::new();
    c.put(BUF, &u64::MAX);
    c.ok(nr::RT_SIGPROCMASK, &[raw::SIG_SETMASK.into(), BUF, 0, 8]);
    let info = BUF + 0x100;
    for (signal, value) in [(40u64, 1u64), (35, 2), (40, 3)] {
        let mut sent = abi::structs::SigInfo::new(Signal::SIGHUP, raw::SI_QUEUE);
        sent.fields[1] = value;
        c.put(info, &sent);
        c.ok(nr::RT_SIGQUEUEINFO, &[2, signal, info]);
    }
    c.ok(nr::RT_SIGPENDING, &[BUF + 8, 8]);
    assert_eq!(c.get::<u64>(BUF + 8), 1 << 39 | 1 << 34);
    for (signal, value) in [(35, 2), (40, 1), (40, 3)] {
        assert_eq!(c.ok(nr::RT_SIGTIMEDWAIT, &[BUF, info, 0, 8]), signal);
        let got: abi::structs::SigInfo = c.get(info);
        assert_eq!((got.signo as u64, got.code, got.fields[1]), (signal, raw::SI_QUEUE, value));
    }
    c.put(info, &Timespec { tv_sec: 0, tv_nsec: 1000 });
    c.fails(nr::RT_SIGTIMEDWAIT, &[BUF, 0, info, 8], Errno::EAGAIN);
    c.fails(nr::RT_SIGTIMEDWAIT, &[BUF, 0, info, 4], Errno::EINVAL);
    c.fails(nr::RT_SIGTIMEDWAIT, &[BAD, 0, info, 8], Errno::EFAULT);
    c.put(info, &abi::structs::SigInfo::new(Signal::SIGHUP, raw::SI_KERNEL as i32));
    c.fails(nr::RT_SIGQUEUEINFO, &[9, 10, info], Errno::EPERM);
    c.fails(nr::RT_TGSIGQUEUEINFO, &[2, 3, 10, info], Errno::EPERM);
    c.put(info, &abi::structs::SigInfo::new(Signal::SIGHUP, raw::SI_QUEUE));
    c.fails(nr::RT_SIGQUEUEINFO, &[2, 65, info], Errno::EINVAL);
    c.fails(nr::RT_SIGQUEUEINFO, &[9, 10, info], Errno::ESRCH);
    c.fails(nr::RT_SIGQUEUEINFO, &[2, 10, BAD], Errno::EFAULT);
    c.fails(nr::RT_TGSIGQUEUEINFO, &[2, 0, 10, info], Errno::EINVAL);
    c.fails(nr::RT_TGSIGQUEUEINFO, &[2, 3, 10, info], Errno::ESRCH);
    c.ok(nr::RT_TGSIGQUEUEINFO, &[2, 2, 10, info]);
    c.fails(nr::RT_SIGPENDING, &[BUF, 16], Errno::EINVAL);
    c.fails(nr::RT_SIGPENDING, &[BAD, 8], Errno::EFAULT);
    c.fails(nr::RT_SIGSUSPEND, &[BUF, 4], Errno::EINVAL);
    c.fails(nr::RT_SIGSUSPEND, &[BAD, 8], Errno::EFAULT);
}
