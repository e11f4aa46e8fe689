//! [`SetOnce`]: a cell for globals that are set once, at boot, and read from then on without a lock.
//!
//! Called for the kernel's globals (console, platform, first process). Invariants: the value is written by the one caller that
//! moved the state from EMPTY to WRITING, and read only by those who saw SET. A caller that comes while another one is writing
//! does not wait: `get` says "not set yet" and `set` gives its value back.
#![allow(unsafe_code)] // the cell: written by the one setter, shared only after SET

use crate::atomic::{AtomicU8, Ordering, UnsafeCell};
use core::mem::MaybeUninit;

const EMPTY: u8 = 0;
const WRITING: u8 = 1;
const SET: u8 = 2;

/// A cell that takes a value once.
pub struct SetOnce<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `set` moves a T in (needs Send); afterwards only shared references are handed out (needs Sync).
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}
// SAFETY: the cell owns its T.
unsafe impl<T: Send> Send for SetOnce<T> {}

impl<T> SetOnce<T> {
    /// An empty cell.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        SetOnce { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// An empty cell, for the models.
    #[cfg(loom)]
    pub fn new() -> Self {
        SetOnce { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Stores `value`; gives it back if the cell is set or being set by somebody else.
    pub fn set(&self, value: T) -> Result<(), T> {
        if self.state.compare_exchange(EMPTY, WRITING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(value);
        }
        self.value.with_mut(|cell| {
            // SAFETY: the state went from EMPTY to WRITING by this call alone, and nobody reads before SET.
            unsafe { (*cell).write(value) };
        });
        self.state.store(SET, Ordering::Release);
        Ok(())
    }

    /// The value, once set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != SET {
            return None;
        }
        // SAFETY: SET was stored (release) after the value was written, and the value is never written again while `self`
        // is shared.
        Some(self.value.with(|cell| unsafe { (*cell).assume_init_ref() }))
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for SetOnce<T> {
    fn drop(&mut self) {
        if self.state.load(Ordering::Acquire) == SET {
            self.value.with_mut(|cell| {
                // SAFETY: `&mut self` excludes everybody else, and SET says that the value is there.
                unsafe { (*cell).assume_init_drop() };
            });
        }
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("SetOnce").field(&self.get()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::SetOnce;
    use std::sync::Arc;

    #[test]
    fn set_once_get_many() {
        static CELL: SetOnce<&str> = SetOnce::new();
        assert_eq!(CELL.get(), None);
        assert_eq!(CELL.set("first"), Ok(()));
        assert_eq!(CELL.set("second"), Err("second"));
        assert_eq!(CELL.get(), Some(&"first"));
    }

    #[test]
    fn drops_its_value_once() {
        let value = Arc::new(());
        let cell = SetOnce::new();
        cell.set(value.clone()).unwrap();
        assert_eq!(Arc::strong_count(&value), 2);
        drop(cell);
        assert_eq!(Arc::strong_count(&value), 1);
        drop(SetOnce::<Arc<()>>::new());
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::SetOnce;
    use loom::sync::Arc;

    #[test]
    fn one_setter_wins_and_readers_see_a_whole_value() {
        loom::model(|| {
            let cell = Arc::new(SetOnce::new());
            let setters: Vec<_> = [1u32, 2]
                .map(|n| {
                    let cell = cell.clone();
                    loom::thread::spawn(move || cell.set((n, n)).is_ok())
                })
                .into();
            if let Some(&(a, b)) = cell.get() {
                assert_eq!(a, b);
            }
            let won = setters.into_iter().map(|t| t.join().unwrap()).filter(|&ok| ok).count();
            assert_eq!(won, 1);
            let &(a, b) = cell.get().expect("set by the winner");
            assert!(a == b && (a == 1 || a == 2));
        });
    }
}
