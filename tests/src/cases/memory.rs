//! Area: memory. What mappings do beyond the basics, and what holds when there is little of it.

use crate::case::{Case, has, lacks, ours};
use crate::compare::Text;
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for variant in [Variant::Glibc, Variant::MuslPie] {
        cases.push(ours("remap", variant).case(format!("memory/moving, advice, locks/{variant}")));
        cases.push(ours("shared", variant).case(format!("memory/shared, memfd, seals/{variant}")));
    }
    // Not natively: it would take what the machine has.
    cases.push(
        ours("exhaust", Variant::Glibc)
            .memory(16)
            .status(0)
            .stdout(vec![lacks(&[": E", ": 0\n"]), has(&["alive\n"])])
            .case("memory/what the kernel keeps, to its end"),
    );
    cases.push(
        ours("lean", Variant::Glibc)
            .memory(64)
            .status(0)
            .stdout(vec![Text::Is(b"little is left: yes\nlittle is left: yes\nwrong: nothing\n".to_vec())])
            .case("memory/calls while there is none"),
    );
    cases.push(
        ours("limits", Variant::Glibc)
            .reports(&["killed by SIGSEGV", "stack cannot grow further"])
            .case("memory/limits set at run time"),
    );
    // Nor these.
    for (how, place) in [("touch", " rw-p anonymous\n"), ("stack", " rw-p [stack]\n")] {
        cases.push(
            ours("greedy", Variant::Glibc)
                .args(&[how])
                .memory(48)
                .status(137)
                .stdout(vec![Text::Is(b"begin\n".to_vec())])
                .stderr(vec![has(&["killed by SIGKILL", ": writing address 0x", ": out of memory\n", place])])
                .case(format!("memory/killed when there is no more/{how}")),
        );
    }
    cases.push(
        ours("greedy", Variant::Glibc)
            .args(&["file"])
            .memory(48)
            .status(0)
            .stdout(vec![has(&["written: ENOSPC\n", "emptied: 0\n", "written again: 1048576\n"])])
            .case("memory/a file that takes all there is"),
    );
    for smp in [1, 2, 4] {
        cases.push(
            ours("forget", Variant::Glibc).smp(smp).case(format!("memory/old translations, {smp} CPUs")),
        );
    }
    cases.push(ours("large", Variant::Glibc).case("memory/large pages cut and moved"));
    cases.push(ours("large", Variant::Musl).memory(96).case("memory/large pages in little memory"));
    cases.push(
        ours("shared", Variant::Glibc)
            .args(&["bus"])
            .reports(&["killed by SIGBUS", "beyond the end of the mapped file", "/memfd:short (deleted)"])
            .case("memory/shared file cut off under a mapping"),
    );
    cases
}
