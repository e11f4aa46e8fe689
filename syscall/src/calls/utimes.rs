//! utimes(2): sets the times of a file.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;
use abi::structs::Timeval;

/// `utimes(path, times)`.
pub struct UTimes {
    path: u64,
    times: u64,
}

impl Syscall for UTimes {
    const NR: u32 = nr::UTIMES;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(UTimes { path: args.long::<0>(), times: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let set = match UserPtr::<[Timeval; 2]>::new(self.times).non_null() {
            Some(times) => files::coarse_times(&times.read(ctx.memory())?)?,
            None => files::present(),
        };
        files::set(ctx, abi::AT_FDCWD, self.path, AtFlags::empty(), &set)
    }
}
