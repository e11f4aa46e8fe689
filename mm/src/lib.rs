//! Memory: page frames, VMAs, address spaces, and the only door to program memory.
//!
//! Callers: `task` (exec, faults), `syscall` (mmap family, user pointers), `fs` (backing stores) and `kernel`, which
//! implements the hardware traits ([`paging::PageTables`], [`paging::FrameSource`], [`user::RawUserMemory`]).
//!
//! Invariants: nothing here touches memory through a raw address; every page a program can reach belongs to exactly
//! one VMA of its [`space::AddressSpace`]; every owned frame is given back when the space is cleared or dropped.
//! Only [`cache`] locks, and only around its own pages: callers own the other objects or put them behind their mutex.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(all(feature = "fake", not(test)))]
extern crate std;

pub mod addr;
pub mod cache;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod flush;
pub mod frames;
pub mod paging;
pub mod space;
pub mod store;
pub mod user;
pub mod vma;
