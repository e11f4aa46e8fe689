//! Failures on demand: `test=panic`, `test=fault`, `test=overflow` on the command line make the kernel
//! fail in that way after boot, so that its reports can be tested from outside.
#![allow(unsafe_code)] // one test reads an address that is not mapped

use core::hint::black_box;

use image_format::cmdline::CommandLine;

use crate::arch::layout::VMAP_END;

/// Fails as the option `test` asks; returns when it is absent.
pub fn run(line: &CommandLine) {
    match line.get("test") {
        None => {}
        Some(b"panic") => panic!("asked for by test=panic"),
        Some(b"fault") => fault(),
        Some(b"overflow") => {
            black_box(overflow(black_box(1)));
        }
        Some(other) => log::warn!("test={}: unknown", other.escape_ascii()),
    }
}

#[inline(never)]
fn fault() {
    let nowhere = core::ptr::with_exposed_provenance::<u64>((VMAP_END - 8) as usize);
    // SAFETY: none, and that is the point: the page is never mapped, so the read faults and the kernel
    // reports it.
    black_box(unsafe { nowhere.read_volatile() });
}

/// Uses up the kernel stack.
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == 0 { 0 } else { overflow(depth.wrapping_add(1)) + frame[(depth % 64) as usize] }
}
