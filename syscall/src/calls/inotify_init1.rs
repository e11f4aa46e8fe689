//! inotify_init1(2): makes an instance that tells what happens to files.

use crate::prelude::*;
use abi::OpenFlags;
use fs::OpenFile;
use fs::inotify::Inotify;

/// `inotify_init1(flags)`.
pub struct InotifyInit1 {
    flags: OpenFlags,
}

/// Makes an instance.
pub fn make(ctx: &Context<'_>, flags: OpenFlags) -> CallResult<u64> {
    let inotify = Inotify::new(ctx.process.vfs.watches())?;
    ctx.install(OpenFile::new(inotify, flags), flags.contains(OpenFlags::CLOEXEC))
}

impl Syscall for InotifyInit1 {
    const NR: u32 = nr::INOTIFY_INIT1;
    // The flags IN_CLOEXEC and IN_NONBLOCK are those of open(2).
    const ARGS: &'static [ArgKind] = &[ArgKind::Bits(names![O_CLOEXEC, O_NONBLOCK])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = OpenFlags::from_bits_retain(args.uint::<0>());
        if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
            return Err(Errno::EINVAL.into());
        }
        Ok(InotifyInit1 { flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, self.flags)
    }
}
