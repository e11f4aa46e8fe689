//! Files of this host, put into the tree.
//!
//! [`add_path`] keeps a path as it is, with all links on the way; [`copy`] and [`copy_dir`] put something at
//! another path. Owners become root: the image belongs to the guest, not to who made it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use image_format::newc::mode;

use super::{LINKS_MAX, Node, Source, Tree, TreeError, components, join, text};

/// Permission bits of a mode, set-user-ID and the like included.
const PERMISSIONS: u32 = 0o7777;

fn read_error(path: &Path) -> impl FnOnce(std::io::Error) -> TreeError {
    let path = path.to_owned();
    move |error| TreeError::Read(path, error)
}

/// The time for the archive, which counts in 32 bits from the epoch.
fn mtime(meta: &Metadata) -> u32 {
    u32::try_from(meta.mtime().max(0)).unwrap_or(u32::MAX)
}

fn file(path: &Path, meta: &Metadata) -> Result<Node, TreeError> {
    // Opened now, so that a file that may not be read is found before anything is written.
    fs::File::open(path).map_err(read_error(path))?;
    Ok(Node::File {
        source: Source::Host(path.to_owned()),
        size: meta.len(),
        mode: meta.mode() & PERMISSIONS,
        mtime: mtime(meta),
        link: (meta.nlink() > 1).then(|| (meta.dev(), meta.ino())),
    })
}

fn symlink(path: &Path, meta: &Metadata) -> Result<(Vec<u8>, Node), TreeError> {
    let target = fs::read_link(path).map_err(read_error(path))?.into_os_string();
    let target = target.as_bytes().to_vec();
    Ok((target.clone(), Node::Symlink { target, mtime: mtime(meta) }))
}

/// Adds the file at `path`, an absolute path without `..`, at the same path: the directories above it, every
/// symbolic link on the way, and what the links lead to. Returns the path without links.
///
/// # Errors
/// The path leads nowhere, to something that is neither file nor directory, or cannot be read.
pub fn add_path(tree: &mut Tree, path: &Path) -> Result<Vec<u8>, TreeError> {
    let mut done: Vec<u8> = Vec::new();
    let mut rest: VecDeque<Vec<u8>> = components(path.as_os_str().as_bytes()).map(<[u8]>::to_vec).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == b".." {
            let cut = done.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            done.truncate(cut);
            continue;
        }
        let next = join(&done, &part);
        let host = Path::new("/").join(OsStr::from_bytes(&next));
        let meta = fs::symlink_metadata(&host).map_err(read_error(&host))?;
        if meta.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(TreeError::Loop(text(path.as_os_str().as_bytes())));
            }
            let (target, node) = symlink(&host, &meta)?;
            tree.insert(&next, node)?;
            if target.starts_with(b"/") {
                done.clear();
            }
            for part in components(&target).rev() {
                rest.push_front(part.to_vec());
            }
        } else if meta.is_dir() {
            // The time of a directory changes with everything in it that the image does not hold.
            tree.mkdir(&next, Some((meta.mode() & PERMISSIONS, 0)))?;
            done = next;
        } else if rest.is_empty() && meta.is_file() {
            tree.insert(&next, file(&host, &meta)?)?;
            done = next;
        } else {
            let kind = if rest.is_empty() { "a special file" } else { "no directory" };
            return Err(TreeError::Read(host, std::io::Error::other(kind)));
        }
    }
    Ok(done)
}

/// Puts the file `from` (links followed) at the guest path `to`.
///
/// # Errors
/// `from` is no regular file or cannot be read, or `to` is a directory.
pub fn copy(tree: &mut Tree, from: &Path, to: &[u8]) -> Result<(), TreeError> {
    let meta = fs::metadata(from).map_err(read_error(from))?;
    if !meta.is_file() {
        let kind = if meta.is_dir() { "a directory; use --dir" } else { "not a regular file" };
        return Err(TreeError::Read(from.to_owned(), std::io::Error::other(kind)));
    }
    let mut node = file(from, &meta)?;
    if let Node::File { link, .. } = &mut node {
        *link = None; // one file is named, not its other links
    }
    tree.insert(to, node).map(|_| ())
}

/// Puts the directory `from` with everything in it at the guest path `to`. Links stay links. Sockets, which only
/// mean something to the process behind them, are left out; their paths are returned.
///
/// # Errors
/// Something cannot be read, or the tree has something else in its place.
pub fn copy_dir(tree: &mut Tree, from: &Path, to: &[u8]) -> Result<Vec<PathBuf>, TreeError> {
    let meta = fs::metadata(from).map_err(read_error(from))?;
    if !meta.is_dir() {
        let error = std::io::Error::other("not a directory; use --file");
        return Err(TreeError::Read(from.to_owned(), error));
    }
    tree.mkdir(to, Some((meta.mode() & PERMISSIONS, mtime(&meta))))?;
    let mut left_out = Vec::new();
    // Directories still to be read, with their path in the guest.
    let mut todo = vec![(from.to_owned(), to.to_vec())];
    while let Some((dir, guest_dir)) = todo.pop() {
        let entries = fs::read_dir(&dir).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut entries = entries.map_err(read_error(&dir))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let guest = join(&guest_dir, entry.file_name().as_bytes());
            let meta = fs::symlink_metadata(&path).map_err(read_error(&path))?;
            let node = match meta.mode() & mode::TYPE {
                mode::DIR => {
                    todo.push((path, guest.clone()));
                    Node::Dir { mode: meta.mode() & PERMISSIONS, mtime: mtime(&meta) }
                }
                mode::FILE => file(&path, &meta)?,
                mode::SYMLINK => symlink(&path, &meta)?.1,
                mode::SOCKET => {
                    left_out.push(path);
                    continue;
                }
                _ => {
                    let dev = meta.rdev();
                    let rdev = (rustix::fs::major(dev), rustix::fs::minor(dev));
                    Node::Special {
                        mode: meta.mode() & (mode::TYPE | PERMISSIONS),
                        mtime: mtime(&meta),
                        rdev,
                    }
                }
            };
            tree.insert(&guest, node)?;
        }
    }
    Ok(left_out)
}
