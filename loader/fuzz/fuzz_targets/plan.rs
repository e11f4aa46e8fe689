//! Fuzz target: any bytes as an ELF file. `cargo +nightly fuzz run plan`, from `loader/`. The body is that of the
//! property tests and of the mutation test.

#![no_main]

#[path = "../../tests/loader/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check::check(data);
});
