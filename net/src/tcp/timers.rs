//! What time brings to sockets beside the engine's own timers: corked bytes, probes, giving up; and the worker, which runs what is due.
//!
//! A socket has one timer, for the earliest of its deadlines ([`Tcp::arm`]); [`Tcp::work`] lets [`run`](super::run) look at those whose
//! time has come.

use super::run::flush_corked;
use super::state::{NEVER, SECOND, Slot, State};
use super::{LAST, PATIENCE, Tcp};
use core::sync::atomic::Ordering;
use fs::socket::SocketError;
use smoltcp::socket::tcp::State as Engine;

/// How long data may stay unacknowledged, nanoseconds, if the user says nothing (15 retries on Linux).
pub(super) const GIVE_UP: u64 = 925 * SECOND;
/// The same when nobody has the socket any more.
const ORPHAN_GIVES_UP: u64 = 100 * SECOND;

/// How long bytes wait for company, nanoseconds (TCP_CORK).
pub(super) const CORKED: u64 = 200_000_000;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Bytes have waited for company long enough.
    Cork,
    /// The first probe (SO_KEEPALIVE).
    Probe,
    /// Nothing was acknowledged for too long.
    GiveUp,
    /// The other side's end is not waited for any longer (TCP_LINGER2).
    Linger,
}

impl Tcp {
    /// When something is due that is not the engine's, and what.
    pub(super) fn deadlines(&self, state: &mut State, now: u64) -> (u64, Due) {
        let settings = state.settings;
        let (owned, detached, since) = (state.owned, state.detached, state.waiting_since);
        let (before, connecting, last_input) = (state.unacknowledged, state.connecting, state.last_input);
        let corked_until = if state.corked.is_empty() { NEVER } else { state.corked_until };
        let Some(unit) = state.unit() else { return (NEVER, Due::Cork) };
        let engine = unit.state();
        let left = unit.unacknowledged();
        if detached || matches!(engine, Engine::Closed | Engine::TimeWait | Engine::Listen) {
            return (NEVER, Due::Cork);
        }
        let busy = left > 0
            || matches!(
                engine,
                Engine::SynSent | Engine::SynReceived | Engine::FinWait1 | Engine::Closing | Engine::LastAck
            );
        let since = match busy {
            false => NEVER,
            true if since == NEVER || left < before => now,
            true => since,
        };
        (state.waiting_since, state.unacknowledged) = (since, left);
        let limit = match settings.user_timeout {
            0 if connecting => ((2u64 << settings.syn_count.min(30)) - 1) * SECOND,
            0 if !owned => ORPHAN_GIVES_UP,
            0 => GIVE_UP,
            ms => u64::from(ms) * 1_000_000,
        };
        let mut next = (since.saturating_add(limit), Due::GiveUp).min((corked_until, Due::Cork));
        if !owned && engine == Engine::FinWait2 {
            let linger = u64::try_from(settings.linger2).unwrap_or(0).min(60) * SECOND;
            next = next.min((last_input.max(state.orphan_since).saturating_add(linger), Due::Linger));
        }
        if settings.keep_alive && owned && !busy && !connecting {
            let idle = last_input.saturating_add(u64::from(settings.keep_idle) * SECOND);
            let end = u64::from(settings.keep_interval) * u64::from(settings.keep_count) * SECOND;
            let probe = (idle, Due::Probe);
            next = next.min(if state.probing { (idle.saturating_add(end), Due::GiveUp) } else { probe });
        }
        next
    }

    /// Does what [`deadlines`](Self::deadlines) said is due.
    pub(super) fn time_out(&self, state: &mut State, due: Due, now: u64) {
        let interval = u64::from(state.settings.keep_interval).max(1) * SECOND;
        let Some(unit) = state.unit() else { return };
        match due {
            Due::Linger => {
                // The other side does not end its direction, and nobody waits for that: it is forgotten without a reset.
                unit.abort();
                state.aborted = true;
                return self.extended.aborts_on_linger.inc();
            }
            Due::Cork => {
                flush_corked(state);
                state.corked_until = now.saturating_add(CORKED);
            }
            Due::Probe => {
                unit.set_probing(Some(interval));
                state.probing = true;
            }
            Due::GiveUp => {
                self.extended.aborts_on_timeout.inc();
                if state.connecting {
                    self.stats.attempt_fails.inc();
                }
                self.abort(state, Some(SocketError::TimedOut));
            }
        }
        if let Some(unit) = state.unit() {
            unit.run(now);
        }
        self.note_engine(state);
    }

    /// Sets the timer of a socket. A later deadline than the one that is set waits until that has passed.
    #[inline]
    pub(super) fn arm(&self, index: u32, slot: &Slot, deadline: u64) {
        if deadline < slot.timer.load(Ordering::Relaxed) {
            self.arm_earlier(index, slot, deadline);
        }
    }

    fn arm_earlier(&self, index: u32, slot: &Slot, deadline: u64) {
        slot.timer.store(deadline, Ordering::Relaxed);
        if !self.timers.lock().set(index, deadline) {
            self.extended.no_memory.inc();
        }
        self.schedule(deadline);
    }

    /// Does what is due: packets nobody has looked at, timers, SYN-ACKs, TIME-WAIT. Returns when it wants to be called again.
    pub fn work(&self, now: u64) -> Option<u64> {
        self.next_wake.store(NEVER, Ordering::Relaxed);
        let mut at = self.listed.swap(LAST, Ordering::Acquire);
        while at != LAST {
            let Some(slot) = self.slots.get(at) else { break };
            let index = at;
            at = slot.next_listed.load(Ordering::Relaxed);
            slot.listed.store(false, Ordering::Release);
            if slot.inbox.is_empty() {
                continue;
            }
            let due = slot.pending_since.load(Ordering::Relaxed).saturating_add(PATIENCE);
            if due <= now {
                self.with(index, slot, now, true, |_| ());
            } else {
                if !slot.listed.swap(true, Ordering::AcqRel) {
                    self.list(index, slot);
                }
                self.schedule(due);
            }
        }
        loop {
            let Some(index) = self.timers.lock().pop(now) else { break };
            let Some(slot) = self.slots.get(index) else { continue };
            slot.timer.store(NEVER, Ordering::Relaxed);
            self.with(index, slot, now, true, |_| ());
        }
        self.tick_handshakes(now);
        self.time_wait.lock().expire(now);
        self.release_ports();
        let next = [self.timers.lock().next(), self.syn.lock().next(), self.time_wait.lock().next()];
        let next = next.into_iter().flatten().min().unwrap_or(NEVER);
        let next = self.next_wake.fetch_min(next, Ordering::Relaxed).min(next);
        (next != NEVER).then_some(next)
    }
}
