//! Structures that system calls exchange with the program.
//!
//! Those without padding and pointers are re-exported from `linux-raw-sys`; the others are written here with explicit padding
//! and with addresses as integers, because a program's pointer is a number to the kernel. All are [`Pod`](crate::Pod).

pub use linux_raw_sys::general::{
    __kernel_old_timeval as Timeval, __kernel_timespec as Timespec, pollfd as PollFd, rlimit64 as Rlimit,
    stat as Stat, statx as Statx, statx_timestamp as StatxTimestamp, termios as Termios,
    termios2 as Termios2, timezone as Timezone, winsize as Winsize,
};
pub use linux_raw_sys::system::new_utsname as Utsname;

/// One buffer of readv and writev (`struct iovec`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoVec {
    /// Address in the program.
    pub base: u64,
    /// Bytes.
    pub len: u64,
}

/// The kernel's `struct sigaction` of rt_sigaction(2) (not the C library's).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigAction {
    /// Handler address, or `SIG_DFL` (0) or `SIG_IGN` (1).
    pub handler: u64,
    /// `SA_*`.
    pub flags: u64,
    /// Code that calls rt_sigreturn.
    pub restorer: u64,
    /// Signals blocked while the handler runs.
    pub mask: u64,
}

/// `stack_t` of sigaltstack(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackT {
    /// Lowest address.
    pub sp: u64,
    /// `SS_*`.
    pub flags: i32,
    /// Padding.
    pub pad: u32,
    /// Bytes.
    pub size: u64,
}

/// `siginfo_t`: 128 bytes, of which the tail depends on the signal.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigInfo {
    /// Signal number.
    pub signo: i32,
    /// Always 0 on Linux.
    pub errno: i32,
    /// `SI_*`, `SEGV_*` ...
    pub code: i32,
    /// Padding.
    pub pad: u32,
    /// The union: for faults the address is in `fields[0]`, for kill the pid and uid share `fields[0]`.
    pub fields: [u64; 14],
}

impl SigInfo {
    /// About `signal`, with a `code` and nothing else.
    pub const fn new(signal: crate::Signal, code: i32) -> Self {
        SigInfo { signo: signal.raw() as i32, errno: 0, code, pad: 0, fields: [0; 14] }
    }

    /// Sent by a process.
    pub const fn sent(signal: crate::Signal, code: i32, pid: u32, uid: u32) -> Self {
        let mut info = Self::new(signal, code);
        info.fields[0] = pid as u64 | (uid as u64) << 32;
        info
    }

    /// A fault at an address.
    pub const fn fault(signal: crate::Signal, code: u32, addr: u64) -> Self {
        let mut info = Self::new(signal, code as i32);
        info.fields[0] = addr;
        info
    }
}

/// What a POSIX timer does when it expires (`struct sigevent`, 64 bytes).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigEvent {
    /// Goes with the signal.
    pub value: u64,
    /// The signal.
    pub signo: i32,
    /// `SIGEV_*`.
    pub notify: i32,
    /// The thread of `SIGEV_THREAD_ID`.
    pub thread: i32,
    /// Padding.
    pub pad: [u32; 11],
}

/// `struct itimerval` of setitimer(2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ITimerVal {
    /// Period, 0 for none.
    pub interval: Timeval,
    /// Time left.
    pub value: Timeval,
}

/// `struct itimerspec` of timer_settime(2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ITimerSpec {
    /// Period, 0 for none.
    pub interval: Timespec,
    /// Time left, or the time of expiry.
    pub value: Timespec,
}

/// `struct sysinfo` of sysinfo(2), with its padding named.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SysInfo {
    /// Seconds since boot.
    pub uptime: i64,
    /// 1, 5 and 15 minute load averages, times 65536.
    pub loads: [u64; 3],
    /// Memory, in `mem_unit` bytes.
    pub totalram: u64,
    /// Free memory.
    pub freeram: u64,
    /// Memory in shared mappings.
    pub sharedram: u64,
    /// Memory in buffers.
    pub bufferram: u64,
    /// Swap.
    pub totalswap: u64,
    /// Free swap.
    pub freeswap: u64,
    /// Number of processes.
    pub procs: u16,
    /// Padding.
    pub pad: u16,
    /// Padding.
    pub pad2: u32,
    /// High memory: none on x86-64.
    pub totalhigh: u64,
    /// Free high memory.
    pub freehigh: u64,
    /// Unit of the sizes, bytes.
    pub mem_unit: u32,
    /// Padding.
    pub pad3: u32,
}

/// `struct statfs` of statfs(2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StatFs {
    /// Magic number of the type.
    pub kind: u64,
    /// Preferred size of reads and writes.
    pub bsize: u64,
    /// Size, in `frsize` units.
    pub blocks: u64,
    /// Free of it.
    pub bfree: u64,
    /// Free for everybody.
    pub bavail: u64,
    /// Nodes.
    pub files: u64,
    /// Free nodes.
    pub ffree: u64,
    /// Number of the file system.
    pub fsid: [u32; 2],
    /// Longest name.
    pub namelen: u64,
    /// Unit of the sizes, bytes.
    pub frsize: u64,
    /// `ST_*`.
    pub flags: u64,
    /// Unused.
    pub spare: [u64; 4],
}

/// `struct flock` of fcntl(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flock {
    /// `F_RDLCK`, `F_WRLCK`, `F_UNLCK`.
    pub kind: i16,
    /// `SEEK_*`.
    pub whence: i16,
    /// Padding.
    pub pad: u32,
    /// Where the range begins.
    pub start: i64,
    /// Its length; 0 is to the end of the file, however long it gets.
    pub len: i64,
    /// Who holds a conflicting lock.
    pub pid: i32,
    /// Padding.
    pub pad2: u32,
}

/// The fixed head of `struct linux_dirent64`; the NUL-terminated name follows at offset 19.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
pub struct Dirent64Head {
    /// Inode number as eight bytes.
    pub ino: [u8; 8],
    /// Position of the next entry.
    pub off: [u8; 8],
    /// Length of this record.
    pub reclen: [u8; 2],
    /// `DT_*`.
    pub kind: u8,
}

/// `struct user_msghdr` of sendmsg(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgHdr {
    /// Address of the name.
    pub name: u64,
    /// Its length.
    pub namelen: i32,
    /// Padding.
    pub pad: u32,
    /// Address of the buffers.
    pub iov: u64,
    /// Their number.
    pub iovlen: u64,
    /// Address of the control messages.
    pub control: u64,
    /// Their length in bytes.
    pub controllen: u64,
    /// `MSG_*`, on return.
    pub flags: u32,
    /// Padding.
    pub pad2: u32,
}

/// `struct mmsghdr` of sendmmsg(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MMsgHdr {
    /// The message.
    pub hdr: MsgHdr,
    /// Bytes that went.
    pub len: u32,
    /// Padding.
    pub pad: u32,
}

/// `struct cmsghdr` of cmsg(3).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CmsgHdr {
    /// Length with this header.
    pub len: u64,
    /// `SOL_*`.
    pub level: i32,
    /// Type within the level.
    pub kind: i32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};
    use linux_raw_sys::{general, system};

    #[test]
    fn own_structures_have_linux_sizes_and_offsets() {
        assert_eq!(size_of::<IoVec>(), size_of::<general::iovec>());
        assert_eq!(size_of::<StackT>(), size_of::<general::sigaltstack>());
        assert_eq!(offset_of!(StackT, size), offset_of!(general::sigaltstack, ss_size));
        assert_eq!(size_of::<SigInfo>(), size_of::<general::siginfo>());
        assert_eq!(size_of::<SigAction>(), size_of::<general::kernel_sigaction>());
        assert_eq!(offset_of!(SigAction, restorer), offset_of!(general::kernel_sigaction, sa_restorer));
        assert_eq!(size_of::<SigEvent>(), size_of::<general::sigevent>());
        assert_eq!(size_of::<SysInfo>(), size_of::<system::sysinfo>());
        assert_eq!(offset_of!(SysInfo, mem_unit), offset_of!(system::sysinfo, mem_unit));
        assert_eq!(offset_of!(SysInfo, totalhigh), offset_of!(system::sysinfo, totalhigh));
        assert_eq!(size_of::<Dirent64Head>(), offset_of!(general::linux_dirent64, d_name));
        assert_eq!(size_of::<Stat>(), 144);
        assert_eq!(size_of::<MsgHdr>(), size_of::<linux_raw_sys::net::msghdr>());
        assert_eq!(offset_of!(MsgHdr, controllen), offset_of!(linux_raw_sys::net::msghdr, msg_controllen));
        assert_eq!(size_of::<MMsgHdr>(), size_of::<linux_raw_sys::net::mmsghdr>());
        assert_eq!(size_of::<CmsgHdr>(), size_of::<linux_raw_sys::net::cmsghdr>());
        assert_eq!(size_of::<StatFs>(), size_of::<general::statfs>());
        assert_eq!(offset_of!(StatFs, namelen), offset_of!(general::statfs, f_namelen));
        assert_eq!(size_of::<Flock>(), size_of::<general::flock>());
        assert_eq!(offset_of!(Flock, pid), offset_of!(general::flock, l_pid));
    }
}
