//! fcntl(2): descriptors and their flags.

use crate::context::descriptor;
use crate::prelude::*;
use abi::structs::Flock;
use abi::{FdFlags, OpenFlags, general as raw};
use fs::{OpenFile, Seals, SeekFrom};

/// `fcntl(fd, command, argument)`.
pub struct Fcntl {
    fd: i32,
    command: u32,
    arg: u64,
}

/// F_DUPFD with FD_CLOEXEC set (F_LINUX_SPECIFIC_BASE + 6).
const F_DUPFD_CLOEXEC: u32 = 1030;

/// Capacity of a pipe (F_LINUX_SPECIFIC_BASE + 7 and 8).
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;

const COMMANDS: Names = &[
    (raw::F_DUPFD as u64, "F_DUPFD"),
    (raw::F_GETFD as u64, "F_GETFD"),
    (raw::F_SETFD as u64, "F_SETFD"),
    (raw::F_GETFL as u64, "F_GETFL"),
    (raw::F_SETFL as u64, "F_SETFL"),
    (raw::F_GETLK as u64, "F_GETLK"),
    (raw::F_SETLK as u64, "F_SETLK"),
    (raw::F_SETLKW as u64, "F_SETLKW"),
    (F_SETPIPE_SZ as u64, "F_SETPIPE_SZ"),
    (F_GETPIPE_SZ as u64, "F_GETPIPE_SZ"),
    (F_DUPFD_CLOEXEC as u64, "F_DUPFD_CLOEXEC"),
    (raw::F_ADD_SEALS as u64, "F_ADD_SEALS"),
    (raw::F_GET_SEALS as u64, "F_GET_SEALS"),
];

impl Syscall for Fcntl {
    const NR: u32 = nr::FCNTL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Value(COMMANDS), ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Fcntl { fd: args.int::<0>(), command: args.uint::<1>(), arg: args.long::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let fd = descriptor(self.fd)?;
        match self.command {
            raw::F_DUPFD | F_DUPFD_CLOEXEC => {
                let limit = ctx.fd_limit();
                let min = u32::try_from(self.arg).map_err(|_| Errno::EINVAL)?;
                if u64::from(min) >= limit {
                    return Err(Errno::EINVAL.into());
                }
                let cloexec = self.command == F_DUPFD_CLOEXEC;
                let flags = if cloexec { FdFlags::CLOEXEC } else { FdFlags::empty() };
                Ok(ctx.process.files().insert(file, flags, min, limit)?.into())
            }
            raw::F_GETFD => Ok(ctx.process.files().flags(fd)?.bits().into()),
            raw::F_SETFD => {
                let flags = FdFlags::from_bits_truncate(self.arg as u32);
                ctx.process.files().set_flags(fd, flags)?;
                Ok(0)
            }
            F_SETPIPE_SZ | F_GETPIPE_SZ if file.is_path_only() => Err(Errno::EBADF.into()),
            F_SETPIPE_SZ => Ok(file.file().pipe_size(Some(self.arg as u32 as usize))? as u64),
            F_GETPIPE_SZ => Ok(file.file().pipe_size(None)? as u64),
            raw::F_GETFL => Ok(file.flags().bits().into()),
            raw::F_SETFL if file.is_path_only() => Err(Errno::EBADF.into()),
            raw::F_SETFL => {
                file.set_flags(OpenFlags::from_bits_retain(self.arg as u32));
                Ok(0)
            }
            raw::F_GETLK | raw::F_SETLK | raw::F_SETLKW if file.is_path_only() => Err(Errno::EBADF.into()),
            raw::F_GETLK | raw::F_SETLK | raw::F_SETLKW => self.record_lock(ctx, &file),
            raw::F_GET_SEALS | raw::F_ADD_SEALS if file.is_path_only() => Err(Errno::EBADF.into()),
            raw::F_GET_SEALS => Ok(file.file().seals()?.bits().into()),
            raw::F_ADD_SEALS => add_seals(ctx, &file, self.arg),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}

impl Fcntl {
    /// Record locks belong to the process, and there is one: its own locks never stand in its way, so a valid request succeeds
    /// and there is nothing to keep.
    fn record_lock(&self, ctx: &Context<'_>, file: &OpenFile) -> CallResult<u64> {
        let at = UserPtr::<Flock>::new(self.arg);
        let mut lock = at.read(ctx.memory())?;
        let base = match u32::try_from(i32::from(lock.whence)) {
            Ok(raw::SEEK_SET) => 0,
            Ok(raw::SEEK_CUR) => file.seek(SeekFrom::Current(0)).unwrap_or(0),
            Ok(raw::SEEK_END) => file.file().metadata()?.size,
            _ => return Err(Errno::EINVAL.into()),
        };
        let start = lock.start.checked_add_unsigned(base).ok_or(Errno::EOVERFLOW)?;
        let end = start.checked_add(lock.len).ok_or(Errno::EOVERFLOW)?;
        if start < 0 || end < 0 {
            return Err(Errno::EINVAL.into());
        }
        let kind = u32::try_from(i32::from(lock.kind)).map_err(|_| Errno::EINVAL)?;
        if self.command == raw::F_GETLK {
            if !matches!(kind, raw::F_RDLCK | raw::F_WRLCK) {
                return Err(Errno::EINVAL.into());
            }
            lock.kind = raw::F_UNLCK as i16;
            at.write(ctx.memory(), &lock)?;
            return Ok(0);
        }
        match kind {
            raw::F_RDLCK if !file.flags().readable() => Err(Errno::EBADF.into()),
            raw::F_WRLCK if !file.flags().writable() => Err(Errno::EBADF.into()),
            raw::F_RDLCK | raw::F_WRLCK | raw::F_UNLCK => Ok(0),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}

/// F_ADD_SEALS.
fn add_seals(ctx: &Context<'_>, file: &OpenFile, seals: u64) -> CallResult<u64> {
    // Files without seals say so first.
    file.file().seals()?;
    if !file.flags().writable() {
        return Err(Errno::EPERM.into());
    }
    let seals = u32::try_from(seals).ok().and_then(Seals::from_bits).ok_or(Errno::EINVAL)?;
    let store = file.file().backing().ok_or(Errno::EINVAL)?;
    // Under the lock, so that no mapping comes between the look and the seal.
    let space = ctx.process.space();
    file.file().add_seals(seals, space.shares_writable(&*store))?;
    Ok(0)
}
