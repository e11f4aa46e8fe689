//! The project's own rules, checked over source, manifests and dependency graph. Called by the `rules` and `test`
//! commands; each rule is one test.
//!
//! A rule takes what it looks at as an argument and returns the offences it found, so that its unit tests can show
//! that it bites.

mod allowed;
mod arch;
mod dependencies;
mod layers;
mod lexer;
mod modules;
mod source;
mod unsafety;
mod waits;

use crate::context::Context;
use crate::tally::Tally;

/// One thing that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Offence {
    /// Where: `path:line`, a crate, an entry of a list.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl Offence {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Offence { place: place.into(), what: what.into() }
    }
}

/// Runs every rule whose name contains `filter`.
pub fn check(cx: &Context, filter: Option<&str>, tally: &mut Tally) {
    let files = source::walk(&cx.root);
    let over_source = |rule: fn(&[source::File]) -> Vec<Offence>| match &files {
        Ok(files) => Ok(rule(files)),
        Err(error) => Err(error.clone()),
    };
    let mut one = |name: &str, run: &dyn Fn() -> Result<Vec<Offence>, String>| {
        let name = format!("rule: {name}");
        if filter.is_none_or(|filter| name.contains(filter)) {
            tally.check(&name, run().and_then(|offences| none_of(&offences)));
        }
    };
    one("no crate that spins", &|| dependencies::check(cx));
    one("no loop that waits", &|| match &files {
        Ok(files) => waits::check(files, allowed::LIST),
        Err(error) => Err(error.clone()),
    });
    one("every module says what it is", &|| over_source(modules::documented));
    one("files are not too long", &|| over_source(modules::length));
    one("dependencies go down", &|| layers::check(cx));
    one("assembly and processor only in arch", &|| over_source(arch::check));
    one("unsafe is opened with a reason", &|| over_source(unsafety::reasons));
    one("crates without unsafe forbid it", &|| over_source(unsafety::forbidden));
}

fn none_of(offences: &[Offence]) -> Result<(), String> {
    if offences.is_empty() {
        return Ok(());
    }
    let lines: String =
        offences.iter().map(|offence| format!("\n      {}: {}", offence.place, offence.what)).collect();
    Err(format!("{} found{lines}", offences.len()))
}
