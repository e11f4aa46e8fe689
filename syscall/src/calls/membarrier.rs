//! membarrier(2): barriers on all CPUs that run the program.

use crate::prelude::*;

/// `membarrier(command, flags, cpu)`.
pub struct MemBarrier {
    command: u32,
    flags: u32,
}

const QUERY: u32 = 0;
const GLOBAL: u32 = 1;
const GLOBAL_EXPEDITED: u32 = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: u32 = 1 << 2;
const PRIVATE_EXPEDITED: u32 = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: u32 = 1 << 4;
const SUPPORTED: u32 = (1 << 5) - 1;

impl Syscall for MemBarrier {
    const NR: u32 = nr::MEMBARRIER;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Hex, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MemBarrier { command: args.uint::<0>(), flags: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.flags != 0 {
            return Err(Errno::EINVAL.into());
        }
        match self.command {
            QUERY => Ok(SUPPORTED.into()),
            GLOBAL | GLOBAL_EXPEDITED => {
                ctx.platform.barrier();
                Ok(0)
            }
            REGISTER_GLOBAL_EXPEDITED => Ok(0),
            REGISTER_PRIVATE_EXPEDITED => {
                ctx.process.attributes().memory_barriers = true;
                Ok(0)
            }
            PRIVATE_EXPEDITED if ctx.process.attributes().memory_barriers => {
                ctx.platform.barrier();
                Ok(0)
            }
            PRIVATE_EXPEDITED => Err(Errno::EPERM.into()),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}
