//! sendmsg(2): sends a message from several buffers, with control messages.

use super::sendto::FLAGS;
use crate::prelude::*;
use crate::socket;
use crate::socket::message;
use abi::structs::MsgHdr;

/// `sendmsg(fd, message, flags)`.
pub struct SendMsg {
    fd: i32,
    msg: UserPtr<MsgHdr>,
    flags: u32,
}

impl Syscall for SendMsg {
    const NR: u32 = nr::SENDMSG;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SendMsg { fd: args.int::<0>(), msg: args.ptr::<1, _>(), flags: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        message::send(ctx, &file, self.msg, self.flags)
    }
}
