//! Reading an image file back.
//!
//! An [`Image`] has passed every check: checksums of header, payload and kernel part, an archive that can be
//! read to its end, a command line that parses. Called by [`inspect`](crate::inspect) and
//! [`run`](crate::run).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use goblin::elf::program_header::PT_LOAD;
use image_format::header::MAGIC;
use image_format::newc::mode;
use image_format::{Archive, CmdlineError, CommandLine, Entry, HeaderError, ImageHeader, NewcError};

use crate::elf::{self, ElfError};
use crate::kernel;

/// As many symbolic links as Linux follows on one path.
const LINKS_MAX: usize = 40;

/// Why a file is not a usable image.
#[derive(Debug)]
pub enum ImageError {
    /// It could not be read.
    Read(io::Error),
    /// Not made by `mkimage`.
    NotImage,
    /// It ends before its parts do.
    Truncated,
    /// The header is wrong, or a checksum.
    Header(HeaderError),
    /// The archive inside is malformed.
    Archive(NewcError),
    /// The command line inside is malformed.
    Cmdline(CmdlineError),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => f.write_str(&crate::make::reason(error)),
            Self::NotImage => f.write_str("not a nospin image"),
            Self::Truncated => f.write_str("damaged (cut off)"),
            Self::Header(error) => error.fmt(f),
            Self::Archive(error) => write!(f, "damaged ({error})"),
            Self::Cmdline(error) => write!(f, "damaged ({error})"),
        }
    }
}

impl std::error::Error for ImageError {}

/// An image file in memory.
#[derive(Debug)]
pub struct Image {
    bytes: Vec<u8>,
    /// Where the payload begins in the file.
    payload: usize,
    /// The header of the payload.
    pub header: ImageHeader,
    /// The command line that was baked in.
    pub cmdline: CommandLine,
    /// End of kernel and payload in guest-physical memory, in bytes.
    pub memory_end: u64,
}

/// What a file that `nospin run` is given turns out to be.
#[derive(Debug)]
pub enum FileKind {
    /// An image.
    Image(Box<Image>),
    /// Something else: a program, perhaps.
    Other,
}

impl Image {
    /// Reads and checks the image at `path`.
    ///
    /// # Errors
    /// Not readable, not an image, or damaged.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        Self::from_bytes(fs::read(path).map_err(ImageError::Read)?)
    }

    /// Checks an image that was read.
    ///
    /// # Errors
    /// Not an image, or damaged.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ImageError> {
        let (_, phdrs) = elf::program_headers(&bytes).map_err(|error| match error {
            ElfError::Truncated => ImageError::Truncated,
            _ => ImageError::NotImage,
        })?;
        let found = phdrs.iter().find(|phdr| {
            phdr.p_type == PT_LOAD && elf::contents(&bytes, phdr).is_some_and(|data| data.starts_with(&MAGIC))
        });
        let phdr = found.ok_or(ImageError::NotImage)?;
        let payload = elf::contents(&bytes, phdr).unwrap_or_default();
        let header = ImageHeader::parse(payload).map_err(ImageError::Header)?;
        header.verify(payload).map_err(ImageError::Header)?;
        let start = usize::try_from(phdr.p_offset).map_err(|_| ImageError::Truncated)?;
        let front = bytes.get(..start).ok_or(ImageError::Truncated)?;
        if image_format::crc32c(front) != header.front_crc {
            return Err(ImageError::Header(HeaderError::PayloadChecksum));
        }
        let line = header.cmdline(payload).map_err(ImageError::Header)?;
        let cmdline = CommandLine::parse(line).map_err(ImageError::Cmdline)?;
        let root = header.root(payload).map_err(ImageError::Header)?;
        if let Some(error) = Archive::new(root).entries().find_map(Result::err) {
            return Err(ImageError::Archive(error));
        }
        let memory_end = phdr.p_paddr.saturating_add(phdr.p_memsz);
        Ok(Self { payload: start, header, cmdline, memory_end, bytes })
    }

    /// Tells an image from another file.
    ///
    /// # Errors
    /// Not readable, or an image that is damaged.
    pub fn detect(path: &Path) -> Result<FileKind, ImageError> {
        let bytes = fs::read(path).map_err(ImageError::Read)?;
        // A file with a PVH entry is no program for the guest: it is an image, whole or not.
        let bootable = kernel::is_bootable(&bytes);
        match Self::from_bytes(bytes) {
            Ok(image) => Ok(FileKind::Image(Box::new(image))),
            Err(error) if bootable || matches!(error, ImageError::Header(_)) => Err(error),
            Err(_) => Ok(FileKind::Other),
        }
    }

    /// Length of the whole file in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// An image is never empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of ELF headers and kernel, which come before the payload.
    #[must_use]
    pub const fn kernel_len(&self) -> usize {
        self.payload
    }

    /// The command line as it was baked in.
    #[must_use]
    pub fn cmdline_bytes(&self) -> &[u8] {
        self.header.cmdline(self.bytes.get(self.payload..).unwrap_or_default()).unwrap_or_default()
    }

    /// The root archive, in cpio's format.
    #[must_use]
    pub fn archive(&self) -> &[u8] {
        self.header.root(self.bytes.get(self.payload..).unwrap_or_default()).unwrap_or_default()
    }

    /// The files inside.
    #[must_use]
    pub fn root(&self) -> Root<'_> {
        Root::new(Archive::new(self.archive()))
    }
}

/// The files of an archive by path, with the contents of hard links in every one of them.
#[derive(Debug)]
pub struct Root<'a> {
    entries: BTreeMap<&'a [u8], Entry<'a>>,
}

impl<'a> Root<'a> {
    fn new(archive: Archive<'a>) -> Self {
        let mut entries: BTreeMap<_, Entry<'a>> =
            archive.entries().flatten().map(|entry| (entry.name, entry)).collect();
        let is_link = |entry: &Entry<'_>| entry.mode & mode::TYPE == mode::FILE && entry.nlink > 1;
        let contents: BTreeMap<_, _> = entries
            .values()
            .filter(|entry| is_link(entry) && !entry.data.is_empty())
            .map(|entry| ((entry.dev, entry.ino), entry.data))
            .collect();
        for entry in entries.values_mut().filter(|entry| is_link(entry)) {
            if let Some(data) = contents.get(&(entry.dev, entry.ino)) {
                entry.data = data;
            }
        }
        Self { entries }
    }

    /// All files, sorted by path. Paths have no leading slash.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.values()
    }

    /// The file that `path` leads to, links followed.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<&Entry<'a>> {
        fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
            path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".")
        }
        let mut done: Vec<u8> = Vec::new();
        let mut rest: Vec<&[u8]> = parts(path).rev().collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == b".." {
                done.truncate(done.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                continue;
            }
            let before = done.len();
            if !done.is_empty() {
                done.push(b'/');
            }
            done.extend_from_slice(part);
            let entry = self.entries.get(done.as_slice())?;
            if entry.mode & mode::TYPE == mode::SYMLINK {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                done.truncate(if entry.data.starts_with(b"/") { 0 } else { before });
                rest.extend(parts(entry.data).rev());
            }
        }
        self.entries.get(done.as_slice())
    }
}
