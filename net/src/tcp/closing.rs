//! How a user leaves its connections: close(2) of the last descriptor, the wait for what was sent (SO_LINGER, socket(7)), and the end
//! of the program, which closes all.
//!
//! Called by [`TcpSocket`], and by the kernel when the program has ended. As all that waits, who lingers looks again when the socket's
//! notifier, or the cards, have brought something.

use super::Tcp;
use super::run::flush_corked;
use super::socket::TcpSocket;
use super::state::{Phase, SECOND, Slot, State};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use smoltcp::socket::tcp::State as Engine;

/// Whether the other side has not acknowledged the end that it was sent, nor all before that.
fn is_finishing(state: &State) -> bool {
    match &state.phase {
        Phase::Open(unit) if !state.detached => {
            matches!(unit.state(), Engine::FinWait1 | Engine::Closing | Engine::LastAck)
        }
        _ => false,
    }
}

impl Tcp {
    /// Ends a connection as close(2) does; with a reset if `abort` says so, or if bytes are unread, `left` of which are outside the
    /// engine.
    pub(super) fn leave(&self, state: &mut State, left: usize, abort: bool) {
        let detached = state.detached;
        let Some(unit) = state.unit().filter(|_| !detached) else { return };
        let unread = left + unit.receivable() > 0;
        let unmade = unit.state() == Engine::SynSent;
        (state.left, state.no_receive, state.no_send) = (true, true, true);
        if unread || unmade || abort {
            // RFC 2525, 2.17: the other side is told that data was lost.
            self.extended.aborts_on_close.add(unread.into());
            return self.abort(state, None);
        }
        flush_corked(state);
        if let Some(unit) = state.unit() {
            unit.close();
        }
    }

    /// Ends listening; connections that nobody has accepted are reset. Returns whether the socket listened.
    pub(super) fn stop_listening(&self, index: u32, slot: &Slot, now: u64) -> bool {
        let generation = slot.generation.load(Ordering::Relaxed);
        let listener = self.with(index, slot, now, true, |state| {
            let Phase::Listening(listener) = &mut state.phase else { return None };
            let listener = core::mem::take(listener);
            state.phase = Phase::Idle;
            if let Some((_, port)) = state.bound {
                self.ports.lock().stop_listening((index, generation), port);
            }
            Some(listener)
        });
        let listened = listener.is_some();
        listener.into_iter().flat_map(|l| l.queue).for_each(|child| self.abandon(Some(child), now));
        listened
    }

    /// Whether there are connections, of sockets or without.
    pub fn has_connections(&self) -> bool {
        self.established_count() > 0 || self.orphan_count() > 0
    }

    /// Leaves all connections, for a program that has ended. They are to be waited for, and nothing else: their sockets are good for
    /// nothing any more.
    pub fn leave_all(self: &Arc<Self>, now: u64) -> Leaving {
        let mut waiting = Vec::new();
        let slots = || self.slots.numbers().filter_map(|index| Some((index, self.slots.get(index)?)));
        for (index, slot) in slots() {
            self.stop_listening(index, slot, now);
        }
        for (index, slot) in slots() {
            let left = slot.left.load(Ordering::Relaxed);
            let finishing = self.with(index, slot, now, true, |state| {
                if state.used {
                    self.leave(state, left, false);
                }
                is_finishing(state)
            });
            if finishing && waiting.try_reserve(1).is_ok() {
                waiting.push((index, slot.generation.load(Ordering::Relaxed)));
            }
        }
        Leaving { tcp: self.clone(), waiting }
    }
}

/// Connections that a program has left by its end.
pub struct Leaving {
    tcp: Arc<Tcp>,
    waiting: Vec<(u32, u32)>,
}

impl Leaving {
    /// Whether the other sides have got all that was sent, and know that no more will come, or have ended their connections. The cost of all
    /// calls together is that of one look at each connection.
    pub fn is_over(&mut self) -> bool {
        while let Some(&(index, generation)) = self.waiting.last() {
            if self.unacknowledged(index, generation).is_some() {
                return false;
            }
            self.waiting.pop();
        }
        true
    }

    /// How many connections are left, and the bytes that were sent on them and not acknowledged.
    pub fn rest(&self) -> (usize, usize) {
        let bytes =
            self.waiting.iter().filter_map(|&(index, generation)| self.unacknowledged(index, generation));
        bytes.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes))
    }

    /// What a connection that is not over has not got.
    fn unacknowledged(&self, index: u32, generation: u32) -> Option<usize> {
        let slot = self.tcp.slots.get(index)?;
        let mut state = slot.state.lock();
        if slot.generation.load(Ordering::Relaxed) != generation || !is_finishing(&state) {
            return None;
        }
        state.unit().map(|unit| unit.unacknowledged())
    }
}

impl TcpSocket {
    /// Begins to close the socket if that may take time (SO_LINGER), and returns how much, nanoseconds.
    pub(super) fn begin_lingering(&self) -> Option<u64> {
        let seconds = self.options.values().linger.filter(|&seconds| seconds != 0)?;
        let slot = self.slot().ok()?;
        let left = slot.left.load(Ordering::Relaxed);
        let finishing = self.with_slot(slot, false, |state| {
            self.tcp.leave(state, left, false);
            is_finishing(state)
        });
        // As on Linux, a negative time is a very long one.
        finishing.then_some(u64::from(seconds as u32) * SECOND)
    }

    /// Whether there is something to linger for.
    pub(super) fn lingers(&self) -> bool {
        self.with(false, |state| is_finishing(state)).unwrap_or(false)
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        let Ok(slot) = self.slot() else { return };
        let now = self.now();
        self.tcp.stop_listening(self.index, slot, now);
        let left = slot.reading.lock().drain(..).count();
        slot.left.store(0, Ordering::Relaxed);
        let abort = self.options.values().linger == Some(0);
        self.tcp.with(self.index, slot, now, false, |state| {
            state.owned = false;
            state.orphan_since = now.max(1);
            self.tcp.orphans.fetch_add(1, Ordering::Relaxed);
            self.tcp.leave(state, left, abort);
        });
    }
}
