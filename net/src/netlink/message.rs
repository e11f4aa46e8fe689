//! [`Answers`]: messages put together, in datagrams of a size that programs have room for.

use alloc::vec::Vec;

/// Bytes of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// Bytes of one datagram at most; glibc reads with a page of room.
const DATAGRAM: usize = 3776;

/// Types (`NLMSG_*`).
pub const ERROR: u16 = 2;
/// The end of a list.
pub const DONE: u16 = 3;
/// Flag: one of several messages.
pub const MULTI: u16 = 2;

/// Answers to one request.
pub struct Answers {
    /// Complete datagrams.
    pub datagrams: Vec<Vec<u8>>,
    /// Something did not fit into memory.
    pub short: bool,
    sequence: u32,
    port: u32,
}

/// A message that is being made.
pub struct Message {
    bytes: Vec<u8>,
}

fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

impl Message {
    /// Appends fixed fields.
    pub fn fields(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        align(&mut self.bytes);
    }

    /// Appends an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        // Values are short: addresses, names, counters.
        let len = (4 + value.len()) as u16;
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        align(&mut self.bytes);
    }

    /// Appends a number as an attribute.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }
}

impl Answers {
    /// For the request number `sequence` of the socket `port`.
    pub fn new(sequence: u32, port: u32) -> Self {
        Answers { datagrams: Vec::new(), short: false, sequence, port }
    }

    /// Adds a message of type `kind` that `fill` makes.
    pub fn add(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Message)) {
        let mut message = Message { bytes: Vec::with_capacity(128) };
        message.fields(&[0; 4]);
        message.fields(&[kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
        message.fields(&self.sequence.to_ne_bytes());
        message.fields(&self.port.to_ne_bytes());
        fill(&mut message);
        let Message { mut bytes } = message;
        let len = bytes.len() as u32;
        crate::ip::wire::put(&mut bytes, 0, &len.to_ne_bytes());
        match self.datagrams.last_mut() {
            // What is not of a list stands alone.
            Some(last) if flags & MULTI != 0 && last.len() + bytes.len() <= DATAGRAM => {
                match last.try_reserve(bytes.len()) {
                    Ok(()) => last.append(&mut bytes),
                    Err(_) => self.short = true,
                }
            }
            _ => match self.datagrams.try_reserve(1) {
                Ok(()) => self.datagrams.push(bytes),
                Err(_) => self.short = true,
            },
        }
    }

    /// Adds the end of a list.
    pub fn done(&mut self) {
        self.add(DONE, MULTI, |message| message.fields(&0i32.to_ne_bytes()));
    }

    /// Adds an error number, or 0 for "done as asked"; `request` is quoted.
    pub fn error(&mut self, number: u16, request: &[u8]) {
        // Quoted whole only if it failed.
        let quote = if number == 0 { request.get(..HEADER).unwrap_or(request) } else { request };
        self.add(ERROR, if number == 0 { 0x100 } else { 0 }, |message| {
            message.fields(&(-i32::from(number)).to_ne_bytes());
            message.fields(quote);
        });
    }
}
