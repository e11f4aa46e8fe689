//! eventfd2(2): makes a counter that can be waited for.

use crate::prelude::*;
use abi::{OpenFlags, general as raw};
use alloc::sync::Arc;
use fs::{OpenFile, eventfd::EventFd};

/// `eventfd2(count, flags)`.
pub struct EventFd2 {
    count: u32,
    flags: u32,
}

/// Makes an eventfd.
pub fn make(ctx: &Context<'_>, count: u32, flags: u32) -> CallResult<u64> {
    let file = Arc::new(EventFd::new(count, flags & raw::EFD_SEMAPHORE != 0));
    let status = OpenFlags::from_bits_retain(flags & raw::EFD_NONBLOCK) | OpenFlags::RDWR;
    ctx.install(OpenFile::new(file, status), flags & raw::EFD_CLOEXEC != 0)
}

impl Syscall for EventFd2 {
    const NR: u32 = nr::EVENTFD2;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Unsigned, ArgKind::Bits(names![EFD_SEMAPHORE, EFD_CLOEXEC, EFD_NONBLOCK])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<1>();
        if flags & !(raw::EFD_SEMAPHORE | raw::EFD_CLOEXEC | raw::EFD_NONBLOCK) != 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(EventFd2 { count: args.uint::<0>(), flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, self.count, self.flags)
    }
}
