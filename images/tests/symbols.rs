//! Names and lines for the addresses of a backtrace.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use image_format::{BuildId, Frame};
use images::image::Image;
use images::run::symbols::Symbols;
use support::{Bench, mkimage, run, stderr, stdout};

const SOURCE: &str = "static inline __attribute__((always_inline)) int inner(volatile int *p) {\n\
                      \x20   return *p;\n}\n\
                      __attribute__((noinline)) int outer(volatile int *p) {\n\
                      \x20   return inner(p) + 1;\n}\n\
                      int main(void) { volatile int x = 0; return outer(&x); }\n";

/// The address of a symbol, by nm(1).
fn address(file: &Path, symbol: &str) -> u64 {
    let output = Command::new("nm").arg(file).output().unwrap();
    let text = stdout(&output);
    let line =
        text.lines().find(|line| line.split(' ').next_back() == Some(symbol)).expect("the symbol exists");
    u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
}

fn image(bench: &Bench, args: &[&str]) -> (Image, PathBuf) {
    let program = bench.gcc("program", SOURCE, args);
    let output = mkimage(bench, &["--elf", "program"]);
    assert!(output.status.success(), "{}", stderr(&output));
    (Image::open(&bench.path("program.img")).unwrap(), program)
}

#[test]
fn a_program_with_debug_information_shows_inlined_functions() {
    let bench = Bench::new();
    let (image, program) = image(&bench, &["-static", "-no-pie", "-O1", "-g"]);
    let mut symbols = Symbols::new(Some(image), None);
    let frame = Frame { address: address(&program, "outer"), place: None };
    let file = bench.text("program.c");
    let places = symbols.places(&frame, false);
    assert_eq!(places, [format!("inner ({file}:2)"), format!("outer ({file}:5)")]);
    // As a return address it is what comes before, which is another function.
    assert!(!symbols.places(&frame, true).iter().any(|place| place.starts_with("outer")));
    assert!(symbols.places(&Frame { address: 0x1000, place: None }, false).is_empty());
}

#[test]
fn a_moved_program_needs_the_place() {
    let bench = Bench::new();
    let (image, program) = image(&bench, &["-O1"]);
    let mut symbols = Symbols::new(Some(image), None);
    let offset = address(&program, "outer") + 1;
    let path = program.to_str().unwrap();
    let at = Frame { address: 0x7f00_0000_0000 + offset, place: Some((path, offset)) };
    assert_eq!(symbols.places(&at, false), ["outer+0x1"]);
    assert_eq!(symbols.places(&at, true), ["outer"]);
    assert!(symbols.places(&Frame { place: None, address: offset }, false).is_empty());
    assert!(symbols.places(&Frame { place: Some(("/none", 5)), ..at }, false).is_empty());
}

#[test]
fn kernel_addresses_are_looked_up_in_the_kernel_of_the_same_build() {
    let bench = Bench::new();
    // Never booted; linked to the upper half, where the real kernel is.
    let source = bench.write(
        "high.s",
        ".section .note.Xen, \"a\", @note\n.long 4, 8, 18\n.asciz \"Xen\"\n.quad _start\n\
         .text\n.globl _start\n_start: nop\nscenario: .fill 16, 1, 0x90\n",
    );
    let (object, kernel) = (bench.path("high.o"), bench.path("high.kernel"));
    run(Command::new("as").args(["--64", "-o"]).arg(&object).arg(&source));
    let build_id = format!("--build-id=0x{}", "ab".repeat(20));
    let base = "-Ttext-segment=0xffffffff80100000";
    run(Command::new("ld").args(["-static", base, &build_id, "-o"]).arg(&kernel).arg(&object));
    let frame = Frame { address: address(&kernel, "scenario") + 5, place: None };
    let mut symbols = Symbols::new(None, Some(kernel.clone()));
    assert_eq!(symbols.kernel_is(BuildId([0xab; 20])), Ok(()));
    assert_eq!(symbols.places(&frame, false), ["scenario+0x5"]);
    assert_eq!(symbols.places(&frame, true), ["scenario+0x4"]);
    assert!(symbols.kernel_is(BuildId([1; 20])).is_err());
    assert!(symbols.places(&frame, false).is_empty());
}
