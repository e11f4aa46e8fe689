//! [`FileLocks`]: the locks of flock(2). Held by the [`Vfs`](crate::Vfs); called through [`OpenFile`](crate::OpenFile), which gives
//! its lock back when its last descriptor is closed.
//!
//! Invariant: a file has one exclusive holder or any number of shared ones.

use crate::FsError;
use alloc::vec::Vec;
use hashbrown::HashMap;
use sync::Mutex;

/// A file: its file system's number and its own.
pub type Key = (u64, u64);

/// Who holds a lock: different for every open file description that exists.
pub type Owner = usize;

#[derive(Default)]
struct Holders {
    exclusive: bool,
    owners: Vec<Owner>,
}

/// All locks.
#[derive(Default)]
pub struct FileLocks(Mutex<HashMap<Key, Holders>>);

impl FileLocks {
    /// Gives `owner` the lock on a file, in place of the one it has. Fails with [`FsError::WouldBlock`] while another's is in the
    /// way; the one it had is gone then too (flock(2): the conversion is not atomic).
    pub(crate) fn lock(&self, key: Key, owner: Owner, exclusive: bool) -> Result<(), FsError> {
        self.unlock(key, owner);
        let mut locks = self.0.lock();
        let holders = locks.entry(key).or_default();
        if !holders.owners.is_empty() && (exclusive || holders.exclusive) {
            return Err(FsError::WouldBlock);
        }
        holders.owners.push(owner);
        holders.exclusive = exclusive;
        Ok(())
    }

    /// Takes back the owner's lock on a file.
    pub(crate) fn unlock(&self, key: Key, owner: Owner) {
        let mut locks = self.0.lock();
        if let Some(holders) = locks.get_mut(&key) {
            holders.owners.retain(|&other| other != owner);
            if holders.owners.is_empty() {
                locks.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_or_many_readers() {
        let locks = FileLocks::default();
        let file = (1, 1);
        assert_eq!(locks.lock(file, 1, false), Ok(()));
        assert_eq!(locks.lock(file, 2, false), Ok(()));
        assert_eq!(locks.lock((1, 2), 3, true), Ok(()), "another file");
        assert_eq!(locks.lock(file, 3, true), Err(FsError::WouldBlock));
        locks.unlock(file, 1);
        assert_eq!(locks.lock(file, 2, true), Ok(()), "its own lock is not in the way");
        assert_eq!(locks.lock(file, 1, false), Err(FsError::WouldBlock));
        assert_eq!(locks.lock(file, 2, false), Ok(()));
        assert_eq!(locks.lock(file, 1, false), Ok(()));
        for owner in 1..=3 {
            locks.unlock(file, owner);
            locks.unlock((1, 2), owner);
        }
        assert!(locks.0.lock().is_empty());
    }
}
