//! getsockname(2): tells a socket's name.

use crate::prelude::*;
use crate::socket;
use crate::socket::address::store;

/// `getsockname(fd, address, length)`.
pub struct GetSockName {
    fd: i32,
    address: u64,
    len: UserPtr<i32>,
}

impl Syscall for GetSockName {
    const NR: u32 = nr::GETSOCKNAME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetSockName { fd: args.int::<0>(), address: args.long::<1>(), len: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let address = socket::of(&file)?.local_address()?;
        store(ctx, self.address, self.len, Some(&address))?;
        Ok(0)
    }
}
