//! connect(2): connects a socket, or says where its datagrams go.

use crate::prelude::*;
use crate::socket;
use crate::socket::Waiting;
use crate::socket::address::{Use, load};
use abi::PollEvents;
use fs::socket::SocketError;

/// `connect(fd, address, length)`.
pub struct Connect {
    fd: i32,
    address: u64,
    len: i32,
}

impl Syscall for Connect {
    const NR: u32 = nr::CONNECT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Address(2), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Connect { fd: args.int::<0>(), address: args.long::<1>(), len: args.int::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        let address = load(ctx, self.address, self.len, socket.family(), Use::Connect)?;
        let mut waiting = Waiting::to_send(&file, 0);
        let nonblocking = waiting.is_nonblocking();
        let begun = waiting.retry(ctx, &file, || {
            match socket::on_behalf(ctx, |caller| socket.connect(&address, caller)) {
                Ok(()) => Ok(true),
                // Begun before, and ended by a signal.
                Err(SocketError::InProgress | SocketError::Already) if !nonblocking => Ok(false),
                Err(error) => Err(error),
            }
        })?;
        if begun {
            return Ok(0);
        }
        let done = PollEvents::OUT | PollEvents::ERR | PollEvents::HUP;
        waiting.wait(ctx, &file, Errno::EINPROGRESS, || {
            Ok(file.file().readiness().intersects(done).then_some(()))
        })?;
        socket.take_error().map_or(Ok(0), |error| Err(error.into()))
    }
}
