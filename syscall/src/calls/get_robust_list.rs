//! get_robust_list(2): the list of futexes that is released when a thread ends.

use crate::prelude::*;

/// `get_robust_list(tid, head, size)`.
pub struct GetRobustList {
    tid: i32,
    head: UserPtr<u64>,
    size: UserPtr<u64>,
}

impl Syscall for GetRobustList {
    const NR: u32 = nr::GET_ROBUST_LIST;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetRobustList { tid: args.int::<0>(), head: args.ptr::<1, _>(), size: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.tid < 0 {
            return Err(Errno::ESRCH.into());
        }
        let thread = ctx.thread_of(self.tid)?;
        let (head, _) = *thread.robust_list.lock();
        self.size.write(ctx.memory(), &(super::set_robust_list::HEAD_SIZE as u64))?;
        self.head.write(ctx.memory(), &head)?;
        Ok(0)
    }
}
