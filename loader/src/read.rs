//! Positioned reading, as the loader sees a file.
//!
//! Implemented by the kernel for an open file and by tests for byte slices. [`read_exact`] is the only place
//! that calls [`ReadAt::read_at`], so that short reads are dealt with once.

use core::fmt;

use crate::error::ElfError;

/// Why a read failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The device or file system failed.
    Io,
    /// No memory for the transfer.
    NoMemory,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io => "input/output error",
            Self::NoMemory => "out of memory",
        })
    }
}

impl core::error::Error for ReadError {}

/// A file of known length that can be read at any offset.
pub trait ReadAt {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads up to `buf.len()` bytes at `offset`; returns how many arrived, 0 only at or behind the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError>;
}

impl ReadAt for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or(&[]);
        let count = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(count)
    }
}

/// Fills `buf` from `offset`.
///
/// Errors: [`ElfError::Truncated`] when the file ends first, [`ElfError::Read`] when a read fails or claims more
/// than was asked for.
pub(crate) fn read_exact(file: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> Result<(), ElfError> {
    let needed = offset.saturating_add(buf.len() as u64);
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..)
        && !rest.is_empty()
    {
        let at = offset.checked_add(done as u64).ok_or(ElfError::Truncated { needed, len: file.len() })?;
        let room = rest.len();
        match file.read_at(at, rest).map_err(ElfError::Read)? {
            0 => return Err(ElfError::Truncated { needed, len: file.len() }),
            count if count > room => return Err(ElfError::Read(ReadError::Io)),
            count => done += count,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers at most `chunk` bytes per call.
    struct Dribble<'a> {
        data: &'a [u8],
        chunk: usize,
    }

    impl ReadAt for Dribble<'_> {
        fn len(&self) -> u64 {
            self.data.len() as u64
        }

        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
            let count = buf.len().min(self.chunk);
            self.data.read_at(offset, &mut buf[..count])
        }
    }

    struct Liar;

    impl ReadAt for Liar {
        fn len(&self) -> u64 {
            10
        }

        fn read_at(&self, _: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
            Ok(buf.len() + 1)
        }
    }

    #[test]
    fn short_reads_are_continued() {
        let data: Vec<u8> = (0..100).collect();
        let mut buf = [0; 60];
        read_exact(&Dribble { data: &data, chunk: 7 }, 33, &mut buf).unwrap();
        assert_eq!(buf[..], data[33..93]);
    }

    #[test]
    fn end_of_file_is_truncation() {
        let mut buf = [0; 4];
        let file: &[u8] = b"abc";
        assert_eq!(read_exact(&file, 0, &mut buf), Err(ElfError::Truncated { needed: 4, len: 3 }));
        assert_eq!(
            read_exact(&file, u64::MAX, &mut buf),
            Err(ElfError::Truncated { needed: u64::MAX, len: 3 })
        );
    }

    #[test]
    fn impossible_count_is_an_io_error() {
        let mut buf = [0; 4];
        assert_eq!(read_exact(&Liar, 0, &mut buf), Err(ElfError::Read(ReadError::Io)));
    }
}
