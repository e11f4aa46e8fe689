//! close_range(2): closes descriptors, or marks them for execve to close.

use crate::files;
use crate::prelude::*;
use abi::FdFlags;

/// `close_range(first, last, flags)`.
pub struct CloseRange {
    first: u32,
    last: u32,
    flags: u32,
}

/// CLOSE_RANGE_UNSHARE: the table of one thread is shared with nobody.
const UNSHARE: u32 = 1 << 1;
/// CLOSE_RANGE_CLOEXEC.
const CLOEXEC: u32 = 1 << 2;

impl Syscall for CloseRange {
    const NR: u32 = nr::CLOSE_RANGE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Unsigned, ArgKind::Unsigned, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(CloseRange { first: args.uint::<0>(), last: args.uint::<1>(), flags: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.flags & !(UNSHARE | CLOEXEC) != 0 || self.first > self.last {
            return Err(Errno::EINVAL.into());
        }
        let mut next = self.first;
        loop {
            // One at a time, so that each file is closed outside the lock.
            let open = ctx.process.files().next_open(next).filter(|&fd| fd <= self.last);
            let Some(fd) = open else { return Ok(0) };
            if self.flags & CLOEXEC != 0 {
                ctx.process.files().set_flags(fd, FdFlags::CLOEXEC)?;
            } else {
                let closed = ctx.process.files().remove(fd)?;
                files::closed(ctx, closed);
            }
            let Some(after) = fd.checked_add(1) else { return Ok(0) };
            next = after;
        }
    }
}
