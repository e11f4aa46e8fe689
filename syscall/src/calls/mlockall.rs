//! mlockall(2): keeps all pages in memory, those of areas to come too.

use super::mlock::{Allowance, apply_to_all, fetch};
use crate::prelude::*;
use abi::general as raw;
use mm::addr::USER_END;
use mm::vma::VmaFlags;

/// `mlockall(flags)`.
pub struct MLockAll {
    flags: u32,
}

impl Syscall for MLockAll {
    const NR: u32 = nr::MLOCKALL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Bits(names![MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<0>();
        let scope = raw::MCL_CURRENT | raw::MCL_FUTURE;
        if flags & scope == 0 || flags & !(scope | raw::MCL_ONFAULT) != 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(MLockAll { flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut locks = VmaFlags::LOCKED;
        locks.set(VmaFlags::LOCK_ON_FAULT, self.flags & raw::MCL_ONFAULT != 0);
        let allowance = Allowance::of(ctx);
        allowance.check()?;
        let mut space = ctx.process.space();
        if self.flags & raw::MCL_CURRENT != 0 && !allowance.has(space.mapped_bytes()) {
            return Err(Errno::ENOMEM.into());
        }
        let future = self.flags & raw::MCL_FUTURE != 0;
        space.set_future_flags(if future { locks } else { VmaFlags::empty() });
        if self.flags & raw::MCL_CURRENT == 0 {
            return Ok(0);
        }
        apply_to_all(&mut space, locks)?;
        if !locks.contains(VmaFlags::LOCK_ON_FAULT) {
            space.visit(0, USER_END, |space, part| {
                // What cannot be fetched now may be fetched later: Linux does not tell either.
                let _ = fetch(space, part);
                Ok::<(), crate::CallError>(())
            })?;
        }
        Ok(0)
    }
}
