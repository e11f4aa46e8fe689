//! Error numbers with their names and the texts of strerror(3).
//!
//! Which error a failure becomes is chosen in the `syscall` crate, in one place; this module only names them.

use linux_raw_sys::errno as raw;

/// A Linux error number, 1 to 4095.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(u16);

macro_rules! errnos {
    ($($name:ident => $text:literal,)*) => {
        #[allow(missing_docs)] // errno(3) describes each
        impl Errno {
            $(pub const $name: Errno = Errno(raw::$name as u16);)*
        }

        const fn build_table() -> [Option<(&'static str, &'static str)>; 134] {
            let mut table = [None; 134];
            $(table[raw::$name as usize] = Some((stringify!($name), $text));)*
            table
        }
    };
}

static TABLE: [Option<(&str, &str)>; 134] = build_table();

impl Errno {
    /// The number.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// From a number; `None` if it is not one that Linux uses.
    pub fn from_raw(raw: u16) -> Option<Self> {
        TABLE.get(usize::from(raw)).copied().flatten().map(|_| Errno(raw))
    }

    /// The constant's name, such as `ENOENT`.
    pub fn name(self) -> &'static str {
        match self {
            Errno::ERESTARTSYS => "ERESTARTSYS",
            Errno::ERESTARTNOINTR => "ERESTARTNOINTR",
            Errno::ERESTARTNOHAND => "ERESTARTNOHAND",
            Errno::ERESTART_RESTARTBLOCK => "ERESTART_RESTARTBLOCK",
            _ => TABLE.get(usize::from(self.0)).copied().flatten().map_or("EUNKNOWN", |(name, _)| name),
        }
    }

    /// The text of strerror(3), such as `No such file or directory`.
    pub fn description(self) -> &'static str {
        match self.0 {
            512..=516 => "to be restarted",
            _ => TABLE.get(usize::from(self.0)).copied().flatten().map_or("Unknown error", |(_, text)| text),
        }
    }

    /// What the system call leaves in RAX: the negated number.
    pub const fn to_rax(self) -> u64 {
        (self.0 as u64).wrapping_neg()
    }

    /// Inside the kernel only, as the three below: a signal ended the call, which starts again unless a handler without
    /// SA_RESTART runs.
    pub const ERESTARTSYS: Errno = Errno(512);
    /// The call starts again in any case.
    pub const ERESTARTNOINTR: Errno = Errno(513);
    /// The call starts again unless a handler runs.
    pub const ERESTARTNOHAND: Errno = Errno(514);
    /// As ERESTARTNOHAND, but through restart_syscall(2), which knows how much of a wait is left.
    pub const ERESTART_RESTARTBLOCK: Errno = Errno(516);

    /// The restart code in a result, if it is one.
    #[inline]
    pub const fn restart_code(rax: u64) -> Option<Errno> {
        let number = rax.wrapping_neg();
        if number >= 512 && number <= 516 { Some(Errno(number as u16)) } else { None }
    }

    /// Another name of EAGAIN.
    pub const EWOULDBLOCK: Errno = Errno::EAGAIN;
    /// Another name of EOPNOTSUPP.
    pub const ENOTSUP: Errno = Errno::EOPNOTSUPP;
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.name(), self.description())
    }
}

impl core::error::Error for Errno {}

errnos! {
    EPERM => "Operation not permitted",
    ENOENT => "No such file or directory",
    ESRCH => "No such process",
    EINTR => "Interrupted system call",
    EIO => "Input/output error",
    ENXIO => "No such device or address",
    E2BIG => "Argument list too long",
    ENOEXEC => "Exec format error",
    EBADF => "Bad file descriptor",
    ECHILD => "No child processes",
    EAGAIN => "Resource temporarily unavailable",
    ENOMEM => "Cannot allocate memory",
    EACCES => "Permission denied",
    EFAULT => "Bad address",
    ENOTBLK => "Block device required",
    EBUSY => "Device or resource busy",
    EEXIST => "File exists",
    EXDEV => "Invalid cross-device link",
    ENODEV => "No such device",
    ENOTDIR => "Not a directory",
    EISDIR => "Is a directory",
    EINVAL => "Invalid argument",
    ENFILE => "Too many open files in system",
    EMFILE => "Too many open files",
    ENOTTY => "Inappropriate ioctl for device",
    ETXTBSY => "Text file busy",
    EFBIG => "File too large",
    ENOSPC => "No space left on device",
    ESPIPE => "Illegal seek",
    EROFS => "Read-only file system",
    EMLINK => "Too many links",
    EPIPE => "Broken pipe",
    EDOM => "Numerical argument out of domain",
    ERANGE => "Numerical result out of range",
    EDEADLK => "Resource deadlock avoided",
    ENAMETOOLONG => "File name too long",
    ENOLCK => "No locks available",
    ENOSYS => "Function not implemented",
    ENOTEMPTY => "Directory not empty",
    ELOOP => "Too many levels of symbolic links",
    ENOMSG => "No message of desired type",
    EIDRM => "Identifier removed",
    ECHRNG => "Channel number out of range",
    EL2NSYNC => "Level 2 not synchronized",
    EL3HLT => "Level 3 halted",
    EL3RST => "Level 3 reset",
    ELNRNG => "Link number out of range",
    EUNATCH => "Protocol driver not attached",
    ENOCSI => "No CSI structure available",
    EL2HLT => "Level 2 halted",
    EBADE => "Invalid exchange",
    EBADR => "Invalid request descriptor",
    EXFULL => "Exchange full",
    ENOANO => "No anode",
    EBADRQC => "Invalid request code",
    EBADSLT => "Invalid slot",
    EBFONT => "Bad font file format",
    ENOSTR => "Device not a stream",
    ENODATA => "No data available",
    ETIME => "Timer expired",
    ENOSR => "Out of streams resources",
    ENONET => "Machine is not on the network",
    ENOPKG => "Package not installed",
    EREMOTE => "Object is remote",
    ENOLINK => "Link has been severed",
    EADV => "Advertise error",
    ESRMNT => "Srmount error",
    ECOMM => "Communication error on send",
    EPROTO => "Protocol error",
    EMULTIHOP => "Multihop attempted",
    EDOTDOT => "RFS specific error",
    EBADMSG => "Bad message",
    EOVERFLOW => "Value too large for defined data type",
    ENOTUNIQ => "Name not unique on network",
    EBADFD => "File descriptor in bad state",
    EREMCHG => "Remote address changed",
    ELIBACC => "Can not access a needed shared library",
    ELIBBAD => "Accessing a corrupted shared library",
    ELIBSCN => ".lib section in a.out corrupted",
    ELIBMAX => "Attempting to link in too many shared libraries",
    ELIBEXEC => "Cannot exec a shared library directly",
    EILSEQ => "Invalid or incomplete multibyte or wide character",
    ERESTART => "Interrupted system call should be restarted",
    ESTRPIPE => "Streams pipe error",
    EUSERS => "Too many users",
    ENOTSOCK => "Socket operation on non-socket",
    EDESTADDRREQ => "Destination address required",
    EMSGSIZE => "Message too long",
    EPROTOTYPE => "Protocol wrong type for socket",
    ENOPROTOOPT => "Protocol not available",
    EPROTONOSUPPORT => "Protocol not supported",
    ESOCKTNOSUPPORT => "Socket type not supported",
    EOPNOTSUPP => "Operation not supported",
    EPFNOSUPPORT => "Protocol family not supported",
    EAFNOSUPPORT => "Address family not supported by protocol",
    EADDRINUSE => "Address already in use",
    EADDRNOTAVAIL => "Cannot assign requested address",
    ENETDOWN => "Network is down",
    ENETUNREACH => "Network is unreachable",
    ENETRESET => "Network dropped connection on reset",
    ECONNABORTED => "Software caused connection abort",
    ECONNRESET => "Connection reset by peer",
    ENOBUFS => "No buffer space available",
    EISCONN => "Transport endpoint is already connected",
    ENOTCONN => "Transport endpoint is not connected",
    ESHUTDOWN => "Cannot send after transport endpoint shutdown",
    ETOOMANYREFS => "Too many references: cannot splice",
    ETIMEDOUT => "Connection timed out",
    ECONNREFUSED => "Connection refused",
    EHOSTDOWN => "Host is down",
    EHOSTUNREACH => "No route to host",
    EALREADY => "Operation already in progress",
    EINPROGRESS => "Operation now in progress",
    ESTALE => "Stale file handle",
    EUCLEAN => "Structure needs cleaning",
    ENOTNAM => "Not a XENIX named type file",
    ENAVAIL => "No XENIX semaphores available",
    EISNAM => "Is a named type file",
    EREMOTEIO => "Remote I/O error",
    EDQUOT => "Disk quota exceeded",
    ENOMEDIUM => "No medium found",
    EMEDIUMTYPE => "Wrong medium type",
    ECANCELED => "Operation canceled",
    ENOKEY => "Required key not available",
    EKEYEXPIRED => "Key has expired",
    EKEYREVOKED => "Key has been revoked",
    EKEYREJECTED => "Key was rejected by service",
    EOWNERDEAD => "Owner died",
    ENOTRECOVERABLE => "State not recoverable",
    ERFKILL => "Operation not possible due to RF-kill",
    EHWPOISON => "Memory page has hardware error",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts() {
        assert_eq!(Errno::ENOENT.raw(), 2);
        assert_eq!(Errno::ENOENT.to_string(), "ENOENT (No such file or directory)");
        assert_eq!(Errno::from_raw(41), None, "a hole in the numbering");
        assert_eq!(Errno::from_raw(133), Some(Errno::EHWPOISON));
        assert_eq!(Errno::from_raw(4000), None);
        assert_eq!(Errno::ENOSYS.to_rax() as i64, -38);
    }

    #[test]
    fn texts_are_those_of_the_c_library() {
        for raw in 1..134 {
            if let Some(errno) = Errno::from_raw(raw) {
                let host = std::io::Error::from_raw_os_error(i32::from(raw)).to_string();
                assert!(host.starts_with(errno.description()), "{errno:?}: {host}");
            }
        }
    }
}
