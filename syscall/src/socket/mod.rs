//! What the socket calls share: sockets by descriptor, who calls, waiting, sending and receiving.
//!
//! Called by `calls`, and by read(2) and write(2) on sockets. Sockets never wait: here is who comes back, with the timeouts of the
//! socket and the rules of signal(7) for calls that a signal ends.

pub mod address;
pub mod control;
pub mod message;
pub mod transfer;

use crate::{CallResult, Context, files};
use abi::{AT_FDCWD, Errno, Mode, OpenFlags, net as raw};
use alloc::sync::Arc;
use fs::access::Want;
use fs::socket::{Caller, Kind, MessageFlags, Socket, SocketError, SocketTree, Ucred};
use fs::vfs::Follow;
use fs::{FsError, NodeRef, OpenFile, Pinned};

/// Flags beside the kind in the second argument of socket(2).
pub const CLOEXEC: u32 = OpenFlags::CLOEXEC.bits();
/// The same.
pub const NONBLOCK: u32 = OpenFlags::NONBLOCK.bits();

/// An operation that would have to wait.
const WOULD_BLOCK: SocketError = SocketError::File(FsError::WouldBlock);

/// The open file of a descriptor that is good for more than a place.
pub fn file(ctx: &Context<'_>, fd: i32) -> CallResult<Arc<OpenFile>> {
    let file = ctx.file(fd)?;
    if file.is_path_only() { Err(Errno::EBADF.into()) } else { Ok(file) }
}

/// An open file as a socket.
pub fn of(file: &OpenFile) -> CallResult<&dyn Socket> {
    Ok(file.file().as_socket().ok_or(Errno::ENOTSOCK)?)
}

/// The kind and the flags of socket(2), socketpair(2).
pub fn kind_and_flags(kind: i32) -> CallResult<(i32, OpenFlags)> {
    const KIND: i32 = 0xf;
    let flags = kind as u32 & !(KIND as u32);
    Ok((kind & KIND, descriptor_flags(flags)?))
}

/// The flags of accept4(2).
pub fn descriptor_flags(flags: u32) -> CallResult<OpenFlags> {
    if flags & !(CLOEXEC | NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(OpenFlags::from_bits_retain(flags))
}

/// An open file for a new socket.
pub fn open(socket: Arc<dyn fs::File>, flags: OpenFlags) -> Arc<OpenFile> {
    OpenFile::new(socket, OpenFlags::RDWR | (flags & OpenFlags::NONBLOCK))
}

/// The files that the caller can name.
struct Tree<'c, 'a>(&'c Context<'a>);

impl Tree<'_, '_> {
    fn base(&self, path: &[u8]) -> Result<NodeRef, FsError> {
        self.0.base(AT_FDCWD, path).map_err(|_| FsError::NotFound)
    }
}

impl SocketTree for Tree<'_, '_> {
    fn make(&self, path: &[u8]) -> Result<Pinned, FsError> {
        let new = files::new_node(self.0, Mode::IFSOCK | 0o777, 0, b"");
        Ok(Pinned::new(self.0.files().create(&self.base(path)?, path, &new)?))
    }

    fn find(&self, path: &[u8]) -> Result<NodeRef, FsError> {
        let files = self.0.files();
        let node = files.lookup(&self.base(path)?, path, Follow::Yes)?;
        files.who().check(&node, Want::WRITE)?;
        Ok(node)
    }
}

/// Does `operation` on behalf of the calling process.
pub fn on_behalf<T>(ctx: &Context<'_>, operation: impl FnOnce(&Caller<'_>) -> T) -> T {
    let credentials = {
        let who = ctx.process.credentials();
        Ucred { pid: ctx.process.pid, uid: who.user.effective, gid: who.group.effective }
    };
    let capable = |capability| ctx.process.capable(capability);
    operation(&Caller { credentials, capable: &capable, tree: &Tree(ctx) })
}

/// The last use of `file` is about to end: waits until what was sent has arrived, if the program has asked for that (SO_LINGER), even on
/// a socket that does not block. close(2) succeeds also when the time is over or a signal comes.
pub fn linger(ctx: &Context<'_>, file: &OpenFile) {
    let Some(socket) = file.file().as_socket() else { return };
    if let Some(ns) = socket.begin_close() {
        let deadline = crate::time::deadline_in(ctx, ns);
        let arrived = || Ok((!socket.is_closing()).then_some(()));
        let _ = ctx.sleep_on(Some(deadline), &[&**file.file()], false, arrived);
    }
}

/// How a call waits for a socket.
pub struct Waiting {
    nonblocking: bool,
    /// The socket's timeout that bounds it.
    timeout: fn(&dyn Socket) -> Option<u64>,
    /// Kept over several waits of one call.
    deadline: Option<u64>,
    /// One of those who wait like this is woken for each thing that comes.
    exclusive: bool,
}

impl Waiting {
    fn new(file: &OpenFile, flags: u32, timeout: fn(&dyn Socket) -> Option<u64>) -> Self {
        // Errors are there or not.
        let nonblocking = flags & (raw::MSG_DONTWAIT | raw::MSG_ERRQUEUE) != 0
            || file.flags().contains(OpenFlags::NONBLOCK);
        Waiting { nonblocking, timeout, deadline: None, exclusive: false }
    }

    /// For what SO_RCVTIMEO bounds.
    pub fn to_receive(file: &OpenFile, flags: u32) -> Self {
        // One message is one thread's; how many want a part of a stream's bytes, nobody knows.
        let exclusive = file.file().as_socket().is_some_and(|socket| !is_stream(socket));
        Waiting { exclusive, ..Self::new(file, flags, |socket| socket.timeouts().0) }
    }

    /// For accept(2), which SO_RCVTIMEO bounds too.
    pub fn to_accept(file: &OpenFile) -> Self {
        Waiting { exclusive: true, ..Self::new(file, 0, |socket| socket.timeouts().0) }
    }

    /// For what SO_SNDTIMEO bounds.
    pub fn to_send(file: &OpenFile, flags: u32) -> Self {
        Self::new(file, flags, |socket| socket.timeouts().1)
    }

    /// Whether it does not wait at all.
    pub fn is_nonblocking(&self) -> bool {
        self.nonblocking
    }

    /// From now on it does not wait.
    pub fn stop(&mut self) {
        self.nonblocking = true;
    }

    /// Does `operation` until it need not wait; `late` is the error when the time is over.
    pub fn wait<T>(
        &mut self,
        ctx: &Context<'_>,
        file: &OpenFile,
        late: Errno,
        mut operation: impl FnMut() -> CallResult<Option<T>>,
    ) -> CallResult<T> {
        if let Some(done) = operation()? {
            return Ok(done);
        }
        if self.nonblocking {
            return Err(late.into());
        }
        let timeout = (self.timeout)(of(file)?);
        if timeout == Some(0) {
            return Err(late.into());
        }
        let deadline = self.deadline.or_else(|| timeout.map(|ns| crate::time::deadline_in(ctx, ns)));
        self.deadline = deadline;
        let done = ctx.sleep_on(deadline, &[&**file.file()], self.exclusive, operation);
        let done = done.map_err(|error| match timeout {
            // With a time limit it would begin anew.
            Some(_) => error,
            None => error.if_interrupted(Errno::ERESTARTSYS),
        })?;
        Ok(done.ok_or(late)?)
    }

    /// As [`wait`](Self::wait), for operations that say WouldBlock.
    pub fn retry<T>(
        &mut self,
        ctx: &Context<'_>,
        file: &OpenFile,
        mut operation: impl FnMut() -> Result<T, SocketError>,
    ) -> CallResult<T> {
        self.wait(ctx, file, Errno::EAGAIN, || match operation() {
            Err(WOULD_BLOCK) => Ok(None),
            result => Ok(Some(result?)),
        })
    }
}

/// The flags that sockets act on.
fn message_flags(flags: u32, waiting: &Waiting) -> MessageFlags {
    if flags == 0 {
        return MessageFlags { nonblocking: waiting.nonblocking, ..MessageFlags::default() };
    }
    let has = |flag| flags & flag != 0;
    MessageFlags {
        peek: has(raw::MSG_PEEK),
        out_of_band: has(raw::MSG_OOB),
        truncate: has(raw::MSG_TRUNC),
        more: has(raw::MSG_MORE),
        dont_route: has(raw::MSG_DONTROUTE),
        end_of_record: has(raw::MSG_EOR),
        error_queue: has(raw::MSG_ERRQUEUE),
        nonblocking: waiting.nonblocking,
    }
}

/// Whether a socket moves bytes, not messages.
fn is_stream(socket: &dyn Socket) -> bool {
    socket.kind() == Kind::Stream
}
