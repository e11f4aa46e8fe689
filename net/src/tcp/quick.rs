//! The usual case of a connection: open both ways, with nothing wrong, and with all that is to be sent on its way.
//!
//! Called by [`run`](super::run) and by reads, under the state's lock. What is done here is what the general way comes to in that case,
//! without asking the engine for its timers; whatever is not as usual is left to the general way.

use super::Tcp;
use super::state::{NEVER, Phase, SECOND, Slot, State, WANTS_ACKS};
use super::timers::GIVE_UP;
use crate::frame::Frames;
use abi::PollEvents;
use core::sync::atomic::Ordering;
use smoltcp::socket::tcp::State as Engine;

impl Tcp {
    /// What `settle` comes to in the usual case: a connection that is open both ways, and either has nothing to send
    /// now or sends all there is. Gives what is to be sent to `frames`, and returns the readiness; `None` in all
    /// other cases, when `settle` is to do the rest.
    #[inline]
    pub(super) fn settle_quickly(
        &self,
        index: u32,
        slot: &Slot,
        state: &mut State,
        now: u64,
        frames: &mut Frames,
    ) -> Option<PollEvents> {
        let usual = state.owned
            && !(state.connecting || state.detached || state.aborted || state.pausing || state.probing)
            && !(state.no_receive || state.no_send)
            && state.error.is_none()
            && state.corked.is_empty()
            && state.engine == Some(Engine::Established);
        let Phase::Open(unit) = &mut state.phase else { return None };
        if !usual || unit.is_crowded() {
            return None;
        }
        let rests = unit.rests_until(now);
        let mut deadline = match rests {
            Some(at) => at,
            None => {
                unit.run(now);
                unit.sent_all_until(now)?
            }
        };
        let load = unit.load();
        if load.unacknowledged == 0 {
            state.waiting_since = NEVER;
        } else {
            if state.waiting_since == NEVER || load.unacknowledged < state.unacknowledged {
                state.waiting_since = now;
            }
            let limit = match state.settings.user_timeout {
                0 => GIVE_UP,
                ms => u64::from(ms) * 1_000_000,
            };
            deadline = deadline.min(state.waiting_since.saturating_add(limit));
        }
        state.unacknowledged = load.unacknowledged;
        if state.settings.keep_alive && load.unacknowledged == 0 {
            let idle = state.last_input.saturating_add(u64::from(state.settings.keep_idle) * SECOND);
            deadline = deadline.min(idle);
        }
        if deadline <= now {
            return None;
        }
        if rests.is_none() {
            *frames = unit.take_output();
            let counts = unit.take_counts();
            self.stats.retransmitted.add(counts.retransmitted);
            self.extended.no_memory.add(counts.no_memory);
        }
        self.arm(index, slot, deadline);
        slot.room.store(load.room, Ordering::Relaxed);
        let most = 2 * usize::from(state.remote_mss).min(unit.mss());
        let much = load.unacknowledged > most || load.unacknowledged > load.room;
        let flags = if much { WANTS_ACKS } else { 0 };
        if slot.flags.load(Ordering::Relaxed) != flags {
            slot.flags.store(flags, Ordering::SeqCst);
        }
        let mut events = PollEvents::empty();
        let low_water = state.settings.low_water.min(load.receive_ring / 2).max(1);
        let left = slot.left.load(Ordering::Relaxed);
        if load.receivable + left >= low_water || left > 0 {
            events |= PollEvents::IN | PollEvents::RDNORM;
        }
        if load.room > 0 && load.room >= load.unacknowledged / 2 {
            events |= PollEvents::OUT | PollEvents::WRNORM;
        }
        Some(events)
    }

    /// Takes bytes out of the engine of a socket that its last change left quietly open ([`settle_quickly`](Self::settle_quickly)),
    /// if it stays like that: only its being readable may change. `None`, and nothing is taken, otherwise.
    pub(super) fn take_bytes(&self, slot: &Slot, to: &mut [u8]) -> Option<usize> {
        let mut state = slot.state.lock();
        if !state.settled_quickly || !slot.inbox.is_empty() {
            return None;
        }
        let asked = state.settings.low_water;
        let unit = state.unit()?;
        let low_water = asked.min(unit.rings().0 / 2).max(1);
        let waiting = unit.receivable();
        let got = waiting.min(to.len());
        if waiting < asked || !unit.may_read(got) {
            return None;
        }
        let got = unit.receive(to);
        if waiting - got < low_water {
            // All that is left is in the engine: bytes outside of it would have been given before.
            let readable = PollEvents::IN | PollEvents::RDNORM;
            slot.events.fetch_and(!u32::from(readable.bits()), Ordering::Release);
        }
        (got > 0).then_some(got)
    }
}
