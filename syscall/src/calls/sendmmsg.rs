//! sendmmsg(2): sends several messages.

use super::sendto::FLAGS;
use crate::prelude::*;
use crate::socket;
use crate::socket::message;
use abi::structs::MMsgHdr;
use core::mem::offset_of;
use fs::OpenFile;

/// Sends one of the messages and stores how many bytes went.
fn one(ctx: &Context<'_>, file: &OpenFile, at: UserPtr<MMsgHdr>, flags: u32) -> CallResult<()> {
    let sent = message::send(ctx, file, UserPtr::new(at.addr()), flags)?;
    let len = at.addr().wrapping_add(offset_of!(MMsgHdr, len) as u64);
    UserPtr::new(len).write(ctx.memory(), &(sent as u32))?;
    Ok(())
}

/// `sendmmsg(fd, messages, count, flags)`.
pub struct SendMMsg {
    fd: i32,
    messages: UserPtr<MMsgHdr>,
    count: u32,
    flags: u32,
}

impl Syscall for SendMMsg {
    const NR: u32 = nr::SENDMMSG;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SendMMsg {
            fd: args.int::<0>(),
            messages: args.ptr::<1, _>(),
            count: args.uint::<2>(),
            flags: args.uint::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        socket::of(&file)?;
        let count = u64::from(self.count).min(abi::IOV_MAX as u64);
        let mut done = 0;
        while done < count {
            match one(ctx, &file, self.messages.at(done)?, self.flags) {
                Ok(()) => done += 1,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}
