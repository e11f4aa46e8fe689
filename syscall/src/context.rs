//! [`Context`]: what a call runs in, and the helpers that most calls share.

use crate::{CallError, CallResult};
use abi::structs::SigInfo;
use abi::{AT_FDCWD, Errno, FdFlags, PATH_MAX, PollEvents, SigSet, Signal, UserRegs};
use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;
use fs::access::CAP_FSETID;
use fs::notify::{Notifier, Sleeper, Sleeping};
use fs::{File, FsError, NodeRef, OpenFile, View};
use mm::addr::{USER_END, page_floor};
use mm::user::{CStrBuffer, Fault, UserMemory, UserPtr, UserSlice};
use task::signal::deliver::Target;
use task::{Fd, Platform, Process, Thread};

/// What a call runs in.
pub struct Context<'a> {
    /// The kernel's services.
    pub platform: &'static dyn Platform,
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

    /// How long the process may make files, bytes.
    pub fn file_size_limit(&self) -> u64 {
        self.process.limits().soft(abi::general::RLIMIT_FSIZE)
    }

    /// Passes on what became of a write. Who would exceed the limit on the size of files also gets SIGXFSZ.
    #[inline]
    pub fn written<T>(&self, result: Result<T, FsError>) -> Result<T, FsError> {
        if matches!(result, Err(FsError::SizeLimit)) {
            self.send_own(Signal::SIGXFSZ);
        }
        result
    }

    /// Before a file gets `size` bytes by other means than writing.
    ///
    /// # Errors
    /// EFBIG beyond the limit, with SIGXFSZ, unless it is that long already.
    pub fn check_size(&self, file: &dyn File, size: u64) -> CallResult<()> {
        if size > self.file_size_limit() && size > file.metadata()?.size {
            self.written(Err(FsError::SizeLimit))?;
        }
        Ok(())
    }

    /// A path from program memory.
    pub fn path(&self, addr: u64) -> CallResult<Vec<u8>> {
        let mut path = Vec::new();
        self.memory().read_cstr(addr, PATH_MAX, &mut path)?;
        Ok(path)
    }

    /// As [`path`](Self::path), without memory from the heap for a short path.
    #[inline]
    pub fn path_in<'b>(&self, buffer: &'b mut CStrBuffer, addr: u64) -> CallResult<&'b [u8]> {
        Ok(buffer.read(self.memory(), addr, PATH_MAX)?)
    }

    /// Where a lookup of `path` relative to the directory descriptor `dirfd` begins. For absolute paths the descriptor does
    /// not matter, not even a bad one (openat(2)). An empty path is ENOENT; what it may mean else is the caller's.
    pub fn base(&self, dirfd: i32, path: &[u8]) -> CallResult<NodeRef> {
        if path.starts_with(b"/") {
            return Ok(self.process.vfs.root().clone());
        }
        if path.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if dirfd == AT_FDCWD {
            return Ok(self.process.cwd());
        }
        let file = self.file(dirfd)?;
        Ok(file.file().node().ok_or(Errno::ENOTDIR)?.clone())
    }

    /// The files, as the process may use them.
    pub fn files(&self) -> View<'a> {
        let who = self.process.credentials().subject();
        self.process.vfs.view(who)
    }

    /// Before a file's content changes: it no longer runs with its owner's rights, unless the process may write such files.
    pub fn strip_privileges(&self, file: &dyn File) -> CallResult<()> {
        let Some(node) = file.node() else { return Ok(()) };
        if self.process.capable(CAP_FSETID) {
            return Ok(());
        }
        Ok(self.process.credentials().subject().strip_privileges(node)?)
    }

    /// After a file may have become shorter: mappings lose the pages behind its end.
    pub fn forget_beyond_end(&self, file: &dyn File) {
        if let Some(store) = file.mapped() {
            self.process.space().forget_file(&*store, store.len()..u64::MAX, false);
        }
        self.refresh_mappings(file);
    }

    /// After a file's content may have changed: private mappings see it in pages that the program has not stored to.
    #[inline]
    pub fn refresh_mappings(&self, file: &dyn File) {
        if let Some(store) = file.outdated() {
            self.process.space().refresh_file(&*store);
        }
    }

    /// After a range of a file may have become a hole: mappings lose the pages that are the file's.
    pub fn forget_hole(&self, file: &dyn File, range: Range<u64>) {
        if let Some(store) = file.mapped() {
            // Parts of pages were zeroed where they are.
            let whole = range.start..page_floor(range.end);
            self.process.space().forget_file(&*store, whole, true);
        }
    }

    /// The thread with a number, 0 being the caller's: ESRCH without such, EINVAL for a negative number.
    pub fn thread_of(&self, tid: i32) -> CallResult<Arc<Thread>> {
        let tid = u32::try_from(tid).map_err(|_| Errno::EINVAL)?;
        let tid = if tid == 0 { self.thread.tid } else { tid };
        Ok(self.process.thread(tid).ok_or(Errno::ESRCH)?)
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
        ready: impl FnMut() -> CallResult<Option<T>>,
    ) -> CallResult<Option<T>> {
        self.sleep_for(deadline, || None, &[], false, ready)
    }

    /// As [`sleep`](Self::sleep), for `files`, some of which may become ready by themselves. `exclusive`: for one file, of which a
    /// change lets one of those who wait like this go on; who goes on wakes the next if there is more.
    pub fn sleep_on<T>(
        &self,
        deadline: Option<u64>,
        files: &[&dyn File],
        exclusive: bool,
        mut ready: impl FnMut() -> CallResult<Option<T>>,
    ) -> CallResult<Option<T>> {
        if let Some(value) = ready()? {
            return Ok(Some(value));
        }
        let ready_at = || files.iter().filter_map(|file| file.ready_at()).min();
        let mut notifiers: Vec<&Notifier> = Vec::new();
        for notifier in files.iter().flat_map(|file| file.changes()).flatten() {
            notifiers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            notifiers.push(notifier);
        }
        let result = self.sleep_after_look(deadline, &ready_at, &notifiers, exclusive, ready);
        if exclusive {
            // Several changes may have been one wake, and an end or an error concerns them all.
            let more = || files.iter().any(|file| file.readiness().intersects(WAKES_NEXT));
            notifiers.iter().for_each(|notifier| notifier.pass_on_if(more));
        }
        result
    }

    /// As [`sleep`](Self::sleep), until one of `notifiers` tells, or the time of `ready_at`. `exclusive`: one change wakes one of
    /// those who wait like this.
    pub fn sleep_for<T>(
        &self,
        deadline: Option<u64>,
        ready_at: impl Fn() -> Option<u64>,
        notifiers: &[&Notifier],
        exclusive: bool,
        mut ready: impl FnMut() -> CallResult<Option<T>>,
    ) -> CallResult<Option<T>> {
        if let Some(value) = ready()? {
            return Ok(Some(value));
        }
        self.sleep_after_look(deadline, &ready_at, notifiers, exclusive, ready)
    }

    /// As [`sleep_for`](Self::sleep_for), if `ready` just gave no value.
    pub fn sleep_after_look<T>(
        &self,
        deadline: Option<u64>,
        ready_at: &dyn Fn() -> Option<u64>,
        notifiers: &[&Notifier],
        exclusive: bool,
        mut ready: impl FnMut() -> CallResult<Option<T>>,
    ) -> CallResult<Option<T>> {
        let mut wait = Wait::new(self, deadline, ready_at, notifiers, exclusive);
        while wait.go_on()? {
            if let Some(value) = ready()? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Sends SIGPIPE to the calling thread.
    pub fn send_broken_pipe(&self) {
        self.send_own(Signal::SIGPIPE);
    }

    /// Sends a signal to the calling thread for what it does. As on Linux it looks as if sent by itself.
    fn send_own(&self, signal: Signal) {
        let uid = self.process.credentials().user.real;
        let info = SigInfo::sent(signal, 0, self.process.pid, uid);
        // A signal that is no real-time one finds room in any queue.
        let _ = self.process.send_to_thread(self.thread, signal, info);
    }

    /// Does `operation` under the signal mask at `mask`, if that is not null. If a signal ends it, that signal is delivered
    /// under the mask, which is undone later.
    pub fn with_mask<T>(
        &self,
        mask: UserPtr<u64>,
        size: usize,
        operation: impl FnOnce(&Self) -> CallResult<T>,
    ) -> CallResult<T> {
        let Some(mask) = mask.non_null() else { return operation(self) };
        if size != size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        let before = self.thread.mask();
        self.process.set_mask(self.thread, SigSet(mask.read(self.memory())?));
        let result = operation(self);
        if matches!(result, Err(CallError::Errno(Errno::EINTR))) {
            self.thread.restore_mask_later(before);
        } else {
            self.process.set_mask(self.thread, before);
        }
        result
    }

    /// Makes the lowest free descriptor refer to a file.
    pub fn install(&self, file: Arc<OpenFile>, cloexec: bool) -> CallResult<u64> {
        let flags = if cloexec { FdFlags::CLOEXEC } else { FdFlags::empty() };
        let limit = self.fd_limit();
        Ok(self.process.files().insert(file, flags, 0, limit)?.into())
    }
}

/// With one of these, the next of those who wait for a file to have something goes on as well.
const WAKES_NEXT: PollEvents =
    PollEvents::IN.union(PollEvents::HUP).union(PollEvents::RDHUP).union(PollEvents::ERR);

/// What a call that waits does between its looks, the first of which found nothing.
struct Wait<'w> {
    platform: &'static dyn Platform,
    process: &'w Process,
    thread: &'w Thread,
    deadline: Option<u64>,
    ready_at: &'w dyn Fn() -> Option<u64>,
    notifiers: &'w [&'w Notifier],
    exclusive: bool,
    sleeper: Arc<Sleeper>,
    sleeping: Option<Sleeping<'w>>,
}

impl<'w> Wait<'w> {
    #[cold]
    fn new(
        ctx: &Context<'w>,
        deadline: Option<u64>,
        ready_at: &'w dyn Fn() -> Option<u64>,
        notifiers: &'w [&'w Notifier],
        exclusive: bool,
    ) -> Self {
        let (platform, process, thread) = (ctx.platform, ctx.process, ctx.thread);
        let sleeper = thread.sleeper();
        Wait { platform, process, thread, deadline, ready_at, notifiers, exclusive, sleeper, sleeping: None }
    }

    /// Enters itself with the notifiers or, when it has, sleeps. False after the deadline; otherwise it is time to look again.
    #[cold]
    fn go_on(&mut self) -> CallResult<bool> {
        if self.deadline.is_some_and(|deadline| self.platform.monotonic_ns() >= deadline) {
            return Ok(false);
        }
        if self.thread.is_interrupted(self.process) {
            return Err(Errno::EINTR.into());
        }
        if self.sleeping.is_none() && !self.notifiers.is_empty() {
            let notifiers = self.notifiers.iter().copied();
            let entered = Sleeping::enter(self.sleeper.clone(), notifiers, self.exclusive);
            self.sleeping = Some(entered.map_err(|_| Errno::ENOMEM)?);
        } else {
            let until = self.deadline.into_iter().chain((self.ready_at)()).min();
            if !self.sleeper.is_told() && !self.thread.has_news(self.process) {
                self.platform.wait(until);
            }
        }
        // What is told from here on is looked at in the next turn.
        if self.sleeper.take_told() && self.exclusive {
            // Whoever told has taken it out.
            self.sleeping = None;
        }
        Ok(true)
    }
}

/// A descriptor argument: negative ones are never open.
#[inline]
pub fn descriptor(fd: i32) -> Result<Fd, Errno> {
    Fd::try_from(fd).map_err(|_| Errno::EBADF)
}

/// A buffer cut to what one call moves, after the check that Linux makes before anything else.
#[inline]
pub fn checked(buffer: UserSlice) -> Result<UserSlice, Fault> {
    buffer.check()?;
    if buffer.addr > USER_END {
        return Err(Fault { addr: buffer.addr, done: 0 });
    }
    Ok(buffer.part(0, abi::MAX_RW_COUNT))
}
