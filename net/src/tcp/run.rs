//! Running a socket: packets in, engine, packets out, the end.
//!
//! [`Tcp::with`] changes a socket's state: it handles what is in the inbox, does what its caller wants, and brings everything into line
//! with the outcome. [`Tcp::deliver`] does so for a packet, [`Tcp::work`] for sockets that nobody looks at. There is no other way, but
//! for a read that changes nothing else ([`quick`](super::quick)).

use super::segment::{self, ACK, RST, SYN, Segment};
use super::state::{NEVER, ORPHAN, Phase, Slot, State, WANTS_ACKS};
use super::time_wait::Record;
use super::{LEAST_RING, RING, Tcp};
use crate::frame::{Frame, Frames};
use core::sync::atomic::Ordering;
use fs::socket::SocketError;
use smoltcp::socket::tcp::State as Engine;
use sync::MutexGuard;

impl Tcp {
    /// Changes the state of a socket. `tell`: whether watchers are told when this makes the socket ready for more; those who look
    /// at it themselves need not be.
    pub(super) fn with<R>(
        &self,
        index: u32,
        slot: &Slot,
        now: u64,
        tell: bool,
        change: impl FnOnce(&mut State) -> R,
    ) -> R {
        let mut state = slot.state.lock();
        let (taken, late) = self.absorb(slot, &mut state, now);
        if taken > 0 && state.pausing {
            // The acknowledgement that ends the pause is seen by who was woken by it: nobody else tells it.
            self.grow(&mut state, now);
        }
        let result = change(&mut state);
        if self.settled(index, slot, state, now, taken) && tell {
            slot.notifier.notify();
        }
        if let Some((packet, segment)) = late {
            self.begin_again(packet.data(), &segment, now);
        }
        result
    }

    /// A packet for a socket that nobody else is at. What waits in its inbox came before.
    pub(super) fn deliver(
        &self,
        index: u32,
        slot: &Slot,
        mut state: MutexGuard<'_, State>,
        packet: &[u8],
        segment: &Segment,
        now: u64,
    ) {
        // An acknowledgement changes nothing that somebody with room enough waits for.
        let tell = !segment.is_pure_ack() || slot.flags.load(Ordering::Relaxed) & WANTS_ACKS != 0;
        let (taken, late) = self.absorb(slot, &mut state, now);
        let again = comes_late(&state, segment);
        if !again && !self.absorb_one(&mut state, packet, segment, now) && taken == 0 {
            return;
        }
        if state.pausing {
            self.grow(&mut state, now);
        }
        if self.settled(index, slot, state, now, taken) || tell {
            slot.notifier.notify();
        }
        if let Some((packet, segment)) = late {
            self.begin_again(packet.data(), &segment, now);
        }
        if again {
            self.begin_again(packet, segment, now);
        }
    }

    /// Brings everything into line with a changed state, for which `taken` packets were in the inbox, and unlocks it. Returns whether
    /// this makes the socket ready for more.
    #[inline]
    fn settled(
        &self,
        index: u32,
        slot: &Slot,
        mut state: MutexGuard<'_, State>,
        now: u64,
        taken: u32,
    ) -> bool {
        let mut frames = Frames::new();
        let quickly = self.settle_quickly(index, slot, &mut state, now, &mut frames);
        state.settled_quickly = quickly.is_some();
        let events = match quickly {
            Some(events) => events,
            None => {
                frames = self.settle(index, slot, &mut state, now);
                state.events(slot.left.load(Ordering::Relaxed))
            }
        };
        let events = u32::from(events.bits());
        let before = slot.events.swap(events, Ordering::Release);
        let free = state.used && !state.owned && !matches!(state.phase, Phase::Open(_));
        if free {
            self.clear(index, slot, &mut state);
        }
        if taken > 0 {
            slot.pending.fetch_sub(taken, Ordering::Release);
        }
        drop(state);
        if free {
            self.slots.release(index);
        }
        if !frames.is_empty() {
            self.transmit(&slot.hint, &mut frames);
        }
        events & !before != 0
    }

    /// A SYN that came for a connection which had been reset, but was in the table still: it begins another one.
    #[cold]
    fn begin_again(&self, packet: &[u8], segment: &Segment, now: u64) {
        let hash = self.hash(&segment.flow);
        // Otherwise it has come again meanwhile, or will.
        if self.table.find(&self.slots, &segment.flow, hash).is_none() {
            self.unmatched(packet, segment, hash, now);
        }
    }

    /// Gives the engine what is in the inbox; returns how many packets that were, and a SYN that came behind the reset of the connection.
    #[inline]
    fn absorb(&self, slot: &Slot, state: &mut State, now: u64) -> (u32, Option<(Frame, Segment)>) {
        if slot.inbox.is_empty() { (0, None) } else { self.absorb_all(slot, state, now) }
    }

    fn absorb_all(&self, slot: &Slot, state: &mut State, now: u64) -> (u32, Option<(Frame, Segment)>) {
        let mut late = None;
        let mut taken = 0;
        for entry in slot.inbox.drain() {
            let (packet, segment) = entry.value;
            slot.inbox_bytes.fetch_sub(packet.len(), Ordering::Relaxed);
            taken += 1;
            if comes_late(state, &segment) {
                late = Some((packet, segment));
                continue;
            }
            self.absorb_one(state, packet.data(), &segment, now);
        }
        (taken, late)
    }

    /// Gives the engine a packet; false if it is not for this connection.
    #[inline]
    fn absorb_one(&self, state: &mut State, packet: &[u8], segment: &Segment, now: u64) -> bool {
        let (connecting, probing, detached) = (state.connecting, state.probing, state.detached);
        let unit = state.unit().filter(|unit| !detached && segment.flow == unit.flow());
        let Some(unit) = unit else {
            self.extended.misrouted.inc();
            return false;
        };
        if probing {
            unit.set_probing(None);
        }
        let options = (connecting && segment.flags & (SYN | ACK) == SYN | ACK)
            .then(|| segment::syn_options(packet, segment));
        unit.input(packet, segment, now);
        state.probing = false;
        state.last_input = now;
        if let Some(mss) = options.and_then(|options| options.mss) {
            state.remote_mss = mss;
        }
        self.note_engine(state);
        true
    }

    /// Looks at what the engine's state has become.
    pub(super) fn note_engine(&self, state: &mut State) {
        let Some(engine) = state.unit().map(|unit| unit.state()) else { return };
        let before = state.engine.replace(engine);
        if before == Some(engine) {
            return;
        }
        if state.connecting && matches!(engine, Engine::Established | Engine::CloseWait) {
            state.connecting = false;
            self.established.fetch_add(1, Ordering::Relaxed);
        }
        if !matches!(engine, Engine::Closed | Engine::Listen) || state.aborted || state.detached {
            return;
        }
        // The other side has reset the connection, unless it had only to acknowledge the end.
        let error = match before {
            _ if state.connecting => Some(SocketError::Refused),
            Some(Engine::CloseWait) => Some(SocketError::Shutdown),
            Some(Engine::LastAck) => None,
            _ => Some(SocketError::Reset),
        };
        if state.connecting {
            self.stats.attempt_fails.inc();
        } else if matches!(before, Some(Engine::Established | Engine::CloseWait)) {
            self.stats.established_resets.inc();
        }
        state.error = state.error.or(error);
    }

    /// Runs the engine and brings timers, tables and flags into line. Returns what is to be sent.
    fn settle(&self, index: u32, slot: &Slot, state: &mut State, now: u64) -> Frames {
        if (!state.owned || state.left)
            && !state.aborted
            && state.unit().is_some_and(|unit| unit.receivable() > 0)
        {
            // Nobody will read it (RFC 2525, 2.17).
            self.extended.aborts_on_data.inc();
            self.abort(state, None);
        }
        self.grow(state, now);
        if let Some(unit) = state.unit() {
            unit.run(now);
        }
        self.note_engine(state);
        let (mut deadline, due) = self.deadlines(state, now);
        if deadline <= now {
            self.time_out(state, due, now);
            (deadline, _) = self.deadlines(state, now);
        }
        let mut frames = Frames::new();
        if let Phase::Open(unit) = &mut state.phase {
            frames = unit.take_output();
            let counts = unit.take_counts();
            self.stats.retransmitted.add(counts.retransmitted);
            self.stats.out_resets.add(counts.resets);
            self.extended.no_memory.add(counts.no_memory);
            if !state.detached
                && let Some(at) = unit.run_at(now)
            {
                deadline = deadline.min(at);
            }
        }
        self.end(index, state, now);
        if !matches!(state.phase, Phase::Open(_)) || state.detached {
            deadline = NEVER;
        }
        self.arm(index, slot, deadline);
        self.flags(slot, state);
        frames
    }

    /// Flags and room for those who look without the lock.
    fn flags(&self, slot: &Slot, state: &mut State) {
        slot.flag(ORPHAN, !state.owned);
        let free = state.room();
        let (room, wants) = match &state.phase {
            Phase::Open(unit) => {
                let calm = matches!(unit.state(), Engine::Established | Engine::CloseWait);
                let waiting = unit.unacknowledged();
                let much = waiting > 2 * usize::from(state.remote_mss).min(unit.mss()) || waiting > free;
                // The ring may have grown.
                slot.inbox_limit.store(inbox_limit(unit.rings().0), Ordering::Relaxed);
                (free, !calm || much)
            }
            _ => (0, false),
        };
        slot.room.store(if state.no_send { 0 } else { room }, Ordering::Relaxed);
        slot.flag(WANTS_ACKS, wants);
    }

    /// Resets the connection of a socket, whose user is told `error`.
    pub(super) fn abort(&self, state: &mut State, error: Option<SocketError>) {
        state.corked = alloc::vec::Vec::new();
        let detached = state.detached;
        if let Some(unit) = state.unit()
            && !detached
        {
            unit.abort();
            state.aborted = true;
        }
        state.error = state.error.or(error);
    }

    /// Takes a connection that is over out of the tables, and frees its engine when there is nothing left to read.
    fn end(&self, index: u32, state: &mut State, now: u64) {
        let Phase::Open(unit) = &state.phase else { return };
        let engine = unit.state();
        if !matches!(engine, Engine::Closed | Engine::TimeWait | Engine::Listen) {
            return;
        }
        if !state.detached {
            self.table.remove(&self.slots, index);
            if !state.connecting {
                self.established.fetch_sub(1, Ordering::Relaxed);
            }
            let hold = state.hold.take();
            match hold {
                Some(hold) if engine == Engine::TimeWait => {
                    let (flow, sent) = (unit.flow(), unit.sent());
                    let record = Record { flow, send_next: sent.next, receive_next: sent.ack, hold };
                    let early = self.time_wait.lock().insert(record, self.hash(&flow), now);
                    self.extended.time_waits.inc();
                    self.extended.time_wait_overflows.add(early.into());
                    self.release_ports();
                }
                Some(hold) => self.ports.lock().release(hold),
                None => {}
            }
            if state.connecting {
                // The attempt has failed, and there may be another.
                state.ends = None;
            }
            (state.detached, state.connecting) = (true, false);
        }
        if !state.owned || unit.receivable() == 0 {
            self.drop_unit(state);
        }
    }

    /// Frees the engine.
    fn drop_unit(&self, state: &mut State) {
        state.phase = Phase::Ended;
        state.corked = alloc::vec::Vec::new();
        self.uncharge(core::mem::take(&mut state.charged));
    }

    /// Makes a slot ready for its next use; its lock is held.
    fn clear(&self, index: u32, slot: &Slot, state: &mut State) {
        if let Some((_, port)) = state.bound {
            let generation = slot.generation.load(Ordering::Relaxed);
            self.ports.lock().unbind((index, generation), port);
        }
        if state.orphan_since != 0 {
            self.orphans.fetch_sub(1, Ordering::Relaxed);
        }
        *state = State::default();
        slot.generation.fetch_add(1, Ordering::Release);
        self.timers.lock().remove(index);
        slot.timer.store(NEVER, Ordering::Relaxed);
        slot.flags.store(0, Ordering::Relaxed);
        slot.hint.set(0);
        slot.left.store(0, Ordering::Relaxed);
        slot.events.store(0, Ordering::Relaxed);
    }
}

/// Most bytes of packets in the inbox of a connection with such a receive ring: what fits into the window and is on its way twice.
pub(super) fn inbox_limit(ring: usize) -> usize {
    2 * ring.max(LEAST_RING) + RING / 2
}

/// Gives the engine the bytes that waited for company.
pub(super) fn flush_corked(state: &mut State) {
    let State { phase: Phase::Open(unit), corked, .. } = state else { return };
    let sent = unit.send(corked);
    corked.drain(..sent);
}

/// Whether a segment begins a connection between the ends of one that has been reset.
fn comes_late(state: &State, segment: &Segment) -> bool {
    segment.flags & (SYN | ACK | RST) == SYN && state.engine == Some(Engine::Closed)
}
