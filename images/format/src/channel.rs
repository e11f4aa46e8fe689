//! The second channel, and the framing of console input.
//!
//! The kernel writes the second channel byte by byte to I/O port [`CHANNEL_PORT`] (QEMU's `isa-debugcon`),
//! `nospin` reads it on the other side. It carries lines of text, each ended by a line feed:
//!
//! * kernel messages, shown to the user as they are;
//! * records, which begin with the byte 0x1E and are never shown ([`Record`]);
//! * frame lines of a backtrace, `  at 0x...`, to which `nospin` adds function and line ([`Frame`]).
//!
//! Text that a program influences must not begin with 0x1E; the kernel replaces control characters in such
//! text. A backtrace of the kernel follows a record [`Record::Kernel`]. The first frame line behind a line
//! that is none holds the address of an instruction; the frame lines behind it hold return addresses.
//!
//! With `console=host` on the guest's command line, the bytes that reach the first serial port are framed, so
//! that end of file can be told from data: 0xFF 0xFF is the byte 0xFF, 0xFF 0x00 is end of file
//! ([`encode_input`], [`InputDecoder`]). Output is never framed.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::header::BuildId;

/// I/O port of the second channel: a byte written there goes to the host. Reads give [`CHANNEL_PORT`]'s low
/// byte (0xE9) where the device is present, as QEMU's `isa-debugcon` does.
pub const CHANNEL_PORT: u16 = 0xe9;
/// I/O port of QEMU's `isa-debug-exit`: writing `v` ends the VM with QEMU's status `(v << 1) | 1`.
pub const EXIT_PORT: u16 = 0xf4;
/// The byte that begins a record: ASCII "record separator".
pub const RECORD_START: u8 = 0x1e;

/// What a socket that serves speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// tcp(7).
    Tcp,
    /// udp(7).
    Udp,
}

impl Protocol {
    /// Its name in lower case: `tcp`, `udp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The protocol of that name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"tcp" => Some(Self::Tcp),
            b"udp" => Some(Self::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A message from the kernel to the tool that runs the VM.
///
/// `Display` writes the complete line, start byte and line feed included, without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// `exit N`: the program ended with status N.
    Exit(u8),
    /// `signal N`: the program was killed by signal N.
    Signal(u8),
    /// `panic`: the kernel panicked.
    Panic,
    /// `kernel HEX`: build id of the running kernel, sent before a backtrace.
    Kernel(BuildId),
    /// `input`: the console takes input from now on. What is sent earlier may be lost, because a serial port
    /// that nobody has set up yet holds a single byte.
    Input,
    /// `listen PROTOCOL ADDRESS PORT`: a socket of the program takes connections or datagrams from now on. The address
    /// is the socket's own, so unspecified for all addresses of the family; a socket that serves both families is
    /// announced for each.
    Listen {
        /// What it speaks.
        protocol: Protocol,
        /// Where in the guest.
        address: IpAddr,
        /// Its port.
        port: u16,
    },
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\x1e")?;
        match self {
            Self::Exit(status) => writeln!(f, "exit {status}"),
            Self::Signal(number) => writeln!(f, "signal {number}"),
            Self::Panic => f.write_str("panic\n"),
            Self::Input => f.write_str("input\n"),
            Self::Kernel(id) => writeln!(f, "kernel {id}"),
            Self::Listen { protocol, address, port } => writeln!(f, "listen {protocol} {address} {port}"),
        }
    }
}

impl Record {
    /// Writes the complete line, start byte and line feed included, without allocating.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn encode(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{self}")
    }

    /// The record behind the start byte, without line feed.
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"panic" => return Some(Self::Panic),
            b"input" => return Some(Self::Input),
            _ => {}
        }
        let space = text.iter().position(|&byte| byte == b' ')?;
        let (word, rest) = (text.get(..space)?, text.get(space + 1..)?);
        match word {
            b"exit" => Some(Self::Exit(decimal(rest)?)),
            b"signal" => Some(Self::Signal(decimal(rest)?)),
            b"kernel" => Some(Self::Kernel(BuildId::from_hex(rest)?)),
            b"listen" => Self::parse_listen(rest),
            _ => None,
        }
    }

    fn parse_listen(text: &[u8]) -> Option<Self> {
        let mut words = text.split(|&byte| byte == b' ');
        let protocol = Protocol::from_name(words.next()?)?;
        let address = core::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        let port = decimal(words.next()?)?;
        words.next().is_none().then_some(Self::Listen { protocol, address, port })
    }
}

/// A number in as few digits as the largest of its type at most.
fn decimal<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    let longest = match size_of::<T>() {
        1 => 3,
        _ => 5,
    };
    if text.is_empty() || text.len() > longest || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// One line of the second channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A message for `nospin`.
    Record(Record),
    /// Text for the user, without line feed.
    Text(&'a [u8]),
}

/// Tells records from text. `line` comes with or without its line feed; what begins like a record but is
/// none is text.
pub fn parse_line(line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match line {
        [RECORD_START, rest @ ..] => Record::parse(rest).map_or(Line::Text(line), Line::Record),
        _ => Line::Text(line),
    }
}

/// A frame of a backtrace: `  at 0x401234`, or with the place of a mapped file `  at 0x7f0012345 (/path+0x2345)`.
///
/// `Display` writes the line without line feed; [`Frame::parse`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The address in the guest.
    pub address: u64,
    /// The file that the address belongs to, and the address as the ELF file counts it (address minus load
    /// base). Absent for the kernel and for a program whose addresses are those of its file.
    pub place: Option<(&'a str, u64)>,
}

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  at {:#x}", self.address)?;
        match self.place {
            Some((path, offset)) => write!(f, " ({path}+{offset:#x})"),
            None => Ok(()),
        }
    }
}

impl<'a> Frame<'a> {
    /// The frame in a line of text, if it is one.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = core::str::from_utf8(line).ok()?.strip_prefix("  at ")?;
        let Some((address, place)) = rest.split_once(" (") else {
            return Some(Self { address: hex(rest)?, place: None });
        };
        let (path, offset) = place.strip_suffix(')')?.rsplit_once('+')?;
        Some(Self { address: hex(address)?, place: Some((path, hex(offset)?)) })
    }
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// What begins a frame in console input.
const ESCAPE: u8 = 0xff;
/// End of file on console input.
pub const INPUT_EOF: [u8; 2] = [ESCAPE, 0];

/// Console input with every 0xFF doubled. End of file is [`INPUT_EOF`], sent by itself.
pub fn encode_input(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == ESCAPE {
            out.push(ESCAPE);
        }
        out.push(byte);
    }
    out
}

/// What a byte of framed console input completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A byte of data.
    Byte(u8),
    /// End of file.
    Eof,
}

/// Undoes the framing of console input, byte by byte, as an interrupt handler receives it.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputDecoder {
    escaped: bool,
}

impl InputDecoder {
    /// A decoder at the start of the input.
    pub const fn new() -> Self {
        Self { escaped: false }
    }

    /// Takes the next byte. Gives nothing in the middle of an escape, and for an unknown one, which is dropped.
    pub const fn push(&mut self, byte: u8) -> Option<Input> {
        if !self.escaped {
            if byte == ESCAPE {
                self.escaped = true;
                return None;
            }
            return Some(Input::Byte(byte));
        }
        self.escaped = false;
        match byte {
            ESCAPE => Some(Input::Byte(ESCAPE)),
            0 => Some(Input::Eof),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
