//! fcntl(2): descriptors and their flags.

use crate::context::descriptor;
use crate::prelude::*;
use abi::{FdFlags, OpenFlags, general as raw};

/// `fcntl(fd, command, argument)`.
pub struct Fcntl {
    fd: i32,
    command: u32,
    arg: u64,
}

/// F_DUPFD with FD_CLOEXEC set (F_LINUX_SPECIFIC_BASE + 6).
const F_DUPFD_CLOEXEC: u32 = 1030;

const COMMANDS: Names = &[
    (raw::F_DUPFD as u64, "F_DUPFD"),
    (raw::F_GETFD as u64, "F_GETFD"),
    (raw::F_SETFD as u64, "F_SETFD"),
    (raw::F_GETFL as u64, "F_GETFL"),
    (raw::F_SETFL as u64, "F_SETFL"),
    (raw::F_GETLK as u64, "F_GETLK"),
    (raw::F_SETLK as u64, "F_SETLK"),
    (raw::F_SETLKW as u64, "F_SETLKW"),
    (F_DUPFD_CLOEXEC as u64, "F_DUPFD_CLOEXEC"),
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
            raw::F_GETFL => Ok(file.flags().bits().into()),
            raw::F_SETFL if file.is_path_only() => Err(Errno::EBADF.into()),
            raw::F_SETFL => {
                file.set_flags(OpenFlags::from_bits_retain(self.arg as u32));
                Ok(0)
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }
}
