//! dup3(2): as dup2, with flags.

use crate::context::descriptor;
use crate::files;
use crate::prelude::*;
use abi::{FdFlags, OpenFlags};

/// `dup3(old, new, flags)`.
pub struct Dup3 {
    old: i32,
    new: i32,
    flags: FdFlags,
}

/// Makes `new` refer to the file of `old`.
pub fn duplicate(ctx: &Context<'_>, old: i32, new: i32, flags: FdFlags) -> CallResult<u64> {
    let limit = ctx.fd_limit();
    let (old, new) = (descriptor(old)?, descriptor(new)?);
    let closed = ctx.process.files().dup_to(old, new, flags, limit)?;
    if let Some(closed) = closed {
        files::closed(ctx, closed);
    }
    Ok(new.into())
}

impl Syscall for Dup3 {
    const NR: u32 = nr::DUP3;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Bits(names![O_CLOEXEC])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = match OpenFlags::from_bits_retain(args.uint::<2>()) {
            OpenFlags::CLOEXEC => FdFlags::CLOEXEC,
            flags if flags.is_empty() => FdFlags::empty(),
            _ => return Err(Errno::EINVAL.into()),
        };
        let (old, new) = (args.int::<0>(), args.int::<1>());
        if old == new {
            return Err(Errno::EINVAL.into());
        }
        Ok(Dup3 { old, new, flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        duplicate(ctx, self.old, self.new, self.flags)
    }
}
