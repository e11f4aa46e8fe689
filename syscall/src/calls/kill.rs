//! kill(2): sends a signal to a process or a process group.

use crate::prelude::*;
use abi::Signal;

/// `kill(pid, signal)`.
pub struct Kill {
    pid: i32,
    signal: i32,
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
        let signal = signal_number(self.signal)?;
        let own = i64::from(ctx.process.pid);
        match i64::from(self.pid) {
            // Init has no handlers, so nothing reaches it.
            1 => Ok(0),
            pid if pid == 0 || pid == own || pid == -own => {
                if let Some(signal) = signal {
                    ctx.process.signals.send(signal);
                }
                Ok(0)
            }
            _ => Err(Errno::ESRCH.into()),
        }
    }
}
