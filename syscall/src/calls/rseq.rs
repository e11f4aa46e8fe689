//! rseq(2): restartable sequences are not offered; C libraries do without them.

use crate::prelude::*;

/// `rseq(area, size, flags, signature)`.
pub struct Rseq;

impl Syscall for Rseq {
    const NR: u32 = nr::RSEQ;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Hex, ArgKind::Hex];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(Rseq)
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        Err(Errno::ENOSYS.into())
    }
}
