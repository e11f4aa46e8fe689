//! Exhaustive models of the protocols on one state word, of the inbox, and of idling against waking, with loom.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test -p nospin-sched --release`. Each model also runs with a weakness
//! (`atomic::weak`) that must make it fail: that shows that it looks at what it should.

use crate::atomic::weak::{self, WEAKNESS};
use crate::inbox::Inbox;
use crate::types::Interrupts;
use crate::word::{Parked, State, StateWord, Unparked};
use crate::{CpuSet, Halt, Params, Scheduler};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A thread's word, and data that its wakers and its CPUs hand on through it.
struct Word {
    word: StateWord,
    life: u32,
    data: UnsafeCell<u32>,
}

// The cell is what the models check: loom reports access that is not ordered.
#[allow(unsafe_code)] // loom's cell is shared to find out whether that is ordered
// SAFETY: loom's UnsafeCell checks each access at run time and fails the model if two are not ordered.
unsafe impl Sync for Word {}

/// A word of a thread that runs on CPU 0.
fn running() -> Arc<Word> {
    let word = StateWord::new();
    let life = word.revive(0);
    word.adopt(0);
    Arc::new(Word { word, life, data: UnsafeCell::new(0) })
}

fn write(word: &Word) {
    #[allow(unsafe_code)] // see `Word`
    // SAFETY: loom checks that nobody else is here.
    word.data.with_mut(|data| unsafe { *data += 1 });
}

fn read(word: &Word) -> u32 {
    #[allow(unsafe_code)] // see `Word`
    // SAFETY: loom checks that nobody writes.
    word.data.with(|data| unsafe { *data })
}

/// One thread parks, another wakes it: it ends up awake exactly once and sees what the waker wrote.
fn wake_against_block() {
    loom::model(|| {
        let word = running();
        let waker = {
            let word = word.clone();
            thread::spawn(move || {
                write(&word);
                matches!(word.word.unpark(word.life, |_| 1), Unparked::Ready(_))
            })
        };
        let mut awake = !word.word.begin_park();
        if !awake && word.word.finish_park() == Parked::Woken {
            awake = word.word.requeue(0).is_some();
        }
        if awake {
            // Whoever claims it has seen the wake-up.
            let seen = word.word.load();
            if seen.state() == State::Ready {
                assert!(word.word.claim(seen, 0));
            }
            assert_eq!(read(&word), 1);
        }
        let woke_blocked = waker.join().unwrap();
        assert_ne!(awake, woke_blocked, "woken by neither or by both");
    });
}

/// Two CPUs claim the same ready thread: one gets it, with its registers.
fn claim_against_claim() {
    loom::model(|| {
        let word = running();
        let claim = |word: &Word, cpu| {
            let seen = word.word.load();
            let won = seen.state() == State::Ready && word.word.claim(seen, cpu);
            if won {
                write(word);
            }
            won
        };
        let others: Vec<_> = (1..3)
            .map(|cpu| {
                let word = word.clone();
                thread::spawn(move || claim(&word, cpu))
            })
            .collect();
        // The registers are saved, the thread goes back into the queue.
        write(&word);
        word.word.requeue(0);
        let own = claim(&word, 0);
        let won =
            others.into_iter().filter(|_| true).map(|other| other.join().unwrap()).filter(|&won| won).count();
        assert_eq!(won + usize::from(own), 1);
    });
}

/// Two wakers and a parker: no wake-up is lost, and the thread is made ready at most once.
fn two_wakers() {
    loom::model(|| {
        let word = running();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let word = word.clone();
                thread::spawn(move || matches!(word.word.unpark(word.life, |_| 0), Unparked::Ready(_)))
            })
            .collect();
        let blocked = word.word.begin_park() && word.word.finish_park() == Parked::Blocked;
        let readied = wakers.into_iter().map(|waker| waker.join().unwrap()).filter(|&ready| ready).count();
        assert_eq!(readied, usize::from(blocked));
        assert!(word.word.load().state() != State::Blocked);
    });
}

/// An inbox, and two threads that push their numbers.
fn inbox_with_pushers() -> (Arc<Inbox>, Vec<thread::JoinHandle<()>>) {
    let inbox = Arc::new(Inbox::new());
    assert!(inbox.grow(0));
    let pushers = (0..2).map(|thread| {
        let inbox = inbox.clone();
        thread::spawn(move || inbox.push(thread))
    });
    (inbox.clone(), pushers.collect())
}

/// Pushes against a drain: each thread is in what was drained, or the inbox says that there is more.
fn inbox() {
    loom::model(|| {
        let (inbox, pushers) = inbox_with_pushers();
        let mut got = Vec::new();
        let mut scan = inbox.drain(|thread| got.push(thread));
        inbox.drained();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        scan |= inbox.drain(|thread| got.push(thread));
        inbox.drained();
        got.sort_unstable();
        assert!(!scan && got == [0, 1] && !inbox.waits());
    });
}

/// The same with a CPU that first takes the entry that is alone, and takes only what is there.
fn inbox_with_one() {
    loom::model(|| {
        let (inbox, pushers) = inbox_with_pushers();
        let mut got: Vec<u32> = inbox.take_only().into_iter().collect();
        assert!(got.is_empty() || inbox.waits(), "taken, in no queue, and invisible");
        let mut scan = inbox.drain(|thread| got.push(thread));
        inbox.drained();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        got.extend(inbox.take_only());
        scan |= inbox.drain(|thread| got.push(thread));
        inbox.drained();
        got.sort_unstable();
        assert!(!scan && got == [0, 1] && !inbox.waits());
        // The links are free again.
        inbox.push(0);
        assert_eq!(inbox.take_only(), Some(0));
    });
}

/// Remembers kicks.
struct Wire(core::sync::atomic::AtomicBool);

impl Interrupts for Wire {
    fn kick(&self, cpu: usize) {
        // CPU 0 is the other one's watcher and tells itself to look at it soon, which is no answer here.
        if cpu == 1 {
            self.0.store(true, core::sync::atomic::Ordering::SeqCst);
        }
    }
}

/// CPU 1 halts while CPU 0 makes a thread ready for it: it does not halt, or it is kicked.
fn idle_against_wake() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let sched = Arc::new(Scheduler::<(), Wire>::new(2, Wire(false.into())).unwrap());
        sched.online(0, 0);
        sched.online(1, 0);
        let only = CpuSet::one(1).unwrap();
        let id = sched.spawn(std::sync::Arc::new(()), Params::default(), &only).unwrap();
        // As long as its idle loop looks at the inbox by itself, nobody need kick it.
        sched.poll(1);
        let waker = {
            let sched = sched.clone();
            thread::spawn(move || sched.unpark_from_interrupt(id, 0, 1))
        };
        let halted = sched.halt(1, 1) != Halt::Work;
        waker.join().unwrap();
        let kicked = sched.interrupts.0.load(core::sync::atomic::Ordering::SeqCst);
        assert!(!halted || kicked, "halted with a thread in the inbox");
    });
}

/// Runs `model` as it is, and with weakness `what`, which must fail.
fn bites(model: fn(), what: u8) {
    model();
    WEAKNESS.set(what);
    let result = std::panic::catch_unwind(model);
    WEAKNESS.set(0);
    assert!(result.is_err(), "the model passes with weakness {what}");
}

#[test]
fn a_wake_meets_a_block() {
    bites(wake_against_block, weak::FINISH);
}

#[test]
fn a_wake_hands_on_what_was_written() {
    bites(wake_against_block, weak::CHANGE);
}

#[test]
fn one_claim_succeeds() {
    bites(claim_against_claim, weak::CLAIM);
}

#[test]
fn a_claim_hands_on_the_registers() {
    bites(claim_against_claim, weak::CHANGE);
}

#[test]
fn wakers_meet_each_other() {
    bites(two_wakers, weak::FINISH);
}

#[test]
fn nothing_gets_lost_in_an_inbox() {
    inbox();
}

#[test]
fn a_single_entry_is_taken_once() {
    bites(inbox_with_one, weak::ONLY);
}

#[test]
fn nobody_halts_over_work() {
    bites(idle_against_wake, weak::FENCE);
}
