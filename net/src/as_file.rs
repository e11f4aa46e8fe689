//! What all sockets say as files. Called by the [`fs::File`] side of each kind of socket.

use abi::{Mode, OpenFlags};
use alloc::format;
use alloc::vec::Vec;
use fs::socket::{MessageFlags, Ucred};
use fs::{FsError, Metadata};
use mm::user::{UserMemory, UserPtr};

/// Number of the file system that sockets are on.
const DEVICE: u64 = 8;

/// What fstat(2) tells of the socket with this number.
pub fn metadata(ino: u64, creator: &Ucred) -> Metadata {
    Metadata {
        dev: DEVICE,
        ino,
        mode: Mode::IFSOCK | 0o777,
        nlink: 1,
        uid: creator.uid,
        gid: creator.gid,
        block_size: 4096,
        ..Metadata::default()
    }
}

/// What the link in `/proc/PID/fd` shows.
pub fn describe(ino: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("socket:[{ino}]").as_bytes());
}

/// read(2) and write(2) are messages without flags of their own.
pub fn message_flags(flags: OpenFlags) -> MessageFlags {
    MessageFlags { nonblocking: flags.contains(OpenFlags::NONBLOCK), ..MessageFlags::default() }
}

/// Answers an ioctl(2) that asks for a number of bytes.
///
/// # Errors
/// [`FsError::Fault`].
pub fn give_bytes(bytes: usize, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    UserPtr::new(arg).write(memory, &bytes).map_err(|_| FsError::Fault)?;
    Ok(0)
}
