//! [`CpuSet`]: a set of CPUs of any size. Used for affinities; memory beyond 64 CPUs is allocated fallibly.

use crate::types::SpawnError;
use alloc::vec::Vec;

/// A set of CPU numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CpuSet {
    low: u64,
    more: Vec<u64>,
}

impl CpuSet {
    /// No CPU.
    pub const fn new() -> Self {
        CpuSet { low: 0, more: Vec::new() }
    }

    /// One CPU.
    pub fn one(cpu: usize) -> Result<Self, SpawnError> {
        let mut set = CpuSet::new();
        set.insert(cpu)?;
        Ok(set)
    }

    /// CPUs 0 to `count` - 1.
    pub fn first(count: usize) -> Result<Self, SpawnError> {
        let mut set = CpuSet::new();
        for cpu in 0..count {
            set.insert(cpu)?;
        }
        Ok(set)
    }

    /// Adds a CPU; fails if there is no memory, or no machine has such a CPU.
    pub fn insert(&mut self, cpu: usize) -> Result<(), SpawnError> {
        if cpu >= crate::word::MAX_CPUS {
            return Err(SpawnError::NoCpu);
        }
        let bit = 1u64 << (cpu % 64);
        let Some(word) = (cpu / 64).checked_sub(1) else {
            self.low |= bit;
            return Ok(());
        };
        if self.more.len() <= word {
            let add = word + 1 - self.more.len();
            self.more.try_reserve(add).map_err(|_| SpawnError::OutOfMemory)?;
            self.more.resize(word + 1, 0);
        }
        if let Some(bits) = self.more.get_mut(word) {
            *bits |= bit;
        }
        Ok(())
    }

    /// Whether `cpu` is in it.
    pub fn contains(&self, cpu: usize) -> bool {
        self.word(cpu / 64) >> (cpu % 64) & 1 != 0
    }

    /// CPUs `64 * index` and following, as bits.
    pub fn word(&self, index: usize) -> u64 {
        match index.checked_sub(1) {
            None => self.low,
            Some(index) => self.more.get(index).copied().unwrap_or(0),
        }
    }

    /// Whether one of CPUs 0 to `count` - 1 is in it.
    pub fn any_below(&self, count: usize) -> bool {
        (0..count).any(|cpu| self.contains(cpu))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn holds_more_than_64() {
        let mut set = CpuSet::new();
        for cpu in [0, 63, 64, 127, 700] {
            assert!(!set.contains(cpu));
            set.insert(cpu).unwrap();
            assert!(set.contains(cpu));
        }
        assert!(!set.contains(65) && !set.contains(701) && !set.contains(100_000));
        assert_eq!((set.word(1), set.word(99)), (1 | 1 << 63, 0));
        assert_eq!(set.insert(1 << 20), Err(SpawnError::NoCpu));
        assert_eq!(CpuSet::first(130).unwrap().word(2), 3);
        assert!(!CpuSet::one(5).unwrap().any_below(5));
    }
}
