//! pause(2): waits for a signal.

use crate::prelude::*;

/// `pause()`.
pub struct Pause;

impl Syscall for Pause {
    const NR: u32 = nr::PAUSE;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(Pause)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.sleep(None, || Ok(None::<()>)).map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND))?;
        Ok(0)
    }
}
