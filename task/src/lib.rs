//! Processes and threads as Linux sees them: descriptors, limits, signals, exec, and what happens when a program dies.
//!
//! Used by `syscall` and by the kernel, which implements [`Platform`] and calls [`exec::start`] once.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(all(feature = "testing", not(test)))]
extern crate std;

pub mod attributes;
pub mod cputime;
pub mod credentials;
pub mod exec;
pub mod fault;
mod fd_table;
pub mod futex;
pub mod hlt;
pub mod limits;
mod memory;
pub mod pidfd;
mod platform;
mod process;
pub mod procfs;
pub mod random;
pub mod report;
pub mod signal;
pub mod signalfd;
mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod thread;
pub mod threads;
pub mod timers;
pub mod transfers;
pub mod vector;

pub use attributes::Attributes;
pub use cputime::CpuTimes;
pub use credentials::Credentials;
pub use exec::{Entry, ExecError, ExecRequest, StartOptions, start};
pub use fd_table::{Fd, FdError, FdTable};
pub use memory::LockedSpace;
pub use platform::{Activity, CpuFeatures, CpuInfo, MemoryUse, NewThread, NoThread, Platform, Runner, Vdso};
pub use process::{FIRST_PID, NAME_LEN, Process};
pub use sched::Treatment;
pub use signal::Signals;
pub use status::ExitStatus;
pub use thread::{AltStackError, RestartBlock, Thread};
pub use timers::Timers;
pub use vector::VectorLayout;
