//! Area: how a program starts. Entry, stack, auxiliary vector, thread-local data, constructors, in every variant.

use crate::case::{Case, c, ours};
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for variant in Variant::C {
        cases.push(ours("hello", variant).case(format!("start/hello/{variant}")));
        cases.push(
            ours("args", variant)
                .args(&["one", "two words", "", "quote\"and\\back", "*'$"])
                .env("TEST_A", "1")
                .env("TEST_EMPTY", "")
                .env("TEST_SPACES", "a b  c")
                .env("TEST_QUOTES", "it's \"quoted\" \\ and = more")
                .case(format!("start/arguments/{variant}")),
        );
        cases.push(ours("start", variant).case(format!("start/data and constructors/{variant}")));
    }
    cases.push(c("args").case("start/no arguments"));
    cases.push(
        c("args")
            .args(&["tab\there", "new\nline", "caf\u{e9} \u{2603}", "\u{1}\u{7f}", "--", "-m", "KEY=VALUE"])
            .env("TEST_UTF8", "\u{e9}\u{2603}")
            .env("TEST_LINES", "a\nb")
            .case("start/arguments with odd characters"),
    );
    let long = "x".repeat(1500);
    cases.push(c("args").args(&[&long, "end"]).case("start/a long argument"));
    cases
}
