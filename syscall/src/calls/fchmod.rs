//! fchmod(2): changes permissions of an open file.

use crate::files;
use crate::prelude::*;
use fs::SetAttributes;

/// `fchmod(fd, mode)`.
pub struct FChMod {
    fd: i32,
    mode: u32,
}

impl Syscall for FChMod {
    const NR: u32 = nr::FCHMOD;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Mode];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FChMod { fd: args.int::<0>(), mode: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let set = SetAttributes { mode: Some(self.mode & 0o7777), ..SetAttributes::default() };
        files::set_open(ctx, self.fd, &set)
    }
}
