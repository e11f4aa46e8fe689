//! rt_sigqueueinfo(2): sends a signal with a value to a process (sigqueue(3)).

use crate::prelude::*;
use abi::Signal;
use abi::structs::SigInfo;

/// `rt_sigqueueinfo(process, signal, info)`.
pub struct RtSigQueueInfo {
    pid: i32,
    signal: i32,
    info: UserPtr<SigInfo>,
}

/// Reads what is to be sent; for signal 0, which only checks, there is none.
pub fn read_info(
    ctx: &Context<'_>,
    signal: i32,
    info: UserPtr<SigInfo>,
) -> CallResult<Option<(Signal, SigInfo)>> {
    let info = info.read(ctx.memory())?;
    let signal = super::kill::signal_number(signal)?;
    // A process may tell itself anything, and nobody else is there.
    Ok(signal.map(|signal| (signal, SigInfo { signo: signal.raw().into(), pad: 0, ..info })))
}

impl Syscall for RtSigQueueInfo {
    const NR: u32 = nr::RT_SIGQUEUEINFO;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Signal, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RtSigQueueInfo { pid: args.int::<0>(), signal: args.int::<1>(), info: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let sent = read_info(ctx, self.signal, self.info)?;
        if u32::try_from(self.pid) != Ok(ctx.process.pid) {
            return Err(Errno::ESRCH.into());
        }
        if let Some((signal, info)) = sent {
            ctx.process.send(signal, info)?;
        }
        Ok(0)
    }
}
