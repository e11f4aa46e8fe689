//! Sending and receiving on a socket, with the waits that they need.

use super::{Waiting, is_stream, message_flags, of, on_behalf};
use crate::{CallResult, Context};
use abi::{Errno, net as raw};
use fs::socket::{Address, Control, Received};
use fs::{OpenFile, Sink, Source, UserSink, UserSource};
use mm::user::UserSlice;

/// Sends a message from program memory. A stream that may wait sends all of it.
pub fn send(
    ctx: &Context<'_>,
    file: &OpenFile,
    segments: &[UserSlice],
    to: Option<&Address>,
    control: Control,
    flags: u32,
) -> CallResult<u64> {
    let socket = of(file)?;
    let mut waiting = Waiting::to_send(file, socket, flags);
    let message = message_flags(flags, &waiting);
    let mut control = control;
    let mut done = 0;
    loop {
        let result = waiting.retry(ctx, file, || {
            let mut source = UserSource::new(ctx.memory(), segments, abi::MAX_RW_COUNT);
            source.skip(done);
            let control = control.clone();
            let n = on_behalf(ctx, |caller| socket.send(&mut source, to, control, message, caller))?;
            Ok((n, source.remaining()))
        });
        match result {
            Ok((n, left)) => {
                done += n;
                if n == 0 || left == 0 || !is_stream(socket) || waiting.is_nonblocking() {
                    return Ok(done as u64);
                }
                // Descriptors go with the first bytes.
                control.files.clear();
            }
            Err(_) if done > 0 => return Ok(done as u64),
            Err(error) => {
                if error == Errno::EPIPE.into() && is_stream(socket) && flags & raw::MSG_NOSIGNAL == 0 {
                    ctx.send_broken_pipe();
                }
                return Err(error);
            }
        }
    }
}

/// Receives a message into program memory. With MSG_WAITALL a stream fills it.
pub fn receive(
    ctx: &Context<'_>,
    file: &OpenFile,
    segments: &[UserSlice],
    waiting: &mut Waiting,
    flags: u32,
) -> CallResult<Received> {
    let socket = of(file)?;
    let message = message_flags(flags, waiting);
    let all = flags & raw::MSG_WAITALL != 0 && is_stream(socket) && !message.peek && !message.out_of_band;
    let mut sink = UserSink::new(ctx.memory(), segments, abi::MAX_RW_COUNT);
    let mut received = waiting.retry(ctx, file, || socket.receive(&mut sink, message))?;
    let mut last = received.bytes;
    while all && last > 0 && sink.remaining() > 0 && received.control.files.is_empty() {
        let Ok(more) = waiting.retry(ctx, file, || socket.receive(&mut sink, message)) else { break };
        last = more.bytes;
        received.bytes += more.bytes;
        received.length += more.bytes;
        received.control.files.extend(more.control.files);
    }
    Ok(received)
}

/// read(2) on a socket.
pub fn read(ctx: &Context<'_>, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
    if segments.iter().all(|segment| segment.len == 0) {
        return Ok(0);
    }
    let mut waiting = Waiting::to_receive(file, of(file)?, 0);
    // Descriptors that come along are closed.
    Ok(receive(ctx, file, segments, &mut waiting, 0)?.bytes as u64)
}

/// write(2) on a socket.
pub fn write(ctx: &Context<'_>, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
    send(ctx, file, segments, None, Control::default(), 0)
}
