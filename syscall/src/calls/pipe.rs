//! pipe(2): as pipe2 without flags.

use super::pipe2::make;
use crate::prelude::*;
use abi::OpenFlags;

/// `pipe(descriptors)`.
pub struct Pipe {
    fds: UserPtr<[i32; 2]>,
}

impl Syscall for Pipe {
    const NR: u32 = nr::PIPE;
    const ARGS: &'static [ArgKind] = &[ArgKind::IntOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Pipe { fds: args.ptr::<0, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, self.fds, OpenFlags::empty())
    }
}
