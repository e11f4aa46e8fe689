//! Measures the mutex on the host: without contention, and with 4 threads that do nothing but lock and unlock.
//!
//! Run by hand, `cargo bench -p nospin-sync`, before and after a change of the protocol or of `mutex::OFFERS`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn main() {
    let mutex = sync::Mutex::new(0u64);
    const ALONE: u32 = 20_000_000;
    let start = Instant::now();
    for _ in 0..ALONE {
        *std::hint::black_box(&mutex).lock() += 1;
    }
    println!("alone: {:.1} ns", start.elapsed().as_nanos() as f64 / f64::from(ALONE));
    let stop = AtomicBool::new(false);
    *mutex.lock() = 0;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    *mutex.lock() += 1;
                }
            });
        }
        std::thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
    });
    println!("4 threads: {:.2} million per second", *mutex.lock() as f64 / 2e6);
}
