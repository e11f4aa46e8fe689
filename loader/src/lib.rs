//! From an ELF file to what the kernel needs to start it: an address-space plan, the auxiliary vector and the
//! initial stack.
//!
//! Callers: the kernel's `execve` path (program and interpreter) and the image builder, which refuses a file that
//! could not start. The crate reads through [`ReadAt`] and maps through [`MapTarget`]; it knows neither files nor
//! page tables, and takes time, randomness and limits as arguments.
//!
//! Order of use:
//! 1. [`plan`] checks the file and returns a [`Plan`] in link-time addresses,
//! 2. [`layout`] chooses the load bias,
//! 3. [`Plan::map_into`] issues the mappings,
//! 4. [`AuxInput::entries`] and [`stack::build`] make the initial stack.
//!
//! For a script, [`script::parse`] finds the interpreter first.
//!
//! Invariants: no input makes the crate panic; an accepted [`Plan`] has non-empty, ordered segments inside
//! [`USER_TOP`] whose file parts lie inside the file and which do not claim the same byte with different content.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod auxv;
mod error;
mod header;
pub mod layout;
mod map;
mod plan;
mod read;
pub mod script;
mod segment;
pub mod stack;

pub use auxv::AuxInput;
pub use error::{ElfError, ExecFailure, Role};
pub use map::MapTarget;
pub use plan::{Kind, Plan, plan};
pub use read::{ReadAt, ReadError};
pub use segment::{FilePiece, Pieces, Prot, Segment};
pub use stack::{StackError, StackImage, StackInput};

/// Page size of x86-64 in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// End of the user half, in bytes: Linux's `TASK_SIZE` with four-level paging, one page below 2^47.
pub const USER_TOP: u64 = (1 << 47) - PAGE_SIZE;

/// Lowest address that a program linked to a fixed address may use: Linux's default `vm.mmap_min_addr`.
pub const MMAP_MIN_ADDR: u64 = 65536;

/// Rounds down to a page boundary.
pub(crate) const fn page_floor(addr: u64) -> u64 {
    addr & !(PAGE_SIZE - 1)
}

/// Rounds up to a page boundary; `None` when that does not fit in 64 bits.
pub(crate) const fn page_ceil(addr: u64) -> Option<u64> {
    match addr.checked_add(PAGE_SIZE - 1) {
        Some(sum) => Some(page_floor(sum)),
        None => None,
    }
}

/// Offset of an address within its page.
pub(crate) const fn page_offset(addr: u64) -> u64 {
    addr & (PAGE_SIZE - 1)
}
