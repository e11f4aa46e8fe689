//! rt_sigqueueinfo(2): sends a signal with a value to a process (sigqueue(3)).

use crate::prelude::*;
use abi::Signal;
use abi::structs::SigInfo;

/// Sent by tkill(2) or tgkill(2) (sigaction(2)).
const SI_TKILL: i32 = -6;

/// `rt_sigqueueinfo(process, signal, info)`.
pub struct RtSigQueueInfo {
    pid: i32,
    signal: i32,
    info: UserPtr<SigInfo>,
}

/// EPERM for a signal to others that says it comes from the kernel or from kill(2). `own` is the sender's number, `to` whom it
/// is for.
pub fn may_claim(info: &SigInfo, own: u32, to: i32) -> CallResult<()> {
    let claims = info.code >= 0 || info.code == SI_TKILL;
    if claims && u32::try_from(to) != Ok(own) { Err(Errno::EPERM.into()) } else { Ok(()) }
}

/// The signal and what goes with it; `None` for signal 0, which only asks.
pub fn with_signal(signal: i32, info: SigInfo) -> CallResult<Option<(Signal, SigInfo)>> {
    let signal = super::kill::signal_number(signal)?;
    Ok(signal.map(|signal| (signal, SigInfo { signo: signal.raw().into(), pad: 0, ..info })))
}

impl Syscall for RtSigQueueInfo {
    const NR: u32 = nr::RT_SIGQUEUEINFO;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Signal, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RtSigQueueInfo { pid: args.int::<0>(), signal: args.int::<1>(), info: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let info = self.info.read(ctx.memory())?;
        may_claim(&info, ctx.process.pid, self.pid)?;
        if u32::try_from(self.pid) != Ok(ctx.process.pid) {
            return Err(Errno::ESRCH.into());
        }
        if let Some((signal, info)) = with_signal(self.signal, info)? {
            ctx.process.send(signal, info)?;
        }
        Ok(0)
    }
}
