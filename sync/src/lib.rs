//! Synchronisation without spinning.
//!
//! Used by every crate above `abi`. The rule of the project holds here first: no loop in this crate waits for another thread
//! or another CPU. Types:
//! - [`Mutex`]: mutual exclusion behind `lock_api`'s guard types.
//! - [`SetOnce`]: a cell that is set once and read without locks afterwards, for globals.
//! - [`spsc::Ring`]: a byte queue from one producer (an interrupt handler) to one consumer.
//!
//! The protocols of `SetOnce` and `Ring` are modelled exhaustively with loom (`cfg(loom)`).
#![cfg_attr(not(any(test, loom)), no_std)]

mod atomic;
mod mutex;
mod set_once;
pub mod spsc;

pub use mutex::{Mutex, MutexGuard, RawNoWait};
pub use set_once::SetOnce;
