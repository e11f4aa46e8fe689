//! [`Timers`]: what interrupts a running program: interval timers (setitimer(2)), POSIX timers ([`posix`], timer_create(2)) and
//! the limit on processor time (RLIMIT_CPU).
//!
//! Pending timers lie in one queue for each clock; those on clocks of threads in one, in which only their number counts. The
//! earliest is what the platform is asked to interrupt the program at ([`Platform::set_timer`]); its interrupt handler only marks
//! ([`Timers::mark_due`]). The work is done in thread context, in [`Process::expire_timers`]: on the way back to the program,
//! whenever a sleeping call wakes, and by who asks for a timer that is due.
//!
//! A periodic timer whose signal waits is not armed; it is again when the signal is taken ([`Process::signal_taken`]), which
//! is also when the periods that passed meanwhile are counted. So a timer has one waiting signal at most, and a short
//! period cannot keep the kernel busy.
//!
//! Invariants: every armed timer has one entry in the queue of its base; queues have room for all timers, so arming cannot
//! fail; no other lock is taken while the state is locked.

pub mod posix;
#[cfg(test)]
mod tests;

use crate::{Platform, Process};
use abi::structs::SigInfo;
use abi::{Signal, general as raw};
use core::sync::atomic::{AtomicU64, Ordering};
use posix::{Expiry, PosixTimers};
use sched::timers::{OutOfMemory, TimerKey, TimerQueue};
use sync::Mutex;

const SECOND: u64 = 1_000_000_000;
/// Timers of processor time, and those whose signal is ignored, do not expire more often than this.
const TICK: u64 = 1_000_000;
/// How long the program runs at least until its user time is looked at again: it grows at an unknown rate.
const USER_TIME_STEP: u64 = 1_000_000;

/// What a deadline is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Time since boot.
    Monotonic,
    /// The wall clock, which can be set.
    Realtime,
    /// Processor time of the process.
    Cpu,
    /// Processor time of the process in its own code.
    User,
    /// Processor time of the thread with this number; it stands still when the thread has ended.
    Thread(u32),
    /// The same, in the program's code.
    ThreadUser(u32),
}

/// Number of queues: one for each base, and one that has all timers on clocks of threads.
const QUEUES: usize = 5;
/// The bases that order their queue. Timers on clocks of threads are looked for in the table.
const ALL: [Base; QUEUES - 1] = [Base::Monotonic, Base::Realtime, Base::Cpu, Base::User];

/// The interval timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// ITIMER_REAL: time passes, SIGALRM.
    Real,
    /// ITIMER_VIRTUAL: the program's code runs, SIGVTALRM.
    Virtual,
    /// ITIMER_PROF: the process runs, SIGPROF.
    Prof,
}

impl Interval {
    fn base(self) -> Base {
        match self {
            Interval::Real => Base::Monotonic,
            Interval::Virtual => Base::User,
            Interval::Prof => Base::Cpu,
        }
    }

    fn signal(self) -> Signal {
        match self {
            Interval::Real => Signal::SIGALRM,
            Interval::Virtual => Signal::SIGVTALRM,
            Interval::Prof => Signal::SIGPROF,
        }
    }
}

/// What a timer is set to, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until it expires; 0 if it is not armed.
    pub value: u64,
    /// From one expiry to the next; 0 for one only.
    pub interval: u64,
}

/// Whose an entry of a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Interval(Interval),
    /// The timer with this number.
    Posix(u32),
    CpuLimit,
}

/// Entries that are not POSIX timers: three interval timers and the limit.
const FIXED: usize = 4;

#[derive(Clone, Copy, Default)]
struct IntervalTimer {
    key: Option<TimerKey>,
    deadline: u64,
    interval: u64,
}

struct State {
    queues: [TimerQueue<Owner>; QUEUES],
    intervals: [IntervalTimer; 3],
    cpu_limit: Option<TimerKey>,
    posix: PosixTimers,
}

/// What an expired entry leads to.
enum Action {
    Nothing,
    Kernel(Signal),
    Posix(Expiry),
    CpuLimit,
}

impl State {
    fn queue(&mut self, base: Base) -> &mut TimerQueue<Owner> {
        let [monotonic, realtime, cpu, user, threads] = &mut self.queues;
        match base {
            Base::Monotonic => monotonic,
            Base::Realtime => realtime,
            Base::Cpu => cpu,
            Base::User => user,
            Base::Thread(_) | Base::ThreadUser(_) => threads,
        }
    }

    fn arm(&mut self, base: Base, deadline: u64, owner: Owner) -> Option<TimerKey> {
        self.queue(base).insert(deadline, owner).ok()
    }

    fn disarm(&mut self, base: Base, key: Option<TimerKey>) {
        if let Some(key) = key {
            self.queue(base).cancel(key);
        }
    }

    fn interval(&mut self, which: Interval) -> &mut IntervalTimer {
        let [real, virt, prof] = &mut self.intervals;
        match which {
            Interval::Real => real,
            Interval::Virtual => virt,
            Interval::Prof => prof,
        }
    }

    /// Arms an interval timer at its first period after `now`.
    fn next_period(&mut self, which: Interval, now: u64) {
        let timer = *self.interval(which);
        if timer.interval == 0 || timer.key.is_some() {
            return;
        }
        let (_, deadline) = forward(timer.deadline, timer.interval, now);
        let key = self.arm(which.base(), deadline, Owner::Interval(which));
        *self.interval(which) = IntervalTimer { key, deadline, ..timer };
    }

    fn expired(&mut self, owner: Owner, now: u64) -> Action {
        match owner {
            Owner::Interval(which) => {
                self.interval(which).key = None;
                // The real one goes on when its signal is taken, the others as often as Linux would look at them.
                if which != Interval::Real {
                    let rest = TICK.saturating_sub(self.interval(which).interval);
                    self.next_period(which, now.saturating_add(rest));
                }
                Action::Kernel(which.signal())
            }
            Owner::Posix(id) => self.posix.expired(id).map_or(Action::Nothing, Action::Posix),
            Owner::CpuLimit => {
                self.cpu_limit = None;
                Action::CpuLimit
            }
        }
    }
}

/// The periods of `interval` that have passed at `now` beyond `deadline`, and the first time after `now`.
fn forward(deadline: u64, interval: u64, now: u64) -> (u64, u64) {
    match now.checked_sub(deadline) {
        Some(late) => {
            let passed = late / interval.max(1) + 1;
            (passed, deadline.saturating_add(passed.saturating_mul(interval)))
        }
        None => (0, deadline),
    }
}

/// The timers of a process.
pub struct Timers {
    state: Mutex<State>,
    /// Held while the platform is told the next expiry, so that what is told last is true. Before `state`.
    telling: Mutex<()>,
    /// Not 0 when a timer may have expired.
    due: AtomicU64,
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

impl Timers {
    /// None armed.
    pub const fn new() -> Self {
        let state = State {
            queues: [const { TimerQueue::new() }; QUEUES],
            intervals: [IntervalTimer { key: None, deadline: 0, interval: 0 }; 3],
            cpu_limit: None,
            posix: PosixTimers::new(),
        };
        Timers { state: Mutex::new(state), telling: Mutex::new(()), due: AtomicU64::new(0) }
    }

    /// Says that a timer may have expired. May be called by an interrupt handler.
    #[inline]
    pub fn mark_due(&self) {
        self.due.store(1, Ordering::Relaxed);
    }

    /// Whether a timer may have expired: not 0.
    #[inline]
    pub fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }
}

impl Process {
    fn base_now(&self, platform: &dyn Platform, base: Base) -> u64 {
        match base {
            Base::Monotonic => platform.monotonic_ns(),
            Base::Realtime => platform.realtime_ns(),
            Base::Cpu => self.run_time(platform),
            Base::User => self.cpu_times(platform).user,
            Base::Thread(tid) => self.thread(tid).map_or(0, |thread| thread.run_time(platform)),
            Base::ThreadUser(tid) => self.thread(tid).map_or(0, |thread| thread.cpu_times(platform).user),
        }
    }

    /// Sends the signals of the timers that have expired, and asks for an interrupt when the next does.
    pub fn expire_timers(&self, platform: &dyn Platform) {
        self.timers.due.store(0, Ordering::Relaxed);
        for base in ALL {
            if self.timers.state.lock().queue(base).is_empty() {
                continue;
            }
            // What is armed again here expires after this time, so the loop ends.
            let now = self.base_now(platform, base);
            loop {
                let mut state = self.timers.state.lock();
                let Some((_, owner)) = state.queue(base).pop_expired(now) else { break };
                let action = state.expired(owner, now);
                drop(state);
                self.act(action, now);
            }
        }
        self.expire_thread_timers(platform);
        self.set_timer(platform);
    }

    fn act(&self, action: Action, now: u64) {
        match action {
            Action::Nothing => {}
            Action::Kernel(signal) => self.send_kernel(signal),
            Action::Posix(Expiry { id, signal, info, to_thread }) => {
                if !self.send_expiry(signal, info, to_thread) {
                    self.timers.state.lock().ignored(id, now);
                }
            }
            Action::CpuLimit => self.cpu_limit_reached(now),
        }
    }

    /// When the next timer expires while nobody runs (monotonic): clocks of the processor stand still.
    pub fn next_timer(&self, platform: &dyn Platform) -> Option<u64> {
        self.earliest(platform, &[Base::Monotonic, Base::Realtime])
    }

    fn earliest(&self, platform: &dyn Platform, bases: &[Base]) -> Option<u64> {
        let at = |&base: &Base| {
            let deadline = self.timers.state.lock().queue(base).next_deadline()?;
            if base == Base::Monotonic {
                return Some(deadline);
            }
            let left = deadline.saturating_sub(self.base_now(platform, base));
            // The clocks of the processor run as fast as threads run at a time, and stand still while none does.
            let (left, least) = match base {
                Base::Cpu | Base::User if left > 0 => {
                    let at_a_time = self.thread_count().min(platform.cpu_count() as usize).max(1);
                    (left / at_a_time as u64, USER_TIME_STEP)
                }
                _ => (left, 0),
            };
            // Looked at after the other clock: rather a little late than too early and for nothing.
            Some(platform.monotonic_ns().saturating_add(left.max(least)))
        };
        bases.iter().filter_map(at).min()
    }

    /// When timers on clocks of threads may expire at the earliest (monotonic).
    fn earliest_of_threads(&self, platform: &dyn Platform) -> Option<u64> {
        let left = self.thread_timers().map(|(_, base, deadline)| {
            // No thread runs faster than time.
            deadline.saturating_sub(self.base_now(platform, base)).max(USER_TIME_STEP)
        });
        left.min().map(|left| platform.monotonic_ns().saturating_add(left))
    }

    /// Asks the platform for an interrupt at the next expiry. Called after each change, and after the wall clock was set.
    pub fn set_timer(&self, platform: &dyn Platform) {
        let next = {
            let _telling = self.timers.telling.lock();
            let bases = self.earliest(platform, &ALL);
            let next = bases.into_iter().chain(self.earliest_of_threads(platform)).min();
            platform.set_timer(next);
            next
        };
        if next.is_some_and(|next| next <= platform.monotonic_ns()) {
            self.timers.mark_due();
        }
    }

    /// A signal has been taken from a queue: the timer that sent it goes on. Completes `info` for a POSIX timer, and returns
    /// false if that has been set anew or deleted since: then the signal is none.
    pub(crate) fn signal_taken(&self, platform: &dyn Platform, signal: Signal, info: &mut SigInfo) -> bool {
        let sent_by_timer = core::mem::take(&mut info.pad);
        if info.code == raw::SI_TIMER && sent_by_timer != 0 {
            if !self.timer_signal_taken(platform, sent_by_timer, info) {
                return false;
            }
        } else if signal == Signal::SIGALRM {
            self.timers.state.lock().next_period(Interval::Real, platform.monotonic_ns());
        } else {
            return true;
        }
        self.set_timer(platform);
        true
    }

    /// getitimer(2).
    pub fn interval_timer(&self, platform: &dyn Platform, which: Interval) -> Setting {
        let now = self.base_now(platform, which.base());
        let mut timer = *self.timers.state.lock().interval(which);
        if timer.key.is_some() && timer.deadline <= now {
            // Whoever is to send its signal has not run yet. On Linux the interrupt does, before anybody can look.
            self.expire_timers(platform);
            timer = *self.timers.state.lock().interval(which);
        }
        let left = || timer.deadline.saturating_sub(now).max(1);
        Setting { value: timer.key.map_or(0, |_| left()), interval: timer.interval }
    }

    /// setitimer(2); the old setting comes back.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn set_interval_timer(
        &self,
        platform: &dyn Platform,
        which: Interval,
        new: Setting,
    ) -> Result<Setting, OutOfMemory> {
        let now = self.base_now(platform, which.base());
        let mut state = self.timers.state.lock();
        let old = *state.interval(which);
        let room = FIXED + state.posix.len();
        state.queue(which.base()).reserve(room)?;
        state.disarm(which.base(), old.key);
        // As on Linux those of processor time keep a period without a value.
        let kept = if which == Interval::Real { 0 } else { new.interval };
        let mut timer = IntervalTimer { interval: kept, ..IntervalTimer::default() };
        if new.value > 0 {
            let deadline = now.saturating_add(new.value);
            let key = state.arm(which.base(), deadline, Owner::Interval(which));
            timer = IntervalTimer { key, deadline, interval: new.interval };
        }
        *state.interval(which) = timer;
        drop(state);
        self.set_timer(platform);
        let left = old.deadline.saturating_sub(now).max(1);
        Ok(Setting { value: old.key.map_or(0, |_| left), interval: old.interval })
    }

    /// The soft limit on processor time has changed: SIGXCPU comes when it is reached, and every second after that; SIGKILL
    /// at the hard limit. Both in seconds.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn set_cpu_limit(&self, platform: &dyn Platform, soft: u64) -> Result<(), OutOfMemory> {
        let mut state = self.timers.state.lock();
        let old = state.cpu_limit.take();
        state.disarm(Base::Cpu, old);
        if soft != crate::limits::INFINITY {
            let room = FIXED + state.posix.len();
            state.queue(Base::Cpu).reserve(room)?;
            // A limit of 0 is one of a second, as on Linux.
            let deadline = soft.max(1).saturating_mul(SECOND);
            state.cpu_limit = state.arm(Base::Cpu, deadline, Owner::CpuLimit);
        }
        drop(state);
        self.set_timer(platform);
        Ok(())
    }

    fn cpu_limit_reached(&self, used: u64) {
        let hard = self.limits().get(raw::RLIMIT_CPU).map_or(u64::MAX, |limit| limit.rlim_max);
        if hard != crate::limits::INFINITY && used >= hard.saturating_mul(SECOND) {
            return self.send_kernel(Signal::SIGKILL);
        }
        self.send_kernel(Signal::SIGXCPU);
        let mut state = self.timers.state.lock();
        if state.cpu_limit.is_none() {
            let again = (used / SECOND + 1).saturating_mul(SECOND);
            state.cpu_limit = state.arm(Base::Cpu, again, Owner::CpuLimit);
        }
    }
}
