//! The in-VM tests: plain Linux programs, compiled once, run natively and in a virtual machine. Linux is the oracle:
//! output and exit status must agree. Used by the program `vmtests`, which `cargo xtask test` runs.
//!
//! A [`case::Case`] is data; [`cases`] holds them by area; [`runner`] runs them two at a time and counts.

pub mod case;
pub mod cases;
pub mod compare;
pub mod compile;
pub mod cpython;
pub mod exec;
pub mod golang;
pub mod lab;
pub mod lan;
pub mod oracle;
pub mod relay;
pub mod runner;
pub mod server;
pub mod servers;
pub mod sources;
pub mod stock;
pub mod talk;
pub mod taps;
