//! shutdown(2): ends one or both directions of a connection.

use crate::prelude::*;
use crate::socket;
use fs::socket::Shutdown as How;

const HOW: Names = &[(0, "SHUT_RD"), (1, "SHUT_WR"), (2, "SHUT_RDWR")];

/// `shutdown(fd, how)`.
pub struct Shutdown {
    fd: i32,
    how: i32,
}

impl Syscall for Shutdown {
    const NR: u32 = nr::SHUTDOWN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Value(HOW)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Shutdown { fd: args.int::<0>(), how: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        let how = match self.how {
            0 => How::Read,
            1 => How::Write,
            2 => How::Both,
            _ => return Err(Errno::EINVAL.into()),
        };
        socket.shutdown(how)?;
        Ok(0)
    }
}
