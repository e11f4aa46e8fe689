//! getrlimit(2): as prlimit, of the calling process.

use super::prlimit64::{PrLimit64, RESOURCES};
use crate::prelude::*;

/// `getrlimit(resource, limit)`.
pub struct GetRLimit {
    resource: u32,
    limit: UserPtr<abi::structs::Rlimit>,
}

impl Syscall for GetRLimit {
    const NR: u32 = nr::GETRLIMIT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(RESOURCES), ArgKind::LimitOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetRLimit { resource: args.uint::<0>(), limit: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.limit.is_null() {
            return Err(Errno::EFAULT.into());
        }
        PrLimit64::own(self.resource, UserPtr::new(0), self.limit).execute(ctx)
    }
}
