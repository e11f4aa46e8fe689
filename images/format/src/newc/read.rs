//! Reading an archive that lies in memory.
//!
//! Invariant: the reader's offset never passes the end of the archive, and each entry moves it forward by
//! at least the size of a header, so that iteration ends on any input.

use core::fmt;

use super::{ENTRY_HEADER_SIZE, NAME_FIELD_MAX, TRAILER};

/// An archive in memory.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
}

impl<'a> Archive<'a> {
    /// Takes `bytes` as an archive; nothing is checked until [`entries`](Self::entries) is iterated.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The entries in the order of the archive, up to the trailer. Ends after the first error.
    pub const fn entries(&self) -> Entries<'a> {
        Entries { bytes: self.bytes, offset: 0, done: false }
    }
}

/// One member of an archive.
///
/// The name is as the archive has it but for its beginning: it may hold `..` or empty components, which the
/// caller has to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path without leading `/` and `./` and without NUL. Empty for the root directory itself.
    pub name: &'a [u8],
    /// File type and permissions, as `st_mode` of inode(7).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of links, as the writer of the archive counted them.
    pub nlink: u32,
    /// Modification time in seconds since the epoch.
    pub mtime: u32,
    /// Inode number: together with `dev` tells which entries are hard links to one file.
    pub ino: u32,
    /// Device that the file was on (major, minor).
    pub dev: (u32, u32),
    /// For device nodes, the device that they stand for (major, minor).
    pub rdev: (u32, u32),
    /// Contents of a file, target of a symbolic link.
    pub data: &'a [u8],
    /// Where `data` begins in the archive, in bytes.
    pub data_offset: usize,
}

/// What is wrong with an archive; offsets in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewcError {
    /// The archive ends inside the entry that begins at this offset, or before the trailer.
    Truncated(usize),
    /// No newc magic where an entry should begin.
    BadMagic(usize),
    /// A character that is not a hexadecimal digit in the header of the entry at this offset.
    BadNumber(usize),
    /// The name of the entry at this offset is empty, longer than 4096 bytes, or not ended by a NUL.
    BadName(usize),
}

impl fmt::Display for NewcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, at) = match self {
            Self::Truncated(at) => ("the archive is cut off", at),
            Self::BadMagic(at) => ("no archive entry", at),
            Self::BadNumber(at) => ("a bad number in the archive entry", at),
            Self::BadName(at) => ("a bad name in the archive entry", at),
        };
        write!(f, "{what} at byte {at}")
    }
}

impl core::error::Error for NewcError {}

/// Iterator over the entries of an [`Archive`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    offset: usize,
    done: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, NewcError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match parse(self.bytes, self.offset) {
            Ok(Some((entry, next))) => {
                self.offset = next;
                Some(Ok(entry))
            }
            Ok(None) => {
                self.done = true;
                None
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}

/// The entry at `start` and the offset of the next one; `None` at the trailer.
fn parse(bytes: &[u8], start: usize) -> Result<Option<(Entry<'_>, usize)>, NewcError> {
    let cut = NewcError::Truncated(start);
    let header = bytes.get(start..).and_then(|rest| rest.first_chunk::<ENTRY_HEADER_SIZE>()).ok_or(cut)?;
    let (magic, digits) = header.split_at(6);
    if magic != b"070701" && magic != b"070702" {
        return Err(NewcError::BadMagic(start));
    }
    let mut numbers = [0u32; 13];
    for (number, field) in numbers.iter_mut().zip(digits.chunks_exact(8)) {
        *number = hex(field).ok_or(NewcError::BadNumber(start))?;
    }
    let [
        ino,
        mode,
        uid,
        gid,
        nlink,
        mtime,
        size,
        dev_major,
        dev_minor,
        rdev_major,
        rdev_minor,
        name_len,
        _check,
    ] = numbers;

    let name_len = usize::try_from(name_len).map_err(|_| cut)?;
    if name_len == 0 || name_len > NAME_FIELD_MAX {
        return Err(NewcError::BadName(start));
    }
    let name_start = start.checked_add(ENTRY_HEADER_SIZE).ok_or(cut)?;
    let name_end = name_start.checked_add(name_len).ok_or(cut)?;
    let field = bytes.get(name_start..name_end).ok_or(cut)?;
    if field.last() != Some(&0) {
        return Err(NewcError::BadName(start));
    }
    let name = field.split(|&byte| byte == 0).next().unwrap_or_default();
    if name.is_empty() {
        return Err(NewcError::BadName(start));
    }
    if name == TRAILER {
        return Ok(None);
    }

    let data_offset = name_end.checked_next_multiple_of(4).ok_or(cut)?;
    let size = usize::try_from(size).map_err(|_| cut)?;
    let data_end = data_offset.checked_add(size).ok_or(cut)?;
    let data = bytes.get(data_offset..data_end).ok_or(cut)?;
    let next = data_end.checked_next_multiple_of(4).ok_or(cut)?;
    let entry = Entry {
        name: relative(name),
        mode,
        uid,
        gid,
        nlink,
        mtime,
        ino,
        dev: (dev_major, dev_minor),
        rdev: (rdev_major, rdev_minor),
        data,
        data_offset,
    };
    Ok(Some((entry, next)))
}

/// Eight hexadecimal digits of either case.
fn hex(field: &[u8]) -> Option<u32> {
    field.iter().try_fold(0u32, |value, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some((value << 4) | digit)
    })
}

/// `name` without the beginnings `/` and `./`, however often they are repeated; `.` is the root.
fn relative(mut name: &[u8]) -> &[u8] {
    loop {
        name = match name {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] => rest,
            b"." => b"",
            _ => return name,
        };
    }
}
