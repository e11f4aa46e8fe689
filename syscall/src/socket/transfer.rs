//! Sending and receiving on a socket, with the waits that they need.

use super::{Waiting, is_stream, message_flags, of, on_behalf};
use crate::{CallError, CallResult, Context, files, pipes};
use abi::{Errno, net as raw};
use core::cell::Cell;
use fs::pipe::PipeEnd;
use fs::socket::{Address, ByteStream, Control, Received, Socket};
use fs::{FsError, OpenFile, Sink, Source, UserSink, UserSource};
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
    if let Some(stream) = socket.as_byte_stream() {
        return send_bytes(ctx, file, stream, segments, flags);
    }
    let mut waiting = Waiting::to_send(file, flags);
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
                return Err(if flags & raw::MSG_NOSIGNAL == 0 { broken(ctx, socket, error) } else { error });
            }
        }
    }
}

/// As [`send`], on a socket that takes nothing but bytes.
pub fn send_bytes(
    ctx: &Context<'_>,
    file: &OpenFile,
    stream: &dyn ByteStream,
    segments: &[UserSlice],
    flags: u32,
) -> CallResult<u64> {
    let mut waiting = Waiting::to_send(file, flags);
    let message = message_flags(flags, &waiting);
    let mut done = 0;
    loop {
        let result = waiting.retry(ctx, file, || {
            let mut source = UserSource::new(ctx.memory(), segments, abi::MAX_RW_COUNT);
            if done > 0 {
                source.skip(done);
            }
            let left = source.remaining();
            let n = stream.send_bytes(&mut source, message)?;
            Ok((n, left - n.min(left)))
        });
        match result {
            Ok((n, left)) => {
                done += n;
                if n == 0 || left == 0 || waiting.is_nonblocking() {
                    return Ok(done as u64);
                }
            }
            Err(_) if done > 0 => return Ok(done as u64),
            Err(error) if flags & raw::MSG_NOSIGNAL == 0 => return Err(broken(ctx, of(file)?, error)),
            Err(error) => return Err(error),
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
    let mut waiting = Waiting::to_receive(file, 0);
    if let Some(stream) = of(file)?.as_byte_stream() {
        let flags = message_flags(0, &waiting);
        let mut sink = UserSink::new(ctx.memory(), segments, abi::MAX_RW_COUNT);
        return Ok(waiting.retry(ctx, file, || stream.receive_bytes(&mut sink, flags))? as u64);
    }
    // Descriptors that come along are closed.
    Ok(receive(ctx, file, segments, &mut waiting, 0)?.bytes as u64)
}

/// write(2) on a socket.
pub fn write(ctx: &Context<'_>, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
    send(ctx, file, segments, None, Control::default(), 0)
}

/// EPIPE from a stream also is SIGPIPE.
fn broken(ctx: &Context<'_>, socket: &dyn Socket, error: CallError) -> CallError {
    if error == Errno::EPIPE.into() && is_stream(socket) {
        ctx.send_broken_pipe();
    }
    error
}

/// sendfile(2) to a socket, from an offset or the file's position. A stream that may wait is sent all of it.
pub fn send_file(
    ctx: &Context<'_>,
    (input, start): (&OpenFile, Option<u64>),
    output: &OpenFile,
    count: usize,
) -> CallResult<usize> {
    let socket = of(output)?;
    let mut waiting = Waiting::to_send(output, 0);
    let mut done = 0;
    loop {
        let from = (input, start.map(|start| start.saturating_add(done as u64)));
        let result = waiting.wait(ctx, output, Errno::EAGAIN, || {
            match files::transfer(ctx, from, (output, None), count - done) {
                Err(FsError::WouldBlock) => Ok(None),
                result => Ok(Some(result?)),
            }
        });
        match result {
            Ok(n) => {
                done += n;
                if n == 0 || done >= count || !is_stream(socket) || waiting.is_nonblocking() {
                    return Ok(done);
                }
            }
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(broken(ctx, socket, error)),
        }
    }
}

/// splice(2) from a pipe to a socket: up to `length` of the bytes that the pipe holds, once it holds any. Waits for the pipe unless
/// `flags` or its description say otherwise, for the socket as its description says.
pub fn splice_out(
    ctx: &Context<'_>,
    (from, input): (&PipeEnd, &OpenFile),
    output: &OpenFile,
    length: usize,
    flags: u32,
) -> CallResult<usize> {
    let socket = of(output)?;
    let mut waiting = Waiting::to_send(output, 0);
    if !pipes::wait(ctx, flags, &[input], || from.has_bytes())? {
        return Ok(0);
    }
    let full = Cell::new(false);
    let mut done = 0;
    loop {
        let result = waiting.wait(ctx, output, Errno::EAGAIN, || {
            full.set(false);
            let moved = from.splice_to(length - done, &mut |bytes| {
                let sent = pipes::write(ctx, output, None, bytes);
                // A stream that takes a part is full.
                full.set(!matches!(sent, Ok(n) if n == bytes.len()));
                sent
            });
            match moved {
                // What the pipe held is sent, or somebody else has taken it.
                Err(FsError::WouldBlock) if !full.get() && done > 0 => Ok(Some(0)),
                Err(FsError::WouldBlock) => Ok(None),
                moved => Ok(Some(moved?)),
            }
        });
        match result {
            Ok(n) => {
                done += n;
                if done >= length || !full.get() || waiting.is_nonblocking() {
                    return Ok(done);
                }
            }
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(broken(ctx, socket, error)),
        }
    }
}
