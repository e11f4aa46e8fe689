//! ioctl(2): requests to devices, and those that every descriptor knows.

use crate::context::descriptor;
use crate::prelude::*;
use abi::{FdFlags, Mode, OpenFlags, ioctl};
use fs::OpenFile;

/// `ioctl(fd, request, argument)`.
pub struct IoCtl {
    fd: i32,
    request: u32,
    arg: u64,
}

/// The requests that are known, for strace.
const REQUESTS: Names = &[
    (ioctl::TCGETS as u64, "TCGETS"),
    (ioctl::TCSETS as u64, "TCSETS"),
    (ioctl::TCSETSW as u64, "TCSETSW"),
    (ioctl::TCSETSF as u64, "TCSETSF"),
    (ioctl::TCGETS2 as u64, "TCGETS2"),
    (ioctl::TCSETS2 as u64, "TCSETS2"),
    (ioctl::TCSETSW2 as u64, "TCSETSW2"),
    (ioctl::TCSETSF2 as u64, "TCSETSF2"),
    (ioctl::TCFLSH as u64, "TCFLSH"),
    (ioctl::TIOCSTI as u64, "TIOCSTI"),
    (ioctl::TIOCGWINSZ as u64, "TIOCGWINSZ"),
    (ioctl::TIOCSWINSZ as u64, "TIOCSWINSZ"),
    (ioctl::TIOCGPGRP as u64, "TIOCGPGRP"),
    (ioctl::TIOCSPGRP as u64, "TIOCSPGRP"),
    (ioctl::TIOCGSID as u64, "TIOCGSID"),
    (ioctl::FIONREAD as u64, "FIONREAD"),
    (ioctl::FIONBIO as u64, "FIONBIO"),
    (ioctl::FIOASYNC as u64, "FIOASYNC"),
    (ioctl::FIOQSIZE as u64, "FIOQSIZE"),
    (ioctl::FIOCLEX as u64, "FIOCLEX"),
    (ioctl::FIONCLEX as u64, "FIONCLEX"),
];

impl Syscall for IoCtl {
    const NR: u32 = nr::IOCTL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Value(REQUESTS), ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(IoCtl { fd: args.int::<0>(), request: args.uint::<1>(), arg: args.long::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        match self.request {
            ioctl::FIOCLEX => ctx.process.files().set_flags(descriptor(self.fd)?, FdFlags::CLOEXEC)?,
            ioctl::FIONCLEX => ctx.process.files().set_flags(descriptor(self.fd)?, FdFlags::empty())?,
            ioctl::FIONBIO => {
                let on = UserPtr::<i32>::new(self.arg).read(ctx.memory())? != 0;
                let mut flags = file.flags();
                flags.set(OpenFlags::NONBLOCK, on);
                file.set_flags(flags);
            }
            ioctl::FIOASYNC => {
                let on = UserPtr::<i32>::new(self.arg).read(ctx.memory())? != 0;
                if on != file.flags().contains(OpenFlags::ASYNC) {
                    if !file.file().sends_signals() {
                        return Err(Errno::ENOTTY.into());
                    }
                    crate::sigio::set(ctx, self.fd, &file, on)?;
                }
            }
            ioctl::FIOQSIZE if is_file_or_directory(&file)? => {
                let blocks = file.file().metadata()?.blocks;
                UserPtr::<u64>::new(self.arg).write(ctx.memory(), &blocks.saturating_mul(512))?;
            }
            request => return Ok(file.file().ioctl(request, self.arg, ctx.memory())?),
        }
        Ok(0)
    }
}

/// Whether a file takes up room in a file system.
fn is_file_or_directory(file: &OpenFile) -> CallResult<bool> {
    Ok(matches!(Mode(file.file().metadata()?.mode).file_type(), Mode::IFREG | Mode::IFDIR))
}
