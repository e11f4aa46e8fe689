//! POSIX timers: timer_create(2) and its kin.
//!
//! Called by those system calls, and by [`super`] when one expires or its signal is taken. A timer's number is its place in a
//! table; places are used again. An expiry carries a number of its own (`SigInfo::pad`, which no program sees), by which the
//! waiting signal of a timer that has been set anew or deleted is known and dropped.

use super::{Action, Base, FIXED, Owner, Setting, State, TICK, forward};
use crate::{Platform, Process};
use abi::structs::SigInfo;
use abi::{Signal, general as raw};
use alloc::vec::Vec;
use sched::timers::TimerKey;

/// Why a timer call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerError {
    /// No such timer.
    Unknown,
    /// There are as many as signals may wait (RLIMIT_SIGPENDING).
    TooMany,
    /// No memory.
    NoMemory,
}

/// What happens when a timer expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The signal; `None` for nothing (SIGEV_NONE).
    pub signal: Option<Signal>,
    /// The thread that it is for (SIGEV_THREAD_ID); `None` is the process.
    pub to_thread: Option<u32>,
    /// Goes with the signal; `None` for the timer's number.
    pub value: Option<u64>,
}

/// A signal to be sent.
pub(super) struct Expiry {
    pub id: u32,
    pub signal: Signal,
    pub info: SigInfo,
    pub to_thread: Option<u32>,
}

struct PosixTimer {
    /// The base of a time of its clock.
    clock: Base,
    notify: Notify,
    /// The base of the present deadline: distances do not follow the wall clock when that is set.
    base: Base,
    key: Option<TimerKey>,
    /// 0 when it has not been set.
    deadline: u64,
    interval: u64,
    /// The number of the expiry whose signal waits; 0 for none.
    waiting: u32,
    /// Expiries without a signal since the last that was taken.
    missed: u64,
    /// The same, when the last signal was taken: timer_getoverrun(2).
    overrun: u64,
}

impl PosixTimer {
    /// What is left at `now`, a time of its base.
    fn setting(&self, now: u64) -> Setting {
        let late = self.key.is_none();
        let value = if self.deadline == 0 {
            0
        } else if late && self.interval > 0 {
            forward(self.deadline, self.interval, now).1.saturating_sub(now)
        } else if late && (self.notify.signal.is_some() || self.deadline <= now) {
            0
        } else {
            self.deadline.saturating_sub(now).max(1)
        };
        Setting { value, interval: self.interval }
    }
}

/// The timers of a process.
pub(super) struct PosixTimers {
    table: Vec<Option<PosixTimer>>,
    /// Unused places of the table.
    unused: Vec<u32>,
    /// The last expiry's number.
    expiries: u32,
}

impl PosixTimers {
    pub(super) const fn new() -> Self {
        PosixTimers { table: Vec::new(), unused: Vec::new(), expiries: 0 }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.unused.len()
    }

    fn get(&mut self, id: u32) -> Result<&mut PosixTimer, TimerError> {
        self.table.get_mut(id as usize).and_then(Option::as_mut).ok_or(TimerError::Unknown)
    }

    /// The deadline of a timer is reached.
    pub(super) fn expired(&mut self, id: u32) -> Option<Expiry> {
        let number = self.expiries.wrapping_add(1).max(1);
        self.expiries = number;
        let timer = self.get(id).ok()?;
        timer.key = None;
        let signal = timer.notify.signal?;
        timer.waiting = number;
        let mut info = SigInfo::new(signal, raw::SI_TIMER);
        info.pad = number;
        info.fields[0] = id.into();
        info.fields[1] = timer.notify.value.unwrap_or(id.into());
        Some(Expiry { id, signal, info, to_thread: timer.notify.to_thread })
    }
}

impl State {
    /// Arms a periodic timer at its first period after `now`; returns how many have passed.
    fn rearm(&mut self, id: u32, now: u64) -> u64 {
        let Ok(&mut PosixTimer { base, deadline, interval, .. }) = self.posix.get(id) else { return 0 };
        if interval == 0 {
            return 0;
        }
        let (passed, deadline) = forward(deadline, interval, now);
        let key = self.arm(base, deadline, Owner::Posix(id));
        if let Ok(timer) = self.posix.get(id) {
            (timer.key, timer.deadline) = (key, deadline);
        }
        passed
    }

    /// The signal of a timer was ignored: the timer goes on as if it had been taken, but not too often.
    pub(super) fn ignored(&mut self, id: u32, now: u64) {
        let Ok(timer) = self.posix.get(id) else { return };
        if timer.waiting == 0 || timer.key.is_some() {
            return;
        }
        timer.waiting = 0;
        let rest = TICK.saturating_sub(timer.interval);
        let passed = self.rearm(id, now.saturating_add(rest));
        if let Ok(timer) = self.posix.get(id) {
            timer.missed = timer.missed.saturating_add(passed);
        }
    }
}

impl Process {
    /// timer_create(2): a timer that is not armed; its number comes back.
    ///
    /// # Errors
    /// [`TimerError::TooMany`], [`TimerError::NoMemory`].
    pub fn create_timer(&self, clock: Base, notify: Notify) -> Result<u32, TimerError> {
        let limit = self.limits().soft(raw::RLIMIT_SIGPENDING);
        let timer = PosixTimer {
            clock,
            notify,
            base: clock,
            key: None,
            deadline: 0,
            interval: 0,
            waiting: 0,
            missed: 0,
            overrun: 0,
        };
        let mut state = self.timers.state.lock();
        let count = state.posix.len();
        if count as u64 >= limit {
            return Err(TimerError::TooMany);
        }
        for queue in &mut state.queues {
            queue.reserve(FIXED + count + 1).map_err(|_| TimerError::NoMemory)?;
        }
        let posix = &mut state.posix;
        if let Some(id) = posix.unused.pop() {
            if let Some(place) = posix.table.get_mut(id as usize) {
                *place = Some(timer);
            }
            return Ok(id);
        }
        // Numbers are shown as C ints.
        let id = i32::try_from(posix.table.len()).map_err(|_| TimerError::NoMemory)?;
        posix.table.try_reserve(1).map_err(|_| TimerError::NoMemory)?;
        // So that deleting needs no memory.
        let unused = (posix.table.len() + 1).saturating_sub(posix.unused.len());
        posix.unused.try_reserve(unused).map_err(|_| TimerError::NoMemory)?;
        posix.table.push(Some(timer));
        Ok(id.unsigned_abs())
    }

    /// The base of a timer's deadline, and the time there.
    fn timer_now(&self, platform: &dyn Platform, id: u32) -> Result<u64, TimerError> {
        let base = self.timers.state.lock().posix.get(id)?.base;
        Ok(self.base_now(platform, base))
    }

    /// timer_gettime(2).
    ///
    /// # Errors
    /// [`TimerError::Unknown`].
    pub fn timer(&self, platform: &dyn Platform, id: u32) -> Result<Setting, TimerError> {
        let now = self.timer_now(platform, id)?;
        Ok(self.timers.state.lock().posix.get(id)?.setting(now))
    }

    /// timer_settime(2): with the first expiry from now or at a time of its clock; the old setting comes back.
    ///
    /// # Errors
    /// [`TimerError::Unknown`].
    pub fn set_posix_timer(
        &self,
        platform: &dyn Platform,
        id: u32,
        new: Setting,
        absolute: bool,
    ) -> Result<Setting, TimerError> {
        let before = self.timer_now(platform, id)?;
        let clock = self.timers.state.lock().posix.get(id)?.clock;
        let base = if clock == Base::Realtime && !absolute { Base::Monotonic } else { clock };
        let now = self.base_now(platform, base);
        let mut state = self.timers.state.lock();
        let timer = state.posix.get(id)?;
        let old = timer.setting(before);
        let (old_base, old_key) = (timer.base, timer.key.take());
        let armed = new.value > 0;
        let deadline = if absolute { new.value } else { now.saturating_add(new.value) };
        (timer.base, timer.deadline) = (base, if armed { deadline } else { 0 });
        timer.interval = if armed { new.interval } else { 0 };
        (timer.waiting, timer.missed, timer.overrun) = (0, 0, 0);
        // One that says nothing is only computed.
        let silent = timer.notify.signal.is_none();
        state.disarm(old_base, old_key);
        if armed && !silent {
            let key = state.arm(base, deadline, Owner::Posix(id));
            state.posix.get(id)?.key = key;
        }
        drop(state);
        self.set_timer(platform);
        Ok(old)
    }

    /// The armed timers on clocks of threads: number, base, deadline. Looks at all timers if there is one.
    pub(super) fn thread_timers(&self) -> impl Iterator<Item = (u32, Base, u64)> + '_ {
        let count = {
            let mut state = self.timers.state.lock();
            let none = state.queue(Base::Thread(0)).is_empty();
            if none { 0 } else { state.posix.table.len() as u32 }
        };
        (0..count).filter_map(|id| {
            let mut state = self.timers.state.lock();
            let timer = state.posix.get(id).ok()?;
            let of_thread = matches!(timer.base, Base::Thread(_) | Base::ThreadUser(_));
            (of_thread && timer.key.is_some()).then_some((id, timer.base, timer.deadline))
        })
    }

    /// Sends the signals of those that have expired.
    pub(super) fn expire_thread_timers(&self, platform: &dyn Platform) {
        for (id, base, deadline) in self.thread_timers() {
            let now = self.base_now(platform, base);
            if deadline > now {
                continue;
            }
            let mut state = self.timers.state.lock();
            let Ok(timer) = state.posix.get(id) else { continue };
            // It may have been set anew meanwhile.
            if (timer.base, timer.deadline) != (base, deadline) || timer.key.is_none() {
                continue;
            }
            let key = timer.key;
            state.disarm(base, key);
            let expiry = state.posix.expired(id);
            drop(state);
            if let Some(expiry) = expiry {
                self.act(Action::Posix(expiry), now);
            }
        }
    }

    /// timer_getoverrun(2).
    ///
    /// # Errors
    /// [`TimerError::Unknown`].
    pub fn timer_overrun(&self, id: u32) -> Result<u32, TimerError> {
        Ok(shown(self.timers.state.lock().posix.get(id)?.overrun))
    }

    /// timer_delete(2).
    ///
    /// # Errors
    /// [`TimerError::Unknown`].
    pub fn delete_timer(&self, platform: &dyn Platform, id: u32) -> Result<(), TimerError> {
        let mut state = self.timers.state.lock();
        let timer = state.posix.get(id)?;
        let (base, key) = (timer.base, timer.key.take());
        state.disarm(base, key);
        if let Some(place) = state.posix.table.get_mut(id as usize) {
            *place = None;
        }
        state.posix.unused.push(id);
        drop(state);
        self.set_timer(platform);
        Ok(())
    }

    /// The signal of expiry `number` has been taken: counts what was missed, and arms a periodic timer again. False if
    /// the timer does not wait for it any more.
    pub(super) fn timer_signal_taken(
        &self,
        platform: &dyn Platform,
        number: u32,
        info: &mut SigInfo,
    ) -> bool {
        let id = info.fields[0] as u32;
        let Ok(now) = self.timer_now(platform, id) else { return false };
        let mut state = self.timers.state.lock();
        if !state.posix.get(id).is_ok_and(|timer| timer.waiting == number) {
            return false;
        }
        // The first of the periods is the expiry itself.
        let passed = state.rearm(id, now).saturating_sub(1);
        if let Ok(timer) = state.posix.get(id) {
            timer.overrun = timer.missed.saturating_add(passed);
            (timer.missed, timer.waiting) = (0, 0);
            info.fields[0] |= u64::from(shown(timer.overrun)) << 32;
        }
        true
    }

    /// A waiting signal has been discarded because it became ignored: the timers that sent it go on.
    pub fn timer_signals_discarded(&self, platform: &dyn Platform, signal: Signal) {
        let count = self.timers.state.lock().posix.table.len() as u32;
        for id in 0..count {
            let Ok(now) = self.timer_now(platform, id) else { continue };
            let mut state = self.timers.state.lock();
            if state.posix.get(id).is_ok_and(|timer| timer.notify.signal == Some(signal)) {
                state.ignored(id, now);
            }
        }
        self.set_timer(platform);
    }
}

/// An overrun as programs see it: a C int.
fn shown(overrun: u64) -> u32 {
    overrun.min(i32::MAX as u64) as u32
}
