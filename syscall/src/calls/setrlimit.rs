//! setrlimit(2): as prlimit, of the calling process.

use super::prlimit64::{PrLimit64, RESOURCES};
use crate::prelude::*;

/// `setrlimit(resource, limit)`.
pub struct SetRLimit {
    resource: u32,
    limit: UserPtr<abi::structs::Rlimit>,
}

impl Syscall for SetRLimit {
    const NR: u32 = nr::SETRLIMIT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(RESOURCES), ArgKind::Limit];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetRLimit { resource: args.uint::<0>(), limit: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.limit.is_null() {
            return Err(Errno::EFAULT.into());
        }
        PrLimit64::own(self.resource, self.limit, UserPtr::new(0)).execute(ctx)
    }
}
