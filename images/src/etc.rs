//! What programs expect under /etc and beside it, whatever they are.
//!
//! Called by [`make`](crate::make) after program and libraries are in the tree and before what the user adds.

use std::fs;
use std::path::Path;

use crate::tree::{Node, Source, Tree, TreeError, host};

/// Files of this host that go into every image, where they exist.
const FROM_HOST: [&str; 8] = [
    "/etc/group",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
];

/// Contents for those that a program hardly does without, for hosts that lack them.
const MADE: [(&str, &str); 4] = [
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\nprotocols: files\nservices: files\n",
    ),
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
];

/// Directories that exist in every image, with their permissions.
const DIRS: [(&str, u32); 8] = [
    ("dev", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

/// Adds files and directories. A file that exists but may not be read is left out, as one that does not exist.
///
/// # Errors
/// The tree has something else at one of the paths.
pub fn add(tree: &mut Tree) -> Result<(), TreeError> {
    for path in FROM_HOST {
        let path = Path::new(path);
        // Both can change while this runs, but a file that vanishes is reported by add_path.
        if path.is_file() && fs::File::open(path).is_ok() {
            host::add_path(tree, path)?;
        }
    }
    for (path, contents) in MADE {
        if tree.get(path.as_bytes()).is_none() {
            tree.insert(path.as_bytes(), made(contents.as_bytes().to_vec()))?;
        }
    }
    for (path, mode) in DIRS {
        tree.mkdir(path.as_bytes(), Some((mode, 0)))?;
    }
    Ok(())
}

/// A file that `mkimage` makes itself.
#[must_use]
pub const fn made(contents: Vec<u8>) -> Node {
    Node::File {
        size: contents.len() as u64,
        source: Source::Bytes(contents),
        mode: 0o644,
        mtime: 0,
        link: None,
    }
}
