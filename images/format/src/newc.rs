//! The root archive: cpio in the "newc" variant, as `cpio -H newc` and the Linux initramfs have it.
//!
//! [`Archive`] reads without copying: names and file contents are slices of the archive, so that the
//! kernel can map file pages straight from it. [`Writer`] writes archives for `mkimage`.
//!
//! An entry is a header of 110 characters (magic `070701` or `070702`, then thirteen numbers of eight
//! hexadecimal digits), the name with its NUL, padding to a multiple of four, the contents, padding
//! again. The entry `TRAILER!!!` ends the archive. The field with the length of the name may count
//! further NULs behind the first one; that is how the writer moves contents to a page boundary.
//!
//! Hard links are entries with the same `dev` and `ino` and an `nlink` above one. The contents stand with
//! the last of them, the earlier ones have none: the convention of the format.

mod read;
mod write;

pub use read::{Archive, Entries, Entry, NewcError};
pub use write::{Metadata, Sink, WriteError, Writer};

/// Characters of an entry's header.
pub const ENTRY_HEADER_SIZE: usize = 110;
/// The name of the entry that ends an archive.
pub const TRAILER: &[u8] = b"TRAILER!!!";
/// The longest name field, NULs included, that Linux and this reader accept (PATH_MAX).
pub const NAME_FIELD_MAX: usize = 4096;
/// The alignment of contents that the kernel can map without copying.
pub const PAGE_SIZE: usize = 4096;

/// File type bits of a mode: `S_IFMT` and its values, inode(7).
pub mod mode {
    /// Mask of the file type.
    pub const TYPE: u32 = 0o170000;
    /// Regular file.
    pub const FILE: u32 = 0o100000;
    /// Directory.
    pub const DIR: u32 = 0o040000;
    /// Symbolic link.
    pub const SYMLINK: u32 = 0o120000;
    /// Character device.
    pub const CHAR: u32 = 0o020000;
    /// Block device.
    pub const BLOCK: u32 = 0o060000;
    /// FIFO.
    pub const FIFO: u32 = 0o010000;
    /// Socket.
    pub const SOCKET: u32 = 0o140000;
}

#[cfg(test)]
mod tests;
