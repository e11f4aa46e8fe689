//! pwritev(2): as writev, at a given offset.

use crate::prelude::*;
use crate::vectored::Vectored;

/// `pwritev(fd, vectors, count, low, high)`: the offset is all in `low`.
pub struct PWriteV(Vectored);

impl Syscall for PWriteV {
    const NR: u32 = nr::PWRITEV;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::VectorIn(2), ArgKind::Int, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PWriteV(Vectored::at(args)?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.write(ctx)
    }
}
