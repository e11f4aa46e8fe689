//! Area: how a program ends. Exit statuses, signals, faults with their reports.

use crate::case::{Case, Program, c, has, lacks, ours};
use crate::compare::Text;
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in ["0", "1", "2", "42", "127", "128", "200", "255"] {
        cases.push(c("status").args(&["return", status]).case(format!("ends/return/{status}")));
    }
    for (how, status) in [
        ("exit", "3"),
        ("exit", "256"),
        ("exit", "-1"),
        ("_exit", "130"),
        ("exit-thread", "9"),
        ("ignored", "15"),
    ] {
        cases.push(c("status").args(&[how, status]).case(format!("ends/{how}/{status}")));
    }
    cases.push(ours("status", Variant::Musl).args(&["exit", "139"]).case("ends/exit/139 (musl)"));
    // A report for what is a crash; one line for an ordinary end by a signal, as a shell gives it.
    for (how, signal, name) in [("raise", "6", "SIGABRT"), ("kill", "11", "SIGSEGV")] {
        cases.push(c("status").args(&[how, signal]).reports(&[name]).case(format!("ends/{how}/{name}")));
    }
    for (how, signal, name) in [
        ("raise", "15", "SIGTERM"),
        ("raise", "9", "SIGKILL"),
        ("raise", "10", "SIGUSR1"),
        ("kill", "2", "SIGINT"),
    ] {
        let line = vec![has(&["killed by", name]), lacks(&["rip"])];
        cases.push(c("status").args(&[how, signal]).stderr(line).case(format!("ends/{how}/{name}")));
    }
    // Signals that do nothing by default.
    for (signal, name) in [("17", "SIGCHLD"), ("28", "SIGWINCH")] {
        cases.push(
            c("status").args(&["raise", signal]).case(format!("ends/raise/{name}, ignored by default")),
        );
    }
    faults(&mut cases);
    aborts(&mut cases);
    cases
}

/// The report of a fault names the signal, the address, registers and the mapping, and the place in the program.
fn fault(how: &'static str, variant: Variant, pieces: &[&str]) -> Program {
    ours("fault", variant).args(&[how]).stderr(vec![has(&["rip", "rsp", "/fault"]), has(pieces)])
}

/// One way to fault is missing on purpose: emulation (TCG) raises no vector floating-point exception.
fn faults(cases: &mut Vec<Case>) {
    for (how, pieces) in [
        ("read-null", ["SIGSEGV", "read"].as_slice()),
        ("write-null", &["SIGSEGV", "writ", "0x8"]),
        ("read-unmapped", &["SIGSEGV", "read", "123456789000"]),
        ("write-unmapped", &["SIGSEGV", "writ", "123456789010"]),
        ("write-constant", &["SIGSEGV", "writ"]),
        ("write-code", &["SIGSEGV", "writ"]),
        ("exec-data", &["SIGSEGV", "exec"]),
        ("exec-stack", &["SIGSEGV", "exec"]),
        ("prot-none", &["SIGSEGV", "read"]),
        ("write-read-only", &["SIGSEGV", "writ"]),
        ("after-munmap", &["SIGSEGV", "read"]),
        ("after-mprotect", &["SIGSEGV", "writ"]),
        ("not-canonical", &["SIGSEGV"]),
        ("kernel-end", &["SIGSEGV"]),
        ("stack-overflow", &["SIGSEGV"]),
        ("divide", &["SIGFPE"]),
        ("divide-overflow", &["SIGFPE"]),
        ("x87-divide", &["SIGFPE"]),
        ("invalid", &["SIGILL"]),
        ("trap", &["SIGILL"]),
        ("breakpoint", &["SIGTRAP"]),
        ("tls", &["SIGSEGV"]),
        ("interrupt", &["SIGSEGV"]),
        ("write-kernel-text", &["SIGSEGV", "writ", "0xffffffff80130000"]),
        ("write-kernel-constants", &["SIGSEGV", "writ", "0xffffffff80100000"]),
        ("write-kernel-text-alias", &["SIGSEGV", "writ", "0xffff800000130000"]),
        ("move-gs", &["SIGSEGV", "GS"]),
    ] {
        cases.push(fault(how, Variant::Glibc, pieces).case(format!("ends/fault/{how}")));
    }
    // A jump to nowhere leaves no RIP in the program.
    for (how, address) in [
        ("exec-null", "0x0"),
        ("exec-unmapped", "123456789020"),
        ("exec-kernel-constants", "0xffffffff80100000"),
        ("exec-physical-memory", "0xffff800000001000"),
    ] {
        let program = c("fault").args(&[how]).reports(&["SIGSEGV", "exec", "rip", address]);
        cases.push(program.case(format!("ends/fault/{how}")));
    }
    for variant in [Variant::GlibcPie, Variant::Musl, Variant::MuslPie] {
        let program = fault("write-unmapped", variant, &["SIGSEGV", "123456789010"]);
        cases.push(program.case(format!("ends/fault/write-unmapped/{variant}")));
    }
    cases.push(
        fault("write-unmapped", Variant::GlibcPie, &["main"]).case("ends/fault/backtrace names the function"),
    );
}

fn aborts(cases: &mut Vec<Case>) {
    for variant in [Variant::Glibc, Variant::Musl] {
        let program = ours("fault", variant).args(&["abort"]).reports(&["SIGABRT"]);
        cases.push(program.case(format!("ends/abort/{variant}")));
        let program = ours("fault", variant).args(&["halt"]).reports(&["SIGSEGV"]);
        cases.push(program.case(format!("ends/halt/{variant}")));
    }
    let gone = ours("fault", Variant::Glibc).args(&["no such way"]).stderr(vec![Text::Empty]);
    cases.push(gone.case("ends/fault/none"));
}
