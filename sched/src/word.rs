//! [`StateWord`]: the state of a thread in one word, which is the only truth about it.
//!
//! Called by the scheduler; queue and inbox entries are hints, and whoever acts on one decides by a compare-and-swap here.
//!
//! ```text
//! FREE --spawn--> BLOCKED --unpark--> READY(cpu) --claim--> RUNNING(cpu) --begin_park--> BLOCKING --finish_park--> BLOCKED
//!                                       ^  |                   |   |                        | unpark: permit only (WOKEN)
//!                                       |  +--migrate--+       |   +--exit--> DEAD --> FREE |
//!                                       +--------------+-- requeue (after the switch) ------+
//! ```
//! - The permit bit is the token of park and unpark. It is set by `unpark` in every state but BLOCKED, where the wake-up itself
//!   is what the token buys; `begin_park` takes it instead of blocking. In BLOCKING it means WOKEN: the CPU that switches
//!   away makes the thread ready instead of blocked.
//! - Every transition to READY counts `seq`, so that an old view of the word cannot claim a later readiness.
//!   Should it wrap, a claim that succeeds by accident is still a claim of a ready thread: order suffers, nothing else.
//!
//! # Ordering
//! Every change is a read-modify-write with acquire and release, so the changes of one word are one chain:
//! - `finish_park` and `requeue` (release) -> `claim` (acquire): the registers and the payload that the old CPU stored before
//!   are seen by the CPU that runs the thread next.
//! - `unpark` (release, also where the permit is already set, hence the compare-and-swap with an unchanged value) ->
//!   `begin_park` that takes the permit, or `claim` (acquire): what the waker wrote before is seen by the woken thread.
//! - wake against block: `begin_park` and `unpark` hit the same word, so one comes first. Permit first: the thread does not block.
//!   BLOCKING first: the waker leaves WOKEN, which `finish_park`, on the same word again, cannot miss.

use crate::atomic::{AtomicU64, Ordering, weak};

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Free,
    Ready,
    Running,
    Blocking,
    Blocked,
    Dead,
}

/// A value of the word: state (3 bits), permit (1), CPU (14), sequence (24), life of the slot (22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u64);

const PERMIT: u64 = 1 << 3;
const CPU_SHIFT: u32 = 4;
const CPU_MASK: u64 = (1 << 14) - 1;
const SEQ_SHIFT: u32 = 18;
const SEQ_MASK: u64 = (1 << 24) - 1;
const LIFE_SHIFT: u32 = 42;
/// Lives of a slot before the number repeats.
pub(crate) const LIFE_MASK: u64 = (1 << 22) - 1;
/// CPUs that fit into the word.
pub(crate) const MAX_CPUS: usize = 1 << 14;

impl Word {
    pub(crate) fn state(self) -> State {
        match self.0 & 7 {
            1 => State::Ready,
            2 => State::Running,
            3 => State::Blocking,
            4 => State::Blocked,
            5 => State::Dead,
            _ => State::Free,
        }
    }

    pub(crate) fn permit(self) -> bool {
        self.0 & PERMIT != 0
    }

    /// Ready: whose queue it is in. Running, blocking: where. Blocked: where it last ran.
    pub(crate) fn cpu(self) -> usize {
        (self.0 >> CPU_SHIFT & CPU_MASK) as usize
    }

    pub(crate) fn seq(self) -> u32 {
        (self.0 >> SEQ_SHIFT & SEQ_MASK) as u32
    }

    pub(crate) fn life(self) -> u32 {
        (self.0 >> LIFE_SHIFT & LIFE_MASK) as u32
    }

    pub(crate) fn is_ready_on(self, cpu: usize) -> bool {
        self.state() == State::Ready && self.cpu() == cpu
    }

    fn with_state(self, state: State) -> Word {
        Word(self.0 & !7 | state as u64)
    }

    fn with_permit(self, permit: bool) -> Word {
        Word(if permit { self.0 | PERMIT } else { self.0 & !PERMIT })
    }

    fn on(self, cpu: usize) -> Word {
        Word(self.0 & !(CPU_MASK << CPU_SHIFT) | (cpu as u64 & CPU_MASK) << CPU_SHIFT)
    }

    /// The next readiness, on `cpu`.
    fn ready(self, cpu: usize) -> Word {
        let seq = (self.0 >> SEQ_SHIFT).wrapping_add(1) & SEQ_MASK;
        Word(self.0 & !(SEQ_MASK << SEQ_SHIFT) | seq << SEQ_SHIFT).with_state(State::Ready).on(cpu)
    }

    fn next_life(self) -> Word {
        let life = (self.0 >> LIFE_SHIFT).wrapping_add(1) & LIFE_MASK;
        Word(life << LIFE_SHIFT | self.0 & SEQ_MASK << SEQ_SHIFT)
    }
}

/// What `unpark` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unparked {
    /// No such thread any more.
    Gone,
    /// The permit is there for its next park.
    Permit,
    /// It was ready already, as this word says; the permit is there.
    Waiting(Word),
    /// It was blocked and is ready now; the caller announces it.
    Ready(Word),
}

/// How `finish_park` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// It sleeps; any waker may make it ready from now on.
    Blocked,
    /// It was woken meanwhile and is still BLOCKING: the caller requeues it.
    Woken,
}

/// The word; see the module.
#[derive(Debug)]
pub(crate) struct StateWord(AtomicU64);

impl StateWord {
    pub(crate) fn new() -> Self {
        StateWord(AtomicU64::new(0))
    }

    pub(crate) fn load(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    fn change(&self, from: Word, to: Word) -> Result<Word, Word> {
        match self.0.compare_exchange(from.0, to.0, weak::change(), Ordering::Acquire) {
            Ok(_) => Ok(to),
            Err(now) => Err(Word(now)),
        }
    }

    /// Retries `next` until it gives None (nothing to do) or its change was made; returns the word before and after.
    fn update(&self, mut next: impl FnMut(Word) -> Option<Word>) -> Result<(Word, Word), Word> {
        let mut seen = self.load();
        loop {
            let Some(to) = next(seen) else { return Err(seen) };
            match self.change(seen, to) {
                Ok(_) => return Ok((seen, to)),
                Err(now) => seen = now,
            }
        }
    }

    /// A slot that was taken from the free list comes to life, blocked on `cpu`; returns its life.
    pub(crate) fn revive(&self, cpu: usize) -> u32 {
        match self.update(|word| Some(word.next_life().with_state(State::Blocked).on(cpu))) {
            Ok((_, word)) | Err(word) => word.life(),
        }
    }

    /// The owner of a word that is BLOCKED and known to nobody else: it runs on `cpu`.
    pub(crate) fn adopt(&self, cpu: usize) {
        let _ = self.update(|word| Some(word.with_state(State::Running).on(cpu)));
    }

    /// READY as seen, to RUNNING on `cpu`. At most one caller succeeds per readiness.
    pub(crate) fn claim(&self, seen: Word, cpu: usize) -> bool {
        // A permit that came meanwhile is no reason to give up, any other change is.
        self.update(|word| {
            (weak::is(weak::CLAIM) || word.state() == State::Ready && word.with_permit(seen.permit()) == seen)
                .then(|| word.with_state(State::Running).on(cpu))
        })
        .is_ok()
    }

    /// READY as seen, to READY on `cpu`: another queue, or another place in the same one.
    pub(crate) fn migrate(&self, seen: Word, cpu: usize) -> Option<Word> {
        if seen.state() != State::Ready {
            return None;
        }
        self.change(seen, seen.ready(cpu)).ok()
    }

    /// The running thread wants to block: false if it had a permit, which is taken.
    pub(crate) fn begin_park(&self) -> bool {
        self.update(|word| {
            Some(if word.permit() { word.with_permit(false) } else { word.with_state(State::Blocking) })
        })
        .is_ok_and(|(_, after)| after.state() == State::Blocking)
    }

    /// After the switch: the registers are saved, the thread sleeps unless it was woken.
    pub(crate) fn finish_park(&self) -> Parked {
        match self.update(|word| {
            (!word.permit() || weak::is(weak::FINISH)).then(|| word.with_state(State::Blocked))
        }) {
            Ok(_) => Parked::Blocked,
            Err(_) => Parked::Woken,
        }
    }

    /// After the switch: RUNNING (preempted) or BLOCKING and woken, to READY on `cpu`. A preempted thread keeps its permit.
    pub(crate) fn requeue(&self, cpu: usize) -> Option<Word> {
        self.update(|word| match word.state() {
            State::Running => Some(word.ready(cpu)),
            State::Blocking => Some(word.with_permit(false).ready(cpu)),
            _ => None,
        })
        .ok()
        .map(|(_, after)| after)
    }

    /// The sequence number that `requeue` will give; only meaningful to the thread's CPU.
    pub(crate) fn next_seq(&self) -> u32 {
        self.load().ready(0).seq()
    }

    /// The running thread ends.
    pub(crate) fn exit(&self) {
        let _ = self.update(|word| Some(word.with_permit(false).with_state(State::Dead)));
    }

    /// After the switch away from a dead thread: the slot is free, old ids of it are void.
    pub(crate) fn free(&self) {
        let _ = self.update(|word| Some(word.next_life()));
    }

    /// Gives the thread of `life` its permit or makes it ready on the CPU that `choose` names.
    pub(crate) fn unpark(&self, life: u32, mut choose: impl FnMut(Word) -> usize) -> Unparked {
        let done = self.update(|word| match word.state() {
            State::Free | State::Dead => None,
            _ if word.life() != life => None,
            State::Blocked => Some(word.ready(choose(word))),
            _ => Some(word.with_permit(true)),
        });
        match done {
            Err(_) => Unparked::Gone,
            Ok((before, after)) if before.state() == State::Blocked => Unparked::Ready(after),
            Ok((_, after)) if after.state() == State::Ready => Unparked::Waiting(after),
            Ok(_) => Unparked::Permit,
        }
    }
}
