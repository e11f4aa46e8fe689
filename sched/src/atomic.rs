//! The atomics that everything here is built on: `core`'s in the kernel, loom's under `cfg(loom)`, and in the host tests
//! `core`'s with a hook before each operation, at which the simulation lets another CPU go on.

#[cfg(all(not(test), not(loom)))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(all(test, not(loom)))]
pub(crate) use stepping::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// A fence, unless a model has taken it away.
#[cfg(loom)]
pub(crate) fn fence(order: Ordering) {
    if !weak::is(weak::FENCE) {
        loom::sync::atomic::fence(order);
    }
}

pub(crate) mod weak {
    //! What the models weaken, to show that they bite. Constant outside of them.
    use super::Ordering;

    /// No full fences.
    #[cfg(loom)]
    pub(crate) const FENCE: u8 = 1;
    /// `finish_park` does not look whether the thread was woken.
    pub(crate) const FINISH: u8 = 2;
    /// Changes of the state word are relaxed.
    pub(crate) const CHANGE: u8 = 3;
    /// A claim does not compare.
    pub(crate) const CLAIM: u8 = 4;
    /// Who takes the only entry of an inbox does not acquire it.
    pub(crate) const ONLY: u8 = 5;

    #[cfg(loom)]
    std::thread_local! {
        /// The weakness of the models that this host thread runs.
        pub(crate) static WEAKNESS: core::cell::Cell<u8> = const { core::cell::Cell::new(0) };
    }

    /// Whether the model runs with this weakness.
    #[cfg(loom)]
    pub(crate) fn is(what: u8) -> bool {
        WEAKNESS.get() == what
    }

    /// Nothing is weak outside the models.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) const fn is(_what: u8) -> bool {
        false
    }

    /// The ordering of the look at an inbox's only entry.
    #[inline(always)]
    pub(crate) fn only() -> Ordering {
        if is(ONLY) { Ordering::Relaxed } else { Ordering::Acquire }
    }

    /// The ordering of changes of the state word.
    #[inline(always)]
    pub(crate) fn change() -> Ordering {
        if is(CHANGE) { Ordering::Relaxed } else { Ordering::AcqRel }
    }
}

#[cfg(all(test, not(loom)))]
pub(crate) mod stepping {
    //! Atomics that call a hook before each operation.
    pub(crate) use core::sync::atomic::Ordering;
    use std::cell::Cell;

    thread_local! {
        /// Called before each atomic operation of this host thread.
        pub(crate) static STEP: Cell<Option<fn()>> = const { Cell::new(None) };
    }

    fn step() {
        if let Some(hook) = STEP.get() {
            hook();
        }
    }

    pub(crate) fn fence(order: Ordering) {
        step();
        core::sync::atomic::fence(order);
    }

    macro_rules! stepping {
        ($name:ident, $inner:ident, $value:ty) => {
            #[derive(Debug)]
            pub(crate) struct $name(core::sync::atomic::$inner);

            #[allow(dead_code)] // not every type needs every operation
            impl $name {
                pub(crate) fn new(value: $value) -> Self {
                    Self(core::sync::atomic::$inner::new(value))
                }
                pub(crate) fn load(&self, order: Ordering) -> $value {
                    step();
                    self.0.load(order)
                }
                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    step();
                    self.0.store(value, order);
                }
                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    step();
                    self.0.swap(value, order)
                }
                pub(crate) fn compare_exchange(
                    &self,
                    old: $value,
                    new: $value,
                    ok: Ordering,
                    err: Ordering,
                ) -> Result<$value, $value> {
                    step();
                    self.0.compare_exchange(old, new, ok, err)
                }
            }
        };
    }
    stepping!(AtomicU64, AtomicU64, u64);
    stepping!(AtomicU32, AtomicU32, u32);
    stepping!(AtomicBool, AtomicBool, bool);
}
