//! What a report says.

use crate::ExitStatus;
use crate::fault::{Cause, Exception, TrapInfo};
use crate::signal::deliver::Target;
use crate::testing::{DATA, Running, running};
use abi::{Signal, UserRegs};
use mm::space::{Access, FaultError};

fn report(r: &Running, regs: &UserRegs, cause: Cause) -> (ExitStatus, String) {
    let target = Target { platform: r.machine, process: &r.process, thread: &r.thread };
    let status = target.fault(&mut regs.clone(), cause, TrapInfo::default());
    (status.expect("no handler"), r.machine.take_messages().join("\n"))
}

fn regs(r: &Running) -> UserRegs {
    UserRegs { rip: 0x40_1000, rsp: r.entry.rsp, rax: 0x1122, ..UserRegs::default() }
}

#[test]
fn a_write_to_null() {
    let r = running();
    let fault = r.process.fault(0x10, Access::Write).unwrap_err();
    let (status, text) =
        report(&r, &regs(&r), Cause::Page { addr: 0x10, access: Access::Write, error: fault });
    assert_eq!(status, ExitStatus::Signal(Signal::SIGSEGV));
    for part in [
        "program /init (pid 2, thread 2) killed by SIGSEGV (Segmentation fault): writing address 0x10: address is not mapped",
        "rax 0000000000001122",
        "rip 0000000000401000",
        "address 0x10 is below all mappings; first: 0x400000-0x401000 r--p /init",
        "rip 0x401000 is in 0x401000-0x402000 r-xp /init",
        "[stack]",
        "  code: 0f 05 00",
        "\n  at 0x401000 (/init+0x401000)",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn the_backtrace_follows_frame_pointers_and_ends() {
    let r = running();
    let memory = r.machine as &dyn crate::Platform;
    let memory = memory.user_memory();
    let put = |addr: u64, value: u64| memory.write(addr, &value.to_le_bytes()).unwrap();
    // Two frames, then one that points back down: a loop that must not be followed.
    put(DATA, DATA + 0x20);
    put(DATA + 8, 0x40_1234);
    put(DATA + 0x20, DATA);
    put(DATA + 0x28, 0x40_1456);
    let regs = UserRegs { rip: 0x40_1000, rsp: DATA, rbp: DATA, ..UserRegs::default() };
    let (_, text) = report(&r, &regs, Cause::Exception(Exception::InvalidOpcode));
    let frames: Vec<_> = text.lines().filter(|line| line.starts_with("  at ")).collect();
    assert_eq!(
        frames,
        [
            "  at 0x401000 (/init+0x401000)",
            "  at 0x401234 (/init+0x401234)",
            "  at 0x401456 (/init+0x401456)"
        ]
    );
    assert!(
        text.starts_with("program /init (pid 2, thread 2) killed by SIGILL (Illegal instruction): invalid")
    );
}

#[test]
fn hostile_registers() {
    let r = running();
    for value in [0, 1, 7, u64::MAX, u64::MAX - 7, 1 << 63, 0x7fff_ffff_efff, DATA + 0x1ffc] {
        let regs = UserRegs { rip: value, rsp: value, rbp: value, ..UserRegs::default() };
        let (status, text) = report(&r, &regs, Cause::Exception(Exception::GeneralProtection));
        assert_eq!(status.shell_status(), 139);
        assert!(text.lines().count() < 60, "{text}");
    }
}

#[test]
fn causes_and_signals() {
    let page = |error| Cause::Page { addr: 0, access: Access::Read, error }.signal();
    assert_eq!(page(FaultError::BeyondFile), Signal::SIGBUS);
    assert_eq!(page(FaultError::OutOfMemory), Signal::SIGKILL);
    assert_eq!(page(FaultError::Protection), Signal::SIGSEGV);
    for (vector, signal) in [
        (0, Signal::SIGFPE),
        (1, Signal::SIGTRAP),
        (3, Signal::SIGTRAP),
        (6, Signal::SIGILL),
        (13, Signal::SIGSEGV),
        (12, Signal::SIGBUS),
        (16, Signal::SIGFPE),
        (17, Signal::SIGBUS),
        (19, Signal::SIGFPE),
    ] {
        assert_eq!(Exception::from_vector(vector).signal(), signal, "{vector}");
    }
}

#[test]
fn pending_signals() {
    let r = running();
    let deliver = || {
        let target = Target { platform: r.machine, process: &r.process, thread: &r.thread };
        target.deliver_pending(&mut regs(&r), false)
    };
    assert_eq!(deliver(), None);
    r.process.send_kernel(Signal::SIGTERM);
    assert_eq!(deliver(), Some(ExitStatus::Signal(Signal::SIGTERM)));
    let messages = r.machine.take_messages();
    assert!(
        messages.len() == 1 && messages[0].contains("killed by SIGTERM"),
        "a line, no report: {messages:?}"
    );
    r.process.send_kernel(Signal::SIGABRT);
    assert_eq!(deliver(), Some(ExitStatus::Signal(Signal::SIGABRT)));
    assert!(r.machine.take_messages()[0].contains("killed by SIGABRT (Aborted)"));
    r.process.send_kernel(Signal::SIGTSTP);
    assert_eq!(deliver(), None);
    assert!(r.machine.take_messages()[0].contains("SIGTSTP does not stop"));
}
