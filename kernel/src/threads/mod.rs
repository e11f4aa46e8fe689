//! The kernel's threads: made, switched, parked and ended here. Who runs when is `sched`'s business.
//!
//! Every flow of control but interrupt handlers is a thread; each CPU has one more for when there is nothing to do, its idle
//! loop, which the scheduler does not know. Switching is done with interrupts masked, and what must happen once the registers of
//! the previous thread are saved is done by the next one ([`finish`]). Nothing here waits for another CPU.
#![allow(unsafe_code)] // the CPU's current thread is a pointer that stands for a count

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

use sched::{CpuSet, Halt, Interrupts, Next, Params, Policy, Reason, Scheduler, ThreadId};
use sync::SetOnce;
use sync::thread::{Handle, MaySleep, Shared, Threads, Unpark};

use crate::arch::percpu::{self, PerCpu};
use crate::arch::switch::{self, Context};
use crate::arch::{apic, cpu, timer, tsc};
use crate::mem::stacks::{self, ThreadStack};
use crate::program::{self, ProgramStart, Running};

mod competing;
mod ended;

pub use competing::{may_run_on, run_time_ns, set_affinity, set_scheduling, sleeps, treatment};

/// A thread as handles and the scheduler refer to it.
pub type Thread = Shared<KernelThread>;

/// What a thread begins with, with interrupts on.
enum Start {
    /// When it returns the thread ends.
    Call(Box<dyn FnOnce() + Send>),
    /// A thread of the program.
    Program(Box<ProgramStart>),
}

/// What the kernel hangs on a thread.
pub struct KernelThread {
    context: Context,
    /// Its [`ThreadId`], 0 for an idle loop.
    id: AtomicU64,
    /// The program's thread that it runs; null for the kernel's own. Owned; set and taken by the thread itself.
    program: AtomicPtr<Running>,
    /// What it begins with; taken by the thread itself.
    start: UnsafeCell<Option<Start>>,
    /// The next in the list of the dead.
    next_dead: AtomicPtr<Thread>,
}

// SAFETY: `start` is put in before the thread is known to anybody and taken out by the thread itself.
unsafe impl Sync for KernelThread {}
// SAFETY: a thread's parts can be dropped anywhere; `Context` refers to stacks that belong to no CPU.
unsafe impl Send for KernelThread {}

impl KernelThread {
    fn new(context: Context, start: Option<Start>) -> Self {
        Self {
            context,
            id: AtomicU64::new(0),
            program: AtomicPtr::new(core::ptr::null_mut()),
            start: UnsafeCell::new(start),
            next_dead: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// What the processor keeps of it.
    pub fn context(&self) -> &Context {
        &self.context
    }

    fn thread_id(&self) -> ThreadId {
        ThreadId::from_raw(self.id.load(Ordering::Relaxed))
    }
}

impl Unpark for KernelThread {
    fn unpark(&self) {
        unpark(self.thread_id());
    }

    fn id(&self) -> NonZeroUsize {
        // Stacks are one thread's for as long as it lives.
        NonZeroUsize::new(self.context.stack().bottom as usize).unwrap_or(NonZeroUsize::MIN)
    }
}

/// Interrupts between CPUs, for the scheduler.
struct Ipis;

impl Interrupts for Ipis {
    fn kick(&self, cpu: usize) {
        if let Some(cpu) = percpu::all().get(cpu) {
            apic::send_ipi(cpu.apic_id(), apic::RESCHEDULE_VECTOR);
        }
    }

    fn tick_self(&self, _: usize) {
        percpu::current().tick_wanted.store(true, Ordering::Relaxed);
    }
}

static SCHEDULER: SetOnce<Scheduler<Thread, Ipis>> = SetOnce::new();

fn scheduler() -> Option<&'static Scheduler<Thread, Ipis>> {
    SCHEDULER.get()
}

/// Makes the scheduler for `cpus` CPUs and gives it to the layers below. By the boot processor, before others start.
pub fn init(cpus: usize) -> bool {
    let Ok(scheduler) = Scheduler::new(cpus, Ipis) else { return false };
    SCHEDULER.set(scheduler).is_ok() && sync::thread::set(&KernelThreads)
}

/// Makes the idle loop of `cpu`, which runs on `stack`. An idle loop cannot sleep, so it is made by somebody else, or before
/// there are others who use the heap.
pub fn make_idle(cpu: &PerCpu, stack: ThreadStack) {
    let thread = Box::leak(Box::new(Thread::new(KernelThread::new(Context::running(stack), None))));
    cpu.idle.store(thread, Ordering::Relaxed);
}

/// The flow that runs now, on the stack given to [`make_idle`], becomes this CPU's idle loop. Interrupts are masked.
pub fn run_idle() -> ! {
    let cpu = percpu::current();
    cpu.thread.store(cpu.idle.load(Ordering::Relaxed), Ordering::Relaxed);
    if let Some(scheduler) = scheduler() {
        scheduler.online(cpu.index() as usize, now());
        cpu.set_online();
        idle(cpu, scheduler)
    }
    cpu::halt_forever()
}

/// Nothing to do for this CPU until an interrupt says otherwise.
fn idle(cpu: &'static PerCpu, scheduler: &'static Scheduler<Thread, Ipis>) -> ! {
    let index = cpu.index() as usize;
    loop {
        reschedule(Reason::Idle);
        match scheduler.halt(index, now()) {
            Halt::Work => {}
            Halt::Sleep(arm) => {
                timer::apply(cpu, arm, true);
                cpu::wait_for_interrupt();
            }
        }
        cpu.tick_wanted.store(false, Ordering::Relaxed);
        scheduler.awake(index);
        scheduler.tick(index, now());
    }
}

/// The scheduler's time. 0 until somebody has asked for the time: before, nothing has a deadline and nobody competes.
fn now() -> u64 {
    tsc::known_ns()
}

/// The running thread. `None` before there are threads.
fn current_thread() -> Option<&'static Thread> {
    // SAFETY: the pointer stands for a count that the CPU holds while the thread runs, and the caller is that thread (or
    // interrupted it).
    unsafe { percpu::current_thread().as_ref() }
}

/// The running thread's number for the scheduler. `None` before there are threads and in idle loops.
pub fn current_id() -> Option<ThreadId> {
    let raw = current_thread()?.id.load(Ordering::Relaxed);
    (raw != 0).then(|| ThreadId::from_raw(raw))
}

/// The program's thread that the running thread runs. In a thread, or in an interrupt handler. `None` for the kernel's own.
pub fn program() -> Option<&'static Running> {
    // SAFETY: set by the thread and taken when it ends, after which it looks no more; the caller is that thread or has
    // interrupted it.
    current_thread().and_then(|thread| unsafe { thread.program.load(Ordering::Relaxed).as_ref() })
}

/// Says what the running thread runs; once.
pub fn set_program(running: Box<Running>) {
    if let Some(thread) = current_thread() {
        let before = thread.program.swap(Box::into_raw(running), Ordering::Relaxed);
        debug_assert!(before.is_null());
    }
}

/// Ends the running thread, which ran one of the program's.
pub fn exit_program() -> ! {
    if let Some(thread) = current_thread() {
        let running = thread.program.swap(core::ptr::null_mut(), Ordering::Relaxed);
        if !running.is_null() {
            // SAFETY: `set_program` made the pointer from a box, and this takes it once.
            drop(unsafe { Box::from_raw(running) });
        }
    }
    exit()
}

/// The running thread's part of the processor. `None` before there are threads.
pub fn context() -> Option<&'static Context> {
    current_thread().map(|thread| thread.context())
}

/// Whether the running flow is a thread that can be switched away from, interrupts aside.
pub fn preemptible(cpu: &PerCpu) -> bool {
    let thread = cpu.thread.load(Ordering::Relaxed);
    cpu.preempt_off.load(Ordering::Relaxed) == 0
        && !thread.is_null()
        && thread != cpu.idle.load(Ordering::Relaxed)
}

/// The timer's interrupt, with interrupts masked.
pub fn timer_fired() {
    let cpu = percpu::current();
    timer::fired(cpu, cpu.thread.load(Ordering::Relaxed) == cpu.idle.load(Ordering::Relaxed));
}

/// Whether the CPU runs a thread, not its idle loop.
pub fn runs_thread(cpu: &PerCpu) -> bool {
    let thread = cpu.thread.load(Ordering::Relaxed);
    !thread.is_null() && thread != cpu.idle.load(Ordering::Relaxed)
}

/// Makes `thread`, if a CPU runs it, look at what has been left for it before it goes back to its program. A thread that is
/// switched to meanwhile looks by itself.
pub fn kick(thread: &Handle) {
    // What was left is visible before it is looked who runs the thread; `look` does the opposite.
    fence(Ordering::SeqCst);
    let here = percpu::current().index();
    for cpu in percpu::all() {
        // A thread's number is where its stack begins.
        if cpu.kernel_stack().0 as usize == thread.id().get() {
            cpu.attention.store(true, Ordering::SeqCst);
            if cpu.index() != here {
                apic::send_ipi(cpu.apic_id(), apic::RESCHEDULE_VECTOR);
            }
        }
    }
}

/// Another CPU's interrupt: the scheduler has something for this one.
pub fn kicked() {
    let cpu = percpu::current();
    cpu.tick_wanted.store(true, Ordering::Relaxed);
    cpu.attention.store(true, Ordering::Relaxed);
}

/// In an interrupt handler whose interrupted flow can be switched away from: whether to do so, with [`preempt`].
pub fn should_switch(cpu: &PerCpu) -> bool {
    if !cpu.tick_wanted.swap(false, Ordering::Relaxed) {
        return false;
    }
    let Some(scheduler) = scheduler() else { return false };
    let index = cpu.index() as usize;
    if scheduler.tick(index, now()) {
        return true;
    }
    timer::apply(cpu, scheduler.rearm(index, now()), false);
    false
}

/// Lets others run instead of the running thread, which goes on later. Interrupts are masked.
pub fn preempt() {
    reschedule(Reason::Preempt);
}

/// Asks the scheduler who runs, and switches. Interrupts are masked; returns when the running thread goes on.
fn reschedule(reason: Reason) {
    let Some(scheduler) = scheduler() else { return };
    let cpu = percpu::current();
    // Reading the clock is not free, least of all in a virtual machine: one reading serves for the whole switch.
    let now = now();
    let next = match scheduler.schedule(cpu.index() as usize, now, reason) {
        Next::Stay => {
            timer::apply(cpu, scheduler.rearm(cpu.index() as usize, now), reason == Reason::Idle);
            return;
        }
        Next::Idle => cpu.idle.load(Ordering::Relaxed).cast_const(),
        Next::Thread(_, thread) => Arc::into_raw(thread),
    };
    let prev = cpu.thread.load(Ordering::Relaxed);
    cpu.previous.store(prev, Ordering::Relaxed);
    cpu.switched_at.store(now, Ordering::Relaxed);
    cpu.count(&cpu.switches);
    cpu.thread.store(next.cast_mut(), Ordering::Relaxed);
    // SAFETY: both pointers stand for counts that the CPU holds (or are idle loops, which live for ever); that of `prev` is
    // given up by `finish` only after the switch.
    let (from, to) = unsafe { (&*prev, &*next) };
    switch::switch(cpu, from.context(), to.context());
    finish();
}

/// The first thing after a switch, on the new thread's stack: the previous one's registers are saved now.
fn finish() {
    let cpu = percpu::current();
    let Some(scheduler) = scheduler() else { return };
    let index = cpu.index() as usize;
    let prev = cpu.previous.swap(core::ptr::null_mut(), Ordering::Relaxed);
    let idle = cpu.idle.load(Ordering::Relaxed);
    // SAFETY: `reschedule` stored the pointer together with the CPU's count; idle loops have none.
    let prev = (prev != idle).then(|| unsafe { Arc::from_raw(prev.cast_const()) });
    let now = cpu.switched_at.load(Ordering::Relaxed);
    if let Some(dead) = scheduler.finish_switch(index, now, prev) {
        ended::bury(dead);
    }
    let is_idle = cpu.thread.load(Ordering::Relaxed) == idle;
    timer::apply(cpu, scheduler.rearm(index, now), is_idle);
}

/// Where a new thread begins, after its first switch (switch.S). Interrupts are masked.
#[unsafe(no_mangle)]
extern "C" fn thread_begin() -> ! {
    finish();
    // SAFETY: put in before the thread was known, and taken by the thread alone.
    let start = current_thread().and_then(|thread| unsafe { (*thread.start.get()).take() });
    cpu::enable_interrupts();
    match start {
        Some(Start::Call(start)) => start(),
        Some(Start::Program(start)) => program::begin(*start),
        None => {}
    }
    exit()
}

/// Ends the running thread.
pub fn exit() -> ! {
    cpu::disable_interrupts();
    reschedule(Reason::Exit);
    unreachable!("a thread that has ended goes on")
}

/// No memory for a new thread, or too many of them.
#[derive(Clone, Copy, Debug)]
pub struct NoThread;

/// Makes a thread that begins with `start`, and lets it run.
pub fn spawn(start: impl FnOnce() + Send + 'static) -> Result<Handle, NoThread> {
    let (handle, _) = create(Start::Call(Box::new(start)), Policy::Normal)?;
    handle.unpark();
    Ok(handle)
}

/// As [`spawn`], for what the whole program waits for whatever its threads' priorities: timers and packets. It runs for a short
/// time and sleeps.
pub fn spawn_service(start: impl FnOnce() + Send + 'static) -> Result<Handle, NoThread> {
    let (handle, _) = create(Start::Call(Box::new(start)), Policy::Service)?;
    handle.unpark();
    Ok(handle)
}

/// Makes a thread of the program. It begins when it is unparked.
pub fn create_program(start: Box<ProgramStart>) -> Result<(Handle, ThreadId), NoThread> {
    create(Start::Program(start), Policy::Normal)
}

fn create(start: Start, policy: Policy) -> Result<(Handle, ThreadId), NoThread> {
    let scheduler = scheduler().ok_or(NoThread)?;
    ended::reap();
    if current_thread().is_some_and(|thread| thread.id.load(Ordering::Relaxed) != 0) {
        // From now on threads compete: there must be a clock.
        tsc::calibrate();
    }
    let stack = match ended::stack() {
        Some(stack) => stack,
        None => stacks::map_thread_stack().map_err(|_| NoThread)?,
    };
    // A thread of the program inherits the affinity of the one that makes it.
    let inherited = match start {
        Start::Program(_) => current_id().map(|id| scheduler.affinity(id)),
        Start::Call(_) => None,
    };
    let thread = Arc::new(Thread::new(KernelThread::new(Context::new(stack), Some(start))));
    let cpus = inherited.unwrap_or_else(|| CpuSet::first(percpu::all().len()));
    match cpus.and_then(|cpus| scheduler.spawn(thread.clone(), Params { policy, nice: 0 }, &cpus)) {
        Ok(id) => {
            thread.id.store(id.to_raw(), Ordering::Relaxed);
            Ok((Handle::from(thread), id))
        }
        Err(_) => {
            ended::keep(stack);
            Err(NoThread)
        }
    }
}

/// Gives a thread a permit. In any context.
pub fn unpark(id: ThreadId) {
    let Some(scheduler) = scheduler() else { return };
    let unmasked = cpu::without_interrupts_was_on(|| {
        let cpu = percpu::current();
        let index = cpu.index() as usize;
        if cpu.in_interrupt.load(Ordering::Relaxed) {
            scheduler.unpark_from_interrupt(id, index, now());
        } else {
            scheduler.unpark(id, index, now());
        }
    });
    if unmasked {
        preempt_point();
    }
}

/// Lets a thread that was woken run at once, if the scheduler thinks so and the running one can be switched away from.
/// Interrupts are on.
fn preempt_point() {
    if !percpu::current().tick_wanted.load(Ordering::Relaxed) {
        return;
    }
    cpu::without_interrupts(|| {
        let cpu = percpu::current();
        if preemptible(cpu) && should_switch(cpu) {
            preempt();
        }
    });
}

/// Lets others of the running thread's priority run.
pub fn yield_now() {
    cpu::without_interrupts(|| reschedule(Reason::Yield));
}

/// The kernel's threads, as `sync` needs them.
struct KernelThreads;

impl Threads for KernelThreads {
    fn current(&self) -> Handle {
        let Some(thread) = current_thread() else { panic!("no thread yet") };
        let at = core::ptr::from_ref(thread);
        // SAFETY: threads live in an `Arc`, of which the running one has a count.
        let thread = unsafe {
            Arc::increment_strong_count(at);
            Arc::from_raw(at)
        };
        Handle::from(thread)
    }

    fn park(&self, _: &mut MaySleep, deadline: Option<u64>) {
        park(deadline);
    }

    fn may_sleep(&self) -> bool {
        may_sleep()
    }

    fn now_ns(&self) -> u64 {
        tsc::monotonic_ns()
    }

    fn preempt_disable(&self) {
        percpu::preempt_disable();
    }

    fn preempt_enable(&self) {
        preempt_enable();
    }
}

/// Takes back one [`percpu::preempt_disable`]; another thread runs at once if one is due.
#[inline]
pub fn preempt_enable() {
    if percpu::preempt_enable() && percpu::tick_wanted() && cpu::interrupts_enabled() {
        preempt_point();
    }
}

/// Whether the running flow must not wait for a lock: an interrupt handler, an idle loop, a section without preemption. Before
/// there are threads nobody else holds locks.
pub fn cannot_sleep() -> bool {
    !percpu::current_thread().is_null() && !may_sleep()
}

/// Whether the running flow is a thread with preemption on.
fn may_sleep() -> bool {
    cpu::interrupts_enabled() && cpu::without_interrupts(|| preemptible(percpu::current()))
}

/// Sleeps until the running thread has a permit or the monotonic clock shows `deadline`; may return for no reason.
pub fn park(deadline: Option<u64>) {
    if deadline.is_some() {
        tsc::calibrate();
    }
    assert!(cpu::interrupts_enabled(), "sleep in an interrupt handler");
    cpu::disable_interrupts();
    assert!(preemptible(percpu::current()), "sleep with preemption off");
    reschedule(Reason::Park { deadline });
    cpu::enable_interrupts();
}
