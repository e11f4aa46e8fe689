//! Area: a hostile program. Thousands of random system calls per boot; the seed is in the case's name.

use crate::case::{Case, c, has, lacks};
use std::ops::Range;

/// The seeds of the quick tier.
const QUICK: Range<u64> = 1..5;
/// The seeds of the wide matrix.
const FULL: Range<u64> = 100..140;
/// Seeds of a round of the soak.
const SOAK: u64 = 50;

pub fn cases() -> Vec<Case> {
    QUICK.map(|seed| case(seed, 12, 256)).collect()
}

/// More seeds, half of them with little memory.
pub fn full() -> Vec<Case> {
    FULL.map(|seed| case(seed, 40, if seed % 2 == 0 { 256 } else { 24 })).collect()
}

/// Seeds that no other round of the soak has.
pub fn soak(round: u64) -> Vec<Case> {
    let first = 1000 + round.saturating_mul(SOAK);
    (first..first.saturating_add(SOAK)).map(|seed| case(seed, 40, [256, 24, 64][seed as usize % 3])).collect()
}

/// `rounds` of 500 calls each.
fn case(seed: u64, rounds: u32, mib: u32) -> Case {
    c("hostile")
        .args(&[&rounds.to_string(), &seed.to_string()])
        .memory(mib)
        .status(0)
        .stdout(vec![has(&["ruined: 0\n", "works: 1\n", "memory: is back\n", "survived\n"])])
        // Each call that does not exist is named there.
        .stderr(vec![lacks(&["panic"])])
        .case(format!("hostile/seed {seed}, {rounds} rounds, {mib} MiB"))
}
