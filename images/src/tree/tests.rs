//! The tree's rules, and this host's files put into it.

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn file() -> Node {
    Node::File { source: Source::Bytes(vec![]), size: 0, mode: 0o644, mtime: 0, link: None }
}

fn link(target: &str) -> Node {
    Node::Symlink { target: target.as_bytes().to_vec(), mtime: 0 }
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.iter().map(|(path, _)| text(path)).collect()
}

#[test]
fn guest_paths() {
    let path = |text: &str| guest_path(text.as_bytes()).map(|path| String::from_utf8(path).unwrap());
    assert_eq!(path("/").unwrap(), "");
    assert_eq!(path("//a/./b//").unwrap(), "a/b");
    let long = format!("/{}", "x".repeat(256));
    for bad in ["", "a", "/a/../b", "/..", "/a\0b", &long, &"/a".repeat(2048)] {
        assert!(matches!(path(bad), Err(TreeError::BadPath(_))), "{bad}");
    }
}

#[test]
fn insertion_makes_parents_and_follows_links() {
    let mut tree = Tree::default();
    tree.insert(b"lib", link("usr/lib")).unwrap();
    assert_eq!(tree.insert(b"lib/x/f", file()).unwrap(), b"usr/lib/x/f");
    assert_eq!(paths(&tree), ["lib", "usr", "usr/lib", "usr/lib/x", "usr/lib/x/f"]);
    // Absolute targets, and ones that climb.
    tree.insert(b"usr/lib/up", link("../..")).unwrap();
    assert_eq!(tree.insert(b"lib/up/g", file()).unwrap(), b"g");
    tree.insert(b"abs", link("/usr/lib/x")).unwrap();
    assert_eq!(tree.mkdir(b"abs", Some((0o700, 5))).unwrap(), b"usr/lib/x");
    assert_eq!(tree.get(b"usr/lib/x"), Some(&Node::Dir { mode: 0o700, mtime: 5 }));
}

#[test]
fn what_the_user_adds_replaces_files_but_not_directories() {
    let mut tree = Tree::default();
    tree.insert(b"etc/hosts", file()).unwrap();
    tree.insert(b"etc/hosts", link("other")).unwrap();
    assert_eq!(tree.get(b"etc/hosts"), Some(&link("other")));
    assert!(matches!(tree.insert(b"etc", file()), Err(TreeError::Conflict(..))));
    tree.insert(b"f", file()).unwrap();
    assert!(matches!(tree.insert(b"f/g", file()), Err(TreeError::Conflict(..))));
    assert!(matches!(tree.mkdir(b"f", None), Err(TreeError::Conflict(..))));
    assert!(matches!(tree.insert(b"", file()), Err(TreeError::Conflict(..))));
}

#[test]
fn links_in_a_circle() {
    let mut tree = Tree::default();
    tree.insert(b"a", link("b")).unwrap();
    tree.insert(b"b", link("/a")).unwrap();
    assert!(matches!(tree.insert(b"a/f", file()), Err(TreeError::Loop(_))));
    assert!(matches!(tree.mkdir(b"b", None), Err(TreeError::Loop(_))));
}

#[test]
fn a_host_path_keeps_its_links() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("real/sub")).unwrap();
    fs::write(root.join("real/sub/lib.so.1.2"), "x").unwrap();
    symlink("real", root.join("alias")).unwrap();
    symlink("lib.so.1.2", root.join("real/sub/lib.so.1")).unwrap();
    symlink("../../alias/sub/lib.so.1", root.join("real/sub/lib.so")).unwrap();
    let mut tree = Tree::default();
    let end = host::add_path(&mut tree, &root.join("alias/sub/lib.so")).unwrap();
    let prefix = format!("{}/", &root.to_str().unwrap()[1..]);
    assert_eq!(text(&end), format!("{prefix}real/sub/lib.so.1.2"));
    let inside: Vec<_> =
        paths(&tree).iter().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned).collect();
    assert_eq!(
        inside,
        ["alias", "real", "real/sub", "real/sub/lib.so", "real/sub/lib.so.1", "real/sub/lib.so.1.2"]
    );
    symlink("loop", root.join("loop")).unwrap();
    assert!(matches!(host::add_path(&mut tree, &root.join("loop")), Err(TreeError::Loop(_))));
    assert!(matches!(host::add_path(&mut tree, &root.join("missing")), Err(TreeError::Read(..))));
    assert!(matches!(host::add_path(&mut tree, Path::new("/dev/null")), Err(TreeError::Read(..))));
}

#[test]
fn a_directory_with_everything_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    fs::write(at("sub/a"), "one").unwrap();
    fs::hard_link(at("sub/a"), at("b")).unwrap();
    fs::set_permissions(at("b"), fs::Permissions::from_mode(0o4711)).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let mut tree = Tree::default();
    assert_eq!(host::copy_dir(&mut tree, dir.path(), b"data").unwrap(), [at("socket")]);
    assert_eq!(paths(&tree), ["data", "data/b", "data/dangling", "data/sub", "data/sub/a"]);
    let linked = |path: &[u8]| match tree.get(path) {
        Some(Node::File { link, mode: 0o4711, size: 3, .. }) => link.unwrap(),
        node => panic!("{node:?}"),
    };
    assert_eq!(linked(b"data/b"), linked(b"data/sub/a"));
    assert!(matches!(tree.get(b"data/dangling"), Some(Node::Symlink { target, .. }) if target == b"nowhere"));
    assert!(host::copy_dir(&mut tree, &at("b"), b"x").is_err());
    assert!(host::copy(&mut tree, &at("sub"), b"x").is_err());
}

use std::path::Path;
