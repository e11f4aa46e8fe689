//! Rust programs that end in the way of argument 1.

use std::process::{ExitCode, abort, exit};

struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        println!("dropped");
    }
}

fn deeper(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 512]);
    if n == u64::MAX { 0 } else { deeper(n + 1) + frame[(n % 512) as usize] }
}

fn main() -> ExitCode {
    let how = std::env::args().nth(1).unwrap_or_default();
    let _loud = Loud;
    println!("ending by {how}");
    match how.as_str() {
        "code" => return ExitCode::from(42),
        "exit" => exit(7),
        "panic" => panic!("a reason to panic"),
        "index" => {
            let at = how.len() + 10;
            println!("{}", std::hint::black_box([1, 2, 3]).get(at).copied().unwrap());
        }
        "caught" => {
            let caught = std::panic::catch_unwind(|| panic!("inside"));
            println!("caught {}", caught.is_err());
        }
        "abort" => abort(),
        "overflow" => println!("{}", deeper(0)),
        _ => {}
    }
    ExitCode::SUCCESS
}
