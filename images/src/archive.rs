//! The tree as a cpio archive.
//!
//! Directories come first, then everything else, both sorted by path; inode numbers are ordinals. So the
//! archive depends on nothing but the tree. Called by [`pvh`](crate::pvh).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use image_format::newc::{Metadata, Sink, WriteError, Writer, mode};

use crate::tree::{Node, Source, Tree};

/// Padding to a page boundary may take one byte per this many bytes of contents.
const PADDING_DIVISOR: u64 = 64;
const CHUNK: usize = 1 << 20;

/// Why the archive could not be written.
#[derive(Debug)]
pub enum ArchiveError {
    /// A file of this host could not be read.
    Read(PathBuf, io::Error),
    /// The length of a file changed after it was put into the tree.
    Changed(PathBuf),
    /// A file of 4 GiB or more, which the format cannot hold.
    TooLarge(String),
    /// A path that the format cannot hold.
    BadName(String),
    /// The output could not be written.
    Write(io::Error),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {}", path.display(), crate::make::reason(error)),
            Self::Changed(path) => write!(f, "{}: its length changed while it was read", path.display()),
            Self::TooLarge(path) => write!(f, "/{path}: 4 GiB or more do not fit into an image"),
            Self::BadName(path) => write!(f, "/{path}: this name does not fit into an image"),
            Self::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ArchiveError {}

impl ArchiveError {
    fn at(path: &[u8], error: WriteError<io::Error>) -> Self {
        match error {
            WriteError::Sink(error) => Self::Write(error),
            WriteError::BadName => Self::BadName(String::from_utf8_lossy(path).into_owned()),
            WriteError::WrongLength => {
                Self::Changed(PathBuf::from(String::from_utf8_lossy(path).into_owned()))
            }
        }
    }
}

/// What an archive will hold, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Directories.
    pub dirs: u64,
    /// Regular files; each link of a hard-linked file counts.
    pub files: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Devices and FIFOs.
    pub specials: u64,
    /// Bytes of file contents; those of hard links once.
    pub bytes: u64,
}

/// Counts what is in a tree.
#[must_use]
pub fn count(tree: &Tree) -> Counts {
    let mut counts = Counts::default();
    let links = Links::new(tree);
    for (index, (_, node)) in order(tree).enumerate() {
        match node {
            Node::Dir { .. } => counts.dirs += 1,
            Node::Symlink { .. } => counts.symlinks += 1,
            Node::Special { .. } => counts.specials += 1,
            Node::File { size, .. } => {
                counts.files += 1;
                if links.has_contents(index, node) {
                    counts.bytes += size;
                }
            }
        }
    }
    counts
}

/// The nodes in the order of the archive.
fn order(tree: &Tree) -> impl Iterator<Item = (&[u8], &Node)> {
    let is_dir = |node: &Node| matches!(node, Node::Dir { .. });
    tree.iter()
        .filter(move |(_, node)| is_dir(node))
        .chain(tree.iter().filter(move |(_, node)| !is_dir(node)))
}

/// The hard links of a tree: for each file with several, the index of its first and its last, and how many.
struct Links(BTreeMap<(u64, u64), (usize, usize, u32)>);

impl Links {
    fn new(tree: &Tree) -> Self {
        let mut links = BTreeMap::new();
        for (index, (_, node)) in order(tree).enumerate() {
            if let Node::File { link: Some(key), .. } = node {
                let entry = links.entry(*key).or_insert((index, index, 0));
                entry.1 = index;
                entry.2 += 1;
            }
        }
        Self(links)
    }

    fn of(&self, node: &Node) -> Option<(usize, usize, u32)> {
        let Node::File { link: Some(key), .. } = node else { return None };
        self.0.get(key).copied()
    }

    /// The contents of a file with several links stand with the last of them.
    fn has_contents(&self, index: usize, node: &Node) -> bool {
        self.of(node).is_none_or(|(_, last, _)| last == index)
    }
}

/// Writes `tree` to `sink` and tells `progress` how many bytes of contents went by. Returns the sink.
///
/// # Errors
/// A file that cannot be read or does not fit, or the sink's error.
pub fn write<S: Sink<Error = io::Error>>(
    tree: &Tree,
    sink: S,
    progress: &mut dyn FnMut(u64),
) -> Result<S, ArchiveError> {
    let links = Links::new(tree);
    let mut writer = Writer::new(sink);
    for (index, (path, node)) in order(tree).enumerate() {
        let link = links.of(node);
        let first = link.map_or(index, |(first, ..)| first);
        let mut meta = Metadata {
            ino: u32::try_from(first + 1).unwrap_or(u32::MAX),
            nlink: link.map_or(1, |(.., count)| count),
            ..Metadata::default()
        };
        match node {
            Node::Dir { mode: permissions, mtime } => {
                meta = Metadata { mode: mode::DIR | permissions, mtime: *mtime, nlink: 2, ..meta };
                writer.begin(path, &meta, 0, None).map_err(|error| ArchiveError::at(path, error))?;
            }
            Node::Symlink { target, mtime } => {
                meta = Metadata { mode: mode::SYMLINK | 0o777, mtime: *mtime, ..meta };
                put(&mut writer, path, &meta, target)?;
            }
            Node::Special { mode, mtime, rdev } => {
                meta = Metadata { mode: *mode, mtime: *mtime, rdev: *rdev, ..meta };
                writer.begin(path, &meta, 0, None).map_err(|error| ArchiveError::at(path, error))?;
            }
            Node::File { source, size, mode: permissions, mtime, .. } => {
                meta = Metadata { mode: mode::FILE | permissions, mtime: *mtime, ..meta };
                let size = if links.has_contents(index, node) { *size } else { 0 };
                file(&mut writer, path, &meta, source, size, progress)?;
            }
        }
    }
    writer.finish().map_err(|error| ArchiveError::at(b"", error))
}

fn put<S: Sink<Error = io::Error>>(
    writer: &mut Writer<S>,
    path: &[u8],
    meta: &Metadata,
    contents: &[u8],
) -> Result<(), ArchiveError> {
    let at = |error| ArchiveError::at(path, error);
    let too_large = || ArchiveError::TooLarge(String::from_utf8_lossy(path).into_owned());
    let len = u32::try_from(contents.len()).map_err(|_| too_large())?;
    writer.begin(path, meta, len, None).map_err(at)?;
    writer.data(contents).map_err(at)
}

fn file<S: Sink<Error = io::Error>>(
    writer: &mut Writer<S>,
    path: &[u8],
    meta: &Metadata,
    source: &Source,
    size: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ArchiveError> {
    let at = |error| ArchiveError::at(path, error);
    let len = u32::try_from(size);
    let len = len.map_err(|_| ArchiveError::TooLarge(String::from_utf8_lossy(path).into_owned()))?;
    let padding = u32::try_from(size / PADDING_DIVISOR).unwrap_or(u32::MAX);
    writer.begin(path, meta, len, Some(padding)).map_err(at)?;
    let host = match source {
        _ if len == 0 => return Ok(()),
        Source::Bytes(bytes) => {
            progress(size);
            return writer.data(bytes).map_err(at);
        }
        Source::Host(host) => host,
    };
    let read_error = |error| ArchiveError::Read(host.clone(), error);
    let mut input = File::open(host).map_err(read_error)?;
    let mut buffer = vec![0; CHUNK.min(len as usize)];
    let mut left = len as usize;
    while left > 0 {
        let want = buffer.len().min(left);
        let got = input.read(&mut buffer[..want]).map_err(read_error)?;
        if got == 0 {
            return Err(ArchiveError::Changed(host.clone()));
        }
        writer.data(&buffer[..got]).map_err(at)?;
        progress(got as u64);
        left -= got;
    }
    if input.read(&mut buffer[..1]).map_err(read_error)? != 0 {
        return Err(ArchiveError::Changed(host.clone()));
    }
    Ok(())
}
