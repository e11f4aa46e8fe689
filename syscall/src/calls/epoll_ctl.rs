//! epoll_ctl(2): changes what an epoll instance watches.

use crate::context::descriptor;
use crate::prelude::*;
use abi::general as raw;
use fs::epoll::Interest;

/// `epoll_ctl(epoll, operation, fd, event)`.
pub struct EpollCtl {
    epoll: i32,
    operation: u32,
    fd: i32,
    event: UserPtr<[u32; 3]>,
}

/// Bits that may stand beside EPOLLEXCLUSIVE.
const WITH_EXCLUSIVE: u32 = raw::EPOLLIN
    | raw::EPOLLOUT
    | raw::EPOLLERR
    | raw::EPOLLHUP
    | raw::EPOLLWAKEUP
    | raw::EPOLLET
    | raw::EPOLLEXCLUSIVE;

impl Syscall for EpollCtl {
    const NR: u32 = nr::EPOLL_CTL;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::Value(names![EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD]),
        ArgKind::Int,
        ArgKind::Ptr,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(EpollCtl {
            epoll: args.int::<0>(),
            operation: args.uint::<1>(),
            fd: args.int::<2>(),
            event: args.ptr::<3, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // `struct epoll_event` is packed: the events, and the program's value in two halves.
        let interest = if self.operation == raw::EPOLL_CTL_DEL {
            Interest::default()
        } else {
            let [events, low, high] = self.event.read(ctx.memory())?;
            Interest { events, data: u64::from(low) | u64::from(high) << 32 }
        };
        let (instance, file) = (ctx.file(self.epoll)?, ctx.file(self.fd)?);
        if file.is_path_only() || instance.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        if !file.file().can_be_polled() {
            return Err(Errno::EPERM.into());
        }
        let epoll = instance.file().as_epoll().ok_or(Errno::EINVAL)?;
        let fd = descriptor(self.fd)?;
        match self.operation {
            raw::EPOLL_CTL_ADD => {
                let exclusive = interest.events & raw::EPOLLEXCLUSIVE != 0;
                if exclusive && (interest.events & !WITH_EXCLUSIVE != 0 || file.file().as_epoll().is_some()) {
                    return Err(Errno::EINVAL.into());
                }
                epoll.add(fd, &file, interest)?;
            }
            raw::EPOLL_CTL_MOD => epoll.modify(fd, &file, interest)?,
            raw::EPOLL_CTL_DEL => epoll.remove(fd, &file)?,
            _ => return Err(Errno::EINVAL.into()),
        }
        Ok(0)
    }
}
