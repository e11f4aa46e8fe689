//! fcntl(2): descriptors and their flags, locks, seals, pipes.

use crate::context::descriptor;
use crate::locks;
use crate::owners;
use crate::prelude::*;
use crate::sigio;
use abi::{FdFlags, Mode, OpenFlags, general as raw};
use alloc::sync::Arc;
use fs::{OpenFile, Seals};

/// `fcntl(fd, command, argument)`.
pub struct Fcntl {
    fd: i32,
    command: u32,
    arg: u64,
}

/// F_DUPFD with FD_CLOEXEC set (F_LINUX_SPECIFIC_BASE + 6).
const F_DUPFD_CLOEXEC: u32 = 1030;

/// F_LINUX_SPECIFIC_BASE + 3.
const F_DUPFD_QUERY: u32 = 1027;

/// Capacity of a pipe (F_LINUX_SPECIFIC_BASE + 7 and 8).
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;

/// What descriptors of O_PATH know.
const ON_PATHS: [u32; 6] =
    [raw::F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, raw::F_GETFD, raw::F_SETFD, raw::F_GETFL];

const COMMANDS: Names = &[
    (raw::F_DUPFD as u64, "F_DUPFD"),
    (raw::F_GETFD as u64, "F_GETFD"),
    (raw::F_SETFD as u64, "F_SETFD"),
    (raw::F_GETFL as u64, "F_GETFL"),
    (raw::F_SETFL as u64, "F_SETFL"),
    (raw::F_SETOWN as u64, "F_SETOWN"),
    (raw::F_GETOWN as u64, "F_GETOWN"),
    (raw::F_SETSIG as u64, "F_SETSIG"),
    (raw::F_GETSIG as u64, "F_GETSIG"),
    (raw::F_SETOWN_EX as u64, "F_SETOWN_EX"),
    (raw::F_GETOWN_EX as u64, "F_GETOWN_EX"),
    (raw::F_GETLK as u64, "F_GETLK"),
    (raw::F_SETLK as u64, "F_SETLK"),
    (raw::F_SETLKW as u64, "F_SETLKW"),
    (raw::F_OFD_GETLK as u64, "F_OFD_GETLK"),
    (raw::F_OFD_SETLK as u64, "F_OFD_SETLK"),
    (raw::F_OFD_SETLKW as u64, "F_OFD_SETLKW"),
    (F_SETPIPE_SZ as u64, "F_SETPIPE_SZ"),
    (F_GETPIPE_SZ as u64, "F_GETPIPE_SZ"),
    (F_DUPFD_CLOEXEC as u64, "F_DUPFD_CLOEXEC"),
    (F_DUPFD_QUERY as u64, "F_DUPFD_QUERY"),
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
        if file.is_path_only() && !ON_PATHS.contains(&self.command) {
            return Err(Errno::EBADF.into());
        }
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
            // Whether the other descriptor refers to the same description.
            F_DUPFD_QUERY => {
                let other = i32::try_from(self.arg).map_err(|_| Errno::EBADF)?;
                Ok(Arc::ptr_eq(&file, &ctx.file(other)?).into())
            }
            raw::F_SETFD => {
                let flags = FdFlags::from_bits_truncate(self.arg as u32);
                ctx.process.files().set_flags(fd, flags)?;
                Ok(0)
            }
            F_SETPIPE_SZ => Ok(file.file().pipe_size(Some(self.arg as u32 as usize))? as u64),
            F_GETPIPE_SZ => Ok(file.file().pipe_size(None)? as u64),
            raw::F_GETFL => Ok(file.flags().bits().into()),
            raw::F_SETFL => {
                let flags = OpenFlags::from_bits_retain(self.arg as u32);
                if flags.contains(OpenFlags::DIRECT) {
                    check_direct(&file)?;
                }
                // Where no signals are sent the flag is ignored, as on Linux.
                let (on, was) = (flags.contains(OpenFlags::ASYNC), file.flags().contains(OpenFlags::ASYNC));
                if on != was && file.file().sends_signals() {
                    sigio::set(ctx, self.fd, &file, on)?;
                }
                file.set_flags(flags);
                Ok(0)
            }
            raw::F_SETOWN..=raw::F_GETSIG | raw::F_SETOWN_EX | raw::F_GETOWN_EX => {
                owners::owner(ctx, &file, self.command, self.arg)
            }
            raw::F_GET_SEALS => Ok(file.file().seals()?.bits().into()),
            raw::F_ADD_SEALS => add_seals(ctx, &file, self.arg),
            number => match locks::Command::from_number(number) {
                Some(command) => locks::record_lock(ctx, self.fd, &file, command, UserPtr::new(self.arg)),
                None => Err(Errno::EINVAL.into()),
            },
        }
    }
}

/// O_DIRECT is for files with blocks; with pipes it means packets.
fn check_direct(file: &OpenFile) -> CallResult<()> {
    match Mode(file.file().metadata()?.mode).file_type() {
        Mode::IFREG | Mode::IFBLK | Mode::IFIFO => Ok(()),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// F_ADD_SEALS.
fn add_seals(ctx: &Context<'_>, file: &OpenFile, seals: u64) -> CallResult<u64> {
    if !file.flags().writable() {
        return Err(Errno::EPERM.into());
    }
    let seals = u32::try_from(seals).ok().and_then(Seals::from_bits).ok_or(Errno::EINVAL)?;
    file.file().seals()?;
    let store = file.file().backing().ok_or(Errno::EINVAL)?;
    // Under the lock, so that no mapping comes between the look and the seal.
    let space = ctx.process.space();
    file.file().add_seals(seals, space.shares_writable(&*store))?;
    Ok(0)
}
