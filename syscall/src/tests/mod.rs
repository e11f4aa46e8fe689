//! Every call on a fake machine: success, bad pointers, and the error numbers that the manual names.
//!
//! Program memory is the process's address space, so a handler that touched it under the lock would panic here.

mod files;
mod fuzz;
mod io;
mod memory;
mod process;
mod signals;
mod sockets;
mod strace;
mod table;
mod time;
mod timers;
mod waiting;
mod writing;

use crate::{Context, Outcome, dispatch, dispatch_full};
use abi::{Errno, Pod, UserRegs, bytes_of};
use fs::console::ConsoleMode;
use mm::user::{UserMemory, UserPtr};
use task::testing::{self, DATA, Running};
use task::{ExecRequest, ExitStatus};

/// An address that is mapped nowhere.
pub const BAD: u64 = 0x10_0000;
/// A page that can be read and not written (the program's headers).
pub const READ_ONLY: u64 = 0x40_0000;
/// Where strings are put.
const STRINGS: u64 = DATA + 0x1800;

/// A program that calls.
pub struct Caller {
    pub r: Running,
}

impl Caller {
    /// With pipes as standard files.
    pub fn new() -> Self {
        Caller { r: testing::running() }
    }

    /// With a terminal.
    pub fn with_terminal() -> Self {
        let elf = testing::tiny_elf(2, None);
        let request = ExecRequest { path: b"/init", args: &[b"/init"], env: &[], aslr: false };
        let started = testing::start(&[("init", 0o100755, &elf)], &request, ConsoleMode::Serial);
        Caller { r: started.unwrap_or_else(|error| panic!("{error}")) }
    }

    pub fn outcome(&self, nr: u32, args: &[u64]) -> Outcome {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        let mut regs = UserRegs { rip: 0x40_1000, rsp: self.r.entry.rsp, ..UserRegs::default() };
        regs = regs.with_call(nr.into(), all);
        let mut ctx = self.context(&mut regs);
        match dispatch(&mut ctx) {
            Outcome::AllRegisters => dispatch_full(&mut ctx),
            outcome => outcome,
        }
    }

    pub fn context<'a>(&'a self, regs: &'a mut UserRegs) -> Context<'a> {
        Context { platform: self.r.machine, process: &self.r.process, thread: &self.r.thread, regs }
    }

    /// The result, negative for errors.
    pub fn call(&self, nr: u32, args: &[u64]) -> i64 {
        match self.outcome(nr, args) {
            Outcome::Return(value) => value as i64,
            other => panic!("{other:?}"),
        }
    }

    /// A call that must succeed.
    #[track_caller]
    pub fn ok(&self, nr: u32, args: &[u64]) -> u64 {
        let value = self.call(nr, args);
        assert!(!(-4095..0).contains(&value), "{}: {value}", abi::nr::name(nr.into()).unwrap_or("?"));
        value as u64
    }

    /// A call that must fail with `errno`.
    #[track_caller]
    pub fn fails(&self, nr: u32, args: &[u64], errno: Errno) {
        let value = self.call(nr, args);
        let name = abi::nr::name(nr.into()).unwrap_or("?");
        assert_eq!(value, -i64::from(errno.raw()), "{name}{args:x?} instead of {errno}");
    }

    /// A call that ends the process.
    #[track_caller]
    pub fn exits(&self, nr: u32, args: &[u64]) -> ExitStatus {
        match self.outcome(nr, args) {
            Outcome::Exit(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub fn memory(&self) -> &dyn UserMemory {
        task::Platform::user_memory(self.r.machine)
    }

    #[track_caller]
    pub fn put<T: Pod>(&self, addr: u64, value: &T) {
        self.memory().write(addr, bytes_of(value)).expect("mapped and writable");
    }

    #[track_caller]
    pub fn get<T: Pod>(&self, addr: u64) -> T {
        UserPtr::new(addr).read(self.memory()).expect("mapped")
    }

    #[track_caller]
    pub fn bytes(&self, addr: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory().read(addr, &mut bytes).expect("mapped");
        bytes
    }

    /// Puts a string into program memory; valid until the next one.
    #[track_caller]
    pub fn string(&self, text: &str) -> u64 {
        self.memory().write(STRINGS, text.as_bytes()).expect("room");
        self.memory().write(STRINGS + text.len() as u64, &[0]).expect("room");
        STRINGS
    }

    /// Opens a file.
    #[track_caller]
    pub fn open(&self, path: &str, flags: u32) -> u64 {
        self.ok(abi::nr::OPEN, &[self.string(path), flags.into(), 0])
    }

    pub fn output(&self) -> Vec<u8> {
        core::mem::take(&mut *self.r.line.output.lock())
    }
}
