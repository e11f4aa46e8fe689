//! pkey_mprotect(2): mprotect with a protection key. There are none (see [`super::pkey_alloc`]), so only -1, no key, is accepted.

use super::mmap::PROTECTIONS;
use super::mprotect::MProtect;
use crate::prelude::*;

/// `pkey_mprotect(address, length, protection, key)`.
pub struct PkeyMProtect {
    protect: MProtect,
    key: i32,
}

impl Syscall for PkeyMProtect {
    const NR: u32 = nr::PKEY_MPROTECT;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(PROTECTIONS), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PkeyMProtect { protect: MProtect::decode(args)?, key: args.int::<3>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // Nothing to protect needs no key, nor is one looked at behind a bad address.
        if self.key != -1 && !self.protect.is_nothing() {
            return Err(Errno::EINVAL.into());
        }
        self.protect.execute(ctx)
    }
}
