//! sendto(2): sends a message.

use crate::prelude::*;
use crate::socket;
use crate::socket::address::load_destination;
use crate::socket::transfer;
use abi::net as raw;
use fs::socket::Control;

/// Flags of messages, for strace.
pub const FLAGS: Names = &[
    (raw::MSG_OOB as u64, "MSG_OOB"),
    (raw::MSG_PEEK as u64, "MSG_PEEK"),
    (raw::MSG_DONTROUTE as u64, "MSG_DONTROUTE"),
    (raw::MSG_TRUNC as u64, "MSG_TRUNC"),
    (raw::MSG_DONTWAIT as u64, "MSG_DONTWAIT"),
    (raw::MSG_EOR as u64, "MSG_EOR"),
    (raw::MSG_WAITALL as u64, "MSG_WAITALL"),
    (raw::MSG_ERRQUEUE as u64, "MSG_ERRQUEUE"),
    (raw::MSG_NOSIGNAL as u64, "MSG_NOSIGNAL"),
    (raw::MSG_MORE as u64, "MSG_MORE"),
    (raw::MSG_CMSG_CLOEXEC as u64, "MSG_CMSG_CLOEXEC"),
];

/// `sendto(fd, buffer, length, flags, address, length)`.
pub struct SendTo {
    fd: i32,
    buffer: UserSlice,
    flags: u32,
    address: u64,
    len: i32,
}

impl Syscall for SendTo {
    const NR: u32 = nr::SENDTO;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::BufferIn(2),
        ArgKind::Unsigned,
        ArgKind::Bits(FLAGS),
        ArgKind::Address(5),
        ArgKind::Int,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SendTo {
            fd: args.int::<0>(),
            buffer: args.buffer::<1, 2>(),
            flags: args.uint::<3>(),
            address: args.long::<4>(),
            len: args.int::<5>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let buffer = checked(self.buffer)?;
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        let to = match self.address {
            0 => None,
            // An address without length is none.
            _ if self.len == 0 => None,
            address => Some(load_destination(ctx, address, self.len, socket)?),
        };
        transfer::send(ctx, &file, &[buffer], to.as_ref(), Control::default(), self.flags)
    }
}
