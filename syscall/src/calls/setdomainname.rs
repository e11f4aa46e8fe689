//! setdomainname(2): changes a name that uname(2) tells.

use super::sethostname::read_name;
use crate::prelude::*;

/// `setdomainname(name, len)`.
pub struct SetDomainName {
    name: u64,
    len: i32,
}

impl Syscall for SetDomainName {
    const NR: u32 = nr::SETDOMAINNAME;
    const ARGS: &'static [ArgKind] = &[ArgKind::BufferIn(1), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetDomainName { name: args.long::<0>(), len: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let name = read_name(ctx, self.name, self.len)?;
        ctx.process.attributes().domain = name;
        Ok(0)
    }
}
