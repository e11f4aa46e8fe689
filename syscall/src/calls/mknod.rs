//! mknod(2): makes a file, a FIFO, a socket or a device node.

use crate::files;
use crate::prelude::*;

/// `mknod(path, mode, device)`.
pub struct MkNod {
    path: u64,
    mode: u32,
    device: u32,
}

impl Syscall for MkNod {
    const NR: u32 = nr::MKNOD;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Mode, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MkNod { path: args.long::<0>(), mode: args.uint::<1>(), device: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::make_node(ctx, abi::AT_FDCWD, self.path, self.mode, self.device)
    }
}
