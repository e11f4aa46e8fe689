//! [`Memory`]: a process's address space behind its mutex, and what follows when that is unlocked.
//!
//! Used by [`Process`](crate::Process). Whoever changed mappings waits, with the mutex unlocked, until all CPUs have forgotten the
//! old ones; faults in the pages concerned wait for that, too, and nobody else does.

#[cfg(test)]
mod tests;

use core::ops::{Deref, DerefMut};
use mm::addr::VirtAddr;
use mm::flush::Flush;
use mm::space::{Access, AddressSpace, FaultError};
use sync::thread::{Limit, MaySleep};
use sync::{Condvar, Mutex, MutexGuard};

/// An address space that threads share.
pub(crate) struct Memory {
    space: Mutex<AddressSpace>,
    /// A flush has been completed.
    flushed: Condvar,
}

/// The address space, locked. Program memory must not be accessed while it lives; dropping it may sleep.
pub struct LockedSpace<'a> {
    // Dropped in this order: unlocked first.
    space: MutexGuard<'a, AddressSpace>,
    after: After<'a>,
}

/// What remains to be done when the address space is unlocked.
struct After<'a> {
    memory: &'a Memory,
    flush: Option<Flush>,
}

impl Memory {
    pub fn new(space: AddressSpace) -> Self {
        Self { space: Mutex::new(space), flushed: Condvar::new() }
    }

    pub fn lock(&self) -> LockedSpace<'_> {
        LockedSpace { space: self.space.lock(), after: After { memory: self, flush: None } }
    }

    /// See [`Process::fault`](crate::Process::fault).
    pub fn fault(&self, addr: VirtAddr, access: Access) -> Result<(), FaultError> {
        loop {
            let mut locked = self.lock();
            while locked.is_in_flight(addr) {
                // Without limit it does not fail.
                let _ = self.flushed.wait(&mut locked.space, &mut MaySleep::claim(), &Limit::NONE);
            }
            let result = locked.fault(addr, access);
            // A page whose old frame is to be forgotten first gets its rights the second time.
            if result.is_err() || !locked.has_stale() {
                return result;
            }
        }
    }
}

impl Deref for LockedSpace<'_> {
    type Target = AddressSpace;

    fn deref(&self) -> &AddressSpace {
        &self.space
    }
}

impl DerefMut for LockedSpace<'_> {
    fn deref_mut(&mut self) -> &mut AddressSpace {
        &mut self.space
    }
}

impl Drop for LockedSpace<'_> {
    fn drop(&mut self) {
        self.after.flush = self.space.take_flush();
    }
}

impl Drop for After<'_> {
    fn drop(&mut self) {
        if let Some(flush) = self.flush.take() {
            let done = flush.complete();
            self.memory.space.lock().flushed(done);
            self.memory.flushed.notify_all();
        }
    }
}
