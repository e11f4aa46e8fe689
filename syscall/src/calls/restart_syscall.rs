//! restart_syscall(2): goes on with a wait that a signal without a handler interrupted. The kernel makes the program call it.

use super::futex::Futex;
use super::{nanosleep, poll};
use crate::prelude::*;
use task::RestartBlock;

/// `restart_syscall()`.
pub struct RestartSyscall;

impl Syscall for RestartSyscall {
    const NR: u32 = nr::RESTART_SYSCALL;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(RestartSyscall)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        match ctx.thread.take_restart() {
            Some(RestartBlock::Sleep { deadline, remaining }) => {
                nanosleep::sleep_until(ctx, deadline, UserPtr::new(remaining).non_null())
            }
            Some(RestartBlock::Poll { fds, count, deadline }) => {
                poll::poll_again(ctx, UserPtr::new(fds), count, deadline)
            }
            Some(block @ RestartBlock::Futex { .. }) => Futex::wait_again(ctx, block),
            None => Err(Errno::EINTR.into()),
        }
    }
}
