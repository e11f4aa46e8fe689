//! Area: threads of the program, on one CPU and on several.

use crate::case::{Case, beside, c, ours};
use crate::compare::Text;
use crate::compile::Variant;

/// The numbers of CPUs that every case runs on.
const CPUS: [u32; 3] = [1, 2, 4];

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = CPUS.into_iter().flat_map(on).collect();
    cases.push(ours("threads", Variant::MuslPie).smp(2).case("threads/POSIX threads, 2 CPUs/musl-pie"));
    // Natively there may be very many.
    let full = "no more: Resource temporarily unavailable\nmany: ok\nas many again: ok\n".repeat(2);
    let program = c("threads").args(&["all"]).smp(2).memory(128).status(0);
    cases.push(program.stdout(vec![Text::Is(full.into())]).case("threads/as many as there may be"));
    cases.extend([1, 2].map(crossbeam));
    cases
}

/// On more CPUs than there are, and 100,000 threads one after the other.
pub fn full() -> Vec<Case> {
    let mut cases = on(8);
    cases.extend([4, 8].map(crossbeam));
    for smp in [1, 2, 4, 8] {
        let storm = c("threads").args(&["storm", "100000"]).smp(smp).limit(600);
        cases.push(storm.case(format!("threads/100000 made and joined, {smp} CPUs")));
    }
    cases
}

fn crossbeam(smp: u32) -> Case {
    beside("crossbeams").smp(smp).case(format!("threads/crossbeam, {smp} CPUs"))
}

/// The cases that run on any number of CPUs.
fn on(smp: u32) -> Vec<Case> {
    let mut cases = Vec::new();
    cases.push(c("threads").smp(smp).case(format!("threads/POSIX threads, {smp} CPUs")));
    cases.push(c("threads_signals").smp(smp).case(format!("threads/signals, {smp} CPUs")));
    cases.push(c("threads_files").args(&["/tmp"]).smp(smp).case(format!("threads/files, {smp} CPUs")));
    cases.push(c("threads_memory").args(&["/tmp"]).smp(smp).case(format!("threads/memory, {smp} CPUs")));
    cases.push(c("threads_sched").smp(smp).case(format!("threads/scheduling, {smp} CPUs")));
    cases.push(c("membarriers").smp(smp).case(format!("threads/barriers of memory, {smp} CPUs")));
    cases.push(c("futexes").smp(smp).case(format!("threads/futexes, {smp} CPUs")));
    cases.push(ours("std_threads", Variant::Rust).smp(smp).case(format!("threads/Rust, {smp} CPUs")));
    for variant in [Variant::Glibc, Variant::MuslPie] {
        let program = ours("cancels", variant).args(&["500"]);
        cases.push(program.smp(smp).case(format!("threads/cancelled at any moment, {smp} CPUs/{variant}")));
    }
    cases.push(c("herd").smp(smp).case(format!("threads/one is woken, {smp} CPUs")));
    cases.push(ours("goroutines", Variant::Go).smp(smp).case(format!("threads/Go, {smp} CPUs")));
    for how in ["exit", "exit_group", "leader"] {
        let name = format!("threads/the process ends by {how}, {smp} CPUs");
        cases.push(c("threads_signals").args(&[how]).smp(smp).case(name));
    }
    for (how, signal) in [("abort", "SIGABRT"), ("fault", "SIGSEGV"), ("kill", "SIGTERM")] {
        let name = format!("threads/the process ends by {how}, {smp} CPUs");
        cases.push(c("threads_signals").args(&[how]).smp(smp).reports(&[signal]).case(name));
    }
    cases
}
