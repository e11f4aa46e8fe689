//! kill(2): sends a signal to a process or a process group.

use crate::prelude::*;
use abi::Signal;
use abi::structs::SigInfo;
use task::Thread;
use task::credentials::CAP_KILL;

/// `kill(pid, signal)`.
pub struct Kill {
    pid: i32,
    signal: i32,
}

/// Sends a signal to a thread, as tkill(2) and tgkill(2) do.
pub fn send_to_thread(ctx: &Context<'_>, thread: &Thread, signal: Signal) -> CallResult<()> {
    let uid = ctx.process.credentials().user.real;
    let info = SigInfo::sent(signal, abi::general::SI_TKILL, ctx.process.pid, uid);
    Ok(ctx.process.send_to_thread(thread, signal, info)?)
}

/// The signal of a kill-like call: `None` for 0, which only checks the target.
pub fn signal_number(signal: i32) -> CallResult<Option<Signal>> {
    match signal {
        0 => Ok(None),
        n => Ok(Some(u64::try_from(n).ok().and_then(Signal::new).ok_or(Errno::EINVAL)?)),
    }
}

impl Syscall for Kill {
    const NR: u32 = nr::KILL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Signal];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Kill { pid: args.int::<0>(), signal: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let signal = signal_number(self.signal);
        let own = i64::from(ctx.process.pid);
        match i64::from(self.pid) {
            // Init belongs to root and has no handlers, so nothing reaches it.
            1 => {
                signal?;
                let credentials = ctx.process.credentials();
                let root = credentials.user.real == 0 || credentials.user.effective == 0;
                if root || credentials.capable(CAP_KILL) { Ok(0) } else { Err(Errno::EPERM.into()) }
            }
            pid if pid == 0 || pid == own || pid == -own => {
                if let Some(signal) = signal? {
                    let uid = ctx.process.credentials().user.real;
                    ctx.process.send(signal, SigInfo::sent(signal, 0, ctx.process.pid, uid))?;
                }
                Ok(0)
            }
            _ => Err(Errno::ESRCH.into()),
        }
    }
}
