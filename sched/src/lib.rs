//! Who runs when: threads, run queues and timers, as pure logic.
//!
//! Called by the kernel, which switches; by the simulation in this crate's tests. Time is an argument, never read here.
#![cfg_attr(not(test), no_std)]

extern crate alloc;
