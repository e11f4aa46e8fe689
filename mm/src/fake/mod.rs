//! Deterministic stand-ins for hardware and programs, for host tests (feature `fake`).
//!
//! Invariant: misuse that real hardware would not survive (double free, access to a freed frame, mapping an unaligned
//! page) panics here, so that a test sees it.

mod cpus;
mod frames;
mod memory;
mod store;
mod tables;

pub use cpus::FakeCpu;
pub use frames::FakeFrames;
pub use memory::{FakeUserMemory, SpaceMemory, exchange_word, load_word};
pub use store::FakeStore;
pub use tables::FakeTables;
