//! [`Attributes`]: what a process has set about itself that only the calls that set it read back, and the host's names.
//!
//! One per [`Process`](crate::Process), behind one lock. Pure state.

use alloc::vec::Vec;

/// Longest host or domain name (`__NEW_UTS_LEN`).
pub const HOST_NAME_MAX: usize = 64;

/// Scheduling of a thread (sched(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `SCHED_*`.
    pub policy: u32,
    /// 1 to 99 for the real-time policies, else 0.
    pub priority: u32,
    /// -20 to 19.
    pub nice: i32,
    /// SCHED_RESET_ON_FORK.
    pub reset_on_fork: bool,
}

impl Scheduling {
    /// What a new thread has of it.
    pub fn inherited(self) -> Self {
        if !self.reset_on_fork {
            return self;
        }
        let realtime = self.priority > 0;
        Scheduling {
            policy: if realtime { 0 } else { self.policy },
            priority: 0,
            nice: self.nice.max(0),
            reset_on_fork: false,
        }
    }
}

/// What a process has set about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// ioprio_set(2): class and level.
    pub io_priority: u16,
    /// personality(2).
    pub personality: u32,
    /// PR_SET_DUMPABLE.
    pub dumpable: bool,
    /// PR_SET_PDEATHSIG; 0 is none.
    pub parent_death_signal: u8,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// PR_SET_CHILD_SUBREAPER.
    pub child_subreaper: bool,
    /// PR_SET_THP_DISABLE.
    pub no_huge_pages: bool,
    /// PR_SET_TIMERSLACK, nanoseconds.
    pub timer_slack: u64,
    /// Whether membarrier(2) was told that this process uses it.
    pub memory_barriers: bool,
    /// sethostname(2).
    pub host: Vec<u8>,
    /// setdomainname(2).
    pub domain: Vec<u8>,
    /// The time zone of settimeofday(2): minutes west, kind of daylight saving.
    pub timezone: (i32, i32),
}

/// The name of a machine that has been given none.
pub const HOST: &[u8] = b"nospin";

/// The slack of timers that nobody has set, nanoseconds.
pub const TIMER_SLACK_NS: u64 = 50_000;

impl Attributes {
    /// Those of the first process.
    pub fn new() -> Self {
        Attributes {
            io_priority: 0,
            personality: 0,
            dumpable: true,
            parent_death_signal: 0,
            no_new_privileges: false,
            child_subreaper: false,
            no_huge_pages: false,
            timer_slack: TIMER_SLACK_NS,
            memory_barriers: false,
            host: HOST.to_vec(),
            domain: b"(none)".to_vec(),
            timezone: (0, 0),
        }
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self::new()
    }
}
