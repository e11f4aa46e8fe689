//! The Linux x86-64 system-call ABI: numbers, errno, structures, flags, signals, the saved register frame.
//!
//! Values come from `linux-raw-sys` (generated from the kernel's own headers); this crate gives them names and types that the
//! rest of the kernel uses, and [`Pod`], the mark of types that may be copied between program memory and kernel memory byte
//! by byte. Nothing here has behaviour: every other crate may depend on it, and it depends on none of them.
#![cfg_attr(not(test), no_std)]

pub mod errno;
pub mod flags;
pub mod nr;
pub mod pod;
pub mod regs;
pub mod sigframe;
pub mod signal;
pub mod sockaddr;
pub mod structs;

pub use errno::Errno;
pub use flags::{AtFlags, FdFlags, MapFlags, Mode, OpenFlags, PollEvents, Prot, SigFlags};
pub use linux_raw_sys::{auxvec, general, ioctl, net, prctl};
pub use pod::{Pod, bytes_of, bytes_of_mut, zeroed};
pub use regs::UserRegs;
pub use signal::{SigSet, Signal};

/// Longest path, with its terminating NUL, that a system call takes (path_resolution(7)).
pub const PATH_MAX: usize = general::PATH_MAX as usize;
/// Longest single component of a path, without NUL.
pub const NAME_MAX: usize = 255;
/// Largest number of buffers in one readv or writev.
pub const IOV_MAX: usize = general::UIO_MAXIOV as usize;
/// Most bytes one read or write moves (read(2)): the largest i32, rounded down to a page.
pub const MAX_RW_COUNT: usize = 0x7fff_f000;
/// "Relative to the current directory" in place of a directory descriptor.
pub const AT_FDCWD: i32 = general::AT_FDCWD;
