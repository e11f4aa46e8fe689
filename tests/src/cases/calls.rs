//! Area: system calls. Results, errors, bad pointers, registers, memory, files, clocks.

use crate::case::{Case, c, has, ours};
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        c("badptr").stdin("").case("calls/bad pointers"),
        ours("badptr", Variant::MuslPie).case("calls/bad pointers/musl-pie"),
        c("errors").data().args(&["{data}/text"]).case("calls/errors"),
        c("unknown")
            .stderr(vec![has(&["999", "0x1"]), has(&["400"])])
            .case("calls/unknown ones answer ENOSYS and are named"),
        c("identity").case("calls/identity and signals"),
        ours("identity", Variant::Musl).case("calls/identity and signals/musl"),
        c("who").case("calls/who the process is"),
        ours("who", Variant::Musl).case("calls/who the process is/musl"),
        c("clocks").case("calls/clocks"),
        ours("clocks", Variant::Musl).case("calls/clocks/musl"),
        c("files").data().args(&["{data}"]).case("calls/files"),
        ours("files", Variant::Musl).data().args(&["{data}"]).case("calls/files/musl"),
        c("writing").args(&["/tmp"]).case("calls/writing files in /tmp"),
        c("writing").args(&["/var/tmp"]).case("calls/writing files in the root"),
        ours("writing", Variant::Musl).args(&["/tmp"]).case("calls/writing files in /tmp/musl"),
    ];
    for variant in [Variant::Glibc, Variant::MuslPie] {
        cases.push(ours("regs", variant).case(format!("calls/registers/{variant}")));
        cases.push(ours("memory", variant).case(format!("calls/memory/{variant}")));
    }
    cases
}
