//! The cases, by area. `quick` is what `cargo xtask test` runs; `full` is the wider matrix of `conformance`, `suites` its
//! long suites, `soak` what a round of the command of that name runs.

mod aslr;
mod busybox;
mod calls;
mod console;
mod ends;
mod errors;
mod faults;
mod hostile;
mod java;
mod machines;
mod memory;
mod network;
mod network_load;
mod options;
mod peers;
mod rust;
mod servers;
mod signals;
mod soak;
mod start;
mod stock;
mod threads;
mod tools;
mod vdso;

use crate::case::{Body, Case, Machine};
use crate::cpython::MODULES;
use crate::golang::PACKAGES;

/// Every case once.
#[must_use]
pub fn quick() -> Vec<Case> {
    [
        start::cases(),
        ends::cases(),
        calls::cases(),
        errors::cases(),
        console::cases(),
        busybox::cases(),
        rust::cases(),
        signals::cases(),
        machines::cases(),
        options::cases(),
        tools::cases(),
        vdso::cases(),
        threads::cases(),
        memory::cases(),
        network::cases(),
        network_load::quick(),
        servers::cases(),
        faults::cases(),
        aslr::cases(),
        stock::cases(),
        hostile::cases(),
        soak::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The machines of the wide matrix: name, machine, CPUs, MiB.
const MATRIX: &[(Machine, u32, u32)] = &[
    (Machine::Q35, 1, 128),
    (Machine::Q35, 2, 512),
    (Machine::Q35, 8, 4096),
    (Machine::Microvm, 1, 256),
    (Machine::Microvm, 3, 3072),
    (Machine::Microvm, 8, 1024),
];

/// Every case as in `quick`, and every program case with ordinary memory and machine also on each machine of the
/// matrix.
#[must_use]
pub fn full() -> Vec<Case> {
    let mut cases = quick();
    cases.extend(hostile::full());
    cases.extend(network_load::full());
    cases.extend(peers::full());
    cases.extend(servers::full());
    cases.extend(faults::full());
    cases.extend(threads::full());
    cases.extend(stock::full());
    cases.extend(java::full());
    for case in quick() {
        let Body::Program(program) = &case.body else { continue };
        // A case that chooses its own machine is about that machine.
        if program.memory != 256 || program.smp != 1 || program.machine != Machine::Q35 {
            continue;
        }
        for &(machine, smp, memory) in MATRIX {
            let name = format!("{} on {} smp {smp} {memory} MiB", case.name, machine.name());
            cases.push(program.as_ref().clone().machine(machine).smp(smp).memory(memory).case(name));
        }
    }
    cases
}

/// The long suites of `conformance`: CPython's own tests, those of some of Go's packages, of memcached and of redis.
#[must_use]
pub fn suites() -> Vec<Case> {
    let python =
        |module: &&'static str| Case { name: format!("cpython/{module}"), body: Body::Cpython(module) };
    let go = |package: &&'static str| Case { name: format!("go/{package}"), body: Body::Go(package) };
    PACKAGES.iter().map(go).chain(MODULES.iter().map(python)).chain(crate::servers::cases()).collect()
}

/// Every case once, and random ones that differ from round to round.
#[must_use]
pub fn soak(round: u64) -> Vec<Case> {
    let mut cases = soak::soak(round);
    cases.extend(quick());
    cases.extend(peers::soak());
    cases.extend(hostile::soak(round));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Source;
    use std::collections::HashSet;
    use std::path::Path;

    #[test]
    fn names_are_distinct() {
        let mut cases = full();
        cases.extend(hostile::soak(0));
        cases.extend(soak::soak(0));
        cases.extend(peers::soak());
        let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        assert!(names.iter().all(|name| !name.contains(": ")), "': ' ends a name in the report");
    }

    #[test]
    fn every_program_is_used_and_exists() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
        // A case of the area `aslr` compiles this one by itself.
        let mut used = HashSet::from(["where".to_owned()]);
        for case in quick() {
            if let Body::Program(program) | Body::Server(program, _) = &case.body
                && let Source::Ours(name, _) = program.source
            {
                used.insert(name.to_string());
            }
        }
        for entry in std::fs::read_dir(sources).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "c" || ending == "rs" || ending == "go") {
                assert!(
                    used.remove(path.file_stem().unwrap().to_str().unwrap()),
                    "{} is not used",
                    path.display()
                );
            }
        }
        assert!(used.is_empty(), "without a source: {used:?}");
    }
}
