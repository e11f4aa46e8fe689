//! accept(2): takes a connection.

use super::accept4::accept;
use crate::prelude::*;

/// `accept(fd, address, length)`.
pub struct Accept {
    fd: i32,
    address: u64,
    len: UserPtr<i32>,
}

impl Syscall for Accept {
    const NR: u32 = nr::ACCEPT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Accept { fd: args.int::<0>(), address: args.long::<1>(), len: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        accept(ctx, self.fd, self.address, self.len, 0)
    }
}
