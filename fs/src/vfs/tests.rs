//! Path lookup and opening, by the rules of path_resolution(7) and open(2).

use super::*;
use crate::console::{ConsoleMode, ConsoleOptions};
use crate::testing::{Member, tree};
use crate::{Offset, SeekFrom, SliceSink, SliceSource};
use mm::fake::FakeFrames;

const HOST: ConsoleOptions =
    ConsoleOptions { mode: ConsoleMode::Host { tty_in: false, tty_out: false }, winsize: (24, 80) };

const MEMBERS: &[Member<'static>] = &[
    ("bin", 0o120777, b"usr/bin"),
    ("dev", 0o40755, b""),
    ("etc", 0o40755, b""),
    ("etc/passwd", 0o100644, b"root\n"),
    ("etc/abs", 0o120777, b"/usr/bin"),
    ("etc/up", 0o120777, b"../usr/./bin/"),
    ("etc/self", 0o120777, b"self"),
    ("etc/gone", 0o120777, b"nowhere"),
    ("fifo", 0o10644, b""),
    ("ro", 0o40755, b""),
    ("loop1", 0o120777, b"loop2"),
    ("loop2", 0o120777, b"loop1"),
    ("usr", 0o40755, b""),
    ("usr/bin", 0o40755, b""),
    ("usr/bin/ls", 0o100755, b"ELF"),
];

fn find(vfs: &Vfs, path: &str) -> Result<Vec<u8>, FsError> {
    let node = vfs.lookup(vfs.root(), path.as_bytes(), Follow::Yes)?;
    if node.kind()? == NodeKind::Directory { vfs.path_of(&node) } else { Ok(b"(file)".to_vec()) }
}

#[test]
fn resolution() {
    let (vfs, _, _) = tree(MEMBERS, HOST, FakeFrames::leak(64));
    let dir = |path: &str| find(&vfs, path).map(|path| String::from_utf8(path).unwrap());
    for (path, want) in [
        ("/", "/"),
        ("//", "/"),
        (".", "/"),
        ("..", "/"),
        ("/../..", "/"),
        ("usr/bin", "/usr/bin"),
        ("/usr//bin///", "/usr/bin"),
        ("/usr/./bin/.", "/usr/bin"),
        ("/usr/bin/..", "/usr"),
        ("/bin", "/usr/bin"),
        ("/bin/", "/usr/bin"),
        ("/bin/..", "/usr"),
        ("/etc/abs/../bin", "/usr/bin"),
        ("/etc/up", "/usr/bin"),
        ("/dev", "/dev"),
        ("/dev/..", "/"),
        ("/dev/../etc", "/etc"),
        ("/bin/ls", "(file)"),
        ("/etc/up/ls", "(file)"),
        ("/dev/null", "(file)"),
    ] {
        assert_eq!(dir(path).as_deref(), Ok(want), "{path}");
    }
    for (path, want) in [
        ("", FsError::NotFound),
        ("/nothing", FsError::NotFound),
        ("/nothing/more", FsError::NotFound),
        ("/etc/gone", FsError::NotFound),
        ("/etc/passwd/", FsError::NotDirectory),
        ("/etc/passwd/.", FsError::NotDirectory),
        ("/etc/passwd/..", FsError::NotDirectory),
        ("/etc/passwd/x", FsError::NotDirectory),
        ("/dev/null/x", FsError::NotDirectory),
        ("/etc/self", FsError::Loop),
        ("/loop1/x", FsError::Loop),
    ] {
        assert_eq!(dir(path), Err(want), "{path}");
    }
    assert_eq!(dir(&format!("/{}", "x".repeat(256))), Err(FsError::NameTooLong));
    assert_eq!(dir(&format!("/{}", "x".repeat(255))), Err(FsError::NotFound));
    assert_eq!(dir(&"/".repeat(4096)), Err(FsError::NameTooLong));
    assert_eq!(dir(&"/".repeat(4095)).as_deref(), Ok("/"));
}

#[test]
fn relative_to_a_directory_and_not_following() {
    let (vfs, _, _) = tree(MEMBERS, HOST, FakeFrames::leak(64));
    let etc = vfs.lookup(vfs.root(), b"/etc", Follow::Yes).unwrap();
    assert_eq!(vfs.lookup(&etc, b"passwd", Follow::Yes).unwrap().metadata().unwrap().size, 5);
    assert_eq!(vfs.lookup(&etc, b"up", Follow::No).unwrap().kind(), Ok(NodeKind::Symlink));
    let through = vfs.lookup(&etc, b"up/", Follow::No).unwrap();
    assert_eq!(through.kind(), Ok(NodeKind::Directory), "a slash behind a link follows it");
    let passwd = vfs.lookup(&etc, b"passwd", Follow::Yes).unwrap();
    assert_eq!(vfs.lookup(&passwd, b"x", Follow::Yes), Err(FsError::NotDirectory));
}

#[test]
fn a_chain_of_forty_links_is_the_limit() {
    let names: Vec<String> = (0..=41).map(|i| format!("l{i}")).collect();
    let mut members: Vec<Member<'_>> = vec![("target", 0o100644, b"x")];
    for i in 1..=41 {
        let target = if i == 1 { "target" } else { &names[i - 1] };
        members.push((&names[i], 0o120777, target.as_bytes()));
    }
    let (vfs, _, _) = tree(&members, HOST, FakeFrames::leak(64));
    assert!(vfs.lookup(vfs.root(), b"l40", Follow::Yes).is_ok());
    assert_eq!(vfs.lookup(vfs.root(), b"l41", Follow::Yes), Err(FsError::Loop));
    assert!(vfs.lookup(vfs.root(), b"l41", Follow::No).is_ok());
}

#[test]
fn opening() {
    let (vfs, _, _) = tree(MEMBERS, HOST, FakeFrames::leak(64));
    let new = NewNode::of_mode(0o100644);
    let open = |path: &str, flags: OpenFlags| vfs.open(vfs.root(), path.as_bytes(), flags, &new).map(|_| ());
    let read = OpenFlags::empty();
    let create = OpenFlags::CREAT | OpenFlags::WRONLY;
    for (path, flags, want) in [
        ("/etc/passwd", read, Ok(())),
        ("/ro/file", read, Ok(())),
        ("/ro/file", OpenFlags::RDWR, Err(FsError::ReadOnly)),
        ("/ro/file", OpenFlags::TRUNC, Err(FsError::ReadOnly)),
        ("/ro/file", OpenFlags::CREAT, Ok(())),
        ("/ro/file", create, Err(FsError::ReadOnly)),
        ("/ro/new", create, Err(FsError::ReadOnly)),
        ("/etc/passwd", OpenFlags::RDWR, Ok(())),
        ("/etc/passwd", OpenFlags::CREAT, Ok(())),
        ("/etc/passwd", create | OpenFlags::EXCL, Err(FsError::Exists)),
        ("/etc/passwd", OpenFlags::DIRECTORY, Err(FsError::NotDirectory)),
        ("/etc/new", create, Ok(())),
        ("/etc/new", read, Ok(())),
        ("/etc/gone", create, Ok(())),
        ("/etc/nowhere", create | OpenFlags::EXCL, Err(FsError::Exists)),
        ("/etc/self", create, Err(FsError::Loop)),
        ("/newer/", create, Err(FsError::IsDirectory)),
        ("/etc/new/x", create, Err(FsError::NotDirectory)),
        ("/no/new", create, Err(FsError::NotFound)),
        ("/etc", read, Ok(())),
        ("/etc", OpenFlags::DIRECTORY, Ok(())),
        ("/etc", OpenFlags::WRONLY, Err(FsError::IsDirectory)),
        ("/etc", OpenFlags::CREAT, Err(FsError::IsDirectory)),
        ("/bin", OpenFlags::NOFOLLOW, Err(FsError::Loop)),
        ("/bin", OpenFlags::NOFOLLOW | OpenFlags::PATH, Ok(())),
        ("/fifo", OpenFlags::RDWR, Ok(())),
        ("/fifo", OpenFlags::WRONLY | OpenFlags::NONBLOCK, Err(FsError::NoDevice)),
        ("/dev/null", OpenFlags::RDWR, Ok(())),
        ("/dev/null", create | OpenFlags::TRUNC, Ok(())),
        ("/dev/tty", OpenFlags::RDWR, Err(FsError::NoDevice)),
        ("/dev/nothing", read, Err(FsError::NotFound)),
    ] {
        assert_eq!(open(path, flags), want, "{path} {flags:?}");
    }
}

#[test]
fn descriptions() {
    let (vfs, _, _) = tree(MEMBERS, HOST, FakeFrames::leak(64));
    let new = NewNode::of_mode(0o100644);
    let file = vfs.open(vfs.root(), b"/etc/passwd", OpenFlags::CLOEXEC | OpenFlags::NONBLOCK, &new).unwrap();
    assert_eq!(file.flags(), OpenFlags::NONBLOCK, "only what lasts is kept");
    file.set_flags(OpenFlags::APPEND | OpenFlags::RDWR);
    assert_eq!(file.flags(), OpenFlags::APPEND, "the access mode cannot change");
    let mut buf = [0; 3];
    assert_eq!(file.read(&mut SliceSink::new(&mut buf)), Ok(3));
    assert_eq!(&buf, b"roo");
    assert_eq!(file.read_at(Offset(1), &mut SliceSink::new(&mut buf)), Ok(3));
    assert_eq!(file.seek(SeekFrom::Current(0)), Ok(3));
    assert_eq!(file.write(&mut SliceSource::new(b"x")), Err(FsError::BadMode));
    let path = vfs.open(vfs.root(), b"/etc/passwd", OpenFlags::PATH, &new).unwrap();
    assert_eq!(path.read(&mut SliceSink::new(&mut buf)), Err(FsError::BadMode));
    assert_eq!(path.seek(SeekFrom::Start(0)), Err(FsError::BadMode));
    let dir = vfs.open(vfs.root(), b"/dev", OpenFlags::empty(), &new).unwrap();
    assert_eq!(dir.read(&mut SliceSink::new(&mut buf)), Err(FsError::IsDirectory));
    let mut names = Vec::new();
    for _ in 0..4 {
        dir.read_dir(&mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            names.len() % 4 != 0
        })
        .unwrap();
        // An entry that was refused comes again.
        if names.len() == 4 || names.len() == 8 {
            names.pop();
            names.push("?".into());
        }
    }
    names.retain(|name| name != "?");
    assert_eq!(names[..9], [".", "..", "console", "full", "null", "random", "tty", "urandom", "zero"]);
    dir.seek(SeekFrom::Start(0)).unwrap();
    let mut inos = Vec::new();
    dir.read_dir(&mut |entry| {
        inos.push(entry.ino);
        true
    })
    .unwrap();
    assert_eq!(
        inos[..2],
        [1, vfs.root().metadata().unwrap().ino],
        "`..` of a mounted root is the root outside"
    );
}
