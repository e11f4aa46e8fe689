//! loom models of `fs::notify::Notifier`'s sleepers, compiled from its file: no change is lost, of those who wait exclusively one is
//! woken for each change, and one that leaves unused goes on to the next.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test -p nospin-sync --release --test notifier`. With one step of the protocol left out
//! (`NOTIFIER_WITHOUT`) a model must fail: that shows that they look at what they should.
#![cfg(loom)]

extern crate alloc;

#[path = "../../fs/src/notify.rs"]
#[allow(dead_code)] // watchers are not modelled
mod notify;

/// What the file's own crate calls it.
pub enum FsError {
    /// No memory.
    NoMemory,
}

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use notify::{Notifier, Sleeper, Sleeping};
use std::sync::{Arc, OnceLock};

/// Names the step that is left out.
const VARIABLE: &str = "NOTIFIER_WITHOUT";

/// Whether `step` is to be left out.
pub fn leave_out(step: &str) -> bool {
    static WITHOUT: OnceLock<String> = OnceLock::new();
    WITHOUT.get_or_init(|| std::env::var(VARIABLE).unwrap_or_default()) == step
}

/// A file whose content is a number without any ordering of its own.
struct File {
    notifier: Notifier,
    units: AtomicU32,
}

impl File {
    fn new() -> Arc<Self> {
        Arc::new(File { notifier: Notifier::new(), units: AtomicU32::new(0) })
    }

    fn add(&self, units: u32) {
        self.units.fetch_add(units, Ordering::Relaxed);
        self.notifier.notify();
    }

    fn take(&self) -> bool {
        let mut seen = self.units.load(Ordering::Relaxed);
        while seen > 0 {
            match self.units.compare_exchange(seen, seen - 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    fn is_full(&self) -> bool {
        !leave_out("rest") && self.units.load(Ordering::Relaxed) > 0
    }

    fn enter(&self, own: &Arc<Sleeper>, exclusive: bool) -> Sleeping<'_> {
        let notifiers = [&self.notifier].into_iter();
        Sleeping::enter(own.clone(), notifiers, exclusive).unwrap_or_else(|_| panic!("no memory"))
    }

    /// As a call waits: enter, look, sleep.
    fn wait(&self, exclusive: bool) {
        let own = Sleeper::new(sync::thread::current());
        let mut sleeping = Some(self.enter(&own, exclusive));
        loop {
            if own.take_told() && exclusive {
                sleeping = None;
            }
            if self.take() {
                drop(sleeping);
                self.notifier.pass_on_if(|| self.is_full());
                return;
            }
            if sleeping.is_none() {
                sleeping = Some(self.enter(&own, exclusive));
                continue;
            }
            if !own.is_told() {
                sync::thread::park(&mut sync::MaySleep::claim(), None);
            }
        }
    }
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 5_000;
    builder.check(model);
}

/// Without a wake the reader sleeps for ever, which loom reports.
fn change_against_sleep(exclusive: bool) {
    explore(2, move || {
        let file = File::new();
        let other = file.clone();
        let reader = thread::spawn(move || other.wait(exclusive));
        file.add(1);
        reader.join().unwrap();
    });
}

#[test]
fn a_change_meets_a_sleeper() {
    change_against_sleep(false);
}

#[test]
fn a_change_meets_an_exclusive_sleeper() {
    change_against_sleep(true);
}

/// One change with enough for two: the first who wakes wakes the second.
#[test]
fn what_is_left_is_passed_on() {
    explore(1, || {
        let file = File::new();
        let other = file.clone();
        let reader = thread::spawn(move || other.wait(true));
        let other = file.clone();
        let adder = thread::spawn(move || other.add(2));
        file.wait(true);
        reader.join().unwrap();
        adder.join().unwrap();
    });
}

/// The one of two who is woken gives up, as a call that a signal ends: the wake is the other's.
#[test]
fn an_unused_wake_is_passed_on() {
    explore(2, || {
        let file = File::new();
        let own = Sleeper::new(sync::thread::current());
        let first = file.enter(&own, true);
        let other = file.clone();
        let patient = thread::spawn(move || other.wait(true));
        let other = file.clone();
        let adder = thread::spawn(move || other.add(1));
        drop(first);
        patient.join().unwrap();
        adder.join().unwrap();
    });
}

/// Runs a model of this program with a step left out; it must fail.
fn bites(step: &str, models: &[&str]) {
    let program = std::env::current_exe().unwrap();
    let fails = |model: &&str| {
        let mut command = std::process::Command::new(&program);
        command.args(["--exact", model]).env(VARIABLE, step);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        !command.status().unwrap().success()
    };
    assert!(models.iter().any(fails), "no model fails without: {step}");
}

#[test]
fn every_step_is_needed() {
    if std::env::var(VARIABLE).is_ok() {
        return;
    }
    bites("fence of enter", &["a_change_meets_a_sleeper"]);
    bites("fence of notify", &["a_change_meets_a_sleeper"]);
    bites("rest", &["what_is_left_is_passed_on"]);
    bites("pass on", &["an_unused_wake_is_passed_on"]);
}
