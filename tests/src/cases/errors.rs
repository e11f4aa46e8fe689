//! Area: error numbers, call by call: every one that the manual pages name and a program can provoke, and which one comes
//! first where several things are wrong.

use crate::case::{Case, c, ours};
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        c("errno_waits").args(&["/tmp"]).case("errors/waits"),
        c("errno_signals").case("errors/signals, time, identity"),
        ours("errno_memory", Variant::MuslPie).args(&["/var/tmp"]).case("errors/memory/musl-pie"),
    ];
    for (program, what) in
        [("errno_descriptors", "descriptors"), ("errno_paths", "paths"), ("errno_memory", "memory")]
    {
        cases.push(c(program).args(&["/tmp"]).case(format!("errors/{what} in /tmp")));
        cases.push(c(program).args(&["/var/tmp"]).case(format!("errors/{what} in the root")));
    }
    cases
}
