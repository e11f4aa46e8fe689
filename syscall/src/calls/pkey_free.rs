//! pkey_free(2): gives a protection key back. There are none: see [`super::pkey_alloc`].

use crate::prelude::*;

/// `pkey_free(key)`.
pub struct PkeyFree;

impl Syscall for PkeyFree {
    const NR: u32 = nr::PKEY_FREE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(_args: &RawArgs) -> CallResult<Self> {
        Ok(PkeyFree)
    }

    fn execute(self, _ctx: &mut Context<'_>) -> CallResult<u64> {
        Err(Errno::EINVAL.into())
    }
}
