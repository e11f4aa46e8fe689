//! exit of one thread, which is the last.

use super::exit_group::ExitGroup;
use crate::prelude::*;

/// `exit(status)`.
pub struct Exit(ExitGroup);

impl Syscall for Exit {
    const NR: u32 = nr::EXIT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Exit(ExitGroup::decode(args)?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
