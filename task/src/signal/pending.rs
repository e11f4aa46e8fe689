//! [`Pending`]: the signals that wait for a process or a thread, with what is known about each.
//!
//! Used by [`Process`](crate::Process), [`Thread`](crate::Thread), delivery and sigtimedwait(2). Invariant: a signal is in the
//! set if and only if it waits; an entry of the queue belongs to a signal of the set; a standard signal (below 32) has at most
//! one entry beside those of timers, real-time signals have as many as were sent, oldest first.

use abi::structs::SigInfo;
use abi::{SigSet, Signal};
use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicU64, Ordering};
use sync::Mutex;

/// The queue is at its limit (EAGAIN of sigqueue(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// Signals that a fault makes: they are taken first.
const SYNCHRONOUS: u64 = 1 << (Signal::SIGSEGV.raw() - 1)
    | 1 << (Signal::SIGBUS.raw() - 1)
    | 1 << (Signal::SIGILL.raw() - 1)
    | 1 << (Signal::SIGTRAP.raw() - 1)
    | 1 << (Signal::SIGFPE.raw() - 1)
    | 1 << (Signal::SIGSYS.raw() - 1);

/// Waiting signals.
#[derive(Default)]
pub struct Pending {
    set: AtomicU64,
    /// How many have been sent.
    sent: AtomicU64,
    queue: Mutex<VecDeque<SigInfo>>,
}

impl Pending {
    /// Which signals wait.
    #[inline]
    pub fn set(&self) -> SigSet {
        SigSet(self.set.load(Ordering::Relaxed))
    }

    /// Counts the signals that have been sent, for those who watch for more.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Adds `signal`; `limit` is the most entries that the queue may have.
    ///
    /// # Errors
    /// [`QueueFull`] for a real-time signal that carries a value and finds no room. Others lose only what is known about them.
    pub fn add(&self, signal: Signal, info: SigInfo, limit: u64) -> Result<(), QueueFull> {
        let bit = 1 << signal.index();
        let mut queue = self.queue.lock();
        let realtime = signal.raw() >= Signal::RTMIN;
        if !realtime && self.set().contains(signal) {
            return Ok(());
        }
        if (queue.len() as u64) < limit && queue.try_reserve(1).is_ok() {
            queue.push_back(info);
        } else if realtime && info.code != 0 && info.code != abi::general::SI_KERNEL as i32 {
            return Err(QueueFull);
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.set.fetch_or(bit, Ordering::Release);
        Ok(())
    }

    /// Adds the signal of a POSIX timer. Each timer has one entry at most, so there are no more than timers, which are limited.
    pub fn add_expiry(&self, signal: Signal, info: SigInfo) {
        let mut queue = self.queue.lock();
        // Without memory the signal arrives without what is known about it.
        if queue.try_reserve(1).is_ok() {
            queue.push_back(info);
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.set.fetch_or(1 << signal.index(), Ordering::Release);
    }

    /// Takes a signal that `blocked` does not have: those of faults first, then the lowest number, and of one number the oldest.
    pub fn take(&self, blocked: SigSet) -> Option<(Signal, SigInfo)> {
        let mut info = SigInfo::default();
        Some((self.take_into(blocked, &mut info)?, info))
    }

    /// As [`take`](Self::take); what is known about the signal goes to `info`.
    #[inline]
    pub fn take_into(&self, blocked: SigSet, info: &mut SigInfo) -> Option<Signal> {
        if self.set().0 & !blocked.0 == 0 { None } else { self.take_waiting(blocked, info) }
    }

    /// As [`take_into`](Self::take_into), after a look that found one.
    fn take_waiting(&self, blocked: SigSet, info: &mut SigInfo) -> Option<Signal> {
        let mut queue = self.queue.lock();
        // Another thread may have taken it meanwhile.
        let ready = self.set().0 & !blocked.0;
        if ready == 0 {
            return None;
        }
        let first = if ready & SYNCHRONOUS != 0 { ready & SYNCHRONOUS } else { ready };
        let signal = Signal::new(u64::from(first.trailing_zeros()) + 1)?;
        let number = i32::from(signal.raw());
        match queue.iter().position(|entry| entry.signo == number) {
            Some(0) => {
                queue.front().into_iter().for_each(|oldest| *info = *oldest);
                queue.pop_front();
            }
            found => {
                *info = found.and_then(|at| queue.remove(at)).unwrap_or_else(|| SigInfo::new(signal, 0));
            }
        }
        if !queue.iter().any(|info| info.signo == number) {
            self.set.fetch_and(!(1 << signal.index()), Ordering::Relaxed);
        }
        Some(signal)
    }

    /// Forgets the signals of `set`.
    pub fn discard(&self, set: SigSet) {
        let mut queue = self.queue.lock();
        self.set.fetch_and(!set.0, Ordering::Relaxed);
        queue.retain(|info| !Signal::new(info.signo as u64).is_some_and(|signal| set.contains(signal)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(signal: Signal, value: u64) -> SigInfo {
        let mut info = SigInfo::new(signal, abi::general::SI_QUEUE);
        info.fields[1] = value;
        info
    }

    proptest! {
        /// Against a list in the order of sending.
        #[test]
        fn order_is_that_of_a_list(sent in prop::collection::vec((1u64..=64, any::<u64>()), 0..60), blocked: u64) {
            let pending = Pending::default();
            let mut model: Vec<(u8, u64)> = Vec::new();
            for (number, value) in sent {
                let signal = Signal::new(number).unwrap();
                pending.add(signal, info(signal, value), 1000).unwrap();
                if number >= 32 || !model.iter().any(|entry| u64::from(entry.0) == number) {
                    model.push((signal.raw(), value));
                }
            }
            let blocked = SigSet(blocked);
            let rank = |number: u8| (SYNCHRONOUS >> (number - 1) & 1 == 0, number);
            let (kept, mut wanted): (Vec<_>, Vec<_>) =
                model.iter().partition(|entry| blocked.contains(Signal::new(entry.0.into()).unwrap()));
            wanted.sort_by_key(|entry: &(u8, u64)| rank(entry.0));
            let mut got = Vec::new();
            while let Some((signal, info)) = pending.take(blocked) {
                got.push((signal.raw(), info.fields[1]));
            }
            prop_assert_eq!(got, wanted);
            let rest = kept.iter().fold(0, |set, entry: &(u8, u64)| set | 1u64 << (entry.0 - 1));
            prop_assert_eq!(pending.set().0, rest);
        }
    }

    #[test]
    fn limits_and_discarding() {
        let pending = Pending::default();
        let realtime = Signal::new(40).unwrap();
        pending.add(realtime, info(realtime, 1), 1).unwrap();
        assert_eq!(pending.add(realtime, info(realtime, 2), 1), Err(QueueFull));
        pending.add(Signal::SIGUSR1, info(Signal::SIGUSR1, 3), 1).unwrap();
        let (signal, lost) = pending.take(SigSet::EMPTY).unwrap();
        assert_eq!(
            (signal, lost.code, lost.fields[1]),
            (Signal::SIGUSR1, 0, 0),
            "the signal without its value"
        );
        pending.discard(SigSet(1 << realtime.index()));
        assert!(pending.take(SigSet::EMPTY).is_none());
    }
}
