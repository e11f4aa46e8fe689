//! pkey_alloc(2): gives out a protection key. Programs run without them (they concern user pages, which none here are), so there
//! are none, as Linux answers on a CPU that has none.

use crate::prelude::*;

/// `pkey_alloc(flags, rights)`.
pub struct PkeyAlloc;

impl Syscall for PkeyAlloc {
    const NR: u32 = nr::PKEY_ALLOC;
    const ARGS: &'static [ArgKind] = &[ArgKind::Hex, ArgKind::Hex];

    fn decode(_args: &RawArgs) -> CallResult<Self> {
        Ok(PkeyAlloc)
    }

    fn execute(self, _ctx: &mut Context<'_>) -> CallResult<u64> {
        // Whatever the arguments: flags and rights that do not exist are EINVAL as well.
        Err(Errno::EINVAL.into())
    }
}
