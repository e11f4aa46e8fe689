//! Connections that others make: SYNs, and the acknowledgements that complete them.
//!
//! Called for segments that belong to no connection. A listener is locked for a moment to look at it, never while an engine is made.
//! A connection that its listener's queue has no room for stays half-open, and its SYN-ACK is repeated.

use super::Tcp;
use super::flow::Flow;
use super::pace::is_quick;
use super::ports::Hold;
use super::run::inbox_limit;
use super::segment::{self, FIN, Segment};
use super::state::{NEVER, Phase, SECOND, Settings, Slot};
use super::syn::{Claim, Half};
use super::unit::{Setup, Unit, window_shift};
use alloc::boxed::Box;
use core::sync::atomic::Ordering;

/// How long acknowledgements are looked at for cookies after the last one was sent.
const COOKIES_LIVE: u64 = 128 * SECOND;
/// Half-open connections that every listener may have.
const LEAST_BACKLOG: usize = 16;
/// Receive ring behind a cookie, which cannot say how large it was; without a shift of the window.
const COOKIE_RING: u32 = super::growth::FIRST_RECEIVE.1 as u32;

/// What a listener gives its connections.
#[derive(Clone, Copy)]
struct Terms {
    settings: Settings,
    uid: u32,
    v6: bool,
    backlog: usize,
    full: bool,
}

impl Tcp {
    fn terms(&self, (index, generation): (u32, u32)) -> Option<(Terms, &Slot)> {
        let slot = self.slots.get(index)?;
        let state = slot.state.lock();
        let Phase::Listening(listener) = &state.phase else { return None };
        if slot.generation.load(Ordering::Relaxed) != generation {
            return None;
        }
        let backlog = listener.backlog;
        let full = listener.queue.len() + listener.making > backlog;
        Some((Terms { settings: state.settings, uid: state.uid, v6: state.v6, backlog, full }, slot))
    }

    /// Largest IP packet of a connection: what the route carries, or what TCP_MAXSEG allows.
    pub(super) fn packet_limit(mtu: u16, flow: &Flow, settings: &Settings) -> u16 {
        let headers = if flow.local().is_ipv4() { 40 } else { 60 };
        match settings.max_segment {
            0 => mtu,
            mss => mtu.min(mss.saturating_add(headers)),
        }
    }

    /// A SYN. Returns whether somebody listens.
    pub(super) fn synchronize(
        &self,
        packet: &[u8],
        segment: &Segment,
        hash: u64,
        now: u64,
        above: Option<u32>,
    ) -> bool {
        let listener = self.ports.lock().listener(segment.flow.local(), hash);
        let Some((listener, (terms, _))) = listener.and_then(|at| Some((at, self.terms(at)?))) else {
            return false;
        };
        {
            let mut queue = self.syn.lock();
            match queue.find(&segment.flow, hash) {
                Some(half) if half.remote_isn == segment.seq => {
                    drop(queue);
                    self.answer(&half.answer());
                    return true;
                }
                Some(_) => drop(queue.remove(&segment.flow, hash)),
                None => {}
            }
        }
        if terms.full {
            self.extended.listen_overflows.inc();
            self.extended.listen_drops.inc();
            return true;
        }
        let (local, remote) = (segment.flow.local(), segment.flow.remote());
        let Ok(route) = self.output.route(remote.ip(), Some(local.ip()), None) else {
            self.extended.listen_drops.inc();
            return true;
        };
        let mtu = Self::packet_limit(route.mtu, &segment.flow, &terms.settings);
        let headers = if local.is_ipv4() { 40 } else { 60 };
        let (receive, _, most) = self.first_rings((terms.settings.receive_buffer, None));
        let mut isn = self.initial_number(&segment.flow, now);
        if let Some(above) = above
            && !segment::after(isn, above)
        {
            isn = above.wrapping_add(1 << 16);
        }
        let half = Half {
            flow: segment.flow,
            listener,
            remote_isn: segment.seq,
            isn,
            options: segment::syn_options(packet, segment),
            window: segment.window,
            mss: mtu.saturating_sub(headers),
            shift: window_shift(most),
            receive_buffer: receive as u32,
            since: now,
        };
        let half = self.queue_or_cookie(half, hash, terms.backlog, now);
        self.answer(&half.answer());
        true
    }

    fn queue_or_cookie(&self, half: Half, hash: u64, backlog: usize, now: u64) -> Half {
        let (queued, next) = {
            let mut queue = self.syn.lock();
            (queue.insert(half, hash, backlog.max(LEAST_BACKLOG), now), queue.next())
        };
        if queued {
            self.schedule(next.unwrap_or(NEVER));
            return half;
        }
        self.extended.cookies_sent.inc();
        self.cookies_until.store(now.saturating_add(COOKIES_LIVE), Ordering::Relaxed);
        let (isn, options) = self.keys.cookies.make(&half.flow, half.remote_isn, half.options, now);
        Half { isn, options, shift: 0, receive_buffer: COOKIE_RING, ..half }
    }

    /// An acknowledgement for no connection. Returns whether it was for a half-open one.
    pub(super) fn complete(&self, packet: &[u8], segment: &Segment, hash: u64, now: u64) -> bool {
        let claim = self.syn.lock().claim(&segment.flow, hash, segment.ack);
        match claim {
            Claim::Busy => {
                self.extended.races.inc();
                true
            }
            Claim::Mine(half) => {
                let made = self.establish(&half, packet, segment, hash, now);
                self.syn.lock().done(&segment.flow, hash, made != Some(false));
                made.is_some()
            }
            Claim::Unknown => self.complete_cookie(packet, segment, hash, now),
        }
    }

    fn complete_cookie(&self, packet: &[u8], segment: &Segment, hash: u64, now: u64) -> bool {
        if now >= self.cookies_until.load(Ordering::Relaxed) {
            return false;
        }
        let (remote_isn, isn) = (segment.seq.wrapping_sub(1), segment.ack.wrapping_sub(1));
        let Some(options) = self.keys.cookies.check(&segment.flow, remote_isn, isn, now) else {
            self.extended.cookies_failed.inc();
            return false;
        };
        let Some(listener) = self.ports.lock().listener(segment.flow.local(), hash) else { return false };
        self.extended.cookies_received.inc();
        let half = Half {
            flow: segment.flow,
            listener,
            remote_isn,
            isn,
            options,
            window: segment.window,
            mss: 0,
            shift: 0,
            receive_buffer: COOKIE_RING,
            since: now,
        };
        self.establish(&half, packet, segment, hash, now).is_some()
    }

    /// Makes the connection. False if that has to wait; `None` if nobody listens any more.
    fn establish(&self, half: &Half, packet: &[u8], segment: &Segment, hash: u64, now: u64) -> Option<bool> {
        let (terms, slot) = self.terms(half.listener)?;
        let defer = u64::from(terms.settings.defer_accept) * SECOND;
        if segment.payload == 0 && segment.flags & FIN == 0 && now.saturating_sub(half.since) < defer {
            return Some(false);
        }
        {
            let mut state = slot.state.lock();
            let Phase::Listening(listener) = &mut state.phase else { return None };
            if listener.queue.len() + listener.making > listener.backlog
                || listener.queue.try_reserve(1).is_err()
            {
                self.extended.listen_overflows.inc();
                return Some(false);
            }
            listener.making += 1;
        }
        let child = self.make_child(half, &terms, (packet, segment), hash, now);
        let mut state = slot.state.lock();
        let current = slot.generation.load(Ordering::Relaxed) == half.listener.1;
        match &mut state.phase {
            Phase::Listening(listener) if current => {
                listener.making = listener.making.saturating_sub(1);
                if let Some(child) = child {
                    // Room was reserved, but others may have used it; then this allocates.
                    listener.queue.push_back(child);
                }
                let events = state.events(0).bits() as u32;
                slot.events.store(events, Ordering::Release);
                drop(state);
                if child.is_some() {
                    self.stats.passive_opens.inc();
                    slot.notifier.notify();
                } else {
                    self.extended.listen_drops.inc();
                }
                Some(child.is_some())
            }
            _ => {
                drop(state);
                self.abandon(child, now);
                Some(true)
            }
        }
    }

    /// Resets a connection that nobody has accepted.
    pub(super) fn abandon(&self, child: Option<(u32, u32)>, now: u64) {
        let Some((index, slot)) = child.and_then(|(index, _)| Some((index, self.slots.get(index)?))) else {
            return;
        };
        self.with(index, slot, now, false, |state| {
            self.abort(state, None);
            state.owned = false;
        });
    }

    /// The socket of a connection whose handshake `packet` completes.
    fn make_child(
        &self,
        half: &Half,
        terms: &Terms,
        (packet, segment): (&[u8], &Segment),
        hash: u64,
        now: u64,
    ) -> Option<(u32, u32)> {
        let (local, remote) = (half.flow.local(), half.flow.remote());
        let route = self.output.route(remote.ip(), Some(local.ip()), None).ok()?;
        let receive = half.receive_buffer as usize;
        let (_, send, _) = self.first_rings((None, terms.settings.send_buffer));
        let charged = receive + send;
        if !self.charge(charged) {
            self.extended.aborts_on_memory.inc();
            return None;
        }
        let setup = Setup {
            flow: half.flow,
            isn: half.isn,
            mtu: Self::packet_limit(route.mtu, &half.flow, &terms.settings),
            receive_ring: receive,
            shift: half.shift,
            send_ring: send,
            partial: route.checksum,
            segmentation: route.segmentation_v4,
            local: route.local,
            // A cookie does not tell when it was sent.
            quick: half.mss != 0 && is_quick(now.saturating_sub(half.since)),
        };
        let made = Unit::accept(&setup, half.remote_isn, half.options, half.window, now)
            .and_then(|unit| self.adopt(unit, half, terms, charged, (packet, segment), hash, now));
        if made.is_none() {
            self.uncharge(charged);
            self.extended.no_memory.inc();
        }
        made
    }

    #[expect(clippy::too_many_arguments)] // all that a connection begins with
    fn adopt(
        &self,
        unit: Unit,
        half: &Half,
        terms: &Terms,
        charged: usize,
        (packet, segment): (&[u8], &Segment),
        hash: u64,
        now: u64,
    ) -> Option<(u32, u32)> {
        let index = self.slots.allocate()?;
        let hold = Hold { port: half.flow.local().port(), reuse: terms.settings.reuse_address };
        let slot = self.slots.get(index).filter(|_| self.ports.lock().hold(hold).is_ok());
        let Some(slot) = slot else {
            self.slots.release(index);
            return None;
        };
        let generation = slot.generation.load(Ordering::Relaxed);
        let mut state = slot.state.lock();
        self.empty_inbox(slot, unit.rings().0);
        state.phase = Phase::Open(Box::new(unit));
        (state.used, state.owned) = (true, true);
        state.hold = Some(hold);
        state.ends = Some((half.flow.local(), half.flow.remote()));
        state.connecting = true;
        state.remote_mss = half.options.mss.unwrap_or(super::state::DEFAULT_MSS);
        (state.last_input, state.waiting_since, state.charged) = (now, NEVER, charged);
        (state.settings, state.uid, state.ino) = (terms.settings, terms.uid, super::socket::new_inode());
        state.v6 = terms.v6;
        state.apply_settings();
        drop(state);
        if self.table.insert(&self.slots, index, &half.flow, hash).is_err() {
            self.ports.lock().release(hold);
            let mut state = slot.state.lock();
            *state = super::state::State::default();
            drop(state);
            self.slots.release(index);
            return None;
        }
        self.with(index, slot, now, false, |state| {
            if let Some(unit) = state.unit() {
                unit.input(packet, segment, now);
            }
            self.note_engine(state);
        });
        Some((index, generation))
    }

    /// Empties the inbox of a slot that is used again, and bounds it.
    pub(super) fn empty_inbox(&self, slot: &Slot, ring: usize) {
        let mut old = 0;
        for entry in slot.inbox.drain() {
            slot.inbox_bytes.fetch_sub(entry.value.0.len(), Ordering::Relaxed);
            old += 1;
        }
        slot.pending.fetch_sub(old, Ordering::Relaxed);
        slot.inbox_limit.store(inbox_limit(ring), Ordering::Relaxed);
    }

    /// A reset for a half-open connection.
    pub(super) fn embryonic_reset(&self, segment: &Segment, hash: u64) -> bool {
        let mut queue = self.syn.lock();
        let exact = |half: Half| half.remote_isn.wrapping_add(1) == segment.seq;
        if queue.find(&segment.flow, hash).is_some_and(exact) {
            queue.remove(&segment.flow, hash);
            self.extended.embryonic_resets.inc();
        }
        true
    }

    /// Repeats SYN-ACKs.
    pub(super) fn tick_handshakes(&self, now: u64) {
        if self.syn.lock().next().is_none_or(|next| next > now) {
            return;
        }
        // Slots are looked at without their locks, which must not be taken under this one.
        let listens = |(index, generation): (u32, u32)| {
            self.slots.get(index).is_some_and(|s| s.generation.load(Ordering::Relaxed) == generation)
        };
        let (again, dropped) = self.syn.lock().tick(now, &listens);
        self.extended.listen_drops.add(dropped);
        self.extended.syn_retransmits.add(again.len() as u64);
        again.iter().for_each(|half| self.answer(&half.answer()));
    }
}
