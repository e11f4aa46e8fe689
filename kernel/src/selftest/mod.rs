//! Tests on demand, from the command line, after boot and before the program.
//!
//! `test=panic`, `test=fault` and `test=overflow` make the kernel fail in that way, so that its reports can be tested from
//! outside. `test=cpus` says how many CPUs came up, `test=threads` tries the kernel's threads and
//! `test=shootdown` that CPUs forget old translations, `test=arp` the network card. `test=pauses` lets single CPUs stand still while
//! the program runs.
#![allow(unsafe_code)] // one test reads an address that is not mapped

mod arp;
mod pauses;
mod shootdown;
mod threads;

use core::hint::black_box;

use image_format::cmdline::CommandLine;

use crate::arch::layout::VMAP_END;
use crate::arch::{percpu, tsc};
use crate::logging;

/// In front of a seed.
const PAUSES: &[u8] = b"pauses:";

/// Fails as the option `test` asks; returns when it is absent.
pub fn run(line: &CommandLine) {
    match line.get("test") {
        None => {}
        Some(b"panic") => panic!("asked for by test=panic"),
        Some(b"fault") => fault(),
        Some(b"overflow") => {
            black_box(overflow(black_box(1)));
        }
        Some(b"cpus") => cpus(),
        Some(b"threads") => threads::run(),
        Some(b"shootdown") => shootdown::run(),
        Some(b"arp") => arp::run(line),
        Some(b"pauses") => pauses::start(b""),
        Some(other) if other.starts_with(PAUSES) => pauses::start(&other[PAUSES.len()..]),
        Some(other) => log::warn!("test={}: unknown", other.escape_ascii()),
    }
}

/// Says how many CPUs run, after at most [`ALL_UP_NS`].
fn cpus() {
    const ALL_UP_NS: u64 = 5_000_000_000;
    let online = || percpu::all().iter().filter(|cpu| cpu.is_online()).count();
    let all = percpu::all().len();
    let deadline = tsc::monotonic_ns() + ALL_UP_NS;
    while online() < all && tsc::monotonic_ns() < deadline {
        crate::threads::park(Some(tsc::monotonic_ns() + 1_000_000));
    }
    logging::line(format_args!("nospin: {} of {all} CPUs run", online()));
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
