//! sigaction(2): what a signal does.

use crate::prelude::*;
use abi::structs::SigAction;
use abi::{SigSet, Signal};

/// `rt_sigaction(signal, new, old, set size)`.
pub struct RtSigAction {
    signal: Signal,
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
        let signal = Signal::new(args.uint::<0>().into()).ok_or(Errno::EINVAL)?;
        Ok(RtSigAction { signal, new: args.ptr::<1, _>(), old: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let new = self.new.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        if new.is_some() && SigSet::UNBLOCKABLE.contains(self.signal) {
            return Err(Errno::EINVAL.into());
        }
        let before = ctx.process.signals.action(self.signal);
        if let Some(new) = new {
            ctx.process.signals.set_action(self.signal, new);
            if ctx.process.signals.is_ignored(self.signal) {
                ctx.thread.pending().discard(SigSet(1 << self.signal.index()));
                ctx.process.timer_signals_discarded(ctx.platform, self.signal);
            }
        }
        if let Some(old) = self.old.non_null() {
            old.write(ctx.memory(), &before)?;
        }
        Ok(0)
    }
}
