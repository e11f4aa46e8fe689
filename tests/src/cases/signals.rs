//! Area: signals. Handlers and their frames, faults, queues, masks, alternate stacks, and the ends that no handler prevents.

use crate::case::{Case, c, ours};
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        c("signals").case("signals/handlers"),
        ours("signals", Variant::MuslPie).case("signals/handlers/musl-pie"),
        c("timers").case("signals/timers"),
        c("restart").case("signals/calls that start again"),
        c("blocked").args(&["/tmp"]).case("signals/waits for locks and FIFOs"),
        c("signalfd").case("signals/as a file"),
        c("timers").args(&["limit"]).reports(&["SIGKILL"]).case("signals/limit on processor time"),
    ];
    for (end, signal) in [
        ("abort", "SIGABRT"),
        ("blocked", "SIGSEGV"),
        ("ignored", "SIGSEGV"),
        ("no stack", "SIGSEGV"),
        ("bad frame", "SIGSEGV"),
    ] {
        let program = c("signals").args(&[end]).reports(&[signal, "rip"]);
        cases.push(program.case(format!("signals/end/{end}")));
    }
    cases
}
