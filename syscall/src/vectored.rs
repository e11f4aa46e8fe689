//! What preadv(2), pwritev(2) and their successors share. Called by `calls`.

use crate::prelude::*;
use abi::{OpenFlags, general as raw};
use fs::{FsError, Offset, OpenFile, UserSink, UserSource};
use mm::user::IoVecs;

/// RWF_NOAPPEND, which linux-raw-sys has not for long.
const NOAPPEND: u32 = 0x20;
/// Wishes that files here can fulfil. What is written lasts as long as anything does (RWF_DSYNC, RWF_SYNC).
const KNOWN: u32 =
    raw::RWF_HIPRI | raw::RWF_DSYNC | raw::RWF_SYNC | raw::RWF_NOWAIT | raw::RWF_APPEND | NOAPPEND;

/// Flags of one transfer, for strace.
pub const FLAGS: Names = names![RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND];

/// A transfer between a file and a list of buffers.
pub struct Vectored {
    fd: i32,
    vectors: u64,
    count: usize,
    /// `None`: at the position, which moves on.
    at: Option<Offset>,
    flags: u32,
}

impl Vectored {
    /// `(fd, vectors, count, low, high)`: the offset is all in `low`.
    pub fn at(args: &RawArgs) -> CallResult<Self> {
        let offset = u64::try_from(args.long::<3>() as i64).map_err(|_| Errno::EINVAL)?;
        let (fd, vectors, count) = (args.int::<0>(), args.long::<1>(), args.uint::<2>() as usize);
        Ok(Vectored { fd, vectors, count, at: Some(Offset(offset)), flags: 0 })
    }

    /// The same with flags; offset -1 is the position.
    pub fn with_flags(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<5>();
        if args.long::<3>() == u64::MAX {
            let (fd, vectors, count) = (args.int::<0>(), args.long::<1>(), args.uint::<2>() as usize);
            return Ok(Vectored { fd, vectors, count, at: None, flags });
        }
        Ok(Vectored { flags, ..Vectored::at(args)? })
    }

    /// preadv2(2).
    pub fn read(self, ctx: &Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        self.check_position(&file)?;
        if file.is_path_only() || !file.flags().readable() {
            return Err(Errno::EBADF.into());
        }
        let vectors = IoVecs::load(ctx.memory(), self.vectors, self.count)?;
        if vectors.total() == 0 {
            return Ok(0);
        }
        let (add, _) = self.changes()?;
        let sink = || UserSink::new(ctx.memory(), vectors.slices(), vectors.total());
        match self.at {
            Some(at) => ctx.count_read(Ok(file.read_at(at, &mut sink())? as u64)),
            None if add.is_empty() => ctx.read_file(&file, vectors.slices()),
            None => ctx.count_read(Ok(no_restart(file.read_as(&mut sink(), add))? as u64)),
        }
    }

    /// pwritev2(2).
    pub fn write(self, ctx: &Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        self.check_position(&file)?;
        if file.is_path_only() || !file.flags().writable() {
            return Err(Errno::EBADF.into());
        }
        let vectors = IoVecs::load(ctx.memory(), self.vectors, self.count)?;
        if vectors.total() == 0 {
            return Ok(0);
        }
        let (add, remove) = self.changes()?;
        if self.at.is_none() && (add | remove).is_empty() {
            return ctx.write_file(&file, vectors.slices());
        }
        ctx.strip_privileges(&**file.file())?;
        let mut source =
            UserSource::new(ctx.memory(), vectors.slices(), vectors.total()).limited(ctx.file_size_limit());
        let written = ctx.written(file.write_as(self.at, &mut source, add, remove));
        ctx.refresh_mappings(&**file.file());
        ctx.count_written(Ok(no_restart(written)? as u64))
    }

    fn check_position(&self, file: &OpenFile) -> CallResult<()> {
        if self.at.is_some() && !file.file().has_position() { Err(Errno::ESPIPE.into()) } else { Ok(()) }
    }

    /// Status flags that this one transfer has more, and fewer, than the description.
    fn changes(&self) -> CallResult<(OpenFlags, OpenFlags)> {
        if self.flags & !KNOWN != 0 {
            return Err(Errno::EOPNOTSUPP.into());
        }
        if self.flags & raw::RWF_APPEND != 0 && self.flags & NOAPPEND != 0 {
            return Err(Errno::EINVAL.into());
        }
        let flag = |bit, flag| if self.flags & bit != 0 { flag } else { OpenFlags::empty() };
        let add = flag(raw::RWF_NOWAIT, OpenFlags::NONBLOCK) | flag(raw::RWF_APPEND, OpenFlags::APPEND);
        Ok((add, flag(NOAPPEND, OpenFlags::APPEND)))
    }
}

/// A transfer that must not wait does not start again by itself either.
fn no_restart(result: Result<usize, FsError>) -> Result<usize, FsError> {
    result.map_err(|error| if error == FsError::Interrupted { FsError::WouldBlock } else { error })
}
