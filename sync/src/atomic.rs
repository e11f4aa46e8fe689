//! The atomics and cells the primitives are built on: `core`'s, or loom's under `cfg(loom)`.
//!
//! Used by every module of the crate. An ordering that an argument in a module header rests on is written
//! `order("edge", Ordering)`: the models can then weaken one edge after the other and check that somebody notices.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// The ordering `ordering` of the edge `_edge`.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn order(_edge: &'static str, ordering: Ordering) -> Ordering {
    ordering
}

#[cfg(loom)]
pub(crate) use crate::weaken::order;

/// A full fence, for the edge `_edge`.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn full_fence(_edge: &'static str) {
    fence(Ordering::SeqCst);
}

/// A full fence, unless the edge is being weakened.
#[cfg(loom)]
pub(crate) fn full_fence(edge: &'static str) {
    if order(edge, Ordering::SeqCst) == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
}

/// A function that is `const`, but in the models, where an atomic cannot be made in a constant.
macro_rules! constant {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use constant;

/// `core`'s cell with the closure interface of loom's, so that one source serves both.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(core::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
