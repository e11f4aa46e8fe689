//! What the kernel gives to processes: `task::Platform` and the raw access to program memory.

use alloc::boxed::Box;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use kerncore::pvclock;
use mm::addr::PhysAddr;
use mm::paging::{FrameSource, PageTables};
use mm::user::{Paging, RawUserMemory, UserMemory};
use sched::ThreadId;
use sync::SetOnce;
use task::attributes::Scheduling;
use task::{
    Activity, CpuFeatures, CpuInfo, MemoryUse, NewThread, NoThread, Platform, Runner, Treatment, Vdso,
    VectorLayout,
};

use crate::arch::usertables::UserTables;
use crate::arch::{cpu, percpu, shootdown, tsc, usercopy, vdso, vectors};
use crate::drivers::rtc;
use crate::mem::frames::{self, MachineFrames};
use crate::{logging, program, program_timer, random, threads};

/// The machine as `task` and `syscall` see it.
pub struct Machine;

/// The one instance.
pub static MACHINE: Machine = Machine;

static FRAMES: MachineFrames = MachineFrames;
/// The wall clock less the monotonic clock; `UNKNOWN` until somebody asks.
static WALL_OFFSET_NS: AtomicU64 = AtomicU64::new(UNKNOWN);
const UNKNOWN: u64 = u64::MAX;
/// How often a program has set the wall clock.
static WALL_SETS: AtomicU64 = AtomicU64::new(0);

impl Platform for Machine {
    fn monotonic_ns(&self) -> u64 {
        tsc::monotonic_ns()
    }

    fn realtime_ns(&self) -> u64 {
        // The monotonic clock first: the program's own functions need it before the wall clock.
        let now = tsc::monotonic_ns();
        wall_offset_ns() + now
    }

    fn set_realtime_ns(&self, now: u64) {
        let offset = now.saturating_sub(tsc::monotonic_ns());
        WALL_OFFSET_NS.store(offset, Ordering::Relaxed);
        WALL_SETS.fetch_add(1, Ordering::Relaxed);
        vdso::publish_wall(offset);
    }

    fn times_realtime_set(&self) -> u64 {
        WALL_SETS.load(Ordering::Relaxed)
    }

    fn clock_resolution_ns(&self) -> u64 {
        1
    }

    fn idle_ns(&self) -> u64 {
        // What the program did not use was idle, as far as it can tell.
        let used = program::process().map_or(0, |process| process.run_time(self));
        tsc::monotonic_ns().saturating_mul(percpu::all().len() as u64).saturating_sub(used)
    }

    fn wait(&self, deadline: Option<u64>) {
        program_timer::ensure();
        threads::park(deadline);
    }

    fn new_thread(&self, new: NewThread) -> Result<Runner, NoThread> {
        program::new_thread(new)
    }

    fn kick(&self, thread: &Runner) {
        threads::kick(&thread.handle);
    }

    fn thread_time(&self, thread: Option<&Runner>) -> u64 {
        thread.map_or(0, |thread| threads::run_time_ns(ThreadId::from_raw(thread.number)))
    }

    fn treatment(&self, thread: Option<&Runner>) -> Treatment {
        thread.map_or(Treatment::default(), |thread| threads::treatment(ThreadId::from_raw(thread.number)))
    }

    fn activity(&self) -> Activity {
        percpu::all().iter().fold(Activity::default(), |sum, cpu| Activity {
            switches: sum.switches + cpu.switches.load(Ordering::Relaxed),
            interrupts: sum.interrupts + cpu.interrupts.load(Ordering::Relaxed),
        })
    }

    fn current_tid(&self) -> u32 {
        program::current_tid()
    }

    fn set_scheduling(&self, thread: &Runner, scheduling: Scheduling) {
        threads::set_scheduling(ThreadId::from_raw(thread.number), scheduling);
    }

    fn set_affinity(&self, thread: &Runner, cpus: &[u64]) -> Result<(), NoThread> {
        threads::set_affinity(ThreadId::from_raw(thread.number), cpus).map_err(|_| NoThread)
    }

    fn may_run_on(&self, thread: &Runner, cpu: u32) -> bool {
        threads::may_run_on(ThreadId::from_raw(thread.number), cpu as usize)
    }

    fn sleeps(&self, thread: &Runner) -> bool {
        threads::sleeps(ThreadId::from_raw(thread.number))
    }

    fn yield_now(&self) {
        threads::yield_now();
    }

    fn barrier(&self) {
        if let Some(process) = program::process() {
            let root = process.space().root().0;
            shootdown::barrier(root);
        }
    }

    fn set_timer(&self, deadline: Option<u64>) {
        program_timer::set(deadline);
    }

    fn random(&self, buf: &mut [u8]) {
        random::fill(buf);
    }

    fn fs_base(&self) -> u64 {
        cpu::fs_base()
    }

    fn set_fs_base(&self, base: u64) {
        if let Some(context) = threads::context() {
            context.set_fs_base(base);
        }
    }

    fn message(&self, line: fmt::Arguments<'_>) {
        logging::line(line);
    }

    fn frames(&self) -> &'static dyn FrameSource {
        &FRAMES
    }

    fn memory(&self) -> MemoryUse {
        let stats = frames::stats();
        MemoryUse { total: stats.total * 4096, free: stats.free * 4096 }
    }

    fn new_page_tables(&self) -> Option<Box<dyn PageTables>> {
        Some(Box::new(UserTables::new().ok()?))
    }

    fn activate(&self, root: PhysAddr) {
        if let Some(context) = threads::context() {
            context.set_root(root.0);
        }
    }

    fn user_memory(&self) -> &dyn UserMemory {
        self
    }

    fn cpu_count(&self) -> u32 {
        percpu::all().len() as u32
    }

    fn current_cpu(&self) -> u32 {
        percpu::current().index()
    }

    fn vector_layout(&self) -> VectorLayout {
        vectors::layout()
    }

    fn save_vectors(&self, area: &mut [u8]) {
        vectors::save(area);
    }

    fn load_vectors(&self, area: &[u8]) {
        vectors::load(area);
    }

    fn cpu_features(&self) -> CpuFeatures {
        // No FSGSBASE in AT_HWCAP2: GS is the kernel's.
        CpuFeatures {
            hwcap: cpu::hwcap(),
            hwcap2: 0,
            min_signal_stack: cpu::vector_state_size() + SIGNAL_FRAME,
        }
    }

    fn vdso(&self) -> Option<Vdso> {
        Some(vdso::pages())
    }

    fn cpu_info(&self) -> CpuInfo {
        CpuInfo { khz: tsc::khz(), ..cpu::info() }
    }
}

/// What a signal frame takes beside the vector state (ucontext, siginfo, alignment), as Linux counts it.
const SIGNAL_FRAME: u64 = 1024;

impl RawUserMemory for Machine {
    #[inline]
    fn raw_read(&self, addr: u64, dst: &mut [u8]) -> usize {
        usercopy::read(addr, dst)
    }

    #[inline]
    fn raw_write(&self, addr: u64, src: &[u8]) -> usize {
        usercopy::write(addr, src)
    }

    #[inline]
    fn raw_zero(&self, addr: u64, len: usize) -> usize {
        usercopy::zero(addr, len)
    }

    fn raw_load(&self, addr: u64, paging: Paging) -> Option<u32> {
        usercopy::load(addr, paging)
    }

    fn raw_compare_exchange(&self, addr: u64, old: u32, new: u32, paging: Paging) -> Option<u32> {
        usercopy::compare_exchange(addr, old, new, paging)
    }
}

/// What to add to the monotonic clock to get the wall clock.
fn wall_offset_ns() -> u64 {
    let known = WALL_OFFSET_NS.load(Ordering::Relaxed);
    if known != UNKNOWN {
        return known;
    }
    let offset = tsc::stated_boot_time_ns().unwrap_or_else(|| {
        let Reading { wall, tsc } = boot_reading();
        // The clock was read some time after boot. What was told was so before.
        let clock = wall.map(|wall| wall.saturating_sub(tsc::ns_from_boot(tsc)));
        pvclock::later(clock, told_time_ns()).unwrap_or(0)
    });
    WALL_OFFSET_NS.store(offset, Ordering::Relaxed);
    vdso::publish_wall(offset);
    offset
}

/// The machine's clock, read once.
#[derive(Clone, Copy)]
struct Reading {
    /// Nanoseconds since 1970, in whole seconds; none without a clock.
    wall: Option<u64>,
    /// The time-stamp counter at that moment.
    tsc: u64,
}

fn boot_reading() -> Reading {
    static READING: SetOnce<Reading> = SetOnce::new();
    if let Some(&reading) = READING.get() {
        return reading;
    }
    // Asked for during boot, so the machine's clock still says when that was.
    let wall = rtc::unix_seconds().map(|seconds| seconds.saturating_mul(1_000_000_000));
    if wall.is_none() && told_time_ns().is_none() {
        log::warn!("no real-time clock: the wall clock starts in 1970");
    }
    let reading = Reading { wall, tsc: cpu::rdtsc() };
    // Set by another thread in between: then that one counts.
    let _ = READING.set(reading);
    READING.get().copied().unwrap_or(reading)
}

/// The time that who started the machine put on the command line; 0: none.
static TOLD_TIME_NS: AtomicU64 = AtomicU64::new(0);

/// Takes `clock=SECONDS.NANOSECONDS` from the command line: when the machine was started, to less than a second.
pub fn tell_time(text: &[u8]) {
    match core::str::from_utf8(text).ok().and_then(pvclock::told_ns) {
        Some(time) => TOLD_TIME_NS.store(time, Ordering::Relaxed),
        None => log::warn!("clock: not SECONDS.NANOSECONDS"),
    }
}

fn told_time_ns() -> Option<u64> {
    Some(TOLD_TIME_NS.load(Ordering::Relaxed)).filter(|&time| time != 0)
}

/// The wall clock at boot, in nanoseconds since 1970, perhaps a second behind: the clock need not be known better yet.
pub fn boot_time_ns() -> u64 {
    tsc::stated_boot_time_ns().or_else(|| boot_reading().wall).or_else(told_time_ns).unwrap_or(0)
}
