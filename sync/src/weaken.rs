//! Weakening one ordering in the models (`cfg(loom)` only), to prove that the models bite.
//!
//! Used by the models of every primitive: [`every_edge_is_needed`] runs models with one edge `Relaxed`, for each edge, and wants
//! one of them to fail. Each run is a process of its own, because a model that goes wrong may also abort.

use crate::atomic::Ordering;
#[cfg(test)]
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Names the edge that is weakened.
const VARIABLE: &str = "SYNC_WEAK_EDGE";

/// The ordering of an edge, or `Relaxed` while that edge is being weakened.
pub(crate) fn order(edge: &'static str, ordering: Ordering) -> Ordering {
    static WEAK: OnceLock<String> = OnceLock::new();
    let weak = WEAK.get_or_init(|| std::env::var(VARIABLE).unwrap_or_default());
    if weak == edge { Ordering::Relaxed } else { ordering }
}

/// Whether the test `model` of this program fails with `edge` weakened.
#[cfg(test)]
fn fails_without(edge: &str, model: &str) -> bool {
    let program = std::env::current_exe().expect("the test's own file");
    let mut command = Command::new(program);
    command.args(["--exact", model]).env(VARIABLE, edge).stdout(Stdio::null()).stderr(Stdio::null());
    !command.status().expect("the test's own file runs").success()
}

/// Checks that one of the tests `models` of `module` fails for each weakened edge.
#[cfg(test)]
pub(crate) fn every_edge_is_needed(edges: &[&str], module: &str, models: &[&str]) {
    // `module_path!()` begins with the crate, the names of tests do not.
    let module = module.split_once("::").map_or(module, |(_, rest)| rest);
    let noticed = |edge: &str| models.iter().any(|model| fails_without(edge, &format!("{module}::{model}")));
    let unnoticed: Vec<_> = edges.iter().filter(|edge| !noticed(edge)).collect();
    assert!(unnoticed.is_empty(), "no model fails when these are weakened: {unnoticed:?}");
}

/// Explores the interleavings of `model` with at most `preemptions` preemptions (a switch at a blocking point is free).
#[cfg(test)]
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(preemptions));
    builder.max_branches = 3_000;
    builder.check(model);
}
