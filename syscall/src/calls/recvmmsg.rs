//! recvmmsg(2): receives several messages.

use super::sendto::FLAGS;
use crate::prelude::*;
use crate::socket;
use crate::socket::{Waiting, message};
use abi::structs::{MMsgHdr, Timespec};
use core::mem::offset_of;
use fs::OpenFile;

/// Waits for the first message only.
const MSG_WAITFORONE: u32 = 0x10000;

/// Receives one of the messages and stores its length.
fn one(
    ctx: &Context<'_>,
    file: &OpenFile,
    at: UserPtr<MMsgHdr>,
    waiting: &mut Waiting,
    flags: u32,
) -> CallResult<()> {
    let received = message::receive(ctx, file, UserPtr::new(at.addr()), waiting, flags)?;
    let len = at.addr().wrapping_add(offset_of!(MMsgHdr, len) as u64);
    UserPtr::new(len).write(ctx.memory(), &(received as u32))?;
    Ok(())
}

/// `recvmmsg(fd, messages, count, flags, timeout)`.
pub struct RecvMMsg {
    fd: i32,
    messages: UserPtr<MMsgHdr>,
    count: u32,
    flags: u32,
    timeout: UserPtr<Timespec>,
}

impl Syscall for RecvMMsg {
    const NR: u32 = nr::RECVMMSG;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(FLAGS), ArgKind::Time];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RecvMMsg {
            fd: args.int::<0>(),
            messages: args.ptr::<1, _>(),
            count: args.uint::<2>(),
            flags: args.uint::<3>(),
            timeout: args.ptr::<4, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let timeout = self.timeout.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        let length = timeout.map(|time| crate::time::nanoseconds(&time)).transpose()?;
        let deadline = length.map(|ns| crate::time::deadline_in(ctx, ns));
        let file = socket::file(ctx, self.fd)?;
        let mut waiting = Waiting::to_receive(&file, self.flags);
        // As on Linux the time is looked at after each message only.
        let late = || deadline.is_some_and(|deadline| ctx.platform.monotonic_ns() >= deadline);
        let flags = self.flags & !MSG_WAITFORONE;
        let mut done = 0;
        while done < u64::from(self.count) {
            match one(ctx, &file, self.messages.at(done)?, &mut waiting, flags) {
                Ok(()) => done += 1,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
            if self.flags & MSG_WAITFORONE != 0 {
                waiting.stop();
            }
            if late() {
                break;
            }
        }
        if let Some(deadline) = deadline {
            let left = deadline.saturating_sub(ctx.platform.monotonic_ns());
            self.timeout.write(ctx.memory(), &crate::time::timespec(left))?;
        }
        Ok(done)
    }
}
