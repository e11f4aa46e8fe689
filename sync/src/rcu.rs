//! [`Domain`] and [`RcuCell`]: tables that are read all the time and replaced now and then, without a lock for readers.
//!
//! Used for read-mostly tables (connections, interrupt handlers, mounts). A reader keeps preemption off ([`ReadGuard`])
//! and follows pointers; a writer replaces a pointer and defers freeing the old value until every CPU has been quiescent:
//! running code that holds no guard. Nobody waits: callbacks run in [`Domain::advance`], which a thread calls when it suits,
//! after all CPUs have reported. A CPU that is paused or never reports delays memory, not threads.
//!
//! Reports come from the scheduler: [`Domain::quiescent`] at a context switch, and at an interrupt that came from program
//! code; [`Domain::idle_enter`] and [`Domain::idle_leave`] around idling (and before a CPU's start and after its end) say
//! that the CPU reads nothing until then. A tickless CPU that [`Domain::holding_up`] names gets an interrupt.
//!
//! State: `epoch` counts grace periods that began; a CPU's `seen` is the epoch it has been quiescent in, or IDLE. Callbacks go
//! `incoming` -> `waiting` (all at once, with the epoch that began after they had come) -> run.
//!
//! Orderings:
//! - Unlinking is before `defer` in its thread; the queue's push and drain carry that to `advance`, which then begins an epoch
//!   ("rcu begin", release). Who reads that epoch ("rcu report", acquire) reads new pointers from then on.
//! - A report releases what its CPU has read ("rcu seen"), and `advance` acquires it ("rcu check"): readers are done
//!   before callbacks run.
//! - Leaving idle: `seen` is stored, then a full fence, then pointers are read. Beginning an epoch: pointers were replaced, then
//!   a full fence, then `seen` is read. So either `advance` sees that the CPU is back, or the CPU sees new pointers.
#![allow(unsafe_code)] // readers hold references that the writers' callbacks outlive

use crate::Mutex;
use crate::atomic::{AtomicPtr, AtomicU64, Ordering, full_fence, order};
use crate::mpsc::{Drain, Entry, Queue};
use crate::thread::{NoPreempt, WaitError};
use alloc::boxed::Box;
use core::{marker::PhantomData, ptr::NonNull};

/// What is done after a grace period: it is done when the callback is dropped.
#[derive(Debug)]
pub struct Callback {
    call: unsafe fn(*mut ()),
    data: *mut (),
}

// SAFETY: both constructors demand that what is behind the pointer is Send.
unsafe impl Send for Callback {}

impl Callback {
    /// A callback that calls `function`.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new<F: FnOnce() + Send + 'static>(function: F) -> Result<Callback, WaitError> {
        let entry = Entry::new(function).map_err(|_| WaitError::NoMemory)?;
        Ok(Callback {
            // SAFETY: `data` is the pointer below, and a callback is called once.
            call: |data| unsafe { (Box::from_raw(data.cast::<Entry<F>>()).value)() },
            data: Box::into_raw(entry).cast(),
        })
    }

    /// A callback that drops what came from a box.
    const fn freeing<T: Send + 'static>(value: *mut T) -> Callback {
        // SAFETY: as above.
        Callback { call: |data| drop(unsafe { Box::from_raw(data.cast::<T>()) }), data: value.cast() }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        // SAFETY: `data` is what the constructor paired with the function, and this is the only call.
        unsafe { (self.call)(self.data) };
    }
}

/// `seen` of a CPU that reads nothing.
const IDLE: u64 = u64::MAX;

/// One CPU's report, in a cache line of its own.
#[repr(align(64))]
struct Cpu {
    seen: AtomicU64,
}

/// The callbacks of the grace period that runs.
struct Waiting {
    callbacks: Option<Drain<Callback>>,
    /// All CPUs must have seen this epoch.
    epoch: u64,
}

/// CPUs, and what waits for all of them.
pub struct Domain {
    epoch: AtomicU64,
    cpus: Box<[Cpu]>,
    incoming: Queue<Callback>,
    waiting: Mutex<Waiting>,
}

/// Access to what an [`RcuCell`] points to; keeps preemption off.
#[derive(Debug, Default)]
pub struct ReadGuard(NoPreempt);

impl ReadGuard {
    /// Begins to read. Keep it short: preemption is off, and nothing may sleep.
    #[inline]
    pub fn new() -> ReadGuard {
        ReadGuard(NoPreempt::new())
    }
}

impl Domain {
    /// A domain of `cpus` CPUs, all of them idle.
    pub fn new(cpus: usize) -> Domain {
        Domain {
            epoch: AtomicU64::new(0),
            cpus: (0..cpus).map(|_| Cpu { seen: AtomicU64::new(IDLE) }).collect(),
            incoming: Queue::new(),
            waiting: Mutex::new(Waiting { callbacks: None, epoch: 0 }),
        }
    }

    fn report(&self, cpu: usize) {
        let epoch = self.epoch.load(order("rcu report", Ordering::Acquire));
        if let Some(cpu) = self.cpus.get(cpu)
            && cpu.seen.load(Ordering::Relaxed) != epoch
        {
            cpu.seen.store(epoch, order("rcu seen", Ordering::Release));
        }
    }

    /// `cpu` holds no guard at this moment. Called on that CPU, with preemption or interrupts off.
    #[inline]
    pub fn quiescent(&self, cpu: usize) {
        self.report(cpu);
    }

    /// `cpu` will read nothing until [`Self::idle_leave`]. Called on that CPU.
    pub fn idle_enter(&self, cpu: usize) {
        if let Some(cpu) = self.cpus.get(cpu) {
            cpu.seen.store(IDLE, order("rcu seen", Ordering::Release));
        }
    }

    /// `cpu` may read from now on. Called on that CPU.
    pub fn idle_leave(&self, cpu: usize) {
        self.report(cpu);
        full_fence("rcu leave");
    }

    /// Runs `callback` in [`Self::advance`], after all guards that exist now are gone.
    ///
    /// # Errors
    /// There is no memory.
    pub fn defer<F: FnOnce() + Send + 'static>(&self, callback: F) -> Result<(), WaitError> {
        let callback = Callback::new(callback)?;
        // Without memory for the entry the callback runs too early: it must not run at all.
        self.incoming.push(Entry::new(callback).map_err(|callback| {
            core::mem::forget(callback);
            WaitError::NoMemory
        })?);
        Ok(())
    }

    /// As [`Self::defer`], with memory that the caller has got before. Any context.
    pub fn defer_entry(&self, callback: Box<Entry<Callback>>) {
        self.incoming.push(callback);
    }

    /// Runs the callbacks whose grace period is over, and begins the next one if somebody waits for it; returns how many ran.
    /// If another thread is in it, it does the work.
    pub fn advance(&self) -> usize {
        let Some(mut waiting) = self.waiting.try_lock() else { return 0 };
        let mut ready = None;
        if waiting.callbacks.is_some() && self.all_seen(waiting.epoch) {
            ready = waiting.callbacks.take();
        }
        if waiting.callbacks.is_none() && !self.incoming.is_empty() {
            waiting.callbacks = Some(self.incoming.drain());
            waiting.epoch = self.epoch.fetch_add(1, order("rcu begin", Ordering::AcqRel)) + 1;
            full_fence("rcu began");
        }
        drop(waiting);
        let mut count = 0;
        for entry in ready.into_iter().flatten() {
            drop(entry);
            count += 1;
        }
        count
    }

    fn all_seen(&self, epoch: u64) -> bool {
        // IDLE is above every epoch.
        self.cpus.iter().all(|cpu| cpu.seen.load(order("rcu check", Ordering::Acquire)) >= epoch)
    }

    /// Whether callbacks wait, so that [`Self::advance`] is to be called again.
    pub fn has_work(&self) -> bool {
        !self.incoming.is_empty() || self.waiting.try_lock().is_none_or(|waiting| waiting.callbacks.is_some())
    }

    /// The CPUs that have not reported since the last grace period began; a hint.
    pub fn holding_up(&self) -> impl Iterator<Item = usize> {
        let epoch = self.epoch.load(Ordering::Relaxed);
        let late = move |cpu: &Cpu| cpu.seen.load(Ordering::Relaxed) < epoch;
        (0..).zip(self.cpus.iter()).filter(move |(_, cpu)| late(cpu)).map(|(number, _)| number)
    }
}

impl core::fmt::Debug for Domain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let late: alloc::vec::Vec<usize> = self.holding_up().collect();
        f.debug_struct("Domain").field("holding_up", &late).finish_non_exhaustive()
    }
}

/// A pointer to a `T` that readers follow without a lock.
pub struct RcuCell<T> {
    at: AtomicPtr<T>,
    owns: PhantomData<T>,
}

// SAFETY: readers on several threads share the T, and writers drop it in whichever thread advances the domain.
unsafe impl<T: Send + Sync> Sync for RcuCell<T> {}

impl<T: Send + 'static> RcuCell<T> {
    /// A cell with a value.
    pub fn new(value: Box<T>) -> RcuCell<T> {
        RcuCell { at: AtomicPtr::new(Box::into_raw(value)), owns: PhantomData }
    }

    /// The value, while the guard lives.
    #[inline]
    pub fn read<'g>(&'g self, _: &'g ReadGuard) -> &'g T {
        let at = self.at.load(order("rcu read", Ordering::Acquire));
        // SAFETY: the pointer came from a box. A value that is replaced is freed after a grace period of the domain, which
        // does not end while the guard keeps this CPU from reporting.
        unsafe { &*at }
    }

    /// Replaces the value; the old one is dropped after a grace period of `domain`. Writers that derive the new value from the
    /// old one exclude each other.
    ///
    /// # Safety
    /// Every reader of this cell is on a CPU that reports to `domain`, truthfully.
    ///
    /// # Errors
    /// There is no memory to defer; nothing was replaced.
    pub unsafe fn replace(&self, domain: &Domain, value: Box<T>) -> Result<(), WaitError> {
        // Memory first: there is no way back after the exchange.
        let nothing = Callback::freeing(NonNull::<()>::dangling().as_ptr());
        let mut entry = Entry::new(nothing).map_err(|_| WaitError::NoMemory)?;
        let old = self.at.swap(Box::into_raw(value), order("rcu replace", Ordering::AcqRel));
        entry.value = Callback::freeing(old);
        domain.defer_entry(entry);
        Ok(())
    }
}

impl<T> Drop for RcuCell<T> {
    fn drop(&mut self) {
        let at = self.at.load(Ordering::Acquire);
        // SAFETY: `&mut self`: no reader, no writer; the pointer came from a box.
        drop(unsafe { Box::from_raw(at) });
    }
}

impl<T> core::fmt::Debug for RcuCell<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RcuCell")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Domain, RcuCell, ReadGuard};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn callbacks_wait_for_every_cpu() {
        let domain = Domain::new(2);
        let ran = Arc::new(AtomicUsize::new(0));
        let defer = || {
            let ran = ran.clone();
            let add = move || {
                ran.fetch_add(1, Ordering::Relaxed);
            };
            domain.defer(add).unwrap();
        };
        domain.idle_leave(0);
        defer();
        assert!(domain.has_work());
        assert_eq!(domain.advance(), 0);
        defer();
        assert_eq!(domain.advance(), 0);
        assert_eq!(domain.holding_up().collect::<Vec<_>>(), [0]);
        domain.quiescent(0);
        assert_eq!(domain.advance(), 1);
        domain.idle_enter(0);
        assert_eq!(domain.advance(), 1);
        assert!(!domain.has_work());
        defer();
        drop(domain);
        assert_eq!(ran.load(Ordering::Relaxed), 3);
    }

    /// Values know whether they were freed; readers would notice.
    #[test]
    fn stress_of_readers_and_a_writer() {
        struct Value(u64, u64);
        impl Drop for Value {
            fn drop(&mut self) {
                (self.0, self.1) = (1, 2);
            }
        }
        let domain = Domain::new(3);
        let cell = RcuCell::new(Box::new(Value(0, 0)));
        let end = std::time::Instant::now() + crate::stress_time();
        let mut freed = 0;
        std::thread::scope(|scope| {
            for cpu in 0..3 {
                let (domain, cell) = (&domain, &cell);
                scope.spawn(move || {
                    domain.idle_leave(cpu);
                    while std::time::Instant::now() < end {
                        for _ in 0..50 {
                            let guard = ReadGuard::new();
                            let value = cell.read(&guard);
                            assert_eq!(value.0, value.1);
                        }
                        domain.quiescent(cpu);
                        if cpu == 1 {
                            domain.idle_enter(cpu);
                            std::thread::yield_now();
                            domain.idle_leave(cpu);
                        }
                    }
                    domain.idle_enter(cpu);
                });
            }
            let mut n = 0;
            while std::time::Instant::now() < end {
                n += 1;
                // SAFETY: all readers are the threads above, which report.
                unsafe { cell.replace(&domain, Box::new(Value(n, n))) }.unwrap();
                freed += domain.advance();
                std::thread::yield_now();
            }
        });
        assert!(freed > 0);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::{Domain, RcuCell, ReadGuard};
    use crate::atomic::Ordering;
    use crate::weaken::{every_edge_is_needed, explore};
    use loom::cell::UnsafeCell;
    use loom::{sync::Arc, thread};

    /// Dropping it is a write that no reader may run beside.
    struct Value(UnsafeCell<u32>);
    // SAFETY: the model checks it.
    unsafe impl Sync for Value {}
    impl Drop for Value {
        fn drop(&mut self) {
            // SAFETY: the model checks it.
            self.0.with_mut(|cell| unsafe { *cell = 0 });
        }
    }

    fn replaced(preemptions: usize, idle_between: bool) {
        explore(preemptions, move || {
            let value = |n| Box::new(Value(UnsafeCell::new(n)));
            let shared = Arc::new((Domain::new(1), RcuCell::new(value(1))));
            let (domain, cell) = (&shared.0, &shared.1);
            let reader = {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (domain, cell) = (&shared.0, &shared.1);
                    domain.idle_leave(0);
                    for again in [true, false] {
                        let guard = ReadGuard::new();
                        // SAFETY: the model checks it.
                        assert_ne!(cell.read(&guard).0.with(|cell| unsafe { *cell }), 0);
                        drop(guard);
                        if again && idle_between {
                            domain.idle_enter(0);
                            domain.idle_leave(0);
                        } else if again {
                            domain.quiescent(0);
                        }
                    }
                    domain.idle_enter(0);
                })
            };
            // SAFETY: the reader reports.
            unsafe { cell.replace(domain, value(2)) }.unwrap();
            let mut freed = domain.advance() + domain.advance() + domain.advance();
            reader.join().unwrap();
            freed += domain.advance() + domain.advance();
            assert_eq!(freed, 1);
        });
    }

    #[test]
    fn replaced_while_read() {
        replaced(5, false);
    }

    #[test]
    fn replaced_around_idling() {
        replaced(3, true);
    }

    /// Who has reported in the new epoch reads the new value.
    #[test]
    fn reported_and_then_read() {
        explore(4, || {
            let value = |n| Box::new(Value(UnsafeCell::new(n)));
            let shared = Arc::new((Domain::new(1), RcuCell::new(value(1))));
            shared.0.idle_leave(0);
            let reader = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.0.quiescent(0);
                    let reported = shared.0.cpus[0].seen.load(Ordering::Relaxed) == 1;
                    // SAFETY: the model checks it.
                    let read = shared.1.read(&ReadGuard::new()).0.with(|cell| unsafe { *cell });
                    assert!(read == 2 || !reported);
                })
            };
            // SAFETY: the reader reports.
            unsafe { shared.1.replace(&shared.0, value(2)) }.unwrap();
            shared.0.advance();
            reader.join().unwrap();
        });
    }

    #[test]
    fn weakened_orderings_are_noticed() {
        every_edge_is_needed(
            &["rcu report", "rcu seen", "rcu check", "rcu leave", "rcu began", "rcu read", "rcu replace"],
            module_path!(),
            &["replaced_while_read", "replaced_around_idling", "reported_and_then_read"],
        );
    }
}
