//! What an image is made of, in the form that both sides share.
//!
//! The host tools (`mkimage`, `nospin`) write what is described here and the kernel reads it, so every
//! byte layout that crosses the border between host and guest has its only definition in this crate:
//!
//! * [`header`]: the first page of the payload that lies behind the kernel in guest memory;
//! * [`newc`]: the root archive (cpio, "newc" variant), reader and writer;
//! * [`cmdline`]: the guest's command line, `KEY=VALUE ... -- PROGRAM ARG...`;
//! * [`channel`]: what goes over the second channel, and the framing of console input;
//! * [`crc32c`](mod@crc32c): the checksum over header and payload.
//!
//! Nothing in here trusts its input: all readers check every bound and return typed errors, and none of
//! them panics, whatever the bytes are.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod channel;
pub mod cmdline;
pub mod crc32c;
#[doc(hidden)]
pub mod fuzzing;
pub mod header;
pub mod newc;

pub use channel::{Frame, Input, InputDecoder, Line, Record, encode_input};
pub use cmdline::{CmdlineError, CommandLine};
pub use crc32c::{Crc32c, crc32c};
pub use header::{BuildId, FORMAT_VERSION, HEADER_SIZE, HeaderError, ImageHeader};
pub use newc::{Archive, Entry, NewcError};
