//! preadv2(2): as preadv, with flags for this one call; offset -1 is the position.

use crate::prelude::*;
use crate::vectored::{FLAGS, Vectored};

/// `preadv2(fd, vectors, count, low, high, flags)`.
pub struct PReadV2(Vectored);

impl Syscall for PReadV2 {
    const NR: u32 = nr::PREADV2;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::VectorOut(2),
        ArgKind::Int,
        ArgKind::Long,
        ArgKind::Hex,
        ArgKind::Bits(FLAGS),
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PReadV2(Vectored::with_flags(args)?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.read(ctx)
    }
}
