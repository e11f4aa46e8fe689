//! personality(2): the execution domain: kept and told, nothing follows from it.

use crate::prelude::*;

/// `personality(persona)`.
pub struct Personality {
    persona: u32,
}

impl Syscall for Personality {
    const NR: u32 = nr::PERSONALITY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Personality { persona: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut attributes = ctx.process.attributes();
        let before = attributes.personality;
        // All ones asks only.
        if self.persona != u32::MAX {
            attributes.personality = self.persona;
        }
        Ok(before.into())
    }
}
