//! recvmsg(2): receives a message into several buffers, with control messages.

use super::sendto::FLAGS;
use crate::prelude::*;
use crate::socket;
use crate::socket::{Waiting, message};
use abi::structs::MsgHdr;

/// `recvmsg(fd, message, flags)`.
pub struct RecvMsg {
    fd: i32,
    msg: UserPtr<MsgHdr>,
    flags: u32,
}

impl Syscall for RecvMsg {
    const NR: u32 = nr::RECVMSG;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RecvMsg { fd: args.int::<0>(), msg: args.ptr::<1, _>(), flags: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let mut waiting = Waiting::to_receive(&file, self.flags);
        message::receive(ctx, &file, self.msg, &mut waiting, self.flags)
    }
}
