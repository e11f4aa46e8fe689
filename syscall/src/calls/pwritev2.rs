//! pwritev2(2): as pwritev, with flags for this one call; offset -1 is the position.

use crate::prelude::*;
use crate::vectored::{FLAGS, Vectored};

/// `pwritev2(fd, vectors, count, low, high, flags)`.
pub struct PWriteV2(Vectored);

impl Syscall for PWriteV2 {
    const NR: u32 = nr::PWRITEV2;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::VectorIn(2),
        ArgKind::Int,
        ArgKind::Long,
        ArgKind::Hex,
        ArgKind::Bits(FLAGS),
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PWriteV2(Vectored::with_flags(args)?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.write(ctx)
    }
}
