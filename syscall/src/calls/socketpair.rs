//! socketpair(2): makes two sockets that are connected with each other.

use super::pipe2::install_pair;
use super::socket::FAMILIES;
use crate::prelude::*;
use crate::socket;

/// `socketpair(family, kind, protocol, descriptors)`.
pub struct SocketPair {
    family: i32,
    kind: i32,
    protocol: i32,
    fds: UserPtr<[i32; 2]>,
}

impl Syscall for SocketPair {
    const NR: u32 = nr::SOCKETPAIR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(FAMILIES), ArgKind::Hex, ArgKind::Int, ArgKind::IntOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SocketPair {
            family: args.int::<0>(),
            kind: args.int::<1>(),
            protocol: args.int::<2>(),
            fds: args.ptr::<3, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let (kind, flags) = socket::kind_and_flags(self.kind)?;
        let limit = ctx.fd_limit();
        ctx.process.files().check_room(limit)?;
        let network = ctx.process.network();
        let (one, other) =
            socket::on_behalf(ctx, |caller| network.pair(self.family, kind, self.protocol, caller))?;
        install_pair(ctx, self.fds, socket::open(one, flags), socket::open(other, flags), flags)
    }
}
