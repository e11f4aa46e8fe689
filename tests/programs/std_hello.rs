//! A Rust program with the standard library: output, arguments, environment, formatting.

use std::io::Write;

fn main() {
    println!("hello from Rust");
    for (n, arg) in std::env::args().enumerate().skip(1) {
        println!("argument {n}: {arg:?}");
    }
    let mut vars: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| name.starts_with("TEST_")).collect();
    vars.sort();
    println!("{vars:?}");
    println!("{:>8.3}|{:<6}|{:#x}|{:?}", std::f64::consts::PI, "left", 0xbeef, Some("x\n\u{e9}"));
    eprintln!("to stderr");
    std::io::stdout().lock().write_all(b"bytes \xff\x00\x01\n").unwrap();
    println!("thread {:?}", std::thread::current().name());
}
