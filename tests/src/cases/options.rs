//! Area: options of the guest's command line, and what the kernel says about itself.

use crate::case::{Case, Machine, c, has, lacks};
use crate::compare::Text;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        c("hello")
            .append("strace")
            .stderr(vec![has(&["write(1, \"hello, world\\n\", 13) = 13", "exit_group(0)", "= ?"])])
            .case("options/strace"),
        c("errors")
            .data()
            .args(&["{data}/text"])
            .append("strace")
            .stderr(vec![has(&["= -1 ENOENT (No such file or directory)", "= -1 EBADF", "O_RDONLY"])])
            .case("options/strace of errors"),
        c("badptr")
            .append("strace")
            .stderr(vec![has(&["= -1 EFAULT (Bad address)", "0x123456789000"])])
            .case("options/strace of bad pointers"),
        c("hello").append("log=debug").stderr(vec![has(&["\n"])]).case("options/log=debug says something"),
        c("hello").append("log=off").case("options/log=off"),
        c("args")
            .append("env.TEST_APPENDED=\"a b\"")
            .args(&["x"])
            .stdout(vec![has(&["env TEST_APPENDED=a b\n"])])
            .case("options/environment on the command line"),
        c("hello").append("aslr=off").case("options/aslr=off"),
    ];
    // Options that make the kernel fail after its start: the report must be right.
    for (test, pieces) in [
        ("panic", ["panic", "rip"].as_slice()),
        ("fault", &["panic", "rip", "page fault"]),
        ("overflow", &["overflow", "rip"]),
    ] {
        for machine in [Machine::Q35, Machine::Microvm] {
            cases.push(
                c("hello")
                    .append(&format!("test={test}"))
                    .machine(machine)
                    .status(254)
                    .stdout(vec![Text::Empty])
                    .stderr(vec![has(pieces), has(&[".rs:", "  at 0xffffffff8"])])
                    .case(format!("options/kernel {test}/{}", machine.name())),
            );
        }
    }
    cases.push(c("hello").stderr(vec![lacks(&["nospin"]), Text::Empty]).case("options/quiet by default"));
    cases
}
