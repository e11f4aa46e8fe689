//! posix_fadvise(2): how a file will be used. Everything is in memory, so nothing follows from it.

use crate::prelude::*;
use abi::Mode;

/// `fadvise64(fd, offset, len, advice)`.
pub struct FAdvise64 {
    fd: i32,
    len: i64,
    advice: i32,
}

/// POSIX_FADV_NOREUSE, the last.
const LAST_ADVICE: i32 = 5;

impl Syscall for FAdvise64 {
    const NR: u32 = nr::FADVISE64;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Long, ArgKind::Long, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FAdvise64 { fd: args.int::<0>(), len: args.long::<2>() as i64, advice: args.int::<3>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        if Mode(file.file().metadata()?.mode).file_type() == Mode::IFIFO {
            return Err(Errno::ESPIPE.into());
        }
        if self.len < 0 || !(0..=LAST_ADVICE).contains(&self.advice) {
            return Err(Errno::EINVAL.into());
        }
        Ok(0)
    }
}
