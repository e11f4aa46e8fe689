//! epoll_create1(2): makes an instance that waits for many files.

use crate::prelude::*;
use abi::{OpenFlags, general as raw};
use fs::{OpenFile, epoll::Epoll};

/// `epoll_create1(flags)`.
pub struct EpollCreate1 {
    flags: u32,
}

/// Makes an instance.
pub fn make(ctx: &Context<'_>, flags: u32) -> CallResult<u64> {
    ctx.install(OpenFile::new(Epoll::new(), OpenFlags::RDWR), flags & raw::EPOLL_CLOEXEC != 0)
}

impl Syscall for EpollCreate1 {
    const NR: u32 = nr::EPOLL_CREATE1;
    const ARGS: &'static [ArgKind] = &[ArgKind::Bits(names![EPOLL_CLOEXEC])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<0>();
        if flags & !raw::EPOLL_CLOEXEC != 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(EpollCreate1 { flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, self.flags)
    }
}
