//! Writing an archive piece by piece.
//!
//! The output depends on the arguments alone: there is no clock and no numbering in here, so the caller
//! decides inode numbers and times, and the same calls give the same bytes.

use alloc::vec::Vec;
use core::fmt;

use super::{ENTRY_HEADER_SIZE, NAME_FIELD_MAX, PAGE_SIZE, TRAILER};

/// Where an archive is written to.
pub trait Sink {
    /// Why bytes could not be taken.
    type Error;

    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// Whatever the sink meets; the archive is unusable then.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl Sink for Vec<u8> {
    type Error = core::convert::Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// The numbers of an entry's header. See [`Entry`](super::Entry) for their meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// File type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of links.
    pub nlink: u32,
    /// Modification time in seconds since the epoch.
    pub mtime: u32,
    /// Inode number.
    pub ino: u32,
    /// For device nodes (major, minor).
    pub rdev: (u32, u32),
}

/// Why an entry could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError<E> {
    /// The sink did not take the bytes.
    Sink(E),
    /// The name is empty, too long, holds a NUL, or is the trailer's.
    BadName,
    /// More contents, or less, than the entry announced.
    WrongLength,
}

impl<E: fmt::Display> fmt::Display for WriteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink(error) => error.fmt(f),
            Self::BadName => f.write_str("a name that an archive cannot hold"),
            Self::WrongLength => f.write_str("the contents do not have the announced length"),
        }
    }
}

/// Writes an archive to a [`Sink`]: [`begin`](Self::begin) and [`data`](Self::data) for each entry, at last
/// [`finish`](Self::finish).
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    /// Bytes written so far.
    offset: u64,
    /// Contents of the current entry that are still to come.
    missing: u32,
}

impl<S: Sink> Writer<S> {
    /// An archive that begins at the current end of `sink`.
    pub const fn new(sink: S) -> Self {
        Self { sink, offset: 0, missing: 0 }
    }

    /// Bytes written so far, which is where the next entry begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Starts an entry whose contents have `len` bytes, to be given to [`data`](Self::data).
    ///
    /// With `max_padding`, the contents are moved to a page boundary of the archive if at most that many bytes
    /// of padding do it and the name field stays within what readers accept. Returns whether the contents
    /// begin on a page boundary.
    ///
    /// # Errors
    /// A name that cannot be stored, missing contents of the entry before, or the sink's error.
    pub fn begin(
        &mut self,
        name: &[u8],
        meta: &Metadata,
        len: u32,
        max_padding: Option<u32>,
    ) -> Result<bool, WriteError<S::Error>> {
        if name == TRAILER {
            return Err(WriteError::BadName);
        }
        self.entry(name, meta, len, max_padding)
    }

    fn entry(
        &mut self,
        name: &[u8],
        meta: &Metadata,
        len: u32,
        max_padding: Option<u32>,
    ) -> Result<bool, WriteError<S::Error>> {
        if self.missing != 0 {
            return Err(WriteError::WrongLength);
        }
        if name.is_empty() || name.contains(&0) || name.len() >= NAME_FIELD_MAX {
            return Err(WriteError::BadName);
        }
        let plain = name.len() + 1;
        let data_offset =
            |field: usize| (self.offset + ENTRY_HEADER_SIZE as u64 + field as u64).next_multiple_of(4);
        let mut field = plain;
        let mut aligned = data_offset(plain).is_multiple_of(PAGE_SIZE as u64);
        if let Some(max) = max_padding
            && !aligned
        {
            let start = self.offset + ENTRY_HEADER_SIZE as u64;
            let wanted = data_offset(plain).next_multiple_of(PAGE_SIZE as u64);
            let padding = wanted - data_offset(plain);
            let longer = (wanted - start) as usize;
            if padding <= u64::from(max) && longer <= NAME_FIELD_MAX {
                field = longer;
                aligned = true;
            }
        }

        let header = header(meta, len, field as u32);
        self.put(&header)?;
        self.put(name)?;
        let end = data_offset_after(self.offset, field - name.len());
        self.zeros(end - self.offset)?;
        self.missing = len;
        Ok(aligned && len > 0)
    }

    /// Adds contents to the entry that was begun.
    ///
    /// # Errors
    /// More than announced, or the sink's error.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), WriteError<S::Error>> {
        let len = u32::try_from(bytes.len()).map_err(|_| WriteError::WrongLength)?;
        self.missing = self.missing.checked_sub(len).ok_or(WriteError::WrongLength)?;
        self.put(bytes)?;
        if self.missing == 0 {
            self.zeros(self.offset.next_multiple_of(4) - self.offset)?;
        }
        Ok(())
    }

    /// Writes the trailer and returns the sink.
    ///
    /// # Errors
    /// Missing contents of the last entry, or the sink's error.
    pub fn finish(mut self) -> Result<S, WriteError<S::Error>> {
        self.entry(TRAILER, &Metadata { nlink: 1, ..Metadata::default() }, 0, None)?;
        Ok(self.sink)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError<S::Error>> {
        self.sink.write_all(bytes).map_err(WriteError::Sink)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn zeros(&mut self, mut count: u64) -> Result<(), WriteError<S::Error>> {
        const ZEROS: [u8; 256] = [0; 256];
        while count > 0 {
            let now = count.min(ZEROS.len() as u64);
            self.put(&ZEROS[..now as usize])?;
            count -= now;
        }
        Ok(())
    }
}

/// Where contents begin if `rest` bytes of the name field are still to be written at `offset`.
fn data_offset_after(offset: u64, rest: usize) -> u64 {
    (offset + rest as u64).next_multiple_of(4)
}

fn header(meta: &Metadata, len: u32, name_field: u32) -> [u8; ENTRY_HEADER_SIZE] {
    let numbers = [
        meta.ino,
        meta.mode,
        meta.uid,
        meta.gid,
        meta.nlink,
        meta.mtime,
        len,
        0, // device of the file: one archive is one file system
        0,
        meta.rdev.0,
        meta.rdev.1,
        name_field,
        0, // checksum, of the 070702 variant only
    ];
    let mut out = [b'0'; ENTRY_HEADER_SIZE];
    out[..6].copy_from_slice(b"070701");
    for (field, number) in out[6..].chunks_exact_mut(8).zip(numbers) {
        for (position, digit) in field.iter_mut().enumerate() {
            let nibble = (number >> (28 - 4 * position)) & 0xf;
            *digit = b"0123456789ABCDEF"[nibble as usize];
        }
    }
    out
}
