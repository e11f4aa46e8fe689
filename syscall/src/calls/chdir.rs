//! chdir(2): changes the current directory.

use crate::prelude::*;
use fs::access::Want;
use fs::vfs::Follow;
use fs::{NodeKind, NodeRef};

/// `chdir(path)`.
pub struct ChDir {
    path: u64,
}

/// Makes `node` the current directory.
pub fn enter(ctx: &Context<'_>, node: NodeRef) -> CallResult<u64> {
    if node.kind()? != NodeKind::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    ctx.files().who().check(&node, Want::EXEC)?;
    ctx.process.set_cwd(node);
    Ok(0)
}

impl Syscall for ChDir {
    const NR: u32 = nr::CHDIR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ChDir { path: args.long::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let path = ctx.path(self.path)?;
        let node = ctx.files().lookup(&ctx.process.cwd(), &path, Follow::Yes)?;
        enter(ctx, node)
    }
}
