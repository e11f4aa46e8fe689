//! How each kind of argument is shown.

use crate::{CallResult, RawArgs};
use abi::sockaddr::{self, SockAddr, UnName};
use abi::structs::{IoVec, PollFd, Rlimit, SigAction, Stat, Timespec};
use abi::{AT_FDCWD, Mode, Pod, SigSet, Signal, general as raw};
use alloc::{string::String, vec::Vec};
use core::fmt::{self, Write};
use mm::user::{UserMemory, UserPtr};

/// Bytes of a buffer that are shown.
const SHOWN: usize = 32;
/// Elements of an array that are shown.
const ELEMENTS: u64 = 8;

/// The names of values or bits.
pub type Names = &'static [(u64, &'static str)];

/// Constants of `abi::general` with their names.
macro_rules! names {
    ($($name:ident),* $(,)?) => { &[$((abi::general::$name as u64, stringify!($name))),*] };
}
pub(crate) use names;

/// What an argument is.
#[derive(Clone, Copy, Debug)]
pub enum ArgKind {
    /// A descriptor or another C `int`.
    Int,
    /// An unsigned number or size.
    Unsigned,
    /// A signed 64-bit number.
    Long,
    /// A number or address in hexadecimal; 0 is shown as such.
    Hex,
    /// An address; 0 is NULL.
    Ptr,
    /// A directory descriptor.
    Dir,
    /// A path or another string.
    Path,
    /// A buffer that the call reads; its length is the argument with this index.
    BufferIn(usize),
    /// A buffer that the call fills; its length is the result.
    BufferOut,
    /// Buffers that the call reads; their number is the argument with this index.
    VectorIn(usize),
    /// Buffers that the call fills.
    VectorOut(usize),
    /// Permissions.
    Mode,
    /// Flags of open(2).
    OpenFlags,
    /// Permissions of a new file: shown only if the flags, the argument with this index, make one.
    CreateMode(usize),
    /// Bits.
    Bits(Names),
    /// One of several values.
    Value(Names),
    /// A signal.
    Signal,
    /// A set of signals.
    SigSet,
    /// A disposition.
    Action,
    /// A time.
    Time,
    /// A time that the call stores.
    TimeOut,
    /// A limit.
    Limit,
    /// A limit that the call stores.
    LimitOut,
    /// What stat(2) stores.
    StatOut,
    /// Poll descriptors; their number is the argument with this index.
    Polls(usize),
    /// Two descriptors or other ints that the call stores.
    IntOut,
    /// A socket address; its length is the argument with this index.
    Address(usize),
}

impl ArgKind {
    /// Whether the argument has a meaning in this call.
    pub(super) fn is_shown(self, args: &RawArgs) -> bool {
        let creating = u64::from(raw::O_CREAT | (raw::O_TMPFILE & !raw::O_DIRECTORY));
        match self {
            ArgKind::CreateMode(flags) => args.0.get(flags).is_some_and(|flags| flags & creating != 0),
            _ => true,
        }
    }

    /// Writes argument `index` of a call.
    pub(super) fn write(
        self,
        out: &mut String,
        memory: &dyn UserMemory,
        args: &RawArgs,
        index: usize,
        result: &CallResult<u64>,
    ) -> fmt::Result {
        let arg = |i: usize| args.0.get(i).copied().unwrap_or(0);
        let value = arg(index);
        let done = result.is_ok();
        match self {
            ArgKind::Int => write!(out, "{}", value as i32),
            ArgKind::Unsigned => write!(out, "{value}"),
            ArgKind::Long => write!(out, "{}", value as i64),
            ArgKind::Hex if value == 0 => out.write_str("0"),
            ArgKind::Hex => write!(out, "{value:#x}"),
            ArgKind::Ptr => address(out, value),
            ArgKind::Dir if value as i32 == AT_FDCWD => out.write_str("AT_FDCWD"),
            ArgKind::Dir => write!(out, "{}", value as i32),
            ArgKind::Path => path(out, memory, value),
            ArgKind::BufferIn(len) => buffer(out, memory, value, arg(len)),
            ArgKind::BufferOut => match result {
                Ok(len) => buffer(out, memory, value, *len),
                Err(_) => address(out, value),
            },
            ArgKind::VectorIn(count) => vector(out, memory, value, arg(count), u64::MAX),
            ArgKind::VectorOut(count) => match result {
                Ok(len) => vector(out, memory, value, arg(count), *len),
                Err(_) => address(out, value),
            },
            ArgKind::Mode | ArgKind::CreateMode(_) => write!(out, "0{:o}", value as u32),
            ArgKind::OpenFlags => open_flags(out, value),
            ArgKind::Bits(names) => bits(out, value, names),
            ArgKind::Value(names) => match names.iter().find(|(named, _)| *named == value) {
                Some((_, name)) => out.write_str(name),
                None => write!(out, "{value:#x}"),
            },
            ArgKind::Signal => match Signal::new(value) {
                Some(signal) => write!(out, "{}", signal.name()),
                None => write!(out, "{}", value as i32),
            },
            ArgKind::SigSet => pointed(out, memory, value, true, |out, set: &u64| signals(out, SigSet(*set))),
            ArgKind::Action => pointed(out, memory, value, true, action),
            ArgKind::Time => pointed(out, memory, value, true, time),
            ArgKind::TimeOut => pointed(out, memory, value, done, time),
            ArgKind::Limit => pointed(out, memory, value, true, limit),
            ArgKind::LimitOut => pointed(out, memory, value, done, limit),
            ArgKind::StatOut => pointed(out, memory, value, done, stat),
            ArgKind::Polls(count) => polls(out, memory, value, arg(count)),
            ArgKind::Address(len) => socket_address(out, memory, value, arg(len)),
            ArgKind::IntOut => pointed(out, memory, value, done, |out, int: &i32| write!(out, "[{int}]")),
        }
    }
}

fn socket_address(out: &mut String, memory: &dyn UserMemory, addr: u64, len: u64) -> fmt::Result {
    let mut storage = [0; sockaddr::MAX];
    let bytes = usize::try_from(len).ok().and_then(|len| storage.get_mut(..len));
    let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return address(out, addr) };
    if memory.read(addr, bytes).is_err() {
        return address(out, addr);
    }
    match SockAddr::decode(bytes) {
        Ok(SockAddr::Ip(ip)) => write!(out, "{{{ip}}}"),
        Ok(SockAddr::Unix(UnName::Path(path))) => write!(out, "{{AF_UNIX, \"{}\"}}", path.escape_ascii()),
        Ok(SockAddr::Unix(UnName::Abstract(name))) => {
            write!(out, "{{AF_UNIX, @\"{}\"}}", name.escape_ascii())
        }
        Ok(SockAddr::Unix(UnName::Unnamed)) => out.write_str("{AF_UNIX}"),
        Ok(SockAddr::Netlink(port, groups)) => write!(out, "{{AF_NETLINK, {port}, {groups:#x}}}"),
        Ok(SockAddr::Other(family)) => write!(out, "{{family {family}}}"),
        Err(_) => address(out, addr),
    }
}

fn address(out: &mut String, value: u64) -> fmt::Result {
    if value == 0 { out.write_str("NULL") } else { write!(out, "{value:#x}") }
}

/// What `value` points to, if the call has stored it and it can be read.
fn pointed<T: Pod>(
    out: &mut String,
    memory: &dyn UserMemory,
    value: u64,
    valid: bool,
    show: impl FnOnce(&mut String, &T) -> fmt::Result,
) -> fmt::Result {
    match UserPtr::<T>::new(value).non_null().filter(|_| valid).map(|ptr| ptr.read(memory)) {
        Some(Ok(content)) => show(out, &content),
        _ => address(out, value),
    }
}

/// A C string literal.
fn quoted(out: &mut String, bytes: &[u8]) -> fmt::Result {
    out.push('"');
    for (i, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            0x0b => out.push_str("\\v"),
            0x0c => out.push_str("\\f"),
            0x20..=0x7e => out.push(char::from(byte)),
            // Three digits where another digit follows, as short as possible otherwise.
            _ if bytes.get(i + 1).is_some_and(u8::is_ascii_digit) => write!(out, "\\{byte:03o}")?,
            _ => write!(out, "\\{byte:o}")?,
        }
    }
    out.push('"');
    Ok(())
}

fn path(out: &mut String, memory: &dyn UserMemory, value: u64) -> fmt::Result {
    let mut bytes = Vec::new();
    match memory.read_cstr(value, abi::PATH_MAX, &mut bytes) {
        Ok(()) => quoted(out, &bytes),
        Err(_) => address(out, value),
    }
}

fn buffer(out: &mut String, memory: &dyn UserMemory, value: u64, len: u64) -> fmt::Result {
    let mut bytes = [0; SHOWN];
    let shown = usize::try_from(len).unwrap_or(SHOWN).min(SHOWN);
    let part = bytes.get_mut(..shown).unwrap_or_default();
    if value == 0 || memory.read(value, part).is_err() {
        return address(out, value);
    }
    quoted(out, part)?;
    if len > SHOWN as u64 { out.write_str("...") } else { Ok(()) }
}

fn vector(out: &mut String, memory: &dyn UserMemory, value: u64, count: u64, mut total: u64) -> fmt::Result {
    let array = UserPtr::<IoVec>::new(value);
    out.push('[');
    for i in 0..count.min(ELEMENTS) {
        let Ok(Ok(element)) = array.at(i).map(|ptr| ptr.read(memory)) else {
            if i == 0 {
                out.pop();
                return address(out, value);
            }
            return write!(out, ", ???]");
        };
        if i > 0 {
            out.push_str(", ");
        }
        let used = element.len.min(total);
        total -= used;
        out.push_str("{iov_base=");
        buffer(out, memory, element.base, used)?;
        write!(out, ", iov_len={}}}", element.len)?;
    }
    out.write_str(if count > ELEMENTS { ", ...]" } else { "]" })
}

fn bits(out: &mut String, value: u64, names: Names) -> fmt::Result {
    let mut rest = value;
    let mut first = true;
    for &(bit, name) in names {
        let present = if bit == 0 { value == 0 } else { rest & bit == bit };
        if present {
            if !first {
                out.push('|');
            }
            out.push_str(name);
            first = false;
            rest &= !bit;
        }
    }
    match (rest, first) {
        (0, true) => out.write_str("0"),
        (0, false) => Ok(()),
        (rest, true) => write!(out, "{rest:#x}"),
        (rest, false) => write!(out, "|{rest:#x}"),
    }
}

const OPEN_FLAGS: Names = names![
    O_CREAT,
    O_EXCL,
    O_NOCTTY,
    O_TRUNC,
    O_APPEND,
    O_NONBLOCK,
    O_SYNC,
    O_DSYNC,
    O_DIRECT,
    O_LARGEFILE,
    O_NOFOLLOW,
    O_NOATIME,
    O_CLOEXEC,
    O_PATH,
    O_TMPFILE,
    O_DIRECTORY
];

fn open_flags(out: &mut String, value: u64) -> fmt::Result {
    let value = value & u64::from(u32::MAX);
    out.push_str(match value as u32 & raw::O_ACCMODE {
        raw::O_RDONLY => "O_RDONLY",
        raw::O_WRONLY => "O_WRONLY",
        raw::O_RDWR => "O_RDWR",
        _ => "O_ACCMODE",
    });
    match value & !u64::from(raw::O_ACCMODE) {
        0 => Ok(()),
        rest => {
            out.push('|');
            bits(out, rest, OPEN_FLAGS)
        }
    }
}

fn signals(out: &mut String, set: SigSet) -> fmt::Result {
    // More than half of them: what is missing is shorter.
    let (set, start) = if set.0.count_ones() > 32 { (SigSet(!set.0), "~[") } else { (set, "[") };
    out.push_str(start);
    for (i, signal) in set.iter().enumerate() {
        let mut name = String::new();
        write!(name, "{}", signal.name())?;
        write!(out, "{}{}", if i > 0 { " " } else { "" }, name.strip_prefix("SIG").unwrap_or(&name))?;
    }
    out.write_str("]")
}

const SA_FLAGS: Names = names![
    SA_RESTORER,
    SA_ONSTACK,
    SA_RESTART,
    SA_NODEFER,
    SA_RESETHAND,
    SA_SIGINFO,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT
];

fn action(out: &mut String, action: &SigAction) -> fmt::Result {
    match action.handler {
        0 => out.push_str("{sa_handler=SIG_DFL, sa_mask="),
        1 => out.push_str("{sa_handler=SIG_IGN, sa_mask="),
        handler => write!(out, "{{sa_handler={handler:#x}, sa_mask=")?,
    }
    signals(out, SigSet(action.mask))?;
    out.push_str(", sa_flags=");
    bits(out, action.flags, SA_FLAGS)?;
    out.write_str("}")
}

fn time(out: &mut String, time: &Timespec) -> fmt::Result {
    write!(out, "{{tv_sec={}, tv_nsec={}}}", time.tv_sec, time.tv_nsec)
}

fn limit(out: &mut String, limit: &Rlimit) -> fmt::Result {
    let mut one = |name: &str, value: u64| match value {
        u64::MAX => write!(out, "{name}=RLIM64_INFINITY"),
        value => write!(out, "{name}={value}"),
    };
    one("{rlim_cur", limit.rlim_cur)?;
    one(", rlim_max", limit.rlim_max)?;
    out.write_str("}")
}

fn stat(out: &mut String, stat: &Stat) -> fmt::Result {
    let kind = match Mode(stat.st_mode).file_type() {
        Mode::IFREG => "S_IFREG",
        Mode::IFDIR => "S_IFDIR",
        Mode::IFLNK => "S_IFLNK",
        Mode::IFCHR => "S_IFCHR",
        Mode::IFBLK => "S_IFBLK",
        Mode::IFIFO => "S_IFIFO",
        _ => "S_IFSOCK",
    };
    write!(out, "{{st_mode={kind}|0{:o}, st_size={}, ...}}", stat.st_mode & 0o7777, stat.st_size)
}

const POLL_EVENTS: Names =
    names![POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDNORM, POLLWRNORM];

fn polls(out: &mut String, memory: &dyn UserMemory, value: u64, count: u64) -> fmt::Result {
    let array = UserPtr::<PollFd>::new(value);
    out.push('[');
    for i in 0..count.min(ELEMENTS) {
        let Ok(Ok(poll)) = array.at(i).map(|ptr| ptr.read(memory)) else {
            return write!(out, "{value:#x}]");
        };
        write!(out, "{}{{fd={}, events=", if i > 0 { ", " } else { "" }, poll.fd)?;
        bits(out, u64::from(poll.events as u16), POLL_EVENTS)?;
        out.push_str(", revents=");
        bits(out, u64::from(poll.revents as u16), POLL_EVENTS)?;
        out.push('}');
    }
    out.write_str(if count > ELEMENTS { ", ...]" } else { "]" })
}
