//! The nospin kernel: boots in a virtual machine and runs one Linux program in ring 0.
//!
//! This crate is the only bare-metal binary. It sets the machine up (`boot`, `arch`, `mem`, `drivers`),
//! gives the layers below what they ask of hardware (`platform`), and starts the program (`program`).
#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod boot;
mod drivers;
mod init;
mod logging;
mod mem;
mod network;
mod panic;
mod platform;
mod power;
mod program;
mod program_timer;
mod random;
mod selftest;
mod threads;
