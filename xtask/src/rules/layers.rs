//! Rule: dependencies between the crates of the workspace go down only.
//!
//! The table below is the order of the layers; `ARCHITECTURE.md` says what each is. Dependencies of tests and build
//! scripts count too.

use super::Offence;
use crate::context::Context;
use crate::process;
use serde_json::Value;

/// Each crate and what it may depend on, from the bottom up.
const LAYERS: &[(&str, &[&str])] = &[
    ("nospin-abi", &[]),
    ("nospin-image-format", &[]),
    ("nospin-sync", &[]),
    ("nospin-sched", &["nospin-sync"]),
    ("nospin-mm", &["nospin-abi", "nospin-sync", "nospin-sched"]),
    ("nospin-fs", &["nospin-abi", "nospin-image-format", "nospin-sync", "nospin-sched", "nospin-mm"]),
    ("nospin-net", &["nospin-abi", "nospin-sync", "nospin-sched", "nospin-mm", "nospin-fs"]),
    ("nospin-loader", &["nospin-abi"]),
    (
        "nospin-task",
        &[
            "nospin-abi",
            "nospin-image-format",
            "nospin-sync",
            "nospin-sched",
            "nospin-mm",
            "nospin-fs",
            "nospin-net",
            "nospin-loader",
        ],
    ),
    (
        "nospin-syscall",
        &[
            "nospin-abi",
            "nospin-image-format",
            "nospin-sync",
            "nospin-sched",
            "nospin-mm",
            "nospin-fs",
            "nospin-net",
            "nospin-loader",
            "nospin-task",
        ],
    ),
    ("nospin-libc-shim", &["nospin-abi"]),
    ("nospin-kerncore", &[]),
    (
        "nospin-kernel",
        &[
            "nospin-abi",
            "nospin-image-format",
            "nospin-sync",
            "nospin-sched",
            "nospin-mm",
            "nospin-fs",
            "nospin-net",
            "nospin-loader",
            "nospin-task",
            "nospin-syscall",
            "nospin-libc-shim",
            "nospin-kerncore",
        ],
    ),
    ("nospin-images", &["nospin-abi", "nospin-image-format", "nospin-loader"]),
    ("nospin-tests", &["nospin-abi", "nospin-image-format", "nospin-images"]),
    ("xtask", &[]),
];

/// Asks cargo for the workspace and compares it with the table.
///
/// # Errors
/// A line of text when cargo's answer cannot be had or read.
pub fn check(cx: &Context) -> Result<Vec<Offence>, String> {
    let text =
        process::output(cx.cargo().args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata: no packages")?;
    let mut edges = Vec::new();
    for package in packages {
        let name = package["name"].as_str().ok_or("cargo metadata: a package without a name")?;
        let own: Vec<String> = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|dependency| dependency["path"].is_string())
            .filter_map(|dependency| dependency["name"].as_str().map(str::to_string))
            .collect();
        edges.push((name.to_string(), own));
    }
    Ok(compare(&edges))
}

fn compare(edges: &[(String, Vec<String>)]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (name, dependencies) in edges {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| layer == name) else {
            offences.push(Offence::new(name, "is not in the table of layers"));
            continue;
        };
        // A crate may list itself, to open a feature for its own tests.
        for dependency in dependencies.iter().filter(|dependency| *dependency != name) {
            if !allowed.contains(&dependency.as_str()) {
                offences.push(Offence::new(name, format!("must not depend on {dependency}")));
            }
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(name: &str, dependencies: &[&str]) -> (String, Vec<String>) {
        (name.to_string(), dependencies.iter().map(|name| name.to_string()).collect())
    }

    #[test]
    fn the_table_itself_goes_down_only() {
        for (at, (name, allowed)) in LAYERS.iter().enumerate() {
            for below in *allowed {
                let place = LAYERS.iter().position(|(layer, _)| layer == below);
                assert!(place.is_some_and(|place| place < at), "{name} may depend on {below}");
            }
        }
    }

    #[test]
    fn an_edge_upwards_and_an_unknown_crate_are_found() {
        let found = compare(&[
            edge("nospin-fs", &["nospin-mm", "nospin-sync"]),
            edge("nospin-mm", &["nospin-fs"]),
            edge("nospin-loader", &["nospin-fs"]),
            edge("nospin-extra", &[]),
        ]);
        let places: Vec<&str> = found.iter().map(|offence| offence.place.as_str()).collect();
        assert_eq!(places, ["nospin-mm", "nospin-loader", "nospin-extra"]);
    }
}
