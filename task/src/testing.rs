//! A machine for tests: platform, files, console and a small program in it (feature `testing`).
//!
//! Not part of a kernel build. Program memory is the process's own address space over fake page tables, so a test finds a
//! handler that touches program memory while it holds the address space's lock.

use crate::exec::{self, Entry, ExecError, ExecRequest, StartOptions};
use crate::platform::{
    Activity, CpuFeatures, CpuInfo, MemoryUse, NewThread, NoThread, Platform, Runner, Vdso,
};
use crate::vector::VectorLayout;
use crate::{Process, Thread};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use fs::console::{ConsoleMode, ConsoleOptions};
use fs::testing::{FakeLine, Member, tree};
use mm::addr::{PhysAddr, VirtAddr};
use mm::fake::{FakeFrames, FakeStore, FakeTables};
use mm::paging::{FrameSource, PageTables};
use mm::user::{Paging, RawUserMemory, UserMemory};
use sched::Treatment;
use std::boxed::Box;
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::Vec;
use sync::SetOnce;

/// Frames of a fake machine.
const FRAMES: usize = 4096;

/// Vector state of a CPU with AVX.
pub const VECTOR_SIZE: usize = 832;

/// A deterministic [`Platform`].
pub struct FakeMachine {
    /// Its memory.
    pub frames: &'static FakeFrames,
    /// Monotonic time; each look at the clock moves it by a microsecond.
    pub clock: AtomicU64,
    /// The wall clock less the monotonic clock.
    pub wall_offset: AtomicU64,
    /// How often the wall clock has been set.
    pub wall_sets: AtomicU64,
    /// When it would interrupt the program; `u64::MAX` for never.
    pub timer: AtomicU64,
    /// A wait that nothing would end is ended by SIGKILL.
    pub impatient: AtomicBool,
    /// The program's FS base.
    pub fs_base: AtomicU64,
    /// The program's vector registers.
    pub vectors: Mutex<[u8; VECTOR_SIZE]>,
    messages: Mutex<Vec<String>>,
    process: SetOnce<Arc<Process>>,
}

impl FakeMachine {
    /// A machine without a program.
    pub fn new() -> &'static Self {
        Box::leak(Box::new(FakeMachine {
            frames: FakeFrames::leak(FRAMES),
            clock: AtomicU64::new(1_000_000_000),
            wall_offset: AtomicU64::new(1_700_000_000_000_000_000),
            wall_sets: AtomicU64::new(0),
            timer: AtomicU64::new(u64::MAX),
            impatient: AtomicBool::new(false),
            fs_base: AtomicU64::new(0),
            vectors: Mutex::new([0; VECTOR_SIZE]),
            messages: Mutex::new(Vec::new()),
            process: SetOnce::new(),
        }))
    }

    /// Takes the messages printed so far.
    pub fn take_messages(&self) -> Vec<String> {
        core::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets the program run for a time, with the interrupt that it has asked for.
    pub fn run_for(&self, ns: u64) {
        let now = self.clock.fetch_add(ns, Ordering::Relaxed) + ns;
        if now >= self.timer.load(Ordering::Relaxed) {
            self.process().timers.mark_due();
        }
    }

    fn process(&self) -> &Process {
        self.process.get().expect("a program was started")
    }
}

impl Platform for FakeMachine {
    fn monotonic_ns(&self) -> u64 {
        self.clock.fetch_add(1000, Ordering::Relaxed)
    }

    fn realtime_ns(&self) -> u64 {
        self.wall_offset.load(Ordering::Relaxed).wrapping_add(self.monotonic_ns())
    }

    fn set_realtime_ns(&self, now: u64) {
        self.wall_sets.fetch_add(1, Ordering::Relaxed);
        self.wall_offset.store(now.saturating_sub(self.monotonic_ns()), Ordering::Relaxed);
    }

    fn times_realtime_set(&self) -> u64 {
        self.wall_sets.load(Ordering::Relaxed)
    }

    fn clock_resolution_ns(&self) -> u64 {
        1
    }

    fn idle_ns(&self) -> u64 {
        0
    }

    fn wait(&self, deadline: Option<u64>) {
        // There is one thread: what wakes it is time alone.
        let now = self.clock.load(Ordering::Relaxed);
        let next = deadline.into_iter().chain(self.process().next_timer(self)).min();
        if next.is_none() && self.impatient.load(Ordering::Relaxed) {
            self.process().send_kernel(abi::Signal::SIGKILL);
        }
        self.clock.store(next.unwrap_or(now).max(now + 1000), Ordering::Relaxed);
        self.process().expire_timers(self);
    }

    fn new_thread(&self, _new: NewThread) -> Result<Runner, NoThread> {
        // This machine has one thread.
        Err(NoThread)
    }

    fn kick(&self, _thread: &Runner) {}

    fn thread_time(&self, _thread: Option<&Runner>) -> u64 {
        self.monotonic_ns()
    }

    fn treatment(&self, _thread: Option<&Runner>) -> Treatment {
        Treatment { voluntary: 3, involuntary: 2, turns: 6, waited: 1_000 }
    }

    fn activity(&self) -> Activity {
        Activity { switches: 40, interrupts: 50 }
    }

    fn current_tid(&self) -> u32 {
        crate::FIRST_PID
    }

    fn set_scheduling(&self, _thread: &Runner, _scheduling: crate::attributes::Scheduling) {}

    fn set_affinity(&self, _thread: &Runner, _cpus: &[u64]) -> Result<(), NoThread> {
        Ok(())
    }

    fn may_run_on(&self, _thread: &Runner, _cpu: u32) -> bool {
        true
    }

    fn sleeps(&self, _thread: &Runner) -> bool {
        false
    }

    fn yield_now(&self) {}

    fn barrier(&self) {}

    fn set_timer(&self, deadline: Option<u64>) {
        // Who is not kept from it comes in between.
        std::thread::yield_now();
        self.timer.store(deadline.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn random(&self, buf: &mut [u8]) {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = (i as u8).wrapping_mul(37).wrapping_add(11);
        }
    }

    fn fs_base(&self) -> u64 {
        self.fs_base.load(Ordering::Relaxed)
    }

    fn set_fs_base(&self, base: u64) {
        self.fs_base.store(base, Ordering::Relaxed);
    }

    fn message(&self, line: fmt::Arguments<'_>) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_string());
    }

    fn frames(&self) -> &'static dyn FrameSource {
        self.frames
    }

    fn memory(&self) -> MemoryUse {
        let total = FRAMES as u64 * 4096;
        MemoryUse { total, free: total - self.frames.allocated() * 4096 }
    }

    fn new_page_tables(&self) -> Option<alloc::boxed::Box<dyn PageTables>> {
        Some(Box::new(FakeTables::new(self.frames)))
    }

    fn activate(&self, _root: PhysAddr) {}

    fn user_memory(&self) -> &dyn UserMemory {
        self
    }

    fn cpu_count(&self) -> u32 {
        1
    }

    fn current_cpu(&self) -> u32 {
        0
    }

    fn vector_layout(&self) -> VectorLayout {
        VectorLayout { size: VECTOR_SIZE, features: 7, mxcsr_mask: 0xffff }
    }

    fn save_vectors(&self, area: &mut [u8]) {
        assert!(area.as_ptr().addr().is_multiple_of(64) && area.len() == VECTOR_SIZE);
        let state = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        // As XSAVE, which leaves the bytes for software and the rest of the header alone.
        area[..464].copy_from_slice(&state[..464]);
        area[512..520].copy_from_slice(&state[512..520]);
        area[576..].copy_from_slice(&state[576..]);
    }

    fn load_vectors(&self, area: &[u8]) {
        assert!(area.as_ptr().addr().is_multiple_of(64) && area.len() == VECTOR_SIZE);
        assert_eq!(area[520..576], [0; 56], "XRSTOR would fault");
        assert_eq!(area[512] & !7, 0, "XRSTOR would fault");
        self.vectors.lock().unwrap_or_else(PoisonError::into_inner).copy_from_slice(area);
    }

    fn cpu_features(&self) -> CpuFeatures {
        CpuFeatures { hwcap: 0x178b_fbff, hwcap2: 0, min_signal_stack: 2048 }
    }

    fn vdso(&self) -> Option<Vdso> {
        let page = |name, byte| FakeStore::direct(name, &[byte; 4096], self.frames);
        Some(Vdso { code: page("[vdso]", 0xc3), data: page("[vvar]", 0) })
    }

    fn cpu_info(&self) -> CpuInfo {
        let mut name = [0; 48];
        name.iter_mut().zip(b"Fake CPU").for_each(|(to, from)| *to = *from);
        CpuInfo {
            vendor: *b"GenuineNobdy",
            name,
            family: 6,
            model: 42,
            stepping: 1,
            highest_leaf: 7,
            features: [0x0780_0001, 1 << 29, 1, 0, u32::MAX, 0, 0],
            khz: 2_500_000,
            physical_bits: 40,
            virtual_bits: 48,
        }
    }
}

impl RawUserMemory for FakeMachine {
    fn raw_read(&self, addr: u64, dst: &mut [u8]) -> usize {
        self.process().space().read(VirtAddr(addr), dst).map_or_else(|fault| fault.done, |()| dst.len())
    }

    fn raw_write(&self, addr: u64, src: &[u8]) -> usize {
        self.process().space().write(VirtAddr(addr), src).map_or_else(|fault| fault.done, |()| src.len())
    }

    fn raw_zero(&self, addr: u64, len: usize) -> usize {
        self.raw_write(addr, &std::vec![0; len])
    }

    fn raw_load(&self, addr: u64, paging: Paging) -> Option<u32> {
        mm::fake::load_word(&mut self.process().space(), addr, paging)
    }

    fn raw_compare_exchange(&self, addr: u64, old: u32, new: u32, paging: Paging) -> Option<u32> {
        mm::fake::exchange_word(&mut self.process().space(), addr, old, new, paging)
    }
}

/// A machine with a started program.
pub struct Running {
    /// The machine.
    pub machine: &'static FakeMachine,
    /// The program.
    pub process: Arc<Process>,
    /// Its thread.
    pub thread: Arc<Thread>,
    /// The other end of its console.
    pub line: &'static FakeLine,
    /// Where it begins.
    pub entry: Entry,
}

/// Start of the program's data segment: a page that can be written, from [`tiny_elf`].
pub const DATA: u64 = 0x40_2000;

/// A program file: code at 0x401000 (one page), data at [`DATA`] (one page in the file, one of zeros behind).
pub fn tiny_elf(kind: u16, interp: Option<&str>) -> Vec<u8> {
    let base: u64 = if kind == 2 { 0x40_0000 } else { 0 };
    let mut headers: Vec<[u64; 7]> = Vec::new();
    // type and flags, offset, vaddr, paddr, filesz, memsz, align
    if let Some(path) = interp {
        let len = path.len() as u64 + 1;
        headers.push([3 | 4 << 32, 0x800, base + 0x800, 0, len, len, 1]);
    }
    headers.push([1 | 4 << 32, 0, base, 0, 0x1000, 0x1000, 0x1000]);
    headers.push([1 | 5 << 32, 0x1000, base + 0x1000, 0, 0x1000, 0x1000, 0x1000]);
    headers.push([1 | 6 << 32, 0x2000, base + 0x2000, 0, 0x1000, 0x2000, 0x1000]);
    let mut file = std::vec![0u8; 0x3000];
    let mut at = 0;
    let mut put = |file: &mut [u8], bytes: &[u8]| {
        file[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&mut file, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put(&mut file, &kind.to_le_bytes());
    put(&mut file, &62u16.to_le_bytes());
    put(&mut file, &1u32.to_le_bytes());
    for word in [base + 0x1000, 64, 0] {
        put(&mut file, &word.to_le_bytes());
    }
    put(&mut file, &0u32.to_le_bytes());
    for half in [64u16, 56, headers.len() as u16, 0, 0, 0] {
        put(&mut file, &half.to_le_bytes());
    }
    for header in headers {
        for word in header {
            put(&mut file, &word.to_le_bytes());
        }
    }
    if let Some(path) = interp {
        file[0x800..0x800 + path.len()].copy_from_slice(path.as_bytes());
    }
    file[0x1000..0x1002].copy_from_slice(&[0x0f, 0x05]);
    file
}

/// The files every test program finds, beside its own.
pub const MEMBERS: &[Member<'static>] = &[
    ("dev", 0o40755, b""),
    ("etc", 0o40755, b""),
    ("etc/hosts", 0o100644, b"127.0.0.1 localhost\n"),
    ("etc/link", 0o120777, b"hosts"),
    ("etc/plain", 0o100644, b"no program"),
    ("ro", 0o40755, b""),
    ("tmp", 0o41777, b""),
];

/// Starts `request` on a machine with `files` beside [`MEMBERS`].
pub fn start(
    files: &[Member<'_>],
    request: &ExecRequest<'_>,
    mode: ConsoleMode,
) -> Result<Running, ExecError> {
    let machine = FakeMachine::new();
    let mut members: Vec<Member<'_>> = MEMBERS.to_vec();
    members.extend_from_slice(files);
    let (vfs, console, line) = tree(&members, ConsoleOptions { mode, winsize: (24, 80) }, machine.frames);
    let (process, thread, entry) =
        exec::start(machine, Arc::new(vfs), &console, request, StartOptions::default())?;
    assert!(machine.process.set(process.clone()).is_ok(), "one program per machine");
    Ok(Running { machine, process, thread, line, entry })
}

/// Starts the small program, with pipes as its standard files.
pub fn running() -> Running {
    let elf = tiny_elf(2, None);
    let request = ExecRequest { path: b"/init", args: &[b"/init", b"arg"], env: &[b"HOME=/"], aslr: false };
    let mode = ConsoleMode::Host { tty_in: false, tty_out: false };
    match start(&[("init", 0o100755, &elf)], &request, mode) {
        Ok(running) => running,
        Err(error) => panic!("{error}"),
    }
}
