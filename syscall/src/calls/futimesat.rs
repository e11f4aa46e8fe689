//! futimesat(2): sets the times of a file.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;
use abi::structs::Timeval;

/// `futimesat(dirfd, path, times)`.
pub struct FUTimesAt {
    dirfd: i32,
    path: u64,
    times: u64,
}

impl Syscall for FUTimesAt {
    const NR: u32 = nr::FUTIMESAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FUTimesAt { dirfd: args.int::<0>(), path: args.long::<1>(), times: args.long::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let set = match UserPtr::<[Timeval; 2]>::new(self.times).non_null() {
            Some(times) => files::coarse_times(&times.read(ctx.memory())?)?,
            None => files::present(),
        };
        if self.path == 0 && self.dirfd != abi::AT_FDCWD {
            return files::set_open(ctx, self.dirfd, &set);
        }
        files::set(ctx, self.dirfd, self.path, AtFlags::empty(), &set)
    }
}
