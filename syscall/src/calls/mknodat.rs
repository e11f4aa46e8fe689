//! mknodat(2): makes a file, a FIFO, a socket or a device node.

use crate::files;
use crate::prelude::*;

/// `mknodat(dirfd, path, mode, device)`.
pub struct MkNodAt {
    dirfd: i32,
    path: u64,
    mode: u32,
    device: u32,
}

impl Syscall for MkNodAt {
    const NR: u32 = nr::MKNODAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Mode, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MkNodAt {
            dirfd: args.int::<0>(),
            path: args.long::<1>(),
            mode: args.uint::<2>(),
            device: args.uint::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::make_node(ctx, self.dirfd, self.path, self.mode, self.device)
    }
}
