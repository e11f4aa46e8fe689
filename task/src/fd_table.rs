//! [`FdTable`]: the descriptors of a process.
//!
//! Invariants: a new descriptor is always the lowest free number at or above what was asked for; `free_from` is at most the
//! lowest free number; slots at the end are never empty.

use abi::FdFlags;
use alloc::{sync::Arc, vec::Vec};
use fs::OpenFile;

/// A descriptor number.
pub type Fd = u32;

/// Why a descriptor operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdError {
    /// No such descriptor.
    Bad,
    /// The limit on descriptors is reached.
    TooMany,
    /// A number that may not be used.
    Invalid,
    /// The table cannot grow.
    NoMemory,
}

#[derive(Clone)]
struct Slot {
    file: Arc<OpenFile>,
    flags: FdFlags,
}

/// A table of descriptors.
#[derive(Clone, Default)]
pub struct FdTable {
    slots: Vec<Option<Slot>>,
    free_from: usize,
}

impl FdTable {
    /// An empty table.
    pub const fn new() -> Self {
        FdTable { slots: Vec::new(), free_from: 0 }
    }

    fn slot(&self, fd: Fd) -> Result<&Slot, FdError> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(FdError::Bad)
    }

    /// The file of a descriptor.
    pub fn get(&self, fd: Fd) -> Result<Arc<OpenFile>, FdError> {
        Ok(self.slot(fd)?.file.clone())
    }

    /// The descriptor's flags.
    pub fn flags(&self, fd: Fd) -> Result<FdFlags, FdError> {
        Ok(self.slot(fd)?.flags)
    }

    /// Changes the descriptor's flags.
    pub fn set_flags(&mut self, fd: Fd, flags: FdFlags) -> Result<(), FdError> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(FdError::Bad)?;
        slot.flags = flags;
        Ok(())
    }

    /// Makes the lowest free descriptor at or above `min` refer to `file`. Numbers stay below `limit` (RLIMIT_NOFILE).
    pub fn insert(
        &mut self,
        file: Arc<OpenFile>,
        flags: FdFlags,
        min: Fd,
        limit: u64,
    ) -> Result<Fd, FdError> {
        let start = self.free_from.max(min as usize);
        let tail = self.slots.get(start..).unwrap_or_default();
        let fd = tail.iter().position(Option::is_none).map_or(self.slots.len().max(start), |at| start + at);
        if fd as u64 >= limit {
            return Err(FdError::TooMany);
        }
        let number = Fd::try_from(fd).map_err(|_| FdError::TooMany)?;
        self.put(fd, Slot { file, flags })?;
        Ok(number)
    }

    /// Whether a new descriptor would stay below `limit`.
    pub fn check_room(&self, limit: u64) -> Result<(), FdError> {
        let tail = self.slots.get(self.free_from..).unwrap_or_default();
        let fd = tail.iter().position(Option::is_none).map_or(self.slots.len(), |at| self.free_from + at);
        if fd as u64 >= limit { Err(FdError::TooMany) } else { Ok(()) }
    }

    fn put(&mut self, fd: usize, slot: Slot) -> Result<Option<Slot>, FdError> {
        if fd >= self.slots.len() {
            let more = fd + 1 - self.slots.len();
            self.slots.try_reserve(more).map_err(|_| FdError::NoMemory)?;
            self.slots.resize_with(fd + 1, || None);
        }
        let old = self.slots.get_mut(fd).and_then(|place| place.replace(slot));
        if fd == self.free_from {
            self.free_from += 1;
        }
        Ok(old)
    }

    /// dup2(2): makes `new` refer to the file of `old`, closing what it referred to, which comes back.
    pub fn dup_to(
        &mut self,
        old: Fd,
        new: Fd,
        flags: FdFlags,
        limit: u64,
    ) -> Result<Option<Arc<OpenFile>>, FdError> {
        let file = self.get(old)?;
        if u64::from(new) >= limit {
            return Err(FdError::Bad);
        }
        Ok(self.put(new as usize, Slot { file, flags })?.map(|slot| slot.file))
    }

    /// Closes a descriptor; its file comes back, so that the last reference is dropped outside locks.
    pub fn remove(&mut self, fd: Fd) -> Result<Arc<OpenFile>, FdError> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(FdError::Bad)?;
        self.free_from = self.free_from.min(fd as usize);
        self.trim();
        Ok(slot.file)
    }

    fn trim(&mut self) {
        while let Some(None) = self.slots.last() {
            self.slots.pop();
        }
        self.free_from = self.free_from.min(self.slots.len());
    }

    /// Closes what must not survive execve; the files come back.
    pub fn close_on_exec(&mut self) -> Vec<Arc<OpenFile>> {
        let mut closed = Vec::new();
        for (fd, place) in self.slots.iter_mut().enumerate() {
            if let Some(slot) = place.take_if(|slot| slot.flags.contains(FdFlags::CLOEXEC)) {
                self.free_from = self.free_from.min(fd);
                closed.push(slot.file);
            }
        }
        self.trim();
        closed
    }

    /// The lowest descriptor in use at or above `from`.
    pub fn next_open(&self, from: Fd) -> Option<Fd> {
        let rest = self.slots.get(from as usize..)?;
        from.checked_add(Fd::try_from(rest.iter().position(Option::is_some)?).ok()?)
    }

    /// The highest descriptor in use.
    pub fn highest(&self) -> Option<Fd> {
        self.slots.len().checked_sub(1).and_then(|last| Fd::try_from(last).ok())
    }

    /// Number of descriptors in use.
    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests;
