//! truncate(2): cuts or extends a file.

use crate::prelude::*;
use abi::OpenFlags;
use fs::NodeKind;
use fs::access::Want;
use fs::vfs::Follow;

/// `truncate(path, length)`.
pub struct Truncate {
    path: u64,
    length: i64,
}

impl Syscall for Truncate {
    const NR: u32 = nr::TRUNCATE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Truncate { path: args.long::<0>(), length: args.long::<1>() as i64 })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let length = u64::try_from(self.length).map_err(|_| Errno::EINVAL)?;
        let path = ctx.path(self.path)?;
        let place = ctx.files().locate(&ctx.process.cwd(), &path, Follow::Yes)?;
        let node = &place.node;
        match node.kind()? {
            NodeKind::Directory => Err(Errno::EISDIR.into()),
            NodeKind::Regular if node.fs.is_read_only() => Err(Errno::EROFS.into()),
            NodeKind::Regular => {
                let files = ctx.files();
                files.who().check(node, Want::WRITE)?;
                files.who().strip_privileges(node)?;
                let file = node.fs.clone().open(node.id, OpenFlags::WRONLY)?;
                ctx.check_size(&*file, length)?;
                file.truncate(length)?;
                ctx.forget_beyond_end(&*file);
                ctx.process.vfs.watches().happened((&place).into(), abi::general::IN_MODIFY);
                Ok(0)
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }
}
