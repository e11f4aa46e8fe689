//! sysinfo(2): memory and time since boot.

use crate::prelude::*;
use crate::time::SECOND;
use abi::structs::SysInfo as Info;

/// `sysinfo(buffer)`.
pub struct SysInfo {
    buffer: UserPtr<Info>,
}

impl Syscall for SysInfo {
    const NR: u32 = nr::SYSINFO;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SysInfo { buffer: args.ptr::<0, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let memory = ctx.platform.memory();
        let mut info: Info = abi::zeroed();
        info.uptime = (ctx.platform.monotonic_ns() / SECOND) as i64;
        info.totalram = memory.total;
        info.freeram = memory.free;
        // Init and the program.
        info.procs = 2;
        info.mem_unit = 1;
        self.buffer.write(ctx.memory(), &info)?;
        Ok(0)
    }
}
