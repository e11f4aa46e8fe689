//! set_tid_address(2): where the end of the thread is announced.

use crate::prelude::*;
use core::sync::atomic::Ordering;

/// `set_tid_address(address)`.
pub struct SetTidAddress {
    addr: u64,
}

impl Syscall for SetTidAddress {
    const NR: u32 = nr::SET_TID_ADDRESS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetTidAddress { addr: args.long::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.thread.clear_child_tid.store(self.addr, Ordering::Relaxed);
        Ok(ctx.thread.tid.into())
    }
}
