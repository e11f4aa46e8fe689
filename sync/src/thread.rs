//! What this crate needs of threads: who runs, to sleep, to wake. The kernel provides it once, by [`set`].
//!
//! - [`Handle`]: a counted reference to a thread, one word. [`Handle::unpark`] gives the thread a permit (a binary token, so
//!   it is idempotent); [`park`] returns when it has consumed one, at the deadline, or for no reason. What happened before an
//!   `unpark` is visible after the `park` that consumed its permit. A wait for a lock of this crate leaves a permit behind if it
//!   slept: no wake is lost if a lock is taken between looking and [`park`]. Other waits of this crate do not.
//! - [`MaySleep`]: the proof of thread context with preemption on that everything demands which may park.
//! - [`NoPreempt`]: keeps the thread on its CPU and awake; readers of [`crate::rcu`] hold it.
//!
//! On the host (where panics unwind: never the kernel) std's threads are the default, so that tests need no set-up. Before
//! `set`, a kernel has one thread: whoever would have to wait panics with its place.
#![allow(unsafe_code)] // a handle is a counted pointer with its functions behind it

use alloc::sync::Arc;
use core::{marker::PhantomData, ptr::NonNull};

#[cfg(all(panic = "unwind", not(target_os = "none"), not(loom)))]
mod host;
#[cfg(loom)]
mod model;

/// The kernel's threads, as this crate needs them.
pub trait Threads: Sync {
    /// The running thread.
    fn current(&self) -> Handle;

    /// Sleeps until the running thread has a permit, which is consumed, or until `deadline` (nanoseconds of [`Self::now_ns`]).
    /// May return early for no reason.
    fn park(&self, sleep: &mut MaySleep, deadline: Option<u64>);

    /// Whether the caller is a thread (no interrupt handler) with preemption on.
    fn may_sleep(&self) -> bool;

    /// Monotonic time in nanoseconds.
    fn now_ns(&self) -> u64;

    /// Keeps the running thread on its CPU until as many [`Self::preempt_enable`]; nests.
    fn preempt_disable(&self);

    /// Takes back one [`Self::preempt_disable`].
    fn preempt_enable(&self);
}

#[cfg(not(loom))]
static HOOK: crate::SetOnce<&'static dyn Threads> = crate::SetOnce::new();

/// Provides the threads; once, before there is a second one. False if that was done already.
#[cfg(not(loom))]
pub fn set(threads: &'static dyn Threads) -> bool {
    HOOK.set(threads).is_ok()
}

#[cfg(not(loom))]
#[inline]
fn hook() -> Option<&'static dyn Threads> {
    match HOOK.get() {
        Some(&threads) => Some(threads),
        #[cfg(all(panic = "unwind", not(target_os = "none")))]
        None => Some(&host::StdThreads),
        #[cfg(not(all(panic = "unwind", not(target_os = "none"))))]
        None => None,
    }
}

#[cfg(loom)]
fn hook() -> Option<&'static dyn Threads> {
    Some(&model::LoomThreads)
}

#[track_caller]
fn threads() -> &'static dyn Threads {
    match hook() {
        Some(threads) => threads,
        None => panic!("nothing can wait before there are threads: taken twice, or by an interrupt handler"),
    }
}

/// The running thread.
#[track_caller]
pub fn current() -> Handle {
    threads().current()
}

/// Sleeps until the running thread has a permit or `deadline` ([`now_ns`]) is reached; may return for no reason.
#[track_caller]
pub fn park(sleep: &mut MaySleep, deadline: Option<u64>) {
    threads().park(sleep, deadline);
}

/// After a wait for a lock, which may have used up a permit that was given for something else: the running thread has one again, so
/// a lock may be taken between looking for something and the sleep. That sleep then ends once for no reason.
pub(crate) fn give_permit_back() {
    if crate::atomic::order("permit", crate::atomic::Ordering::SeqCst) == crate::atomic::Ordering::SeqCst {
        current().unpark();
    }
}

/// Monotonic time in nanoseconds.
#[track_caller]
pub fn now_ns() -> u64 {
    threads().now_ns()
}

/// Proof that the caller is a thread with preemption on, and so may sleep.
///
/// It is lent as `&mut`, so a function that has it cannot keep it beyond a section without preemption, and it stays with
/// its thread.
#[derive(Debug)]
pub struct MaySleep(PhantomData<*const ()>);

impl MaySleep {
    /// Claims that the caller may sleep; checked in every build.
    ///
    /// # Panics
    /// In an interrupt handler, with preemption off, and before there are threads.
    #[track_caller]
    pub fn claim() -> MaySleep {
        assert!(threads().may_sleep(), "sleep in an interrupt handler or with preemption off");
        MaySleep(PhantomData)
    }
}

/// While it lives, the running thread stays on its CPU and cannot sleep.
#[derive(Debug)]
pub struct NoPreempt(PhantomData<*const ()>);

impl NoPreempt {
    /// Turns preemption off; nests. Without threads there is nothing to turn off.
    #[inline]
    pub fn new() -> NoPreempt {
        if let Some(threads) = hook() {
            threads.preempt_disable();
        }
        NoPreempt(PhantomData)
    }
}

impl Default for NoPreempt {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for NoPreempt {
    #[inline]
    fn drop(&mut self) {
        if let Some(threads) = hook() {
            threads.preempt_enable();
        }
    }
}

/// What a thread must do to be reachable through a [`Handle`].
pub trait Unpark: Send + Sync + 'static {
    /// Gives the thread a permit. Called in any context, also by interrupt handlers.
    fn unpark(&self);

    /// A number that no other living thread has.
    fn id(&self) -> core::num::NonZeroUsize;
}

/// A thread as handles refer to it. The kernel makes one per thread, as `Arc<Shared<T>>`.
///
/// The last handle may be dropped by an interrupt handler; a `T` that must not be freed there defers that itself.
#[repr(C)]
#[derive(Debug)]
pub struct Shared<T> {
    functions: &'static Functions,
    thread: T,
}

impl<T: Unpark> Shared<T> {
    /// Makes `thread` reachable.
    pub fn new(thread: T) -> Self {
        Shared { functions: &Of::<T>::FUNCTIONS, thread }
    }
}

impl<T> core::ops::Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.thread
    }
}

/// What can be done with the pointer in a handle.
struct Functions {
    clone: unsafe fn(NonNull<Header>),
    drop: unsafe fn(NonNull<Header>),
    unpark: unsafe fn(NonNull<Header>),
    id: unsafe fn(NonNull<Header>) -> core::num::NonZeroUsize,
}

impl core::fmt::Debug for Functions {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Functions")
    }
}

/// The beginning of every [`Shared`].
struct Header(&'static Functions);

struct Of<T>(PhantomData<T>);

impl<T: Unpark> Of<T> {
    const FUNCTIONS: Functions = Functions {
        // SAFETY: (all four) the pointer comes from `Arc::into_raw` of an `Arc<Shared<T>>` in `Handle::from` and stands for
        // one count, which the handle owns.
        clone: |at| unsafe { Arc::increment_strong_count(at.as_ptr().cast::<Shared<T>>()) },
        // SAFETY: as above.
        drop: |at| unsafe { Arc::decrement_strong_count(at.as_ptr().cast::<Shared<T>>()) },
        // SAFETY: as above.
        unpark: |at| unsafe { at.cast::<Shared<T>>().as_ref() }.thread.unpark(),
        // SAFETY: as above.
        id: |at| unsafe { at.cast::<Shared<T>>().as_ref() }.thread.id(),
    };
}

/// A counted reference to a thread: one word.
pub struct Handle(NonNull<Header>);

// SAFETY: what is behind the pointer is an `Arc<Shared<T>>` with `T: Send + Sync`.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl<T: Unpark> From<Arc<Shared<T>>> for Handle {
    fn from(thread: Arc<Shared<T>>) -> Handle {
        let at = Arc::into_raw(thread).cast_mut().cast::<Header>();
        // SAFETY: `Arc::into_raw` is never null.
        Handle(unsafe { NonNull::new_unchecked(at) })
    }
}

impl Handle {
    fn functions(&self) -> &'static Functions {
        // SAFETY: the handle owns a count of a `Shared`, which is `repr(C)` and begins with the reference.
        unsafe { self.0.as_ref() }.0
    }

    /// Gives the thread a permit: its next (or running) `park` returns. Idempotent; may be called by interrupt handlers.
    #[inline]
    pub fn unpark(&self) {
        // SAFETY: the handle owns a count.
        unsafe { (self.functions().unpark)(self.0) }
    }

    /// A number that no other living thread has.
    pub fn id(&self) -> core::num::NonZeroUsize {
        // SAFETY: the handle owns a count.
        unsafe { (self.functions().id)(self.0) }
    }

    /// The handle as a pointer that stands for its count.
    pub(crate) fn into_raw(self) -> *mut () {
        let at = self.0.as_ptr().cast();
        core::mem::forget(self);
        at
    }

    /// The handle of a pointer.
    ///
    /// # Safety
    /// `at` comes from [`Handle::into_raw`], each of which is taken back at most once.
    pub(crate) unsafe fn from_raw(at: *mut ()) -> Handle {
        // SAFETY: `into_raw` gives no null pointer.
        Handle(unsafe { NonNull::new_unchecked(at.cast()) })
    }
}

impl Clone for Handle {
    fn clone(&self) -> Handle {
        // SAFETY: the handle owns a count; the new count belongs to the new handle.
        unsafe { (self.functions().clone)(self.0) };
        Handle(self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle owns the count that is given up here.
        unsafe { (self.functions().drop)(self.0) }
    }
}

impl PartialEq for Handle {
    /// Whether both are the same thread.
    fn eq(&self, other: &Handle) -> bool {
        self.0 == other.0
    }
}

impl Eq for Handle {}

impl core::fmt::Debug for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Handle({})", self.id())
    }
}

/// Why a timed or interruptible wait ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The deadline was reached.
    TimedOut,
    /// The caller's check said that the wait is to end (a signal, for example).
    Interrupted,
    /// No memory for the record of the wait.
    NoMemory,
}

/// How long to wait, and what else ends the wait.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    /// Nanoseconds of [`now_ns`]; `None` waits for ever.
    pub deadline: Option<u64>,
    /// Asked before each sleep: true ends the wait. Who makes it true unparks the thread afterwards.
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
}

impl core::fmt::Debug for Limit<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Limit").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Limit<'static> {
    /// No limit.
    pub const NONE: Limit<'static> = Limit { deadline: None, interrupted: &|| false };

    /// Until `deadline` (nanoseconds of [`now_ns`]).
    pub const fn until(deadline: u64) -> Self {
        Limit { deadline: Some(deadline), interrupted: &|| false }
    }
}

impl Limit<'_> {
    /// Sleeps until `done`, or until the limit is reached. `done` wins over the limit.
    pub(crate) fn sleep_until(&self, sleep: &mut MaySleep, done: impl Fn() -> bool) -> Result<(), WaitError> {
        while !done() {
            self.check()?;
            // Once more: `interrupted` may have slept itself, and consumed the permit that came with `done`.
            if done() {
                break;
            }
            park(sleep, self.deadline);
        }
        Ok(())
    }

    /// Whether the wait is over, and why.
    pub fn check(&self) -> Result<(), WaitError> {
        if (self.interrupted)() {
            return Err(WaitError::Interrupted);
        }
        match self.deadline {
            Some(deadline) if now_ns() >= deadline => Err(WaitError::TimedOut),
            _ => Ok(()),
        }
    }
}
