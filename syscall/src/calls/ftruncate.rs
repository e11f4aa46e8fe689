//! ftruncate(2): cuts or extends an open file.

use crate::prelude::*;

/// `ftruncate(fd, length)`.
pub struct FTruncate {
    fd: i32,
    length: i64,
}

impl Syscall for FTruncate {
    const NR: u32 = nr::FTRUNCATE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FTruncate { fd: args.int::<0>(), length: args.long::<1>() as i64 })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let length = u64::try_from(self.length).map_err(|_| Errno::EINVAL)?;
        ctx.file(self.fd)?.truncate(length)?;
        Ok(0)
    }
}
