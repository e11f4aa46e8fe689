//! [`Context`]: what a call runs in, and the helpers that most calls share.

use crate::CallResult;
use abi::{AT_FDCWD, Errno, PATH_MAX, UserRegs};
use alloc::{sync::Arc, vec::Vec};
use fs::{NodeRef, OpenFile};
use mm::user::{Fault, UserMemory, UserSlice};
use task::signal::deliver::Target;
use task::{Fd, Platform, Process, Thread};

/// What a call runs in.
pub struct Context<'a> {
    /// The kernel's services.
    pub platform: &'a dyn Platform,
    /// The calling process.
    pub process: &'a Process,
    /// The calling thread.
    pub thread: &'a Thread,
    /// The program's registers. Under [`dispatch`](crate::dispatch()) only those that a function call may clobber are valid;
    /// under [`dispatch_full`](crate::dispatch_full) all.
    pub regs: &'a mut UserRegs,
}

impl<'a> Context<'a> {
    /// The program's memory.
    #[inline]
    pub fn memory(&self) -> &'a dyn UserMemory {
        self.platform.user_memory()
    }

    /// The file of a descriptor.
    #[inline]
    pub fn file(&self, fd: i32) -> CallResult<Arc<OpenFile>> {
        Ok(self.process.file(descriptor(fd)?)?)
    }

    /// The soft limit on descriptors.
    pub fn fd_limit(&self) -> u64 {
        self.process.limits().soft(abi::general::RLIMIT_NOFILE)
    }

    /// A path from program memory.
    pub fn path(&self, addr: u64) -> CallResult<Vec<u8>> {
        let mut path = Vec::new();
        self.memory().read_cstr(addr, PATH_MAX, &mut path)?;
        Ok(path)
    }

    /// Where a lookup of `path` relative to the directory descriptor `dirfd` begins. For absolute paths the descriptor does
    /// not matter, not even a bad one (openat(2)).
    pub fn base(&self, dirfd: i32, path: &[u8]) -> CallResult<NodeRef> {
        if dirfd == AT_FDCWD || path.starts_with(b"/") {
            return Ok(self.process.cwd());
        }
        let file = self.file(dirfd)?;
        Ok(file.file().node().ok_or(Errno::ENOTDIR)?.clone())
    }

    /// After a file may have become shorter: mappings lose the pages behind its end.
    pub fn forget_beyond_end(&self, file: &OpenFile) {
        if let Some(store) = file.file().backing() {
            self.process.space().forget_file(&*store, store.len()..u64::MAX, false);
        }
    }

    /// What signals are delivered to.
    pub fn target(&self) -> Target<'a> {
        Target { platform: self.platform, process: self.process, thread: self.thread }
    }

    /// Whether a signal waits that would end a sleeping call.
    pub fn interrupted(&self) -> bool {
        self.thread.is_interrupted(self.process)
    }

    /// Sleeps until `ready` gives a value, the `deadline` (monotonic nanoseconds) passes, which is `None`, or a signal comes,
    /// which is EINTR.
    pub fn sleep<T>(
        &self,
        deadline: Option<u64>,
        mut ready: impl FnMut() -> CallResult<Option<T>>,
    ) -> CallResult<Option<T>> {
        loop {
            if let Some(value) = ready()? {
                return Ok(Some(value));
            }
            if deadline.is_some_and(|deadline| self.platform.monotonic_ns() >= deadline) {
                return Ok(None);
            }
            if self.interrupted() {
                return Err(Errno::EINTR.into());
            }
            self.platform.wait(deadline);
        }
    }
}

/// A descriptor argument: negative ones are never open.
pub fn descriptor(fd: i32) -> Result<Fd, Errno> {
    Fd::try_from(fd).map_err(|_| Errno::EBADF)
}

/// A buffer cut to what one call moves, after the check that Linux makes before anything else.
pub fn checked(buffer: UserSlice) -> Result<UserSlice, Fault> {
    buffer.check()?;
    Ok(buffer.part(0, abi::MAX_RW_COUNT))
}
