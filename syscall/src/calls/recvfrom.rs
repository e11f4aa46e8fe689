//! recvfrom(2): receives a message.

use super::sendto::FLAGS;
use crate::prelude::*;
use crate::socket;
use crate::socket::address::store;
use crate::socket::{Waiting, transfer};
use abi::net as raw;
use fs::socket::Kind;

/// `recvfrom(fd, buffer, length, flags, address, length)`.
pub struct RecvFrom {
    fd: i32,
    buffer: UserSlice,
    flags: u32,
    address: u64,
    len: UserPtr<i32>,
}

impl Syscall for RecvFrom {
    const NR: u32 = nr::RECVFROM;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::BufferOut,
        ArgKind::Unsigned,
        ArgKind::Bits(FLAGS),
        ArgKind::Ptr,
        ArgKind::Ptr,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RecvFrom {
            fd: args.int::<0>(),
            buffer: args.buffer::<1, 2>(),
            flags: args.uint::<3>(),
            address: args.long::<4>(),
            len: args.ptr::<5, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let buffer = checked(self.buffer)?;
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        let mut waiting = Waiting::to_receive(&file, self.flags);
        let received = transfer::receive(ctx, &file, &[buffer], &mut waiting, self.flags)?;
        if self.address != 0 {
            store(ctx, self.address, self.len, received.from.as_ref())?;
        }
        let whole = self.flags & raw::MSG_TRUNC != 0 && socket.kind() != Kind::Stream;
        Ok(if whole { received.length } else { received.bytes } as u64)
    }
}
