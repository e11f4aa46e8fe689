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
    let mut regs = UserRegs::default();
    let mut ctx = c.context(&mut regs);
    assert_eq!(dispatch(&mut ctx, nr::GETPPID.into(), [0; 6]), Outcome::Return(1));
    c.r.process.signals.send(Signal::SIGTSTP);
    assert_eq!(dispatch(&mut ctx, nr::GETPPID.into(), [0; 6]), Outcome::AllRegisters);
    assert_eq!(dispatch_full(&mut ctx), Outcome::Return(1));
    assert_eq!(dispatch(&mut ctx, nr::GETPPID.into(), [0; 6]), Outcome::Return(1), "delivered once");
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
    assert_eq!(c.exits(nr::KILL, &[2, term]), ExitStatus::Signal(Signal::SIGTERM));
    assert!(c.r.machine.take_messages()[0].contains("the handler at 0x401000 for SIGTERM is not called"));
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
    c.r.line.on_wait.lock().push(b"\x03".to_vec());
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
