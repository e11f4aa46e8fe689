//! sethostname(2): changes a name that uname(2) tells.

use crate::prelude::*;
use alloc::{vec, vec::Vec};
use task::attributes::HOST_NAME_MAX;
use task::credentials::CAP_SYS_ADMIN;

/// `sethostname(name, len)`.
pub struct SetHostName {
    name: u64,
    len: i32,
}

/// The name of `len` bytes at `addr`, if it may be set.
pub fn read_name(ctx: &Context<'_>, addr: u64, len: i32) -> CallResult<Vec<u8>> {
    if !ctx.process.capable(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM.into());
    }
    let len = usize::try_from(len).ok().filter(|&len| len <= HOST_NAME_MAX).ok_or(Errno::EINVAL)?;
    let mut name = vec![0; len];
    ctx.memory().read(addr, &mut name)?;
    Ok(name)
}

impl Syscall for SetHostName {
    const NR: u32 = nr::SETHOSTNAME;
    const ARGS: &'static [ArgKind] = &[ArgKind::BufferIn(1), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetHostName { name: args.long::<0>(), len: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let name = read_name(ctx, self.name, self.len)?;
        ctx.process.attributes().host = name;
        Ok(0)
    }
}
