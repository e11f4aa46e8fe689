//! Area: Rust programs with the standard library.

use crate::case::{Case, ours};
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for variant in Variant::RUST {
        cases.push(
            ours("std_hello", variant)
                .args(&["one", "two words"])
                .env("TEST_B", "second")
                .env("TEST_A", "first")
                .case(format!("rust/hello/{variant}")),
        );
        cases.push(
            ours("std_work", variant).data().args(&["{data}/text"]).case(format!("rust/work/{variant}")),
        );
    }
    for how in ["code", "exit", "panic", "index", "caught"] {
        cases.push(ours("std_end", Variant::Rust).args(&[how]).case(format!("rust/ends by {how}")));
    }
    cases.push(ours("std_end", Variant::RustFixed).args(&["panic"]).case("rust/ends by panic/rust"));
    cases.push(
        ours("std_end", Variant::Rust).args(&["abort"]).reports(&["SIGABRT"]).case("rust/ends by abort"),
    );
    cases
}
