//! Flag words of the system calls as types. Bits that Linux knows and this list does not are kept, not lost.

#![allow(missing_docs)] // the constants are those of the manual pages named at each type

use bitflags::bitflags;
use linux_raw_sys::general as raw;

bitflags! {
    /// Page protection of mmap(2) and mprotect(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Prot: u32 {
        /// Readable.
        const READ = raw::PROT_READ;
        /// Writable.
        const WRITE = raw::PROT_WRITE;
        /// Executable.
        const EXEC = raw::PROT_EXEC;
        /// May be used for atomic operations: no effect on x86-64.
        const SEM = raw::PROT_SEM;
        /// mprotect: extend the change to the start of a mapping that grows down.
        const GROWSDOWN = raw::PROT_GROWSDOWN;
        /// mprotect: extend the change to the end of a mapping that grows up.
        const GROWSUP = raw::PROT_GROWSUP;
        const _ = !0;
    }

    /// Flags of mmap(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MapFlags: u32 {
        const SHARED = raw::MAP_SHARED;
        const PRIVATE = raw::MAP_PRIVATE;
        const FIXED = raw::MAP_FIXED;
        const ANONYMOUS = raw::MAP_ANONYMOUS;
        const BIT32 = raw::MAP_32BIT;
        const GROWSDOWN = raw::MAP_GROWSDOWN;
        const DENYWRITE = raw::MAP_DENYWRITE;
        const EXECUTABLE = raw::MAP_EXECUTABLE;
        const LOCKED = raw::MAP_LOCKED;
        const NORESERVE = raw::MAP_NORESERVE;
        const POPULATE = raw::MAP_POPULATE;
        const NONBLOCK = raw::MAP_NONBLOCK;
        const STACK = raw::MAP_STACK;
        const HUGETLB = raw::MAP_HUGETLB;
        const SYNC = raw::MAP_SYNC;
        const FIXED_NOREPLACE = raw::MAP_FIXED_NOREPLACE;
        const _ = !0;
    }

    /// Flags of open(2), also the status flags of an open file description.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        const WRONLY = raw::O_WRONLY;
        const RDWR = raw::O_RDWR;
        const CREAT = raw::O_CREAT;
        const EXCL = raw::O_EXCL;
        const NOCTTY = raw::O_NOCTTY;
        const TRUNC = raw::O_TRUNC;
        const APPEND = raw::O_APPEND;
        const NONBLOCK = raw::O_NONBLOCK;
        const DSYNC = raw::O_DSYNC;
        const ASYNC = 0o20000;
        const DIRECT = raw::O_DIRECT;
        const LARGEFILE = raw::O_LARGEFILE;
        const DIRECTORY = raw::O_DIRECTORY;
        const NOFOLLOW = raw::O_NOFOLLOW;
        const NOATIME = raw::O_NOATIME;
        const CLOEXEC = raw::O_CLOEXEC;
        const PATH = raw::O_PATH;
        const _ = !0;
    }

    /// Flags of the *at calls.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AtFlags: u32 {
        const SYMLINK_NOFOLLOW = raw::AT_SYMLINK_NOFOLLOW;
        const SYMLINK_FOLLOW = raw::AT_SYMLINK_FOLLOW;
        const NO_AUTOMOUNT = raw::AT_NO_AUTOMOUNT;
        const EMPTY_PATH = raw::AT_EMPTY_PATH;
        const EACCESS = raw::AT_EACCESS;
        const _ = !0;
    }

    /// Flags of a descriptor.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FdFlags: u32 {
        /// Closed by execve.
        const CLOEXEC = raw::FD_CLOEXEC;
    }

    /// Events of poll(2), shared with epoll.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PollEvents: u16 {
        const IN = raw::POLLIN as u16;
        const PRI = raw::POLLPRI as u16;
        const OUT = raw::POLLOUT as u16;
        const ERR = raw::POLLERR as u16;
        const HUP = raw::POLLHUP as u16;
        const NVAL = raw::POLLNVAL as u16;
        const RDNORM = raw::POLLRDNORM as u16;
        const RDBAND = raw::POLLRDBAND as u16;
        const WRNORM = raw::POLLWRNORM as u16;
        const WRBAND = raw::POLLWRBAND as u16;
        const RDHUP = raw::POLLRDHUP as u16;
        const _ = !0;
    }

    /// Flags of rt_sigaction(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SigFlags: u64 {
        const NOCLDSTOP = raw::SA_NOCLDSTOP as u64;
        const NOCLDWAIT = raw::SA_NOCLDWAIT as u64;
        const SIGINFO = raw::SA_SIGINFO as u64;
        const RESTORER = raw::SA_RESTORER as u64;
        const ONSTACK = raw::SA_ONSTACK as u64;
        const RESTART = raw::SA_RESTART as u64;
        const NODEFER = raw::SA_NODEFER as u64;
        const RESETHAND = raw::SA_RESETHAND as u64;
        const _ = !0;
    }
}

impl OpenFlags {
    /// The two bits that select reading and writing.
    pub const ACCMODE: u32 = raw::O_ACCMODE;

    /// Whether reading is asked for.
    pub const fn readable(self) -> bool {
        matches!(self.bits() & Self::ACCMODE, raw::O_RDONLY | raw::O_RDWR)
    }

    /// Whether writing is asked for.
    pub const fn writable(self) -> bool {
        matches!(self.bits() & Self::ACCMODE, raw::O_WRONLY | raw::O_RDWR)
    }
}

/// File type and permission bits (inode(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    pub const IFMT: u32 = raw::S_IFMT;
    pub const IFREG: u32 = raw::S_IFREG;
    pub const IFDIR: u32 = raw::S_IFDIR;
    pub const IFLNK: u32 = raw::S_IFLNK;
    pub const IFCHR: u32 = raw::S_IFCHR;
    pub const IFBLK: u32 = raw::S_IFBLK;
    pub const IFIFO: u32 = raw::S_IFIFO;
    pub const IFSOCK: u32 = raw::S_IFSOCK;
}

impl Mode {
    /// The file type bits.
    pub const fn file_type(self) -> u32 {
        self.0 & Self::IFMT
    }

    /// The `DT_*` value of getdents64(2) for this type.
    pub const fn dirent_type(self) -> u8 {
        (self.file_type() >> 12) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_modes() {
        let flags = |bits| OpenFlags::from_bits_retain(bits);
        assert!(flags(0).readable() && !flags(0).writable());
        assert!(!flags(1).readable() && flags(1).writable());
        assert!(flags(2).readable() && flags(2).writable());
        assert_eq!(Mode(0o100644).dirent_type(), raw::DT_REG as u8);
        assert_eq!(Mode(0o040755).dirent_type(), raw::DT_DIR as u8);
        assert_eq!(Mode(0o120777).dirent_type(), raw::DT_LNK as u8);
    }
}
