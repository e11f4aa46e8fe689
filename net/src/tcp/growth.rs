//! Rings that grow: a connection begins with small ones, and gets larger ones when it moves more.
//!
//! Most of many connections are idle or move little. The engine cannot change a ring, but while nothing is on its way it can be
//! exchanged ([`Unit::renew`](super::unit::Unit::renew)). A connection that is never calm by itself pauses: it takes no bytes from the
//! program until the other side has acknowledged all. Called under the state's lock: before bytes are taken from the program that do
//! not fit, and when the receive ring was rather full.

use super::state::{Phase, State};
use super::{RING, Tcp};

/// Most and least bytes of the receive ring at the beginning.
pub const FIRST_RECEIVE: (usize, usize) = (2048, 16 << 10);
/// Bytes of the send ring at the beginning.
const FIRST_SEND: usize = 2048;
/// A ring grows by this factor at least.
const FACTOR: usize = 4;
/// How often a connection may pause to grow.
const PAUSES: u8 = 8;

impl Tcp {
    /// Grows the receive ring if there is use for it, and ends a pause.
    pub(super) fn grow(&self, state: &mut State, now: u64) {
        let paused = state.pausing;
        let Phase::Open(unit) = &state.phase else { return };
        let (receive, send) = unit.rings();
        let limit = || self.ring_sizes((state.settings.receive_buffer, None)).0.min(unit.receive_limit());
        let wanted = if unit.is_crowded() { (receive * FACTOR).min(limit()).max(receive) } else { receive };
        if paused {
            if unit.unacknowledged() == 0 || state.no_send {
                state.pausing = false;
                self.grow_to(state, wanted, send * FACTOR, now);
            }
        } else if wanted > receive {
            if unit.is_calm() {
                self.renew(state, wanted, send, now);
            } else {
                self.pause(state);
            }
        }
    }

    /// Grows the send ring for `len` bytes that do not fit, now or after a pause.
    pub(super) fn grow_send(&self, state: &mut State, len: usize, now: u64) {
        let Phase::Open(unit) = &state.phase else { return };
        let (receive, send) = unit.rings();
        if send >= self.ring_sizes((None, state.settings.send_buffer)).1 {
            return;
        }
        if unit.is_calm() {
            self.grow_to(state, receive, len.next_power_of_two().max(send * FACTOR), now);
        } else {
            self.pause(state);
        }
    }

    fn grow_to(&self, state: &mut State, receive: usize, send: usize, now: u64) {
        let Phase::Open(unit) = &state.phase else { return };
        let (_, old) = unit.rings();
        let send = send.min(self.ring_sizes((None, state.settings.send_buffer)).1).max(old);
        if unit.is_calm() {
            self.renew(state, receive, send, now);
        }
    }

    /// Takes no more bytes to send until all are acknowledged.
    fn pause(&self, state: &mut State) {
        let Phase::Open(unit) = &state.phase else { return };
        if unit.unacknowledged() > 0 && unit.is_open() && state.pauses < PAUSES {
            (state.pausing, state.pauses) = (true, state.pauses + 1);
        }
    }

    fn renew(&self, state: &mut State, receive: usize, send: usize, now: u64) {
        let more = (receive + send).saturating_sub(state.charged);
        if !self.charge(more) {
            return;
        }
        if !state.unit().is_some_and(|unit| unit.renew(receive, send, now)) {
            return self.uncharge(more);
        }
        state.charged += more;
        state.apply_settings();
    }

    /// Bytes of the rings of a new connection, the less the fewer are left; and the receive ring that it may come to.
    pub(super) fn first_rings(&self, asked: (Option<u32>, Option<u32>)) -> (usize, usize, usize) {
        let (receive, send) = self.ring_sizes(asked);
        let left = self.limits.memory.saturating_sub(self.memory_used());
        let (least, most) = FIRST_RECEIVE;
        let first = (left / 32768).clamp(least, most) & !1023;
        (receive.min(first), send.min(FIRST_SEND), asked.0.map_or(RING, |_| receive))
    }
}
