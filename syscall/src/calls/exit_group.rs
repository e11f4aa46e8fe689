//! exit_group(2): ends the process.

use crate::CallError;
use crate::prelude::*;
use task::ExitStatus;

/// `exit_group(status)`.
pub struct ExitGroup {
    status: u8,
}

impl Syscall for ExitGroup {
    const NR: u32 = nr::EXIT_GROUP;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ExitGroup { status: args.uint::<0>() as u8 })
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        Err(CallError::Exit(ExitStatus::Code(self.status)))
    }
}
