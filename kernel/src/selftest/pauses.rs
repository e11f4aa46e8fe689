//! `test=pauses` and `test=pauses:SEED`: single CPUs stand still now and then for 1 to 500 ms, as if the hypervisor had paused
//! them, while the program runs. For soaks: nobody else may be held up.
//!
//! Several may stand still at once. Between two pauses a CPU runs for a while, so that what needs an answer of it waits for one
//! pause at most: longer than the longest one would be another test.

use alloc::vec;

use crate::arch::{cpu, ipi, percpu, tsc};
use crate::{logging, threads};

/// The longest pause and the longest time between two, in milliseconds.
const MAX_PAUSE_MS: u64 = 500;
const MAX_GAP_MS: u64 = 100;
/// How long a CPU runs at least between two pauses, in milliseconds.
const MIN_RUN_MS: u64 = 20;
const MS: u64 = 1_000_000;

/// Starts the thread that pauses CPUs until the machine ends. `seed` is decimal; without one it is taken from the clock.
pub fn start(seed: &[u8]) {
    let given = core::str::from_utf8(seed).ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(cpu::rdtsc);
    logging::line(format_args!("nospin: pauses with seed {seed}"));
    let mut state = seed;
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut next = move |below: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % below
    };
    let mut until_of = vec![0_u64; percpu::all().len()];
    let pauser = threads::spawn(move || {
        loop {
            let until = tsc::monotonic_ns() + (1 + next(MAX_GAP_MS)) * MS;
            while tsc::monotonic_ns() < until {
                threads::park(Some(until));
            }
            let index = next(until_of.len() as u64) as usize;
            let length = (1 + next(MAX_PAUSE_MS)) * MS;
            let now = tsc::monotonic_ns();
            let (Some(cpu), Some(last)) = (percpu::all().get(index), until_of.get_mut(index)) else {
                continue;
            };
            if now >= last.saturating_add(MIN_RUN_MS * MS) {
                *last = now.saturating_add(length);
                ipi::pause(cpu, length);
            }
        }
    });
    if pauser.is_err() {
        log::error!("no thread for the pauses");
    }
}
