//! preadv(2): as readv, at a given offset.

use crate::prelude::*;
use crate::vectored::Vectored;

/// `preadv(fd, vectors, count, low, high)`: the offset is all in `low`.
pub struct PReadV(Vectored);

impl Syscall for PReadV {
    const NR: u32 = nr::PREADV;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::VectorOut(2), ArgKind::Int, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PReadV(Vectored::at(args)?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.read(ctx)
    }
}
