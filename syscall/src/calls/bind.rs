//! bind(2): gives a socket a name.

use crate::prelude::*;
use crate::socket;
use crate::socket::address::{Use, load};

/// `bind(fd, address, length)`.
pub struct Bind {
    fd: i32,
    address: u64,
    len: i32,
}

impl Syscall for Bind {
    const NR: u32 = nr::BIND;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Address(2), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Bind { fd: args.int::<0>(), address: args.long::<1>(), len: args.int::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        let address = load(ctx, self.address, self.len, socket.family(), Use::Bind)?;
        socket::on_behalf(ctx, |caller| socket.bind(&address, caller))?;
        Ok(0)
    }
}
