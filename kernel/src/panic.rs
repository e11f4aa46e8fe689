//! When the kernel cannot go on: registers and a backtrace on the second channel, then the machine ends.
//!
//! Works without locks, without the heap and on any stack, because it runs when those may be broken.
#![allow(unsafe_code)] // walks the frame pointers of kernel stacks

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::regs::UserRegs;
use image_format::channel::{Frame, Record};
use image_format::header::BuildId;

use crate::arch::layout::UPPER_HALF;
use crate::arch::trap::Trap;
use crate::arch::{cpu, ipi, percpu, symbols};
use crate::logging::{self, line};
use crate::mem::stacks;
use crate::power;

/// The longest backtrace.
const MAX_FRAMES: usize = 48;

/// How many reports have begun on the reporting CPU: a failure inside a report must not start another one.
static REPORTS: AtomicU32 = AtomicU32::new(0);
/// The CPU that reports, or `NOBODY`.
static REPORTER: AtomicU32 = AtomicU32::new(NOBODY);
const NOBODY: u32 = u32::MAX;

/// Counts this report. The first goes on, with the other CPUs stopped; a later one, caused by it, ends the machine at once. A
/// failure of another CPU in the meantime stops that CPU.
fn begin() {
    cpu::disable_interrupts();
    let me = percpu::current().index();
    match REPORTER.compare_exchange(NOBODY, me, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => ipi::stop_others(),
        Err(reporter) if reporter != me => ipi::stop(),
        Err(_) => {}
    }
    match REPORTS.fetch_add(1, Ordering::Relaxed) {
        0 => {}
        1 => {
            line(format_args!("nospin: the kernel failed again while it reported a failure"));
            power::fail()
        }
        _ => power::fail(),
    }
}

/// Whether the kernel is reporting a failure: then other CPUs are stopped, with whatever locks they held.
pub fn is_reporting() -> bool {
    REPORTER.load(Ordering::Acquire) != NOBODY
}

#[panic_handler]
fn on_panic(info: &PanicInfo) -> ! {
    let regs = cpu::registers();
    begin();
    // Line 0: the compiler was told to leave places out, as the backtrace has them.
    match info.location().filter(|at| at.line() > 0) {
        Some(at) => {
            line(format_args!("nospin: kernel panic at {}:{}: {}", at.file(), at.line(), info.message()))
        }
        None => line(format_args!("nospin: kernel panic: {}", info.message())),
    }
    registers(&regs);
    backtrace(regs.rip, regs.rbp);
    power::fail()
}

/// A trap in the kernel that is a bug. `overflow`: the kernel stack ran over.
pub fn kernel_trap(frame: &UserRegs, trap: &Trap, overflow: bool) -> ! {
    begin();
    if overflow {
        line(format_args!("nospin: kernel panic: kernel stack overflow"));
    }
    line(format_args!(
        "nospin: kernel panic: {} in the kernel at {:#x}, error code {:#x}, address {:#x}",
        trap.name(),
        frame.rip,
        trap.error,
        trap.address
    ));
    registers(frame);
    backtrace(frame.rip, frame.rbp);
    power::fail()
}

fn registers(regs: &UserRegs) {
    task::report::registers(regs, &mut |text| line(text));
}

/// Prints the chain of frames from `rip` and `rbp` on, as far as it stays on known kernel stacks.
fn backtrace(rip: u64, mut rbp: u64) {
    if let Ok(id) = <[u8; 20]>::try_from(symbols::build_id()) {
        logging::record(&Record::Kernel(BuildId(id)));
    }
    line(format_args!("{}", Frame { address: rip, place: None }));
    for _ in 0..MAX_FRAMES {
        let Some((caller, next)) = caller_of(rbp) else { break };
        if caller < UPPER_HALF {
            break;
        }
        line(format_args!("{}", Frame { address: caller, place: None }));
        // Frames lie one above the other; anything else is no chain.
        if next <= rbp {
            break;
        }
        rbp = next;
    }
}

/// The return address and the saved frame pointer at `rbp`, if that is on a kernel stack.
fn caller_of(rbp: u64) -> Option<(u64, u64)> {
    let (low, high) = stacks::containing(rbp)?;
    if !rbp.is_multiple_of(8) || rbp < low || rbp + 16 > high {
        return None;
    }
    let at = core::ptr::with_exposed_provenance::<u64>(rbp as usize);
    // SAFETY: both words are inside a mapped kernel stack, and aligned.
    unsafe { Some((at.add(1).read_volatile(), at.read_volatile())) }
}
