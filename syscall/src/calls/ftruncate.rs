//! ftruncate(2): cuts or extends an open file.

use crate::prelude::*;

/// `ftruncate(fd, length)`.
pub struct FTruncate {
    fd: i32,
    size: u64,
}

impl Syscall for FTruncate {
    const NR: u32 = nr::FTRUNCATE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let size = u64::try_from(args.long::<1>().cast_signed()).map_err(|_| Errno::EINVAL)?;
        Ok(FTruncate { fd: args.int::<0>(), size })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.flags().writable() {
            ctx.check_size(&**file.file(), self.size)?;
        }
        ctx.strip_privileges(&**file.file())?;
        file.truncate(self.size)?;
        ctx.forget_beyond_end(&**file.file());
        Ok(0)
    }
}
