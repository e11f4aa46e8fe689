//! set_robust_list(2): the list of futexes to release when the thread dies.

use crate::prelude::*;

/// `set_robust_list(head, size)`.
pub struct SetRobustList {
    head: u64,
    size: usize,
}

/// `sizeof(struct robust_list_head)`.
pub const HEAD_SIZE: usize = 24;

impl Syscall for SetRobustList {
    const NR: u32 = nr::SET_ROBUST_LIST;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let size = args.size::<1>();
        if size != HEAD_SIZE {
            return Err(Errno::EINVAL.into());
        }
        Ok(SetRobustList { head: args.long::<0>(), size })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        *ctx.thread.robust_list.lock() = (self.head, self.size as u64);
        Ok(0)
    }
}
