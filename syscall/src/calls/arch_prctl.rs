//! arch_prctl(2): the FS and GS bases.

use crate::prelude::*;
use mm::addr::USER_END;

/// `arch_prctl(code, address)`. GS belongs to the kernel and cannot be set.
pub struct ArchPrctl {
    code: u32,
    addr: u64,
}

const SET_GS: u32 = 0x1001;
const SET_FS: u32 = abi::general::ARCH_SET_FS;
const GET_FS: u32 = 0x1003;
const GET_GS: u32 = 0x1004;

const CODES: Names = &[
    (SET_GS as u64, "ARCH_SET_GS"),
    (SET_FS as u64, "ARCH_SET_FS"),
    (GET_FS as u64, "ARCH_GET_FS"),
    (GET_GS as u64, "ARCH_GET_GS"),
];

impl Syscall for ArchPrctl {
    const NR: u32 = nr::ARCH_PRCTL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(CODES), ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ArchPrctl { code: args.uint::<0>(), addr: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        match self.code {
            SET_FS if self.addr >= USER_END => return Err(Errno::EPERM.into()),
            SET_FS => ctx.platform.set_fs_base(self.addr),
            GET_FS => UserPtr::new(self.addr).write(ctx.memory(), &ctx.platform.fs_base())?,
            // The program's GS base, had it one, would still be 0.
            GET_GS => UserPtr::new(self.addr).write(ctx.memory(), &0u64)?,
            _ => return Err(Errno::EINVAL.into()),
        }
        Ok(0)
    }
}
