//! Sockets, and the way of packets between them and the network cards.
//!
//! Called by the system calls through [`fs::socket::Socket`] and [`fs::File`], and by the kernel, which brings cards
//! ([`device::NetworkCard`]) and threads that poll. Nothing here reads the time or waits: time comes from [`device::Environment`], and
//! an operation that would have to wait says so.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod as_file;
pub mod counter;
pub mod device;
pub mod frame;
pub mod ip;
pub mod netlink;
pub mod options;
pub mod output;
mod stack;
pub mod tcp;
mod texts;
pub mod udp;
pub mod unix;

pub use ip::{Config, ConfigError};
pub use stack::Stack;
