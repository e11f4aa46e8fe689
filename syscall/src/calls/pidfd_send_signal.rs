//! pidfd_send_signal(2): sends a signal to the process that a descriptor stands for.

use super::rt_sigqueueinfo::with_signal;
use crate::prelude::*;
use abi::structs::SigInfo;

/// `pidfd_send_signal(fd, signal, info, flags)`.
pub struct PidFdSendSignal {
    fd: i32,
    signal: i32,
    info: UserPtr<SigInfo>,
    flags: u32,
}

impl Syscall for PidFdSendSignal {
    const NR: u32 = nr::PIDFD_SEND_SIGNAL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Signal, ArgKind::Ptr, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (fd, signal) = (args.int::<0>(), args.int::<1>());
        Ok(PidFdSendSignal { fd, signal, info: args.ptr::<2, _>(), flags: args.uint::<3>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.flags != 0 {
            return Err(Errno::EINVAL.into());
        }
        super::pidfd_open::check(ctx, self.fd)?;
        let sent = if self.info.is_null() {
            let signal = super::kill::signal_number(self.signal)?;
            let uid = ctx.process.credentials().user.real;
            signal.map(|signal| (signal, SigInfo::sent(signal, 0, ctx.process.pid, uid)))
        } else {
            let info = self.info.read(ctx.memory())?;
            if info.signo != self.signal {
                return Err(Errno::EINVAL.into());
            }
            with_signal(self.signal, info)?
        };
        if let Some((signal, info)) = sent {
            ctx.process.send(signal, info)?;
        }
        Ok(0)
    }
}
