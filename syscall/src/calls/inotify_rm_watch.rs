//! inotify_rm_watch(2): ends a watch.

use super::inotify_add_watch::instance;
use crate::prelude::*;

/// `inotify_rm_watch(fd, watch)`.
pub struct InotifyRmWatch {
    fd: i32,
    watch: i32,
}

impl Syscall for InotifyRmWatch {
    const NR: u32 = nr::INOTIFY_RM_WATCH;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(InotifyRmWatch { fd: args.int::<0>(), watch: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        instance(ctx, self.fd)?.remove_watch(self.watch)?;
        Ok(0)
    }
}
