//! mincore(2): which pages are in memory.

use crate::prelude::*;
use mm::addr::{PAGE_SIZE, USER_END, VirtAddr, is_page_aligned};

/// `mincore(address, length, vector)`.
pub struct MinCore {
    addr: u64,
    len: u64,
    answers: u64,
}

/// Pages looked at between two writes to the program's vector.
const CHUNK: usize = 256;

impl Syscall for MinCore {
    const NR: u32 = nr::MINCORE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (addr, len) = (args.long::<0>(), args.long::<1>());
        if !is_page_aligned(addr) {
            return Err(Errno::EINVAL.into());
        }
        if USER_END.checked_sub(addr).is_none_or(|room| len > room) {
            return Err(Errno::ENOMEM.into());
        }
        Ok(MinCore { addr, len, answers: args.long::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let pages = usize::try_from(self.len.div_ceil(PAGE_SIZE)).map_err(|_| Errno::ENOMEM)?;
        let vector = UserSlice::new(self.answers, pages);
        vector.check()?;
        if self.answers > USER_END {
            return Err(Errno::EFAULT.into());
        }
        let mut chunk = [0; CHUNK];
        let mut done = 0;
        while done < pages {
            let count = (pages - done).min(CHUNK);
            let part = chunk.get_mut(..count).unwrap_or_default();
            let at = self.addr.saturating_add(done as u64 * PAGE_SIZE);
            // The lock is free again before the vector is written.
            ctx.process.space().residency(VirtAddr(at), part)?;
            vector.write_at(ctx.memory(), done, part)?;
            done += count;
        }
        Ok(0)
    }
}
