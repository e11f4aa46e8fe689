//! What the simulated machine has to fulfil: progress while CPUs are stopped, fair shares, order of policies, affinity.

use super::{Machine, Op, Pauses, Program, Random, seeds};
use crate::{CpuSet, Params, Policy};
use std::cell::Cell;
use std::rc::Rc;

const MS: u64 = 1_000_000;
const NEVER: Pauses = Pauses { one_in: 0, longest: 1 };

/// Threads that depend on each other and on nobody else.
struct Group {
    members: Vec<usize>,
    /// When it last got anywhere.
    progress: Rc<Cell<u64>>,
    count: Rc<Cell<u64>>,
}

/// `count` threads in a ring, each of which waits for its token, computes and passes the token on.
fn ring(machine: &Machine, count: usize, work: u64, first: usize, seed: u64) -> Group {
    let progress = Rc::new(Cell::new(machine.now()));
    let rounds = Rc::new(Cell::new(0));
    let tokens: Rc<Vec<Cell<bool>>> = Rc::new((0..count).map(|i| Cell::new(i == 0)).collect());
    let all = CpuSet::first(machine.sched.cpus()).unwrap();
    let members = (0..count).map(|i| {
        let (tokens, progress, rounds) = (tokens.clone(), progress.clone(), rounds.clone());
        let mut random = Random::new(seed + i as u64);
        let mut passing = false;
        let program: Program = Box::new(move |now| {
            if passing {
                passing = false;
                tokens[(i + 1) % count].set(true);
                return Op::Wake(first + (i + 1) % count);
            }
            if !tokens[i].replace(false) {
                // Some of the waits have a time limit that is longer than the wait.
                return Op::Park((random.below(4) == 0).then_some(now + 40 * MS));
            }
            progress.set(now);
            rounds.set(rounds.get() + 1);
            passing = true;
            Op::Compute(1 + random.below(work))
        });
        machine.spawn(Params::default(), &all, program)
    });
    Group { members: members.collect(), progress, count: rounds }
}

/// A thread that sleeps and computes a little, in turn.
fn sleeper(machine: &Machine, longest: u64, seed: u64) -> Group {
    let progress = Rc::new(Cell::new(machine.now()));
    let count = Rc::new(Cell::new(0));
    let (stamp, rounds) = (progress.clone(), count.clone());
    let mut random = Random::new(seed);
    let mut until = 0;
    let program: Program = Box::new(move |now| {
        if now < until {
            return Op::Park(Some(until));
        }
        stamp.set(now);
        rounds.set(rounds.get() + 1);
        until = now + 20_000 + random.below(longest);
        Op::Compute(1 + random.below(20_000))
    });
    let all = CpuSet::first(machine.sched.cpus()).unwrap();
    Group { members: vec![machine.spawn(Params::default(), &all, program)], progress, count }
}

/// A thread that always computes.
fn hog(machine: &Machine, params: Params, affinity: &CpuSet) -> Group {
    let progress = Rc::new(Cell::new(machine.now()));
    let count = Rc::new(Cell::new(0));
    let (stamp, rounds) = (progress.clone(), count.clone());
    let program: Program = Box::new(move |now| {
        stamp.set(now);
        rounds.set(rounds.get() + 1);
        Op::Compute(400_000)
    });
    Group { members: vec![machine.spawn(params, affinity, program)], progress, count }
}

/// Runs for `time` and demands that no group stands still for `bound` unless a stopped CPU has one of its threads.
fn progress(machine: &mut Machine, groups: &[Group], time: u64, bound: u64) {
    let excused: Vec<Cell<u64>> = groups.iter().map(|_| Cell::new(machine.now())).collect();
    let until = machine.now() + time;
    machine.run(until, 100_000, |machine| {
        for (number, (group, excused)) in groups.iter().zip(&excused).enumerate() {
            if group.members.iter().any(|&thread| machine.is_held(thread)) {
                excused.set(machine.now());
            }
            let still = machine.now() - group.progress.get().max(excused.get());
            if still >= bound {
                (0..machine.threads()).for_each(|thread| eprintln!("{}", machine.describe(thread)));
                panic!("group {number} {:?} has stood still for {still} ns", group.members);
            }
        }
    });
    for (number, group) in groups.iter().enumerate() {
        assert!(group.count.get() > 0, "group {number} never ran");
    }
}

/// Rings, sleepers and hogs on `cpus` CPUs that stop for up to 300 ms at any step.
fn mixed(seed: u64, cpus: usize) {
    let mut machine = Machine::new(cpus, seed, Pauses { one_in: 4000, longest: 300 * MS });
    let all = CpuSet::first(cpus).unwrap();
    let mut groups = Vec::new();
    let mut first = 0;
    for count in [2, 2, 3, 5] {
        groups.push(ring(&machine, count, 60_000, first, seed * 100 + first as u64));
        first += count;
    }
    groups.extend((0..3).map(|i| sleeper(&machine, 3 * MS, seed * 100 + 50 + i)));
    if seed.is_multiple_of(2) {
        groups.extend((0..seed % 3).map(|_| hog(&machine, Params::default(), &all)));
    }
    progress(&mut machine, &groups, 400 * MS, 80 * MS);
}

#[test]
fn stopped_cpus_hold_nobody_else_up() {
    seeds(12, |seed| mixed(seed, 2 + (seed % 4) as usize));
}

#[test]
fn a_thread_alone_on_a_stopped_machine_of_many_cpus() {
    // More CPUs than one word of a set has bits; the watchers are a few of them.
    seeds(2, |seed| {
        let mut machine = Machine::new(70, seed, NEVER);
        let groups = [ring(&machine, 3, 10_000, 0, seed), sleeper(&machine, MS, seed)];
        let far = hog(&machine, Params::default(), &CpuSet::one(69).unwrap());
        progress(&mut machine, &groups, 20 * MS, 15 * MS);
        assert_eq!(machine.sched.cpu_of(machine.id(far.members[0])), Some(69));
    });
}

/// Run times of the threads after 10 s, as parts of a whole.
fn shares(machine: &mut Machine, groups: &[Group]) -> Vec<f64> {
    let until = machine.now() + 10_000 * MS;
    machine.run(until, 1000 * MS, |_| ());
    let time = |group: &Group| {
        let id = machine.id(group.members[0]);
        super::STEP.set(None);
        machine.sched.run_time(id, machine.now()).unwrap() as f64
    };
    let times: Vec<f64> = groups.iter().map(time).collect();
    let sum: f64 = times.iter().sum();
    times.iter().map(|time| time / sum).collect()
}

fn close(shares: &[f64], wanted: &[f64]) {
    let sum: f64 = wanted.iter().sum();
    for (share, wanted) in shares.iter().zip(wanted) {
        let wanted = wanted / sum;
        assert!((share - wanted).abs() <= 0.05 * wanted, "{shares:?} instead of {wanted}");
    }
}

fn nice(nice: i8) -> Params {
    Params { policy: Policy::Normal, nice }
}

#[test]
fn equal_threads_get_equal_shares() {
    // Where threads do not divide evenly among the CPUs, they take turns in longer and in shorter queues.
    for (cpus, threads, count) in
        [(1, 4, 1), (2, 3, 2), (4, 5, 4), (4, 6, 4), (4, 7, 4), (4, 8, 3), (8, 9, 1), (8, 20, 2)]
    {
        seeds(count, |seed| {
            let mut machine = Machine::new(cpus, seed, NEVER);
            let all = CpuSet::first(cpus).unwrap();
            let groups: Vec<Group> = (0..threads).map(|_| hog(&machine, nice(0), &all)).collect();
            close(&shares(&mut machine, &groups), &vec![1.0; threads]);
        });
    }
}

#[test]
fn weights_are_shares_of_one_cpu() {
    seeds(2, |seed| {
        let mut machine = Machine::new(1, seed, NEVER);
        let all = CpuSet::first(1).unwrap();
        let groups: Vec<Group> = [0, 5, -5, 0].into_iter().map(|n| hog(&machine, nice(n), &all)).collect();
        close(&shares(&mut machine, &groups), &[1024.0, 335.0, 3121.0, 1024.0]);
    });
}

#[test]
fn idle_gets_what_is_left_and_realtime_comes_first() {
    let mut machine = Machine::new(1, 1, NEVER);
    let all = CpuSet::first(1).unwrap();
    let of = |policy| Params { policy, nice: 0 };
    let groups = [hog(&machine, nice(0), &all), hog(&machine, of(Policy::Idle), &all)];
    let part = shares(&mut machine, &groups);
    assert!(part[1] > 0.001 && part[1] < 0.006, "{part:?}");
    drop(machine);

    let mut machine = Machine::new(1, 1, NEVER);
    let fifo =
        [hog(&machine, of(Policy::RoundRobin(5)), &all), hog(&machine, of(Policy::RoundRobin(5)), &all)];
    let lower = [hog(&machine, of(Policy::Fifo(4)), &all), hog(&machine, nice(-20), &all)];
    let groups: Vec<Group> = fifo.into_iter().chain(lower).collect();
    let part = shares(&mut machine, &groups);
    close(&part[..2], &[1.0, 1.0]);
    assert!(part[2] < 0.001 && part[3] < 0.001, "{part:?}");
}

/// A service thread sleeps for `pause` and computes for `work`; the latest that it ever woke.
fn service(machine: &Machine, pause: u64, work: u64, affinity: &CpuSet) -> Rc<Cell<u64>> {
    let late = Rc::new(Cell::new(0));
    let latest = late.clone();
    let mut until = 0;
    let program: Program = Box::new(move |now| {
        if now < until {
            return Op::Park(Some(until));
        }
        if until != 0 {
            latest.set(latest.get().max(now - until));
        }
        until = now + work + pause;
        Op::Compute(work)
    });
    machine.spawn(Params { policy: Policy::Service, nice: 0 }, affinity, program);
    late
}

#[test]
fn services_run_before_every_priority() {
    seeds(4, |seed| {
        let mut machine = Machine::new(1, seed, NEVER);
        let all = CpuSet::first(1).unwrap();
        let first = hog(&machine, Params { policy: Policy::Fifo(99), nice: 0 }, &all);
        let late = service(&machine, MS, 50_000, &all);
        let until = machine.now() + 1000 * MS;
        machine.run(until, MS, |_| ());
        assert!(late.get() < MS, "a service was {} ns late", late.get());
        assert!(first.count.get() > 2000, "{}", first.count.get());
    });
}

#[test]
fn a_service_that_never_sleeps_gives_way() {
    let mut machine = Machine::new(1, 1, NEVER);
    let all = CpuSet::first(1).unwrap();
    let of = |policy| Params { policy, nice: 0 };
    let groups = [hog(&machine, of(Policy::Service), &all), hog(&machine, nice(0), &all)];
    close(&shares(&mut machine, &groups), &[1.0, 1.0]);
    drop(machine);

    let mut machine = Machine::new(1, 1, NEVER);
    let groups = [hog(&machine, of(Policy::Service), &all), hog(&machine, of(Policy::Fifo(1)), &all)];
    let part = shares(&mut machine, &groups);
    assert!(part[0] < 0.001, "{part:?}");
}

#[test]
fn first_in_first_out_is_not_interrupted() {
    let mut machine = Machine::new(1, 1, NEVER);
    let all = CpuSet::first(1).unwrap();
    let fifo = Params { policy: Policy::Fifo(7), nice: 0 };
    let groups = [hog(&machine, fifo, &all), hog(&machine, fifo, &all)];
    let part = shares(&mut machine, &groups);
    assert!(part[0] > 0.999, "{part:?}");
}

#[test]
fn a_thread_alone_needs_no_timer() {
    for cpus in [1, 4] {
        let mut machine = Machine::new(cpus, 1, NEVER);
        hog(&machine, nice(0), &CpuSet::first(cpus).unwrap());
        let begin = machine.now();
        machine.run(begin + 50 * MS, MS, |_| ());
        let steps = machine.steps;
        let kicks = machine.kicks();
        machine.run(begin + 1050 * MS, MS, |_| ());
        // Only the program's own operations.
        assert!(machine.steps - steps < 60_000, "{} steps", machine.steps - steps);
        assert_eq!(machine.kicks(), kicks);
        assert!(machine.world.timer.borrow().iter().all(|&at| at == u64::MAX));
    }
}

#[test]
fn affinity_moves_running_and_waiting_threads() {
    seeds(10, |seed| {
        let mut machine = Machine::new(4, seed, Pauses { one_in: 20_000, longest: 20 * MS });
        let mut random = Random::new(seed);
        let count = Rc::new(Cell::new(0u64));
        for _ in 0..6 {
            let rounds = count.clone();
            let mut random = Random::new(random.below(1 << 40));
            let mut turn = 0;
            let program: Program = Box::new(move |_| {
                turn += 1;
                rounds.set(rounds.get() + 1);
                match turn % 3 {
                    0 => Op::Affinity(CpuSet::one(random.below(4) as usize).unwrap()),
                    1 => Op::Compute(1 + random.below(100_000)),
                    _ => Op::Yield,
                }
            });
            machine.spawn(nice(0), &CpuSet::first(4).unwrap(), program);
        }
        let until = machine.now() + 200 * MS;
        machine.run(until, MS, |_| ());
        assert!(count.get() > 1000, "{}", count.get());
    });
}

#[test]
fn threads_end_and_their_slots_are_used_again() {
    seeds(5, |seed| {
        let mut machine = Machine::new(2, seed, Pauses { one_in: 5000, longest: 5 * MS });
        let all = CpuSet::first(2).unwrap();
        for round in 0..200u64 {
            let mut left = 3;
            let thread = machine.spawn(
                nice(0),
                &all,
                Box::new(move |now| {
                    left -= 1;
                    match left {
                        0 => Op::Exit,
                        1 => Op::Park(Some(now + 10_000)),
                        _ => Op::Compute(1000),
                    }
                }),
            );
            let until = machine.now() + MS + round * 1000;
            machine.run(until, MS, |_| ());
            if round % 3 == 0 {
                machine.sched.unpark_from_interrupt(machine.id(thread), 0, machine.now());
            }
        }
        let until = machine.now() + 100 * MS;
        machine.run(until, MS, |_| ());
        assert!((0..200).all(|thread| machine.sched.cpu_of(machine.id(thread)).is_none()));
        assert!((0..200).all(|thread| machine.id(thread).index < 60));
    });
}
