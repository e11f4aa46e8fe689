//! sendmsg(2), recvmsg(2) and their kin for several messages.

use super::{Waiting, address, control, is_stream, of, transfer};
use crate::{CallResult, Context};
use abi::structs::MsgHdr;
use abi::{Errno, IOV_MAX, net as raw};
use core::mem::offset_of;
use fs::OpenFile;
use mm::user::{IoVecs, UserPtr};

/// The header of a message, checked as far as Linux does before it looks at the buffers.
fn header(ctx: &Context<'_>, msg: UserPtr<MsgHdr>) -> CallResult<(MsgHdr, IoVecs)> {
    let mut header = msg.read(ctx.memory())?;
    if header.name == 0 {
        header.namelen = 0;
    }
    if header.namelen < 0 {
        return Err(Errno::EINVAL.into());
    }
    header.namelen = header.namelen.min(abi::sockaddr::MAX as i32);
    let count = usize::try_from(header.iovlen).ok().filter(|&count| count <= IOV_MAX);
    let vectors = IoVecs::load(ctx.memory(), header.iov, count.ok_or(Errno::EMSGSIZE)?)?;
    Ok((header, vectors))
}

/// sendmsg(2).
pub fn send(ctx: &Context<'_>, file: &OpenFile, msg: UserPtr<MsgHdr>, flags: u32) -> CallResult<u64> {
    let socket = of(file)?;
    let (header, vectors) = header(ctx, msg)?;
    if header.namelen == 0
        && header.controllen == 0
        && let Some(stream) = socket.as_byte_stream()
    {
        return transfer::send_bytes(ctx, file, stream, vectors.slices(), flags);
    }
    let to = match header.namelen {
        0 => None,
        len => Some(address::load_destination(ctx, header.name, len, socket)?),
    };
    let control = control::load(ctx, header.control, header.controllen, socket.family())?;
    transfer::send(ctx, file, vectors.slices(), to.as_ref(), control, flags)
}

/// recvmsg(2).
pub fn receive(
    ctx: &Context<'_>,
    file: &OpenFile,
    msg: UserPtr<MsgHdr>,
    waiting: &mut Waiting,
    flags: u32,
) -> CallResult<u64> {
    let socket = of(file)?;
    let (header, vectors) = header(ctx, msg)?;
    let received = transfer::receive(ctx, file, vectors.slices(), waiting, flags)?;
    let cloexec = flags & raw::MSG_CMSG_CLOEXEC;
    let (used, cut) =
        control::store(ctx, header.control, header.controllen, socket, received.control, cloexec != 0);
    let mut out = cloexec;
    let mut set = |on: bool, flag| out |= if on { flag } else { 0 };
    set(received.length > received.bytes, raw::MSG_TRUNC);
    set(cut, raw::MSG_CTRUNC);
    set(received.end_of_record, raw::MSG_EOR);
    set(received.out_of_band, raw::MSG_OOB);
    set(flags & raw::MSG_ERRQUEUE != 0, raw::MSG_ERRQUEUE);
    let field = |offset: usize| msg.addr().wrapping_add(offset as u64);
    if header.name != 0 {
        let len = UserPtr::new(field(offset_of!(MsgHdr, namelen)));
        address::store(ctx, header.name, len, received.from.as_ref())?;
    }
    UserPtr::new(field(offset_of!(MsgHdr, flags))).write(ctx.memory(), &out)?;
    UserPtr::new(field(offset_of!(MsgHdr, controllen))).write(ctx.memory(), &used)?;
    let whole = flags & raw::MSG_TRUNC != 0 && !is_stream(socket);
    Ok(if whole { received.length } else { received.bytes } as u64)
}
