//! rt_tgsigqueueinfo(2): sends a signal with a value to a thread (pthread_sigqueue(3)).

use super::rt_sigqueueinfo::{may_claim, with_signal};
use crate::prelude::*;
use abi::structs::SigInfo;

/// `rt_tgsigqueueinfo(process, thread, signal, info)`.
pub struct RtTgSigQueueInfo {
    pid: i32,
    tid: i32,
    signal: i32,
    info: UserPtr<SigInfo>,
}

impl Syscall for RtTgSigQueueInfo {
    const NR: u32 = nr::RT_TGSIGQUEUEINFO;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Signal, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (pid, tid, signal) = (args.int::<0>(), args.int::<1>(), args.int::<2>());
        Ok(RtTgSigQueueInfo { pid, tid, signal, info: args.ptr::<3, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let info = self.info.read(ctx.memory())?;
        if self.pid <= 0 || self.tid <= 0 {
            return Err(Errno::EINVAL.into());
        }
        may_claim(&info, ctx.thread.tid, self.tid)?;
        if u32::try_from(self.pid) != Ok(ctx.process.pid) {
            return Err(Errno::ESRCH.into());
        }
        let thread = ctx.thread_of(self.tid)?;
        if let Some((signal, info)) = with_signal(self.signal, info)? {
            ctx.process.send_to_thread(&thread, signal, info)?;
        }
        Ok(0)
    }
}
