//! A simulated machine around the scheduler: N CPUs, each a coroutine that gives control away before every atomic operation, in
//! virtual time, with CPUs that stop at any step for a long time.
//!
//! Compiled into the crate's unit tests, because the hook in the atomics exists only there. `Machine::run` picks the CPU that
//! makes the next step at random; everything follows from the seed. `SIM_SEED=n` runs one seed, `SIM_SEEDS=n` that many.

mod cases;

use crate::atomic::stepping::STEP;
use crate::word::State;
use crate::{Arm, CpuSet, Halt, Interrupts, Next, Params, Reason, Scheduler, ThreadId};
use generator::{Generator, Gn};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// A small generator of random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }
}

/// What a thread does next.
pub enum Op {
    Compute(u64),
    Park(Option<u64>),
    Wake(usize),
    Yield,
    Affinity(CpuSet),
    Exit,
}

/// A thread's program: called for each operation with the time.
pub type Program = Box<dyn FnMut(u64) -> Op>;

/// A simulated thread.
pub struct Task {
    program: RefCell<Program>,
    /// What is left of its computation.
    left: Cell<u64>,
}

/// The world outside of the scheduler.
#[derive(Default)]
struct World {
    now: Cell<u64>,
    kicked: RefCell<Vec<bool>>,
    timer: RefCell<Vec<u64>>,
    stop: Cell<bool>,
    kicks: Cell<u64>,
    ids: RefCell<Vec<ThreadId>>,
}

thread_local! {
    static WORLD: Rc<World> = Rc::default();
    static SCHED: RefCell<Option<Rc<Scheduler<Task, Wires>>>> = const { RefCell::new(None) };
}

pub struct Wires;

impl Interrupts for Wires {
    fn kick(&self, cpu: usize) {
        WORLD.with(|world| {
            world.kicked.borrow_mut()[cpu] = true;
            world.kicks.set(world.kicks.get() + 1);
        });
    }
}

#[derive(Clone, Copy, Debug)]
enum Status {
    /// In the middle of kernel code.
    Step,
    /// Interrupts are on; computes until then, or is halted (None).
    Wait(Option<u64>),
}

/// Gives control back to the machine.
#[allow(deprecated)] // the form with a scope would need it in the hook
fn pause(status: Status) {
    generator::yield_with(status);
}

fn hook() {
    if generator::is_generator() && !std::thread::panicking() {
        pause(Status::Step);
    }
}

/// One CPU's kernel.
struct Core {
    cpu: usize,
    sched: Rc<Scheduler<Task, Wires>>,
    world: Rc<World>,
    current: Option<(ThreadId, Arc<Task>)>,
}

impl Core {
    fn now(&self) -> u64 {
        self.world.now.get()
    }

    fn set(&self, arm: Arm) {
        match arm {
            Arm::Keep => {}
            Arm::At(at) => self.world.timer.borrow_mut()[self.cpu] = at,
            Arm::Off => self.world.timer.borrow_mut()[self.cpu] = u64::MAX,
        }
    }

    /// Whether an interrupt is there; takes it.
    fn interrupted(&self) -> bool {
        let fired = {
            let timer = &mut self.world.timer.borrow_mut()[self.cpu];
            let fired = *timer <= self.now();
            if fired {
                *timer = u64::MAX;
            }
            fired
        };
        std::mem::take(&mut self.world.kicked.borrow_mut()[self.cpu]) || fired
    }

    fn rearm(&self) {
        self.set(self.sched.rearm(self.cpu, self.now()));
    }

    fn reschedule(&mut self, reason: Reason) {
        let next = match self.sched.schedule(self.cpu, self.now(), reason) {
            Next::Stay => return self.rearm(),
            Next::Idle => None,
            Next::Thread(id, data) => Some((id, data)),
        };
        let previous = std::mem::replace(&mut self.current, next);
        self.sched.finish_switch(self.cpu, self.now(), previous.map(|(_, data)| data));
        self.rearm();
    }

    fn run(&mut self) {
        self.sched.online(self.cpu, self.now());
        while !self.world.stop.get() {
            match self.current.clone() {
                None => self.idle(),
                Some((_, task)) => self.work(&task),
            }
        }
    }

    fn idle(&mut self) {
        if let Halt::Sleep(arm) = self.sched.halt(self.cpu, self.now()) {
            self.set(arm);
            pause(Status::Wait(None));
        }
        self.interrupted();
        self.sched.awake(self.cpu);
        self.sched.tick(self.cpu, self.now());
        self.reschedule(Reason::Idle);
    }

    fn work(&mut self, task: &Task) {
        if self.interrupted() {
            return if self.sched.tick(self.cpu, self.now()) {
                self.reschedule(Reason::Preempt)
            } else {
                self.rearm()
            };
        }
        if task.left.get() > 0 {
            let start = self.now();
            pause(Status::Wait(Some(start + task.left.get())));
            return task.left.set(task.left.get().saturating_sub(self.now() - start));
        }
        let op = (task.program.borrow_mut())(self.now());
        match op {
            Op::Compute(time) => task.left.set(time),
            Op::Park(deadline) => self.reschedule(Reason::Park { deadline }),
            Op::Yield => self.reschedule(Reason::Yield),
            Op::Exit => self.reschedule(Reason::Exit),
            Op::Wake(thread) => {
                let id = self.world.ids.borrow()[thread];
                self.sched.unpark(id, self.cpu, self.now());
            }
            Op::Affinity(set) => {
                let (id, _) = self.current.clone().expect("a task runs");
                self.sched.set_affinity(id, &set, self.cpu, self.now()).expect("an online CPU is in it");
            }
        }
    }
}

/// How long CPUs stop, and how often.
#[derive(Clone, Copy)]
pub struct Pauses {
    /// One in so many steps stops its CPU; 0: never.
    pub one_in: u64,
    pub longest: u64,
}

/// The machine.
pub struct Machine {
    pub sched: Rc<Scheduler<Task, Wires>>,
    world: Rc<World>,
    cpus: Vec<(Generator<'static, (), Status>, Status)>,
    paused: Vec<u64>,
    pub random: Random,
    pauses: Pauses,
    pub steps: u64,
}

impl Machine {
    pub fn new(cpus: usize, seed: u64, pauses: Pauses) -> Self {
        STEP.set(None);
        let world = WORLD.with(Rc::clone);
        world.now.set(1_000_000);
        world.stop.set(false);
        world.kicks.set(0);
        *world.kicked.borrow_mut() = vec![false; cpus];
        *world.timer.borrow_mut() = vec![u64::MAX; cpus];
        world.ids.borrow_mut().clear();
        let sched = Rc::new(Scheduler::new(cpus, Wires).expect("memory"));
        for cpu in 0..cpus {
            sched.online(cpu, world.now.get());
        }
        SCHED.with(|place| *place.borrow_mut() = Some(sched.clone()));
        let make = |cpu: usize| {
            // Only the number goes into the coroutine; the rest is found there, so that nothing needs to be `Send`.
            let core = Gn::<()>::new_opt(0x8000, move || {
                let world = WORLD.with(Rc::clone);
                let sched = SCHED.with(|sched| sched.borrow().clone()).expect("the machine is there");
                Core { cpu, sched, world, current: None }.run();
                Status::Step
            });
            (core, Status::Step)
        };
        let cores = (0..cpus).map(make).collect();
        STEP.set(Some(hook));
        Machine {
            sched,
            world,
            cpus: cores,
            paused: vec![0; cpus],
            random: Random::new(seed),
            pauses,
            steps: 0,
        }
    }

    pub fn now(&self) -> u64 {
        self.world.now.get()
    }

    pub fn kicks(&self) -> u64 {
        self.world.kicks.get()
    }

    /// A thread that runs from now on; its number is how others wake it.
    pub fn spawn(&self, params: Params, affinity: &CpuSet, program: Program) -> usize {
        let task = Task { program: RefCell::new(program), left: Cell::new(0) };
        #[allow(clippy::arc_with_non_send_sync)] // one host thread
        let id = self.sched.spawn(Arc::new(task), params, affinity).expect("memory");
        self.world.ids.borrow_mut().push(id);
        self.sched.unpark_from_interrupt(id, 0, self.now());
        self.world.ids.borrow().len() - 1
    }

    pub fn id(&self, thread: usize) -> ThreadId {
        self.world.ids.borrow()[thread]
    }

    /// Whether a stopped CPU has this thread in its hands.
    pub fn is_held(&self, thread: usize) -> bool {
        let id = self.id(thread);
        let hook = STEP.replace(None);
        let state = self.sched.state_of(id.index);
        let cpu = self.sched.cpu_of(id);
        STEP.set(hook);
        matches!(state, Some(State::Running | State::Blocking))
            && cpu.is_some_and(|cpu| self.paused[cpu] > self.now())
    }

    /// How many threads were spawned.
    pub fn threads(&self) -> usize {
        self.world.ids.borrow().len()
    }

    /// What a thread does, for the report of a failure: state, CPU, that CPU's state.
    pub fn describe(&self, thread: usize) -> String {
        let hook = STEP.replace(None);
        let id = self.id(thread);
        let read = |at: &crate::atomic::AtomicU64| at.load(std::sync::atomic::Ordering::Relaxed);
        let text = match (self.sched.slots.get(id.index as usize), self.sched.cpu_of(id)) {
            (Some(slot), Some(cpu)) => {
                let c = &self.sched.cpus[cpu];
                format!(
                    "thread {thread} is {:?} on {cpu} (stopped: {}) since {}, deadline {}, virtual {} of {:?}; the CPU: virtual {}, \
                     thread {:?}, {} queued, answered {}, covers {}, {:?}; now {}",
                    self.sched.state_of(id.index),
                    self.paused[cpu] > self.now(),
                    read(&slot.ready_since),
                    read(&slot.deadline),
                    read(&slot.virtual_time),
                    slot.home,
                    read(&c.virtual_now),
                    c.current,
                    c.queue.len(),
                    read(&c.answered),
                    read(&c.covers),
                    c.queue.entry(0),
                    self.now(),
                )
            }
            _ => format!("thread {thread} has ended"),
        };
        STEP.set(hook);
        text
    }

    /// Steps until virtual time `until`; calls `check` about once per `every` ns.
    pub fn run(&mut self, until: u64, every: u64, mut check: impl FnMut(&Machine)) {
        let mut checked = self.now();
        while self.now() < until {
            self.advance();
            if self.now() - checked >= every {
                checked = self.now();
                check(self);
            }
        }
    }

    fn can_step(&self, cpu: usize) -> bool {
        let now = self.now();
        self.paused[cpu] <= now
            && match self.cpus[cpu].1 {
                Status::Step => true,
                Status::Wait(until) => {
                    until.is_some_and(|until| until <= now)
                        || self.world.kicked.borrow()[cpu]
                        || self.world.timer.borrow()[cpu] <= now
                }
            }
    }

    fn advance(&mut self) {
        let able: Vec<usize> = (0..self.cpus.len()).filter(|&cpu| self.can_step(cpu)).collect();
        if able.is_empty() {
            return self.skip();
        }
        let cpu = able[self.random.below(able.len() as u64) as usize];
        let (core, status) = &mut self.cpus[cpu];
        *status = core.resume().expect("a CPU never ends");
        self.steps += 1;
        self.world.now.set(self.now() + 1 + self.random.below(20) / able.len() as u64);
        let awake = self.paused.iter().filter(|&&until| until <= self.now()).count();
        if self.pauses.one_in != 0 && awake > 1 && self.random.below(self.pauses.one_in) == 0 {
            self.paused[cpu] = self.now() + 1 + self.random.below(self.pauses.longest);
        }
    }

    /// Nobody can do anything now: to the next time that somebody can.
    fn skip(&self) {
        let timers = self.world.timer.borrow();
        let next = (0..self.cpus.len()).filter_map(|cpu| {
            let own = match self.cpus[cpu].1 {
                Status::Step => self.now(),
                Status::Wait(_) if self.world.kicked.borrow()[cpu] => self.now(),
                Status::Wait(until) => until.unwrap_or(u64::MAX).min(timers[cpu]),
            };
            Some(own.max(self.paused[cpu])).filter(|&at| at != u64::MAX)
        });
        // If all threads have ended, nothing will ever happen: the clock goes on.
        self.world.now.set(next.min().unwrap_or(self.now() + 1_000_000).max(self.now() + 1));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Each CPU's coroutine runs to its end, so that nothing is unwound.
        self.world.stop.set(true);
        STEP.set(None);
        if !std::thread::panicking() {
            for (core, _) in &mut self.cpus {
                while !core.is_done() {
                    core.resume();
                }
            }
        } else {
            for (core, _) in self.cpus.drain(..) {
                std::mem::forget(core);
            }
        }
    }
}

/// The seeds of this run: all of `SIM_SEED` or 1 to `SIM_SEEDS` (or `count`). A failing one is printed.
pub fn seeds(count: u64, mut case: impl FnMut(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let all = match number("SIM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("SIM_SEEDS").unwrap_or(count),
    };
    for seed in all {
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(seed)));
        if let Err(panic) = failed {
            eprintln!("failed with SIM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
