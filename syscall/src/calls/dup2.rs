//! dup2(2): makes a given descriptor refer to an open file.

use super::dup3::duplicate;
use crate::prelude::*;
use abi::FdFlags;

/// `dup2(old, new)`.
pub struct Dup2 {
    old: i32,
    new: i32,
}

impl Syscall for Dup2 {
    const NR: u32 = nr::DUP2;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Dup2 { old: args.int::<0>(), new: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.old == self.new {
            // Nothing to do but to check it.
            ctx.file(self.old)?;
            return Ok(self.new as u64);
        }
        duplicate(ctx, self.old, self.new, FdFlags::empty())
    }
}
