//! getcpu(2): the CPU that runs the thread.

use crate::prelude::*;

/// `getcpu(cpu, node, unused)`.
pub struct GetCpu {
    cpu: UserPtr<u32>,
    node: UserPtr<u32>,
}

impl Syscall for GetCpu {
    const NR: u32 = nr::GETCPU;
    const ARGS: &'static [ArgKind] = &[ArgKind::IntOut, ArgKind::IntOut, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetCpu { cpu: args.ptr::<0, _>(), node: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if let Some(cpu) = self.cpu.non_null() {
            cpu.write(ctx.memory(), &ctx.platform.current_cpu())?;
        }
        if let Some(node) = self.node.non_null() {
            node.write(ctx.memory(), &0)?;
        }
        Ok(0)
    }
}
