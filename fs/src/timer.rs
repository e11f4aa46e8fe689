//! [`TimerFd`]: a timer as a file (timerfd_create(2)), over a clock that is given to it.

use crate::notify::Notifier;
use crate::{File, FsError, Metadata, Offset, Sink, Source};
use abi::{OpenFlags, PollEvents};
use alloc::{boxed::Box, format, vec::Vec};
use sync::Mutex;

/// The two looks at the time that a timer needs, nanoseconds.
pub struct Clock {
    /// Monotonic time: when the file becomes ready is told in it.
    pub monotonic: Box<dyn Fn() -> u64 + Send + Sync>,
    /// The time of the timer's own clock.
    pub own: Box<dyn Fn() -> u64 + Send + Sync>,
    /// How often the own clock has been set.
    pub times_set: Box<dyn Fn() -> u64 + Send + Sync>,
    /// The number of the own clock.
    pub id: i32,
}

/// What a timer is set to, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until the first expiration; 0 if it is not armed.
    pub value: u64,
    /// From one expiration to the next; 0 for one only.
    pub interval: u64,
}

/// A file that can be set as a timer.
pub trait Timer {
    /// Sets the timer, with the first expiration from now or at a time of its clock; the old setting comes back. With
    /// `cancel`, reading fails with [`FsError::Cancelled`] once after the clock has been set.
    fn set(&self, new: Setting, absolute: bool, cancel: bool) -> Setting;

    /// What is left until the next expiration.
    fn get(&self) -> Setting;
}

#[derive(Default)]
struct State {
    /// The next expiration, a time of the own clock.
    next: Option<u64>,
    interval: u64,
    /// Expirations that have not been read.
    expired: u64,
    /// All expirations and settings so far.
    events: u64,
    /// How often the clock had been set when that was last told; `None` if nobody wants to know.
    times_set: Option<u64>,
}

impl State {
    /// Counts the expirations up to `now`.
    fn advance(&mut self, now: u64) {
        let Some(next) = self.next.filter(|&next| next <= now) else { return };
        let more = match self.interval {
            0 => {
                self.next = None;
                1
            }
            interval => {
                let more = (now - next) / interval + 1;
                self.next = Some(next.saturating_add(more.saturating_mul(interval)));
                more
            }
        };
        self.expired = self.expired.saturating_add(more);
        self.events = self.events.wrapping_add(more);
    }

    fn setting(&self, now: u64) -> Setting {
        Setting {
            value: self.next.map_or(0, |next| next.saturating_sub(now).max(1)),
            interval: self.interval,
        }
    }
}

/// A timer as a file. Reading one that has not expired answers [`FsError::WouldBlock`], and the caller waits.
pub struct TimerFd {
    clock: Clock,
    state: Mutex<State>,
    changed: Notifier,
}

impl TimerFd {
    /// A timer that is not armed.
    pub fn new(clock: Clock) -> Self {
        TimerFd { clock, state: Mutex::new(State::default()), changed: Notifier::new() }
    }

    /// Whether the clock has been set, which ends the timer.
    fn is_cancelled(&self, state: &State) -> bool {
        state.times_set.is_some_and(|known| known != (self.clock.times_set)())
    }

    fn look<T>(&self, look: impl FnOnce(&mut State, u64) -> T) -> T {
        let now = (self.clock.own)();
        let mut state = self.state.lock();
        state.advance(now);
        look(&mut state, now)
    }
}

impl Timer for TimerFd {
    fn set(&self, new: Setting, absolute: bool, cancel: bool) -> Setting {
        let old = self.look(|state, now| {
            let old = state.setting(now);
            let at = if absolute { new.value } else { now.saturating_add(new.value) };
            state.next = (new.value > 0).then_some(at);
            state.interval = new.interval;
            state.expired = 0;
            state.times_set = cancel.then(|| (self.clock.times_set)());
            state.events = state.events.wrapping_add(1);
            old
        });
        self.changed.notify();
        old
    }

    fn get(&self) -> Setting {
        self.look(|state, now| state.setting(now))
    }
}

impl File for TimerFd {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata::anonymous())
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        if dst.remaining() < size_of::<u64>() {
            return Err(FsError::Invalid);
        }
        let expired = self.look(|state, _| {
            let expired = core::mem::take(&mut state.expired);
            if self.is_cancelled(state) {
                state.times_set = Some((self.clock.times_set)());
                return Err(FsError::Cancelled);
            }
            Ok(expired)
        })?;
        if expired == 0 {
            return Err(FsError::WouldBlock);
        }
        dst.put(&expired.to_le_bytes())?;
        Ok(size_of::<u64>())
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::Invalid)
    }

    fn seek(&self, _to: crate::SeekFrom, position: u64) -> Result<u64, FsError> {
        // Linux lets it pass without effect.
        Ok(position)
    }

    fn readiness(&self) -> PollEvents {
        let ready = self.look(|state, _| state.expired > 0 || self.is_cancelled(state));
        if ready { PollEvents::IN | PollEvents::RDNORM } else { PollEvents::empty() }
    }

    fn changes(&self) -> [Option<&Notifier>; 2] {
        [Some(&self.changed), None]
    }

    fn ready_at(&self) -> Option<u64> {
        let left = self.look(|state, now| state.next.map(|next| next.saturating_sub(now)))?;
        Some((self.clock.monotonic)().saturating_add(left))
    }

    fn generation(&self) -> u64 {
        self.look(|state, _| state.events)
    }

    fn as_timer(&self) -> Option<&dyn Timer> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"anon_inode:[timerfd]");
    }

    fn details(&self, out: &mut crate::pseudo::Output) {
        let (ticks, now) = self.look(|state, now| (state.expired, state.setting(now)));
        let part = |ns: u64| format!("({}, {})", ns / 1_000_000_000, ns % 1_000_000_000);
        let text = format!(
            "clockid: {}\nticks: {ticks}\nsettime flags: 00\nit_value: {}\nit_interval: {}\n",
            self.clock.id,
            part(now.value),
            part(now.interval)
        );
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SliceSink;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn expires() {
        let now = Arc::new(AtomicU64::new(1000));
        let look = |offset: u64| {
            let now = now.clone();
            Box::new(move || now.load(Ordering::Relaxed) + offset)
        };
        let timer =
            TimerFd::new(Clock { monotonic: look(0), own: look(500), times_set: Box::new(|| 0), id: 0 });
        let read = || {
            let mut buf = [0; 8];
            timer.read(Offset(0), &mut SliceSink::new(&mut buf), OpenFlags::empty())?;
            Ok(u64::from_le_bytes(buf))
        };
        assert_eq!((read(), timer.ready_at()), (Err(FsError::WouldBlock), None));
        assert_eq!(timer.set(Setting { value: 100, interval: 30 }, false, false), Setting::default());
        assert_eq!((timer.get(), timer.ready_at()), (Setting { value: 100, interval: 30 }, Some(1100)));
        now.store(1099, Ordering::Relaxed);
        assert!(timer.readiness().is_empty());
        now.store(1165, Ordering::Relaxed);
        assert!(timer.readiness().contains(PollEvents::IN));
        assert_eq!((read(), read()), (Ok(3), Err(FsError::WouldBlock)));
        assert_eq!(timer.get(), Setting { value: 25, interval: 30 });
        // At a time that has passed, once.
        timer.set(Setting { value: 1, interval: 0 }, true, false);
        assert_eq!((read(), read(), timer.get()), (Ok(1), Err(FsError::WouldBlock), Setting::default()));
    }

    #[test]
    fn is_cancelled_when_the_clock_is_set() {
        let sets = Arc::new(AtomicU64::new(3));
        let times_set = {
            let sets = sets.clone();
            Box::new(move || sets.load(Ordering::Relaxed))
        };
        let timer = TimerFd::new(Clock { monotonic: Box::new(|| 0), own: Box::new(|| 0), times_set, id: 0 });
        let read = || timer.read(Offset(0), &mut SliceSink::new(&mut [0; 8]), OpenFlags::empty());
        let later = Setting { value: 100, interval: 0 };
        timer.set(later, true, false);
        sets.store(4, Ordering::Relaxed);
        assert_eq!(read(), Err(FsError::WouldBlock), "it did not want to know");
        timer.set(later, true, true);
        assert!(timer.readiness().is_empty());
        sets.store(5, Ordering::Relaxed);
        assert!(timer.readiness().contains(PollEvents::IN));
        assert_eq!((read(), read()), (Err(FsError::Cancelled), Err(FsError::WouldBlock)));
        assert_eq!(timer.get(), later);
    }
}
