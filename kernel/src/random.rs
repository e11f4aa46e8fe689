//! Random numbers: the generator of `task`, seeded with what the machine has.

use core::sync::atomic::{AtomicBool, Ordering};

use sync::Mutex;
use task::random::Generator;

use crate::arch::cpu;
use crate::drivers::virtio::rng;

static GENERATOR: Mutex<Generator> = Mutex::new(Generator::new());

/// Words taken from the processor for a seed.
const WORDS: usize = 4;
/// Readings of the time-stamp counter that go into a seed, besides.
const READINGS: usize = 64;

/// Fills `buf`.
pub fn fill(buf: &mut [u8]) {
    let mut stream = {
        let mut generator = GENERATOR.lock();
        if generator.wants_seed() {
            seed(&mut generator);
        }
        generator.stream()
    };
    stream.fill(buf);
}

/// Mixes in what the processor and the entropy device give, and the time-stamp counter: how long things take nobody knows exactly.
fn seed(generator: &mut Generator) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let hardware: [Option<u64>; WORDS] = core::array::from_fn(|_| cpu::hardware_random());
    let device = rng::take();
    generator.mix(&hardware.map(Option::unwrap_or_default));
    if let Some(words) = device {
        generator.mix(&words);
    }
    for _ in 0..READINGS {
        generator.mix(&[cpu::rdtsc()]);
    }
    let good = hardware.iter().any(Option::is_some) || device.is_some();
    if !good && !WARNED.swap(true, Ordering::Relaxed) {
        log::warn!(
            "this CPU has no random numbers (RDRAND, RDSEED): those given to the program are predictable"
        );
    }
}
