//! capset(2): changes the capabilities of the calling thread.

use super::capget::header;
use crate::prelude::*;
use task::credentials::Capabilities;

/// `capset(header, data)`.
pub struct CapSet {
    header: UserPtr<[u32; 2]>,
    data: UserPtr<[u32; 3]>,
}

impl Syscall for CapSet {
    const NR: u32 = nr::CAPSET;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(CapSet { header: args.ptr::<0, _>(), data: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let (pid, pieces) = header(ctx, self.header)?;
        if pid != 0 && u32::try_from(pid) != Ok(ctx.thread.tid) {
            return Err(Errno::EPERM.into());
        }
        let mut sets = [0; 3];
        for piece in 0..pieces {
            let words = self.data.at(piece)?.read(ctx.memory())?;
            for (set, word) in sets.iter_mut().zip(words) {
                *set |= u64::from(word) << (32 * piece);
            }
        }
        let [effective, permitted, inheritable] = sets;
        let new = Capabilities { effective, permitted, inheritable };
        ctx.process.credentials().set_capabilities(new)?;
        Ok(0)
    }
}
