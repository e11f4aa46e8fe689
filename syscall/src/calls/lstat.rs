//! lstat(2): as stat, of a symbolic link itself.

use super::newfstatat::NewFStatAt;
use crate::prelude::*;
use abi::AtFlags;

/// `lstat(path, buffer)`.
pub struct LStat(NewFStatAt);

impl Syscall for LStat {
    const NR: u32 = nr::LSTAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::StatOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(LStat(NewFStatAt::new(abi::AT_FDCWD, args.long::<0>(), args.ptr::<1, _>(), flags)))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
