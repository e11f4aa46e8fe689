//! getpeername(2): tells the name of a socket's peer.

use crate::prelude::*;
use crate::socket;
use crate::socket::address::store;

/// `getpeername(fd, address, length)`.
pub struct GetPeerName {
    fd: i32,
    address: u64,
    len: UserPtr<i32>,
}

impl Syscall for GetPeerName {
    const NR: u32 = nr::GETPEERNAME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetPeerName { fd: args.int::<0>(), address: args.long::<1>(), len: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let address = socket::of(&file)?.peer_address()?;
        store(ctx, self.address, self.len, Some(&address))?;
        Ok(0)
    }
}
