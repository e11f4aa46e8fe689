//! brk(2): moves the end of the heap.

use crate::prelude::*;
use mm::addr::VirtAddr;

/// `brk(address)`: returns the end, which is the old one if it cannot be moved.
pub struct Brk {
    end: u64,
}

impl Syscall for Brk {
    const NR: u32 = nr::BRK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Brk { end: args.long::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let wanted = (self.end != 0).then_some(VirtAddr(self.end));
        Ok(ctx.process.space().brk(wanted).0)
    }
}
