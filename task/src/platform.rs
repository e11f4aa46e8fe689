//! [`Platform`]: what the kernel gives to processes, as a trait, so that everything above runs on the host too.
//!
//! Implemented once by `kernel`, and by [`testing`](crate::testing) for tests. Times are nanoseconds.

use crate::attributes::Scheduling;
use crate::vector::VectorLayout;
use crate::{Process, Thread};
use abi::UserRegs;
use alloc::{boxed::Box, sync::Arc};
use core::fmt;
use mm::addr::PhysAddr;
use mm::paging::{FrameSource, PageTables};
use mm::store::BackingStore;
use mm::user::UserMemory;
use sched::Treatment;
use sync::Handle;

/// Memory of the machine, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// All that programs and the kernel can use.
    pub total: u64,
    /// Not in use.
    pub free: u64,
}

/// What the CPU offers, as the auxiliary vector tells it (getauxval(3)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuFeatures {
    /// AT_HWCAP: CPUID leaf 1, EDX.
    pub hwcap: u64,
    /// AT_HWCAP2. Must not offer FSGSBASE (bit 1): GS belongs to the kernel.
    pub hwcap2: u64,
    /// AT_MINSIGSTKSZ: bytes of the largest signal frame.
    pub min_signal_stack: u64,
}

/// The vDSO: what exec maps into every program, the data page right below the code. Both are whole pages that are mapped as
/// they are.
#[derive(Clone)]
pub struct Vdso {
    /// The shared object.
    pub code: Arc<dyn BackingStore>,
    /// What its code reads and the kernel writes.
    pub data: Arc<dyn BackingStore>,
}

/// What the CPU says about itself, for `/proc/cpuinfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuInfo {
    /// Who made it.
    pub vendor: [u8; 12],
    /// What it is called, NUL-padded.
    pub name: [u8; 48],
    /// Family, the extended one added.
    pub family: u32,
    /// Model, the extended one in front.
    pub model: u32,
    /// Stepping.
    pub stepping: u32,
    /// Highest leaf of CPUID.
    pub highest_leaf: u32,
    /// Feature words of CPUID: leaf 1 EDX, leaf 0x8000_0001 EDX, leaf 1 ECX, leaf 0x8000_0001 ECX, leaf 7 EBX, ECX, EDX.
    pub features: [u32; 7],
    /// Frequency of the time-stamp counter, kHz.
    pub khz: u64,
    /// Width of physical addresses.
    pub physical_bits: u32,
    /// Width of virtual addresses.
    pub virtual_bits: u32,
}

/// What the CPUs have done since boot, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Switches from thread to thread.
    pub switches: u64,
    /// Interrupts.
    pub interrupts: u64,
}

/// The kernel's thread that runs a thread of a program.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Wakes it.
    pub handle: Handle,
    /// What the platform calls it; never used again for another thread.
    pub number: u64,
}

/// No memory for another thread, or too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoThread;

/// What a new thread begins with.
pub struct NewThread {
    /// Its process.
    pub process: Arc<Process>,
    /// The thread.
    pub thread: Arc<Thread>,
    /// Its registers; the vector registers are those of the calling thread.
    pub regs: UserRegs,
    /// Its FS base.
    pub fs_base: u64,
}

/// The kernel's services.
pub trait Platform: Send + Sync {
    /// Time since boot.
    fn monotonic_ns(&self) -> u64;

    /// Time since 1970, UTC.
    fn realtime_ns(&self) -> u64;

    /// Sets the time since 1970. `now` is not before the machine's start, so not less than the monotonic time.
    fn set_realtime_ns(&self, now: u64);

    /// How often the time since 1970 has been set.
    fn times_realtime_set(&self) -> u64;

    /// How fine the clocks are.
    fn clock_resolution_ns(&self) -> u64;

    /// Time since boot that CPUs were halted because nobody had anything to do, of all CPUs together.
    fn idle_ns(&self) -> u64;

    /// Lets the calling thread sleep until it is unparked or `deadline` (monotonic) is reached; it may return at any time before.
    /// Callers look again at what they wait for.
    fn wait(&self, deadline: Option<u64>);

    /// Asks for [`Process::expire_timers`] to be called at `deadline` (monotonic); `None` for no more. One deadline is kept; it
    /// may be forgotten once it has passed.
    fn set_timer(&self, deadline: Option<u64>);

    /// Makes a thread that runs a program with the given registers, on the CPUs that the calling thread may run on. It begins when
    /// it is unparked for the first time.
    ///
    /// # Errors
    /// [`NoThread`].
    fn new_thread(&self, new: NewThread) -> Result<Runner, NoThread>;

    /// Makes a thread that runs program code come into the kernel, or look again on its way out. A sleeping thread is not
    /// woken.
    fn kick(&self, thread: &Runner);

    /// Processor time of a thread that lives, nanoseconds; `None` is the machine's only one.
    fn thread_time(&self, thread: Option<&Runner>) -> u64;

    /// How a thread that lives has been treated; `None` is the machine's only one.
    fn treatment(&self, thread: Option<&Runner>) -> Treatment;

    /// What the CPUs have done since boot.
    fn activity(&self) -> Activity;

    /// The number of the calling thread; 0 if it runs no program.
    fn current_tid(&self) -> u32;

    /// Says how a thread competes for processors from now on.
    fn set_scheduling(&self, thread: &Runner, scheduling: Scheduling);

    /// Says on which CPUs a thread may run: a bit for each, at least one of which exists.
    ///
    /// # Errors
    /// [`NoThread`]: no memory for the set.
    fn set_affinity(&self, thread: &Runner, cpus: &[u64]) -> Result<(), NoThread>;

    /// Whether a thread that was given an affinity, or inherited one, may run on `cpu`.
    fn may_run_on(&self, thread: &Runner, cpu: u32) -> bool;

    /// Whether a thread sleeps in a call.
    fn sleeps(&self, thread: &Runner) -> bool;

    /// Lets other threads of the same priority run.
    fn yield_now(&self);

    /// When this returns, every CPU that runs the program has been through a full barrier (membarrier(2)).
    fn barrier(&self);

    /// Fills `buf` with unpredictable bytes.
    fn random(&self, buf: &mut [u8]);

    /// The program's FS base.
    fn fs_base(&self) -> u64;

    /// Sets the program's FS base to an address below [`mm::addr::USER_END`].
    fn set_fs_base(&self, base: u64);

    /// A line of text for the user: reports, strace, unknown calls. Goes out on the second channel whatever the log level.
    fn message(&self, line: fmt::Arguments<'_>);

    /// Physical memory.
    fn frames(&self) -> &'static dyn FrameSource;

    /// How much memory there is.
    fn memory(&self) -> MemoryUse;

    /// Page tables with an empty lower half; `None` without memory.
    fn new_page_tables(&self) -> Option<Box<dyn PageTables>>;

    /// Makes the CPU use an address space (loads CR3).
    fn activate(&self, root: PhysAddr);

    /// The memory of the running program. Page faults during an access are resolved through
    /// [`Process::fault`](crate::Process::fault), so no lock on the address space may be held across one.
    fn user_memory(&self) -> &dyn UserMemory;

    /// Number of CPUs that run programs.
    fn cpu_count(&self) -> u32;

    /// The CPU that runs this, from 0.
    fn current_cpu(&self) -> u32;

    /// What the CPU offers to programs.
    fn cpu_features(&self) -> CpuFeatures;

    /// The object with the calls that need no kernel (vdso(7)), if there is one.
    fn vdso(&self) -> Option<Vdso> {
        None
    }

    /// The shape of the program's vector registers in memory.
    fn vector_layout(&self) -> VectorLayout;

    /// Stores the program's vector registers, which are live in the CPU, into `area`: as many bytes as the layout says, aligned
    /// to 64. Bytes that the CPU does not write keep their value.
    fn save_vectors(&self, area: &mut [u8]);

    /// Loads the program's vector registers from such an area. Components that its header does not have become initial. The
    /// caller has checked header and MXCSR.
    fn load_vectors(&self, area: &[u8]);

    /// What the CPU says about itself.
    fn cpu_info(&self) -> CpuInfo;
}
