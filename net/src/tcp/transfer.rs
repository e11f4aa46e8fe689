//! Bytes between programs and connections.
//!
//! Program memory is touched with the turn to read or to write held, never with the state's lock: bytes pass through a piece on the
//! stack. What left the engine and did not arrive, because program memory was not there, is kept and comes first at the next read.

use super::socket::TcpSocket;
use super::state::{Phase, Slot, State};
use super::timers::CORKED;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::socket::{ByteStream, MessageFlags, SocketError};
use fs::{FsError, Sink, Source};

/// Bytes that move at a time.
const PIECE: usize = 2048;
/// The same where there is more to be moved: its place on the stack takes time to be cleared.
const LARGE_PIECE: usize = 4096;

/// Moves `want` bytes by way of a piece of the right size.
#[inline(always)]
fn with_piece<T>(want: usize, work: impl FnOnce(&mut [u8]) -> T) -> T {
    if want > PIECE { with_large_piece(work) } else { work(&mut [0; PIECE]) }
}

/// Not inlined, for small moves need no room for it.
#[inline(never)]
fn with_large_piece<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    work(&mut [0; LARGE_PIECE])
}

fn would_block() -> SocketError {
    FsError::WouldBlock.into()
}

/// What a receive answers when there are no bytes.
fn nothing(state: &mut State) -> Result<usize, SocketError> {
    if let Some(error) = state.error.take() {
        return Err(error);
    }
    match &state.phase {
        Phase::Idle | Phase::Listening(_) => Err(SocketError::NotConnected),
        _ if state.no_receive || state.at_end() => Ok(0),
        _ => Err(would_block()),
    }
}

/// Gives bytes that did not arrive before; returns how many.
fn give_left(left: &mut VecDeque<u8>, dst: &mut dyn Sink) -> Result<usize, FsError> {
    let mut done = 0;
    while !left.is_empty() && dst.remaining() > 0 {
        match dst.put(left.as_slices().0) {
            Ok(0) => break,
            Ok(n) => {
                left.drain(..n);
                done += n;
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

impl ByteStream for TcpSocket {
    fn receive_bytes(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<usize, SocketError> {
        if flags.out_of_band {
            return Err(FsError::Invalid.into());
        }
        if flags.error_queue {
            return Err(would_block());
        }
        let slot = self.slot()?;
        let mut left = slot.reading.lock();
        if flags.peek {
            return self.peek_bytes(dst, &left);
        }
        let want = dst.remaining();
        let mut done = 0;
        if !left.is_empty() {
            done = if flags.truncate {
                let len = want.min(left.len());
                left.drain(..len).count()
            } else {
                give_left(&mut left, dst)?
            };
            slot.left.store(left.len(), Ordering::Relaxed);
        }
        let begun = done;
        let answer = with_piece(want, |piece| {
            self.receive_pieces(slot, dst, &mut left, want, &mut done, flags, piece)
        });
        slot.left.store(left.len(), Ordering::Relaxed);
        if done - begun > PIECE {
            // The engine is run once for all pieces, and tells how much room there is.
            self.with_slot(slot, false, |_| ());
        }
        match answer {
            Err(error) if done == 0 => Err(error),
            _ => Ok(done),
        }
    }

    fn send_bytes(&self, src: &mut dyn Source, flags: MessageFlags) -> Result<usize, SocketError> {
        if flags.out_of_band {
            return Err(SocketError::NotSupported);
        }
        let slot = self.slot()?;
        let _turn = slot.writing.lock();
        let mut room = slot.room.load(Ordering::Relaxed);
        let pending = slot.pending.load(Ordering::Relaxed) != 0;
        let want = src.remaining();
        if room < want || pending {
            room = self.with_slot(slot, false, |state| {
                let room = sendable(state)?;
                if room >= want {
                    return Ok(room);
                }
                self.tcp.grow_send(state, want, self.now());
                sendable(state)
            })?;
        }
        if want == 0 {
            return Ok(0);
        }
        if room == 0 {
            return Err(would_block());
        }
        let want = want.min(room);
        with_piece(want, |piece| self.send_pieces(slot, src, want, flags, piece))
    }
}

impl TcpSocket {
    /// Sends `want` bytes, for which there is room, piece by piece.
    fn send_pieces(
        &self,
        slot: &Slot,
        src: &mut dyn Source,
        want: usize,
        flags: MessageFlags,
        piece: &mut [u8],
    ) -> Result<usize, SocketError> {
        let mut done = 0;
        // All but the last piece only go into the ring, so that the engine sees them as one.
        loop {
            let len = (want - done).min(piece.len());
            let part = piece.get_mut(..len).unwrap_or_default();
            let taken = match src.take(part) {
                Ok(taken) => taken,
                Err(error) if done == 0 => return Err(error.into()),
                Err(_) => 0,
            };
            let part = piece.get(..taken).unwrap_or_default();
            let last = taken < len || done + taken >= want;
            let sent = match last {
                true => self.with_slot(slot, false, |state| put(state, part, flags.more, || self.now())),
                false => put(&mut slot.state.lock(), part, flags.more, || self.now()),
            };
            match sent {
                Ok(sent) => done += sent,
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
            }
            if last {
                return Ok(done);
            }
        }
    }

    /// Receives up to `want` bytes, piece by piece; `done` of them already.
    #[expect(clippy::too_many_arguments)] // what a receive is asked for, and where the bytes pass through
    fn receive_pieces(
        &self,
        slot: &Slot,
        dst: &mut dyn Sink,
        left: &mut VecDeque<u8>,
        want: usize,
        done: &mut usize,
        flags: MessageFlags,
        piece: &mut [u8],
    ) -> Result<(), SocketError> {
        let begun = *done;
        while *done < want {
            let len = (want - *done).min(piece.len());
            let part = piece.get_mut(..len).unwrap_or_default();
            let drop_bytes = flags.truncate.then_some(want - *done);
            let quickly = *done == 0 && drop_bytes.is_none();
            let got = match *done == begun {
                true => match quickly.then(|| self.tcp.take_bytes(slot, part)).flatten() {
                    Some(got) => got,
                    None => self.with_slot(slot, false, |state| {
                        first_bytes(state, part, want, drop_bytes, flags.nonblocking)
                    })?,
                },
                false => slot.state.lock().unit().map_or(0, |unit| unit.receive(part)),
            };
            if flags.truncate {
                *done += got;
                return Ok(());
            }
            let part = piece.get(..got).unwrap_or_default();
            let put = dst.put(part).unwrap_or(0);
            *done += put;
            if put < got {
                let rest = part.get(put..).unwrap_or_default();
                left.try_reserve(rest.len()).map_err(|_| SocketError::NoBuffers)?;
                left.extend(rest);
                return Err(FsError::Fault.into());
            }
            if got < len {
                break;
            }
        }
        Ok(())
    }

    /// Copies bytes without taking them.
    fn peek_bytes(&self, dst: &mut dyn Sink, left: &VecDeque<u8>) -> Result<usize, SocketError> {
        let want = dst.remaining();
        let mut bytes: Vec<u8> = Vec::new();
        let answer = self.with(false, |state| {
            let no_receive = state.no_receive;
            let waiting = state.unit().filter(|_| !no_receive).map_or(0, |unit| unit.receivable());
            let len = (waiting + left.len()).min(want);
            if bytes.try_reserve_exact(len).is_err() {
                return Err(SocketError::NoBuffers);
            }
            bytes.extend(left.iter().take(len));
            let own = bytes.len();
            bytes.resize(len, 0);
            if let Some(unit) = state.unit() {
                let got = unit.peek(bytes.get_mut(own..).unwrap_or_default());
                bytes.truncate(own + got);
            }
            if bytes.is_empty() && want > 0 { nothing(state) } else { Ok(0) }
        })?;
        answer?;
        Ok(dst.put(&bytes)?)
    }
}

/// Takes the first bytes that are there for a receive of `want`, or drops some.
fn first_bytes(
    state: &mut State,
    to: &mut [u8],
    want: usize,
    drop_bytes: Option<usize>,
    nonblocking: bool,
) -> Result<usize, SocketError> {
    let low_water = state.settings.low_water.min(want);
    let no_receive = state.no_receive;
    let Some(unit) = state.unit().filter(|_| !no_receive) else { return nothing(state) };
    let waiting = unit.receivable();
    if !nonblocking && waiting > 0 && waiting < low_water && unit.may_receive() {
        return Err(would_block());
    }
    let got = match drop_bytes {
        Some(len) => unit.discard(len),
        None => unit.receive(to),
    };
    if got == 0 { nothing(state) } else { Ok(got) }
}

/// Bytes that can be sent now.
fn sendable(state: &mut State) -> Result<usize, SocketError> {
    if let Some(error) = state.error.take() {
        return Err(error);
    }
    let (connecting, no_send, room) = (state.connecting, state.no_send || state.detached, state.room());
    match state.unit() {
        Some(_) if connecting => Err(would_block()),
        Some(_) if !no_send => Ok(room),
        _ => Err(SocketError::Shutdown),
    }
}

/// Gives bytes to the engine, for which there is room, or lets the last ones wait for company.
fn put(state: &mut State, bytes: &[u8], more: bool, now: impl FnOnce() -> u64) -> Result<usize, SocketError> {
    let limit = sendable(state)?.min(bytes.len());
    let bytes = bytes.get(..limit).unwrap_or_default();
    let cork = more || state.settings.cork;
    let remote_mss = state.remote_mss;
    let State { phase: Phase::Open(unit), corked, .. } = state else { return Err(SocketError::Shutdown) };
    if !cork && corked.is_empty() {
        return Ok(unit.send(bytes));
    }
    let was_empty = corked.is_empty();
    corked.try_reserve(bytes.len()).map_err(|_| SocketError::NoBuffers)?;
    corked.extend_from_slice(bytes);
    let segment = usize::from(remote_mss).min(unit.mss()).max(1);
    let whole = if cork { corked.len() / segment * segment } else { corked.len() };
    let sent = unit.send(corked.get(..whole).unwrap_or_default());
    corked.drain(..sent);
    if was_empty || sent > 0 {
        state.corked_until = now().saturating_add(CORKED);
    }
    Ok(bytes.len())
}
