//! Area: the console as standard input and output. Nothing may be lost, changed or added.

use crate::case::{Case, Program, c, ours};
use crate::compile::Variant;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        c("output").args(&["formatted"]).case("console/formatted"),
        c("output").args(&["mixed"]).case("console/stdout and stderr in order"),
        c("output").args(&["lost"]).case("console/buffered output and _exit"),
        c("output").args(&["lines", "5000"]).case("console/5000 lines"),
        ours("output", Variant::Musl).args(&["lines", "2000"]).case("console/2000 lines/musl"),
        c("output").args(&["bytes", "0"]).case("console/no output"),
        c("output").args(&["bytes", "1"]).case("console/one byte"),
        c("output").args(&["bytes", "1048576"]).case("console/1 MiB of every byte"),
        ours("output", Variant::Musl).args(&["mixed"]).case("console/stdout and stderr in order/musl"),
    ];
    for (name, input) in [
        ("empty", Vec::new()),
        ("text", b"one line\nand another\nand no newline".to_vec()),
        ("every byte", (0..=255).collect()),
        ("escapes", [0xff, 0xff, 0x00, 0xff, 0x04, 0x03, 0x1a, 0x0d, 0x0a, 0xff].to_vec()),
        ("a newline", b"\n".to_vec()),
    ] {
        cases.push(echo("read", input.clone()).case(format!("console/input/{name}")));
        cases.push(echo("stdio", input).case(format!("console/input by stdio/{name}")));
    }
    cases.push(echo("bytewise", text(3000)).case("console/input bytewise"));
    cases.push(echo("read", text(1 << 20)).case("console/1 MiB of input"));
    cases.push(
        ours("echo", Variant::MuslPie)
            .args(&["stdio"])
            .stdin(text(20_000))
            .case("console/input by stdio/musl-pie"),
    );
    // A terminal on a line instead of standard files.
    cases.push(c("flow").append("console=serial").case("console/output stops and goes on"));
    cases.push(c("hello").stdin(text(100_000)).case("console/input that nobody reads"));
    cases
}

fn echo(how: &'static str, input: Vec<u8>) -> Program {
    c("echo").args(&[how]).stdin(input)
}

/// Bytes without a pattern, all values.
fn text(len: usize) -> Vec<u8> {
    let mut seed = 99u32;
    (0..len)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .collect()
}
