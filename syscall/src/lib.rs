//! The system calls: decode, execute, encode.
//!
//! The kernel's entry code calls [`dispatch`] with the number and the six arguments. One call is one file in [`calls`] and one
//! row in [`table`]. The way of a call:
//! - the row is found by its number; numbers without a row are named once and answered ENOSYS;
//! - [`Syscall::decode`] turns raw arguments into typed ones, [`Syscall::execute`] does the work;
//! - [`encode`](dispatch::encode) turns the result into what the program finds in RAX. Failures of the layers below become
//!   error numbers in [`errors`], and nowhere else;
//! - with the `strace` option, [`strace`] shows the call.
//!
//! Program memory is reached through `mm::user` only; a bad pointer is EFAULT.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod args;
pub mod calls;
mod context;
pub mod dispatch;
pub mod errors;
pub mod files;
pub mod locks;
pub mod owners;
pub mod pipes;
mod prelude;
mod sigio;
pub mod socket;
pub mod strace;
pub mod table;
#[cfg(test)]
mod tests;
pub mod time;
mod transfer;
mod vectored;
mod xattr;

pub use args::{RawArgs, Syscall};
pub use context::Context;
pub use dispatch::{Outcome, deliver_signals, dispatch, dispatch_full};
pub use errors::{CallError, CallResult, refused_without_memory};
