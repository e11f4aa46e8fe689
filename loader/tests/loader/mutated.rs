//! The fuzz target's body over mutated real programs, from a fixed seed: a run can be repeated exactly.

use crate::check::check;
use crate::fixtures::{Fixture, build_all};

const SEED: u64 = 0x6e6f_7370_696e_0001;
const ROUNDS: usize = 4000;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Changes a few bytes of the headers, or cuts the file.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let headers = 64 + 56 * usize::from(bytes[56]);
    for _ in 0..=random.below(4) {
        let at = random.below(headers.min(bytes.len()));
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => {
                // A whole 64-bit field of a program header.
                let field =
                    (64 + 56 * random.below((headers - 64) / 56) + 8 * random.below(7)).min(bytes.len() - 8);
                let value = random.next() >> random.below(64);
                bytes[field..field + 8].copy_from_slice(&value.to_le_bytes());
            }
            4 => bytes[at] = bytes[at].wrapping_add(1),
            _ => {
                let keep = random.below(bytes.len());
                if keep > headers {
                    bytes.truncate(keep);
                }
            }
        }
    }
}

#[test]
fn mutated_programs() {
    let dir = tempfile::tempdir().unwrap();
    let seeds: Vec<Vec<u8>> = build_all(dir.path()).iter().map(Fixture::bytes).collect();
    let mut random = Random(SEED);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let mut bytes = seeds[round % seeds.len()].clone();
        mutate(&mut bytes, &mut random);
        let run = std::panic::catch_unwind(|| check(&bytes));
        match run {
            Ok(true) => accepted += 1,
            Ok(false) => refused += 1,
            Err(_) => panic!("round {round} from seed {SEED:#x} failed"),
        }
    }
    println!("seed {SEED:#x}: {accepted} accepted, {refused} refused");
    assert!(accepted > ROUNDS / 20 && refused > ROUNDS / 20, "the mutations do not reach both sides");
}
