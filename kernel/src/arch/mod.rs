//! The processor: everything that depends on the instruction set is below this folder.

pub mod x86_64;
pub use x86_64::*;
