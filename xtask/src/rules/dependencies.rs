//! Rule: no crate in any dependency graph of the workspace is built on spinning locks.

use super::Offence;
use crate::context::Context;
use crate::process;

/// Crates that spin, or exist only on top of ones that do. A paused CPU that holds such a lock stops all others.
const SPINNING: &[&str] = &[
    "spin",
    "spinning",
    "spinning_top",
    "spinlock",
    "spinlocks",
    "spin-lock",
    "spin-sync",
    "spin-sleep-util",
    "kspin",
    "kspinlock",
    "ticket-lock",
    "mcslock",
    "qspinlock",
    "rw-spinlock",
    "intrusive-spinlock",
    "linked_list_allocator_spin",
];

/// Looks at the graphs of the kernel and of the whole workspace.
///
/// # Errors
/// A line of text when cargo cannot tell the graph.
pub fn check(cx: &Context) -> Result<Vec<Offence>, String> {
    let mut offences = Vec::new();
    for (graph, words) in [
        ("the kernel", ["-p", "nospin-kernel", "--target", "x86_64-unknown-none"].as_slice()),
        ("the workspace", &["--workspace", "--target", "all"]),
    ] {
        let tree = process::output(
            cx.cargo()
                .args(["tree", "--quiet", "--prefix", "none", "--format", "{p}", "--all-features"])
                .args(words),
        )?;
        let names = crates(&tree);
        if names.is_empty() {
            return Err(format!("cargo tree shows nothing for {graph}"));
        }
        offences
            .extend(spinning(&names).map(|name| Offence::new(name, format!("is a dependency of {graph}"))));
    }
    Ok(offences)
}

/// The names in `name v1.2.3 (path)` lines.
fn crates(tree: &str) -> Vec<&str> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn spinning<'a>(names: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    names.iter().copied().filter(|name| SPINNING.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spinning_crate_anywhere_in_the_graph_is_found() {
        let tree = "nospin-kernel v0.1.0 (/x/kernel)\nlog v0.4.1\nacpi v7.0.0\nspinning_top v0.3.0\nspin v0.9.8\nspin v0.9.8 (*)\n";
        assert_eq!(spinning(&crates(tree)).collect::<Vec<_>>(), ["spin", "spinning_top"]);
        assert_eq!(spinning(&crates("crossbeam v1\nspinoff-not v1\n")).count(), 0);
    }
}
