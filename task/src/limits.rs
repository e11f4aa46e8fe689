//! Resource limits (getrlimit(2)).

use abi::general as raw;
use abi::structs::Rlimit;

/// No limit.
pub const INFINITY: u64 = u64::MAX;

/// Number of resources.
pub const COUNT: usize = raw::RLIMIT_RTTIME as usize + 1;

/// Largest number of descriptors that RLIMIT_NOFILE can be raised to (`fs.nr_open`).
pub const NR_OPEN: u64 = 1 << 20;

/// The limits of a process, by resource number.
#[derive(Clone, Copy, Debug)]
pub struct Limits([Rlimit; COUNT]);

/// Why a limit was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// No such resource, or the soft limit is above the hard one.
    Invalid,
    /// RLIMIT_NOFILE above [`NR_OPEN`], or a hard limit raised without the right to do so.
    Permission,
}

/// How many threads there may be on a machine with so many bytes of memory (`kernel.threads-max`): as on Linux, one per 16 stacks of
/// 8 KiB.
pub fn max_threads(memory: u64) -> u64 {
    (memory / (8 << 14)).max(64)
}

impl Limits {
    /// What a container of root starts with: no limits but those on the stack, core files, descriptors and queues. `memory`
    /// is the machine's, bytes.
    pub fn for_root(memory: u64) -> Self {
        let same = |value| Rlimit { rlim_cur: value, rlim_max: value };
        let mut limits = [same(INFINITY); COUNT];
        let tasks = max_threads(memory);
        let fixed = [
            (raw::RLIMIT_STACK, Rlimit { rlim_cur: 8 << 20, rlim_max: INFINITY }),
            (raw::RLIMIT_CORE, Rlimit { rlim_cur: 0, rlim_max: INFINITY }),
            // A low soft limit as on every Linux: programs loop over all descriptors up to it. Servers raise it.
            (raw::RLIMIT_NOFILE, Rlimit { rlim_cur: 1024, rlim_max: NR_OPEN }),
            (raw::RLIMIT_NPROC, same(tasks)),
            (raw::RLIMIT_SIGPENDING, same(tasks)),
            (raw::RLIMIT_MEMLOCK, same(8 << 20)),
            (raw::RLIMIT_MSGQUEUE, same(819_200)),
            (raw::RLIMIT_NICE, same(0)),
            (raw::RLIMIT_RTPRIO, same(0)),
        ];
        for (resource, limit) in fixed {
            if let Some(slot) = limits.get_mut(resource as usize) {
                *slot = limit;
            }
        }
        Limits(limits)
    }

    /// The limit of a resource; `None` for an unknown one.
    pub fn get(&self, resource: u32) -> Option<Rlimit> {
        self.0.get(resource as usize).copied()
    }

    /// The soft limit of a known resource.
    pub fn soft(&self, resource: u32) -> u64 {
        self.get(resource).map_or(INFINITY, |limit| limit.rlim_cur)
    }

    /// Changes a limit. `may_raise`: the hard one may become higher (CAP_SYS_RESOURCE).
    ///
    /// # Errors
    /// [`LimitError`].
    pub fn set(&mut self, resource: u32, limit: Rlimit, may_raise: bool) -> Result<(), LimitError> {
        let slot = self.0.get_mut(resource as usize).ok_or(LimitError::Invalid)?;
        if limit.rlim_cur > limit.rlim_max {
            return Err(LimitError::Invalid);
        }
        if resource == raw::RLIMIT_NOFILE && limit.rlim_max > NR_OPEN {
            return Err(LimitError::Permission);
        }
        if limit.rlim_max > slot.rlim_max && !may_raise {
            return Err(LimitError::Permission);
        }
        *slot = limit;
        Ok(())
    }

    /// The limits that the address space enforces. `commit` is the machine's memory, bytes.
    pub fn for_memory(&self, commit: u64) -> mm::space::Limits {
        mm::space::Limits {
            address_space: self.soft(raw::RLIMIT_AS),
            data: self.soft(raw::RLIMIT_DATA),
            stack: self.soft(raw::RLIMIT_STACK),
            commit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_changes() {
        let mut limits = Limits::for_root(256 << 20);
        assert_eq!(limits.soft(raw::RLIMIT_STACK), 8 << 20);
        assert_eq!(limits.soft(raw::RLIMIT_AS), INFINITY);
        assert!(limits.get(COUNT as u32).is_none());
        let limit = |cur, max| Rlimit { rlim_cur: cur, rlim_max: max };
        assert_eq!(limits.set(raw::RLIMIT_AS, limit(2, 1), true), Err(LimitError::Invalid));
        assert_eq!(limits.set(99, limit(0, 0), true), Err(LimitError::Invalid));
        assert_eq!(limits.set(raw::RLIMIT_NOFILE, limit(1, NR_OPEN + 1), true), Err(LimitError::Permission));
        assert_eq!(limits.set(raw::RLIMIT_AS, limit(1 << 30, INFINITY), true), Ok(()));
        assert_eq!(limits.set(raw::RLIMIT_CPU, limit(1, 2), false), Ok(()));
        assert_eq!(limits.set(raw::RLIMIT_CPU, limit(1, 3), false), Err(LimitError::Permission));
        assert_eq!(limits.set(raw::RLIMIT_CPU, limit(2, 2), false), Ok(()));
        assert_eq!(limits.for_memory(7).address_space, 1 << 30);
    }
}
