//! [`FsError`]: why an operation on files failed.

use core::fmt;

/// A failure of an operation on files. One variant per meaning; error numbers are chosen elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsError {
    /// No such file or directory.
    NotFound,
    /// A component that must be a directory is none.
    NotDirectory,
    /// The operation does not work on directories.
    IsDirectory,
    /// More than 40 symbolic links, or a symbolic link where none may be followed.
    Loop,
    /// A path or a component is too long.
    NameTooLong,
    /// Permission denied.
    Access,
    /// The file system cannot be written.
    ReadOnly,
    /// It exists already.
    Exists,
    /// An argument makes no sense for this file.
    Invalid,
    /// The description was not opened for this.
    BadMode,
    /// The file has no position.
    NotSeekable,
    /// The request is not one for this kind of file.
    NotTty,
    /// No such process group in the terminal's session.
    NoProcess,
    /// No device behind this node.
    NoDevice,
    /// The seek went beyond the end for SEEK_DATA and SEEK_HOLE.
    BeyondEnd,
    /// The device is full.
    NoSpace,
    /// A value does not fit.
    Overflow,
    /// The program's memory could not be accessed.
    Fault,
    /// Nothing is there now, and the caller does not want to wait.
    WouldBlock,
    /// A signal ended the wait.
    Interrupted,
    /// The kind of operation is not offered by this file.
    NotSupported,
    /// Nobody reads what is written.
    BrokenPipe,
    /// In use.
    Busy,
    /// Out of memory.
    NoMemory,
    /// Damaged data.
    Io,
    /// The directory has entries.
    NotEmpty,
    /// The clock of a timer has been set (ECANCELED).
    Cancelled,
    /// The two names lie in different file systems.
    CrossDevice,
    /// Not allowed for anybody.
    NotPermitted,
    /// Too many names of one file.
    TooManyLinks,
    /// The file would become too large.
    TooLarge,
    /// The file would become larger than the one who writes may make files (RLIMIT_FSIZE).
    SizeLimit,
    /// No such extended attribute.
    NoData,
    /// As many instances as there may be.
    TooManyOpen,
    /// No memory for one more lock.
    NoLocks,
    /// Waiting for the lock would never end.
    Deadlock,
    /// A socket without a peer.
    NotConnected,
    /// The other side of a connection gave up.
    ConnectionReset,
    /// Nobody is where a datagram went.
    ConnectionRefused,
    /// The other side of a connection does not answer.
    TimedOut,
    /// There is no way to the other side.
    Unreachable,
    /// A message is too long.
    MessageSize,
    /// No room for a message.
    NoBuffers,
    /// A socket needs an address.
    DestinationRequired,
    /// No such network interface (ENODEV).
    NoInterface,
    /// The interface has no such address (EADDRNOTAVAIL).
    AddressNotAvailable,
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FsError::NotFound => "no such file or directory",
            FsError::NotDirectory => "not a directory",
            FsError::IsDirectory => "is a directory",
            FsError::Loop => "too many levels of symbolic links",
            FsError::NameTooLong => "file name too long",
            FsError::Access => "permission denied",
            FsError::ReadOnly => "read-only file system",
            FsError::Exists => "file exists",
            FsError::Invalid => "invalid argument",
            FsError::BadMode => "not opened for this operation",
            FsError::NotSeekable => "the file has no position",
            FsError::NotTty => "not a terminal",
            FsError::NoProcess => "no such process group",
            FsError::NoDevice => "no such device",
            FsError::BeyondEnd => "beyond the end of the file",
            FsError::NoSpace => "no space left on device",
            FsError::Overflow => "value too large",
            FsError::Fault => "bad address",
            FsError::WouldBlock => "nothing available now",
            FsError::Interrupted => "interrupted by a signal",
            FsError::NotSupported => "operation not supported",
            FsError::BrokenPipe => "broken pipe",
            FsError::Busy => "in use",
            FsError::NoMemory => "out of memory",
            FsError::Io => "damaged data",
            FsError::NotEmpty => "directory not empty",
            FsError::Cancelled => "the clock was set",
            FsError::CrossDevice => "in different file systems",
            FsError::NotPermitted => "operation not permitted",
            FsError::TooManyLinks => "too many links",
            FsError::TooLarge => "file too large",
            FsError::SizeLimit => "beyond the limit on the size of files",
            FsError::NoData => "no such attribute",
            FsError::TooManyOpen => "too many instances",
            FsError::NoLocks => "no locks available",
            FsError::Deadlock => "the wait would never end",
            FsError::NotConnected => "not connected",
            FsError::ConnectionReset => "connection reset",
            FsError::ConnectionRefused => "connection refused",
            FsError::TimedOut => "connection timed out",
            FsError::Unreachable => "host unreachable",
            FsError::MessageSize => "message too long",
            FsError::NoBuffers => "no buffer space",
            FsError::DestinationRequired => "destination address required",
            FsError::NoInterface => "no such interface",
            FsError::AddressNotAvailable => "address not available",
        })
    }
}

impl core::error::Error for FsError {}
