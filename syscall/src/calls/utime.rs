//! utime(2): sets the times of a file, in seconds.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;
use abi::structs::Timespec;

/// `utime(path, times)`.
pub struct UTime {
    path: u64,
    times: u64,
}

impl Syscall for UTime {
    const NR: u32 = nr::UTIME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(UTime { path: args.long::<0>(), times: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let set = match UserPtr::<[i64; 2]>::new(self.times).non_null() {
            Some(times) => {
                let times = times.read(ctx.memory())?;
                files::times(&times.map(|tv_sec| Timespec { tv_sec, tv_nsec: 0 }))?
            }
            None => files::present(),
        };
        files::set(ctx, abi::AT_FDCWD, self.path, AtFlags::empty(), &set)
    }
}
