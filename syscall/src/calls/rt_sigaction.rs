//! sigaction(2): what a signal does.

use crate::prelude::*;
use abi::structs::SigAction;
use abi::{SigSet, Signal};

/// `rt_sigaction(signal, new, old, set size)`.
pub struct RtSigAction {
    signal: u32,
    new: UserPtr<SigAction>,
    old: UserPtr<SigAction>,
}

impl Syscall for RtSigAction {
    const NR: u32 = nr::RT_SIGACTION;
    const ARGS: &'static [ArgKind] = &[ArgKind::Signal, ArgKind::Action, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        if args.size::<3>() != size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        Ok(RtSigAction { signal: args.uint::<0>(), new: args.ptr::<1, _>(), old: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let new = self.new.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        let signal = Signal::new(self.signal.into()).ok_or(Errno::EINVAL)?;
        if new.is_some() && SigSet::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL.into());
        }
        let before = ctx.process.signals.action(signal);
        if let Some(new) = new {
            ctx.process.signals.set_action(signal, new);
            if ctx.process.signals.is_ignored(signal) {
                ctx.thread.pending().discard(SigSet(1 << signal.index()));
                ctx.process.timer_signals_discarded(ctx.platform, signal);
            }
        }
        if let Some(old) = self.old.non_null() {
            old.write(ctx.memory(), &before)?;
        }
        Ok(0)
    }
}
