//! Processor time: exact in all, split into the program's and the kernel's own by samples.
//!
//! Looking at the clock at each entry and return of the kernel would cost as much as a short call. So the time a process has
//! run is what the scheduler charged to its threads, and [`Samples`], which the kernel counts at its timer interrupts, say in which
//! proportion. Without samples all of it is the program's.
//!
//! Invariant: neither part of what [`Process::cpu_times`] gives ever decreases, and their sum is the exact time.

use crate::{Platform, Process, Thread};
use core::sync::atomic::{AtomicU64, Ordering};
use sync::Mutex;

/// Where timer interrupts found a thread.
#[derive(Default)]
pub struct Samples {
    user: AtomicU64,
    system: AtomicU64,
}

impl Samples {
    /// A timer interrupt came, to the program's code or to the kernel's. Called by its handler.
    #[inline]
    pub fn count(&self, in_program: bool) {
        let counter = if in_program { &self.user } else { &self.system };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> (u64, u64) {
        (self.user.load(Ordering::Relaxed), self.system.load(Ordering::Relaxed))
    }
}

/// Processor time, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In the program's code.
    pub user: u64,
    /// In the kernel for the program.
    pub system: u64,
}

/// What has been told last, so that nothing decreases when the proportion changes.
#[derive(Default)]
pub(crate) struct LastTimes(Mutex<CpuTimes>);

impl LastTimes {
    /// Splits `total` in the proportion of the samples.
    fn split(&self, total: u64, (user, system): (u64, u64)) -> CpuTimes {
        let mut last = self.0.lock();
        let total = total.max(last.user.saturating_add(last.system));
        let all = u128::from(user) + u128::from(system);
        let share = match (u128::from(total) * u128::from(system)).checked_div(all) {
            Some(share) => share as u64,
            None => 0,
        };
        let system = share.clamp(last.system, total.saturating_sub(last.user));
        *last = CpuTimes { user: total.saturating_sub(system), system };
        *last
    }
}

impl Thread {
    /// How long it has run in its own code and in the kernel, as far as the samples tell now.
    pub fn cpu_times(&self, platform: &dyn Platform) -> CpuTimes {
        LastTimes::default().split(self.run_time(platform), self.samples.get())
    }
}

impl Process {
    /// How long its threads have run, nanoseconds.
    pub fn run_time(&self, platform: &dyn Platform) -> u64 {
        self.time_of_threads(platform).0
    }

    /// How long they have run in their own code and in the kernel.
    pub fn cpu_times(&self, platform: &dyn Platform) -> CpuTimes {
        let (time, samples) = self.time_of_threads(platform);
        self.last_times.split(time, samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn proportion() {
        let times = LastTimes::default();
        assert_eq!(times.split(100, (0, 0)), CpuTimes { user: 100, system: 0 });
        // The program's part does not go back, so the kernel gets what is new.
        assert_eq!(times.split(150, (1, 1)), CpuTimes { user: 100, system: 50 });
        assert_eq!(times.split(400, (3, 1)), CpuTimes { user: 300, system: 100 });
        assert_eq!(times.split(400, (0, 9)), CpuTimes { user: 300, system: 100 });
    }

    proptest! {
        #[test]
        fn never_decreases(steps in prop::collection::vec((0u64..1000, 0u64..5, 0u64..5), 1..50)) {
            let (times, mut total, mut samples, mut last) = (LastTimes::default(), 0, (0, 0), CpuTimes::default());
            for (ns, user, system) in steps {
                total += ns;
                samples = (samples.0 + user, samples.1 + system);
                let now = times.split(total, samples);
                prop_assert_eq!(now.user + now.system, total);
                prop_assert!(now.user >= last.user && now.system >= last.system);
                last = now;
            }
        }
    }
}
