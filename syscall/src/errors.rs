//! Which error number each failure becomes: the one place where that is decided.

use abi::Errno;
use fs::FsError;
use fs::socket::SocketError;
use mm::space::{FaultError, MmError};
use mm::store::PunchError;
use mm::user::{CStrError, Fault, IoVecError};
use sched::timers::OutOfMemory;
use task::credentials::NotPermitted;
use task::futex::FutexError;
use task::limits::LimitError;
use task::signal::pending::QueueFull;
use task::timers::posix::TimerError;
use task::{AltStackError, ExitStatus, FdError, NoThread};

/// Why a call does not return a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// It failed.
    Errno(Errno),
    /// It does not return: the process ends.
    Exit(ExitStatus),
    /// It does not return: the thread has ended, and others go on.
    ThreadEnds,
}

impl CallError {
    /// Gives a wait that a signal ended (EINTR) its way of starting again: one of the `ERESTART` codes.
    #[must_use]
    pub fn if_interrupted(self, code: Errno) -> Self {
        if self == CallError::Errno(Errno::EINTR) { code.into() } else { self }
    }
}

/// What a call is answered (in RAX) at once while the kernel has no memory for itself; `None` if it may run, because it
/// gives memory back, ends the program, returns from a handler, or takes nothing.
#[must_use]
pub fn refused_without_memory(nr: u64) -> Option<u64> {
    use abi::nr::*;
    let runs = matches!(
        nr as u32,
        READ | WRITE
            | READV
            | WRITEV
            | PREAD64
            | PWRITE64
            | CLOSE
            | CLOSE_RANGE
            | MUNMAP
            | UNLINK
            | UNLINKAT
            | RMDIR
            | FTRUNCATE
            | TRUNCATE
            | EXIT
            | EXIT_GROUP
            | RT_SIGRETURN
            | RT_SIGPROCMASK
            | RT_SIGACTION
            | FSTAT
            | LSEEK
            | GETPID
            | GETTID
            | SYSINFO
            | CLOCK_GETTIME
            | CLOCK_NANOSLEEP
            | NANOSLEEP
            | FUTEX
            | SCHED_YIELD
            | KILL
            | TGKILL
            | TKILL
            | BRK
            | MUNLOCK
            | MUNLOCKALL
            | RECVFROM
            | SHUTDOWN
            | EPOLL_WAIT
            | POLL
            | PPOLL
    );
    (!runs).then(|| Errno::ENOMEM.to_rax())
}

/// The result of a call or of a part of one.
pub type CallResult<T> = Result<T, CallError>;

impl From<Errno> for CallError {
    fn from(errno: Errno) -> Self {
        CallError::Errno(errno)
    }
}

/// The error number of a failure.
pub trait ToErrno {
    /// The number.
    fn to_errno(&self) -> Errno;
}

macro_rules! errors {
    ($($ty:ty: $($pattern:pat => $errno:ident),* ;)*) => {$(
        impl ToErrno for $ty {
            fn to_errno(&self) -> Errno {
                match self {
                    $($pattern => Errno::$errno,)*
                }
            }
        }

        impl From<$ty> for CallError {
            fn from(error: $ty) -> Self {
                CallError::Errno(error.to_errno())
            }
        }
    )*};
}

errors! {
    FsError:
        FsError::NotFound => ENOENT,
        FsError::NotDirectory => ENOTDIR,
        FsError::IsDirectory => EISDIR,
        FsError::Loop => ELOOP,
        FsError::NameTooLong => ENAMETOOLONG,
        FsError::Access => EACCES,
        FsError::ReadOnly => EROFS,
        FsError::Exists => EEXIST,
        FsError::Invalid => EINVAL,
        FsError::BadMode => EBADF,
        FsError::NotSeekable => ESPIPE,
        FsError::NotTty => ENOTTY,
        FsError::NoProcess => ESRCH,
        FsError::NoDevice | FsError::BeyondEnd => ENXIO,
        FsError::NoSpace => ENOSPC,
        FsError::Overflow => EOVERFLOW,
        FsError::Fault => EFAULT,
        FsError::WouldBlock => EAGAIN,
        FsError::Interrupted => ERESTARTSYS,
        FsError::NotSupported => EOPNOTSUPP,
        FsError::NotPermitted => EPERM,
        FsError::TooLarge | FsError::SizeLimit => EFBIG,
        FsError::NoData => ENODATA,
        FsError::Busy => EBUSY,
        FsError::BrokenPipe => EPIPE,
        FsError::NoMemory => ENOMEM,
        FsError::Io => EIO,
        FsError::NotEmpty => ENOTEMPTY,
        FsError::Cancelled => ECANCELED,
        FsError::CrossDevice => EXDEV,
        FsError::TooManyOpen => EMFILE,
        FsError::NoLocks => ENOLCK,
        FsError::Deadlock => EDEADLK,
        FsError::TooManyLinks => EMLINK,
        FsError::NotConnected => ENOTCONN,
        FsError::ConnectionReset => ECONNRESET,
        FsError::ConnectionRefused => ECONNREFUSED,
        FsError::TimedOut => ETIMEDOUT,
        FsError::Unreachable => EHOSTUNREACH,
        FsError::MessageSize => EMSGSIZE,
        FsError::NoBuffers => ENOBUFS,
        FsError::DestinationRequired => EDESTADDRREQ,
        FsError::NoInterface => ENODEV,
        FsError::AddressNotAvailable => EADDRNOTAVAIL;
    MmError:
        MmError::Invalid => EINVAL,
        MmError::NoMemory => ENOMEM,
        MmError::Exists => EEXIST,
        MmError::Denied => EPERM,
        MmError::Overflow => EOVERFLOW,
        MmError::NotMapped => EFAULT,
        MmError::Access => EACCES;
    PunchError:
        PunchError::NotSupported => EOPNOTSUPP,
        PunchError::Denied => EPERM;
    FaultError:
        FaultError::OutOfMemory => ENOMEM,
        _ => EFAULT;
    Fault:
        _ => EFAULT;
    CStrError:
        CStrError::Fault(_) => EFAULT,
        CStrError::TooLong => ENAMETOOLONG,
        CStrError::NoMemory => ENOMEM;
    IoVecError:
        IoVecError::Invalid => EINVAL,
        IoVecError::Fault(_) => EFAULT,
        IoVecError::NoMemory => ENOMEM;
    FdError:
        FdError::Bad => EBADF,
        FdError::TooMany => EMFILE,
        FdError::Invalid => EINVAL,
        FdError::NoMemory => ENOMEM;
    NotPermitted:
        _ => EPERM;
    QueueFull:
        _ => EAGAIN;
    AltStackError:
        AltStackError::InUse => EPERM,
        AltStackError::Flags => EINVAL,
        AltStackError::Small => ENOMEM;
    TimerError:
        TimerError::Unknown => EINVAL,
        TimerError::TooMany => EAGAIN,
        TimerError::NoMemory => ENOMEM;
    OutOfMemory:
        _ => ENOMEM;
    NoThread:
        _ => EAGAIN;
    FutexError:
        FutexError::Changed | FutexError::Busy => EAGAIN,
        FutexError::Fault => EFAULT,
        FutexError::TimedOut => ETIMEDOUT,
        FutexError::Interrupted => EINTR,
        FutexError::NoMemory => ENOMEM,
        FutexError::Deadlock => EDEADLK,
        FutexError::NotOwner => EPERM,
        FutexError::NoOwner => ESRCH,
        FutexError::Invalid => EINVAL;
    LimitError:
        LimitError::Invalid => EINVAL,
        LimitError::Permission => EPERM;
}

impl ToErrno for SocketError {
    fn to_errno(&self) -> Errno {
        match self {
            SocketError::File(error) => error.to_errno(),
            SocketError::NotSupported => Errno::EOPNOTSUPP,
            SocketError::NoOption => Errno::ENOPROTOOPT,
            SocketError::AddressInUse => Errno::EADDRINUSE,
            SocketError::AddressNotAvailable => Errno::EADDRNOTAVAIL,
            SocketError::WrongFamily => Errno::EAFNOSUPPORT,
            SocketError::NotConnected => Errno::ENOTCONN,
            SocketError::IsConnected => Errno::EISCONN,
            SocketError::InProgress => Errno::EINPROGRESS,
            SocketError::Already => Errno::EALREADY,
            SocketError::Refused => Errno::ECONNREFUSED,
            SocketError::Reset => Errno::ECONNRESET,
            SocketError::Aborted => Errno::ECONNABORTED,
            SocketError::TimedOut => Errno::ETIMEDOUT,
            SocketError::NetworkUnreachable => Errno::ENETUNREACH,
            SocketError::HostUnreachable => Errno::EHOSTUNREACH,
            SocketError::NetworkDown => Errno::ENETDOWN,
            SocketError::MessageSize => Errno::EMSGSIZE,
            SocketError::NoBuffers => Errno::ENOBUFS,
            SocketError::DestinationRequired => Errno::EDESTADDRREQ,
            SocketError::Shutdown => Errno::EPIPE,
            SocketError::WrongType => Errno::EPROTOTYPE,
            SocketError::TooManyReferences => Errno::ETOOMANYREFS,
            SocketError::Domain => Errno::EDOM,
            SocketError::NoInterface => Errno::ENODEV,
            SocketError::NoProtocol => Errno::EPROTONOSUPPORT,
            SocketError::NoKind => Errno::ESOCKTNOSUPPORT,
        }
    }
}

impl From<SocketError> for CallError {
    fn from(error: SocketError) -> Self {
        CallError::Errno(error.to_errno())
    }
}
