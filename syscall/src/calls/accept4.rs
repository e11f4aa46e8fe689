//! accept4(2): takes a connection.

use crate::prelude::*;
use crate::socket;
use crate::socket::{Waiting, address};
use abi::OpenFlags;

/// Takes a connection from the socket `fd`, with flags for the new one; stores the address of its peer.
pub fn accept(ctx: &Context<'_>, fd: i32, address: u64, len: UserPtr<i32>, flags: u32) -> CallResult<u64> {
    let file = socket::file(ctx, fd)?;
    let flags = socket::descriptor_flags(flags)?;
    let listener = socket::of(&file)?;
    // A connection that cannot get a descriptor stays where it is.
    let limit = ctx.fd_limit();
    ctx.process.files().check_room(limit)?;
    let mut waiting = Waiting::to_accept(&file);
    let (accepted, peer) = waiting.retry(ctx, &file, || listener.accept())?;
    if address != 0 {
        address::store(ctx, address, len, Some(&peer))?;
    }
    ctx.install(socket::open(accepted, flags), flags.contains(OpenFlags::CLOEXEC))
}

/// `accept4(fd, address, length, flags)`.
pub struct Accept4 {
    fd: i32,
    address: u64,
    len: UserPtr<i32>,
    flags: u32,
}

impl Syscall for Accept4 {
    const NR: u32 = nr::ACCEPT4;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Accept4 {
            fd: args.int::<0>(),
            address: args.long::<1>(),
            len: args.ptr::<2, _>(),
            flags: args.uint::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        accept(ctx, self.fd, self.address, self.len, self.flags)
    }
}
