//! Switching the CPU from one thread to another: stacks, and what of the processor belongs to a program's thread.
//!
//! Called by `threads` with interrupts masked. The kernel's part of a thread is its callee-saved registers, which lie on its
//! stack. The program's part, only for threads that run a program, is the page tables, the FS base and the vector registers;
//! these are stored when the thread is switched away from, so that any CPU can go on with it.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::percpu::{self, PerCpu};
use super::vectors::VectorArea;
use super::{ap, cpu, paging};
use crate::mem::stacks::ThreadStack;

core::arch::global_asm!(include_str!("switch.S"), options(raw));

unsafe extern "C" {
    static thread_start: u8;
    fn switch_stacks(save: *mut u64, load: u64);
}

/// Bytes at the end of a kernel stack that are left free for the frames of traps and system calls.
const FRAME_SPACE: u64 = 256;
/// What `switch_stacks` pops: six registers and the return address.
const SAVED_WORDS: u64 = 7;
/// No CPU: the thread has not run.
const NOWHERE: u32 = u32::MAX;

/// What the processor keeps of a thread while it does not run.
pub struct Context {
    stack: ThreadStack,
    /// The stack pointer. Written by the CPU that switches away, read by the one that goes on.
    rsp: UnsafeCell<u64>,
    /// The page tables, 0 for a thread that runs no program and goes on with whatever is loaded.
    root: AtomicU64,
    fs_base: AtomicU64,
    /// The vector registers; only of threads that run a program.
    vectors: UnsafeCell<Option<VectorArea>>,
    /// The CPU that ran the thread last, whose TLB and vector registers may still be its own.
    last_cpu: AtomicU32,
}

// SAFETY: the cells are accessed by the CPU that runs the thread or switches from or to it, with interrupts masked; the
// scheduler lets one CPU at a time do that and orders them.
unsafe impl Sync for Context {}

impl Context {
    /// A thread that begins in `thread_begin` on `stack`, when it is switched to for the first time.
    pub fn new(stack: ThreadStack) -> Self {
        let rsp = stack.end - FRAME_SPACE - 8 * SAVED_WORDS;
        let words = core::ptr::with_exposed_provenance_mut::<u64>(rsp as usize);
        // SAFETY: the words are inside the new thread's mapped stack, which nobody uses.
        unsafe {
            words.write_bytes(0, SAVED_WORDS as usize - 1);
            words.add(SAVED_WORDS as usize - 1).write((&raw const thread_start).addr() as u64);
        }
        Self::with_rsp(stack, rsp)
    }

    /// The flow that runs now, on `stack`: its registers are stored when it is first switched away from.
    pub const fn running(stack: ThreadStack) -> Self {
        Self::with_rsp(stack, 0)
    }

    const fn with_rsp(stack: ThreadStack, rsp: u64) -> Self {
        Self {
            stack,
            rsp: UnsafeCell::new(rsp),
            root: AtomicU64::new(0),
            fs_base: AtomicU64::new(0),
            vectors: UnsafeCell::new(None),
            last_cpu: AtomicU32::new(NOWHERE),
        }
    }

    /// Its stacks.
    pub fn stack(&self) -> &ThreadStack {
        &self.stack
    }

    /// Whether the thread runs a program.
    pub fn has_program(&self) -> bool {
        self.root.load(Ordering::Relaxed) != 0
    }

    /// Gives the running thread, whose own context this is, page tables.
    pub fn set_root(&self, root: u64) {
        cpu::without_interrupts(|| {
            self.root.store(root, Ordering::Relaxed);
            self.claim(percpu::current());
            paging::switch_root(percpu::current(), root, true);
        });
    }

    /// Gives the running thread, whose own context this is, an FS base.
    pub fn set_fs_base(&self, base: u64) {
        cpu::without_interrupts(|| {
            self.fs_base.store(base, Ordering::Relaxed);
            cpu::set_fs_base(base);
        });
    }

    /// Gives the running thread, whose own context this is, vector registers as a new program has them. Returns false without
    /// memory.
    pub fn init_vectors(&self) -> bool {
        let Some(area) = VectorArea::new() else { return false };
        cpu::without_interrupts(|| {
            area.load();
            // SAFETY: the thread's own context, and interrupts are masked: nobody switches.
            unsafe { *self.vectors.get() = Some(area) };
        });
        true
    }

    /// Gives the running thread, whose own context this is, the vector registers in `area`.
    pub fn load_vectors(&self, area: VectorArea) {
        cpu::without_interrupts(|| {
            area.load();
            // SAFETY: the thread's own context, and interrupts are masked: nobody switches.
            unsafe { *self.vectors.get() = Some(area) };
        });
    }

    /// The vector registers of the thread in memory.
    fn vectors(&self) -> Option<&VectorArea> {
        // SAFETY: interrupts are masked in a switch, so the owner is not in `init_vectors`.
        unsafe { (*self.vectors.get()).as_ref() }
    }
}

/// Switches from `from`, which runs on `cpu`, to `to`. Interrupts are masked. Returns when somebody switches back to `from`,
/// perhaps on another CPU.
pub fn switch(cpu: &PerCpu, from: &Context, to: &Context) {
    if let Some(area) = from.vectors() {
        area.save();
    }
    ap::use_stack(cpu, &to.stack);
    if to.has_program() {
        // Who kicked it meanwhile may not have found it on any CPU.
        cpu.attention.store(true, Ordering::SeqCst);
        let same_cpu = to.last_cpu.swap(cpu.index(), Ordering::Relaxed) == cpu.index();
        // The tables may have changed while another CPU ran the thread.
        paging::switch_root(cpu, to.root.load(Ordering::Relaxed), !same_cpu);
        let fresh = cpu.program_owner.swap(to.key(), Ordering::Relaxed) == to.key() && same_cpu;
        if !fresh {
            cpu::set_fs_base(to.fs_base.load(Ordering::Relaxed));
            if let Some(area) = to.vectors() {
                area.load();
            }
        }
    } else {
        // No address space stays loaded without a thread that runs in it: it may be freed.
        paging::switch_root(cpu, paging::kernel_root(), false);
    }
    // SAFETY: `to` was left by this function or made by `Context::new`, and the scheduler gave it to this CPU alone; its stack
    // is mapped. The registers of `from` lie on its own stack until it is gone on with.
    unsafe { switch_stacks(from.rsp.get(), *to.rsp.get()) };
}

impl Context {
    /// What a CPU remembers of the thread whose program registers it holds.
    fn key(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64
    }

    /// Notes that the running thread's program registers are in `cpu` from now on.
    fn claim(&self, cpu: &PerCpu) {
        self.last_cpu.store(cpu.index(), Ordering::Relaxed);
        cpu.program_owner.store(self.key(), Ordering::Relaxed);
    }
}
