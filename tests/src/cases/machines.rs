//! Area: machines. Memory sizes, numbers of CPUs, machine models, and memory that is not enough.

use crate::case::{Case, Machine, c, has};
use crate::compare::Text;
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mib in [16, 24, 64, 1024, 3072, 4096] {
        cases.push(c("hello").memory(mib).case(format!("machines/{mib} MiB")));
    }
    for mib in [16, 3072, 4096] {
        cases.push(
            c("hello").memory(mib).machine(Machine::Microvm).case(format!("machines/microvm, {mib} MiB")),
        );
    }
    for smp in [2, 4, 8] {
        cases.push(c("hello").smp(smp).case(format!("machines/{smp} CPUs")));
        cases.push(
            c("hello").smp(smp).machine(Machine::Microvm).case(format!("machines/microvm, {smp} CPUs")),
        );
    }
    for (machine, smp) in [(Machine::Q35, 1), (Machine::Q35, 8), (Machine::Microvm, 4), (Machine::Q35, 40)] {
        let all = format!("{smp} of {smp} CPUs run");
        cases.push(
            c("hello")
                .smp(smp)
                .machine(machine)
                .memory(128)
                .append("test=cpus")
                .stderr(vec![has(&[&all])])
                .case(format!("machines/{}, {smp} CPUs come up", machine.name())),
        );
    }
    for smp in [1, 2, 4, 8] {
        let good = ["ping-pong: good", "sleepers: good", "storm: good", "competition: good"];
        cases.push(
            c("hello")
                .smp(smp)
                .memory(128)
                .append("test=threads")
                .stderr(vec![has(&good)])
                .case(format!("machines/threads of the kernel, {smp} CPUs")),
        );
    }
    for smp in [1, 2, 4] {
        cases.push(
            c("hello")
                .smp(smp)
                .memory(128)
                .append("test=shootdown")
                .stderr(vec![has(&["shootdown: good"])])
                .case(format!("machines/replaced pages, {smp} CPUs")),
        );
        cases.push(
            c("hello")
                .smp(smp)
                .memory(128)
                .append("test=pauses:7")
                .stderr(vec![has(&["pauses with seed 7"])])
                .case(format!("machines/paused CPUs, {smp} CPUs")),
        );
    }
    cases.push(c("start").smp(8).memory(4096).case("machines/8 CPUs, 4096 MiB, much data"));
    cases.push(
        c("status").args(&["return", "201"]).machine(Machine::Microvm).case("machines/microvm, exit status"),
    );
    cases.push(
        c("echo")
            .args(&["read"])
            .stdin(vec![0xff; 5000])
            .machine(Machine::Microvm)
            .case("machines/microvm, input"),
    );
    cases.push(
        crate::case::ours("fault", Variant::Musl)
            .args(&["read-null"])
            .machine(Machine::Microvm)
            .reports(&["SIGSEGV"])
            .case("machines/microvm, fault"),
    );
    // Memory ends: either the program is told, or it is ended with a clear line; never a hang.
    for how in ["malloc", "mmap"] {
        for mib in [16, 32] {
            cases.push(
                c("full")
                    .args(&[how])
                    .memory(mib)
                    .status_one_of(&[0, 137])
                    .stdout(vec![has(&["taking\n"])])
                    .stderr(vec![crate::case::lacks(&["panic"])])
                    .case(format!("machines/memory full by {how}, {mib} MiB")),
            );
        }
    }
    // 48 MiB of zero data in 32 MiB: the program is not started or is ended, and the kernel says why.
    cases.push(
        c("start")
            .memory(32)
            .status_one_of(&[126, 137])
            .stdout(vec![])
            .stderr(vec![has(&["memory"])])
            .case("machines/big bss in little memory"),
    );
    cases.push(
        c("hello")
            .memory(2)
            .status_one_of(&[125, 253, 254])
            .stdout(vec![Text::Empty])
            .stderr(vec![has(&["memory"])])
            .case("machines/too little for the image"),
    );
    cases
}
