//! [`Event`]: something that happens once, and one thread that waits for it.
//!
//! Used for completions: an interrupt handler or the last acknowledgement of a request sets, the requester sleeps. `set`
//! takes no lock and allocates nothing. One word: null (not set, nobody waits), SET, or the handle of the waiter.
//!
//! ```text
//! wait   null -> handle (release), sleep until SET (acquire);  gives up: handle -> null
//! set    anything -> SET (acquire, release), one exchange; a handle that was there is woken
//! ```
//!
//! The exchange is the last access of `set`: the waiter may free the event as soon as it sees SET. It releases what was done
//! before `set` to who sees SET ("event seen"), and acquires the handle.
#![allow(unsafe_code)] // a handle in one word

use crate::atomic::{AtomicPtr, Ordering, constant, order};
use crate::thread::{self, Handle, Limit, MaySleep, WaitError};
use core::ptr;

/// It happened. No handle is at an odd address.
fn set_mark() -> *mut () {
    ptr::without_provenance_mut(1)
}

/// Something that happens once.
pub struct Event {
    word: AtomicPtr<()>,
}

impl Event {
    constant! {
        /// It has not happened.
        pub fn new() -> Event {
            Event { word: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// It happens. Any context, also interrupt handlers; any number of times, of which the first counts.
    pub fn set(&self) {
        let old = self.word.swap(set_mark(), order("event set", Ordering::AcqRel));
        if !old.is_null() && old != set_mark() {
            // SAFETY: the waiter put it there by `into_raw`, and the exchange gave it to this call alone.
            unsafe { Handle::from_raw(old) }.unpark();
        }
    }

    /// Whether it happened.
    pub fn is_set(&self) -> bool {
        self.word.load(order("event seen", Ordering::Acquire)) == set_mark()
    }

    /// Sleeps until it has happened.
    ///
    /// # Errors
    /// The limit was reached before.
    ///
    /// # Panics
    /// When another thread is waiting: an event has one waiter.
    pub fn wait(&self, sleep: &mut MaySleep, limit: &Limit<'_>) -> Result<(), WaitError> {
        if self.is_set() {
            return Ok(());
        }
        let me = thread::current().into_raw();
        let (push, seen) = (order("event push", Ordering::Release), order("event seen", Ordering::Acquire));
        if let Err(found) = self.word.compare_exchange(ptr::null_mut(), me, push, seen) {
            // SAFETY: the handle did not get into the word.
            drop(unsafe { Handle::from_raw(me) });
            assert!(found == set_mark(), "two threads wait for one event");
            return Ok(());
        }
        let outcome = limit.sleep_until(sleep, || self.is_set());
        if outcome.is_err() {
            if self.word.compare_exchange(me, ptr::null_mut(), Ordering::Relaxed, seen).is_err() {
                return Ok(());
            }
            // SAFETY: taken back by this exchange.
            drop(unsafe { Handle::from_raw(me) });
        }
        outcome
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Event {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Event").field(&self.is_set()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Event;
    use crate::thread::{self, Limit, MaySleep, WaitError};

    #[test]
    fn happens_once_and_wakes() {
        let event = Event::new();
        let sleep = &mut MaySleep::claim();
        let soon = Limit::until(thread::now_ns() + 1_000_000);
        assert_eq!(event.wait(sleep, &soon), Err(WaitError::TimedOut));
        std::thread::scope(|scope| {
            scope.spawn(|| event.set());
            assert_eq!(event.wait(sleep, &Limit::NONE), Ok(()));
        });
        event.set();
        assert!(event.is_set());
        assert_eq!(event.wait(sleep, &soon), Ok(()));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::Event;
    use crate::atomic::{AtomicUsize, Ordering};
    use crate::thread::{Limit, MaySleep};
    use crate::weaken::{every_edge_is_needed, explore};
    use loom::cell::UnsafeCell;
    use loom::{sync::Arc, thread};

    /// An event on its way: what was done before `set` is seen, and the waiter frees it.
    fn completion(limit: Limit<'static>) {
        explore(4, move || {
            struct Shared(Event, UnsafeCell<u32>);
            // SAFETY: the model checks it.
            unsafe impl Sync for Shared {}
            let shared = Arc::new(Shared(Event::new(), UnsafeCell::new(0)));
            let setter = {
                let shared = shared.clone();
                thread::spawn(move || {
                    // SAFETY: the model checks it.
                    shared.1.with_mut(|cell| unsafe { *cell = 7 });
                    shared.0.set();
                })
            };
            if shared.0.wait(&mut MaySleep::claim(), &limit).is_ok() {
                // SAFETY: the model checks it.
                assert_eq!(shared.1.with(|cell| unsafe { *cell }), 7);
            }
            setter.join().unwrap();
            assert!(shared.0.is_set());
        });
    }

    #[test]
    fn waiting() {
        completion(Limit::NONE);
    }

    #[test]
    fn giving_up() {
        completion(Limit::until(0));
    }

    #[test]
    fn two_setters() {
        explore(3, || {
            let shared = Arc::new((Event::new(), AtomicUsize::new(0)));
            let setters: Vec<_> = (0..2)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || {
                        shared.1.fetch_add(1, Ordering::Relaxed);
                        shared.0.set();
                    })
                })
                .collect();
            shared.0.wait(&mut MaySleep::claim(), &Limit::NONE).unwrap();
            assert!(shared.1.load(Ordering::Relaxed) >= 1);
            setters.into_iter().for_each(|setter| setter.join().unwrap());
        });
    }

    #[test]
    fn weakened_orderings_are_noticed() {
        every_edge_is_needed(&["event set", "event seen"], module_path!(), &["waiting", "giving_up"]);
    }
}
