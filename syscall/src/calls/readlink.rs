//! readlink(2): as readlinkat, relative to the current directory.

use super::readlinkat::ReadLinkAt;
use crate::prelude::*;

/// `readlink(path, buffer, size)`.
pub struct ReadLink(ReadLinkAt);

impl Syscall for ReadLink {
    const NR: u32 = nr::READLINK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::BufferOut, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ReadLink(ReadLinkAt::new(abi::AT_FDCWD, args.long::<0>(), args.long::<1>(), args.int::<2>())?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
