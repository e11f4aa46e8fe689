//! listen(2): waits for connections.

use crate::prelude::*;
use crate::socket;

/// `listen(fd, backlog)`.
pub struct Listen {
    fd: i32,
    backlog: i32,
}

impl Syscall for Listen {
    const NR: u32 = nr::LISTEN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Listen { fd: args.int::<0>(), backlog: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        socket::on_behalf(ctx, |caller| socket.listen(self.backlog, caller))?;
        Ok(0)
    }
}
