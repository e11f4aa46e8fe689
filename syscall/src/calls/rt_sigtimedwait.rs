//! sigtimedwait(2), sigwaitinfo(2): takes a waiting signal without running its handler.

use crate::prelude::*;
use crate::time;
use abi::SigSet;
use abi::structs::{SigInfo, Timespec};

/// `rt_sigtimedwait(set, info, timeout, set size)`.
pub struct RtSigTimedWait {
    set: UserPtr<u64>,
    info: UserPtr<SigInfo>,
    timeout: UserPtr<Timespec>,
}

impl Syscall for RtSigTimedWait {
    const NR: u32 = nr::RT_SIGTIMEDWAIT;
    const ARGS: &'static [ArgKind] = &[ArgKind::SigSet, ArgKind::Ptr, ArgKind::Time, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        if args.size::<3>() != size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        Ok(RtSigTimedWait { set: args.ptr::<0, _>(), info: args.ptr::<1, _>(), timeout: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let wanted = self.set.read(ctx.memory())? & !SigSet::UNBLOCKABLE.0;
        let deadline = match self.timeout.non_null() {
            Some(ptr) => {
                let ns = time::nanoseconds(&ptr.read(ctx.memory())?)?;
                Some(time::deadline_in(ctx, ns))
            }
            None => None,
        };
        let target = ctx.target();
        let take = || target.dequeue(SigSet(!wanted));
        let taken = match take() {
            Some(taken) => Some(taken),
            None => {
                // While it waits, the signals it wants must not be delivered.
                let before = ctx.thread.mask();
                ctx.thread.await_signals(SigSet(wanted));
                ctx.process.set_mask(ctx.thread, SigSet(before.0 | wanted));
                let result = ctx.sleep(deadline, || Ok(take()));
                ctx.thread.await_signals(SigSet::EMPTY);
                ctx.process.set_mask(ctx.thread, before);
                result?
            }
        };
        let (signal, info) = taken.ok_or(Errno::EAGAIN)?;
        if let Some(ptr) = self.info.non_null() {
            ptr.write(ctx.memory(), &info)?;
        }
        Ok(signal.raw().into())
    }
}
