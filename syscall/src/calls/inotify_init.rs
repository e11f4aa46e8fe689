//! inotify_init(2): as inotify_init1 without flags.

use super::inotify_init1::make;
use crate::prelude::*;
use abi::OpenFlags;

/// `inotify_init()`.
pub struct InotifyInit;

impl Syscall for InotifyInit {
    const NR: u32 = nr::INOTIFY_INIT;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_args: &RawArgs) -> CallResult<Self> {
        Ok(InotifyInit)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, OpenFlags::empty())
    }
}
