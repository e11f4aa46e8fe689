//! socket(2): makes a socket.

use crate::prelude::*;
use crate::socket;
use abi::OpenFlags;

/// Kinds and families, for strace.
pub const FAMILIES: Names = &[
    (0, "AF_UNSPEC"),
    (1, "AF_UNIX"),
    (2, "AF_INET"),
    (10, "AF_INET6"),
    (16, "AF_NETLINK"),
    (17, "AF_PACKET"),
];

/// `socket(family, kind, protocol)`.
pub struct Socket {
    family: i32,
    kind: i32,
    protocol: i32,
}

impl Syscall for Socket {
    const NR: u32 = nr::SOCKET;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(FAMILIES), ArgKind::Hex, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Socket { family: args.int::<0>(), kind: args.int::<1>(), protocol: args.int::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let (kind, flags) = socket::kind_and_flags(self.kind)?;
        let network = ctx.process.network();
        let made = socket::on_behalf(ctx, |caller| network.socket(self.family, kind, self.protocol, caller))?;
        ctx.install(socket::open(made, flags), flags.contains(OpenFlags::CLOEXEC))
    }
}
