//! Area: one program with all kinds of threads in a machine whose CPUs stand still at times, each for 1 to 500 ms.
//! Nobody may hang.

use crate::case::{Case, c, has, lacks};

/// Seconds in the quick tier.
const QUICK: u64 = 15;
/// Seconds in a round of the soak.
const LONG: u64 = 600;

pub fn cases() -> Vec<Case> {
    vec![case(QUICK, 1)]
}

/// The long one, with pauses that no other round has. It runs beside the other cases.
pub fn soak(round: u64) -> Vec<Case> {
    vec![case(LONG, 1000 + round)]
}

fn case(seconds: u64, seed: u64) -> Case {
    c("soak")
        .args(&[&seconds.to_string()])
        .smp(4)
        .append(&format!("test=pauses:{seed}"))
        // Its end takes as long as the slowest of the threads, beside whatever else the host does.
        .limit(seconds + 180)
        .status(0)
        .stdout(vec![has(&["soak: ok\n"])])
        .stderr(vec![has(&["pauses with seed"]), lacks(&["panic"])])
        .case(format!("soak/{seconds} s, pauses with seed {seed}"))
}
