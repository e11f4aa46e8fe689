//! The tree in memory: what a map of paths, with which [`model`] compares it, does not show.

mod model;

use super::*;
use crate::testing::{FakeClock, Member, archive};
use crate::{Allocate, Offset, SeekFrom, SliceSink, SliceSource};
use mm::fake::FakeFrames;

const BELOW: &[Member<'static>] = &[
    ("a", 0o40755, b""),
    ("a/b", 0o40755, b""),
    ("a/b/x", 0o100644, b"lower x"),
    ("a/y", 0o100600, b"lower y"),
    ("b", 0o40755, b""),
    ("x", 0o100644, b"lower"),
];

fn over(members: &[Member<'_>], bytes: u64) -> Arc<MemFs> {
    let bytes_below: &'static [u8] = Vec::leak(archive(members));
    MemFs::over(ArchiveFs::new(bytes_below, None, 9).unwrap(), space(bytes), Arc::<FakeClock>::default())
}

fn space(bytes: u64) -> Space {
    Space { frames: FakeFrames::leak(1000), bytes }
}

fn empty(bytes: u64) -> Arc<MemFs> {
    MemFs::new(4, space(bytes), Arc::<FakeClock>::default(), 0o1777, 77)
}

fn find(fs: &MemFs, path: &str) -> Result<NodeId, FsError> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .try_fold(fs.root(), |dir, name| fs.lookup(dir, name.as_bytes()))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn open(fs: &Arc<MemFs>, id: NodeId) -> Arc<dyn File> {
    fs.clone().open(id, OpenFlags::empty()).unwrap()
}

fn write(fs: &Arc<MemFs>, id: NodeId, at: u64, bytes: &[u8]) -> Result<usize, FsError> {
    open(fs, id).write(Offset(at), &mut SliceSource::new(bytes), OpenFlags::empty())
}

fn read(file: &dyn File) -> Vec<u8> {
    let mut buf = vec![0; file.metadata().unwrap().size as usize];
    assert_eq!(file.read(Offset(0), &mut SliceSink::new(&mut buf), OpenFlags::empty()), Ok(buf.len()));
    buf
}

#[test]
fn an_open_file_outlives_its_name() {
    let fs = empty(1 << 20);
    assert_eq!(fs.metadata(fs.root()).unwrap().mode, 0o41777);
    let id = fs.create(fs.root(), b"f", &NewNode::of_mode(0o100644)).unwrap();
    let file = open(&fs, id);
    assert_eq!(file.write(Offset(0), &mut SliceSource::new(&[7; 5000]), OpenFlags::empty()), Ok(5000));
    fs.unlink(fs.root(), b"f").unwrap();
    assert_eq!(read(file.as_ref()), [7; 5000]);
    assert_eq!(file.metadata().unwrap().nlink, 0);
    assert_eq!(fs.link(id, fs.root(), b"again"), Err(FsError::NotFound));
    assert_eq!((fs.statistics().blocks, fs.statistics().free), (256, 254));
    let mapped = file.backing().unwrap();
    drop(file);
    assert_eq!(mapped.len(), 5000, "a mapping keeps it too");
    drop(mapped);
    assert_eq!(fs.statistics().free, 256);
    assert_eq!(fs.metadata(id), Err(FsError::NotFound));

    let id = fs.create_unnamed(fs.root(), &NewNode::of_mode(0o100600), true).unwrap();
    fs.link(id, fs.root(), b"named").unwrap();
    fs.unpin(id);
    assert_eq!(fs.metadata(id).unwrap().nlink, 1);
    let id = fs.create_unnamed(fs.root(), &NewNode::of_mode(0o100600), false).unwrap();
    assert_eq!(fs.link(id, fs.root(), b"never"), Err(FsError::NotFound));
    fs.unpin(id);
    assert_eq!(fs.metadata(id), Err(FsError::NotFound));
}

#[test]
fn a_change_keeps_the_number_and_what_is_open() {
    let fs = over(BELOW, 1 << 20);
    let id = find(&fs, "a/b/x").unwrap();
    let file = open(&fs, id);
    let before = file.metadata().unwrap();
    assert!(file.backing().unwrap().name().ends_with(b"/a/b/x"));
    assert_eq!(read(file.as_ref()), b"lower x");
    assert_eq!(file.metadata().unwrap(), before, "reading changes nothing");
    assert_eq!(write(&fs, id, 6, b"Z!"), Ok(2));
    assert_eq!(read(file.as_ref()), b"lower Z!");
    let after = file.metadata().unwrap();
    assert_eq!((after.ino, after.dev, after.mode), (before.ino, before.dev, before.mode));
    assert!(after.mtime_ns > before.mtime_ns && after.ctime_ns == Some(after.mtime_ns));
    let backing = file.backing().unwrap();
    let mut buf = [0; 16];
    assert_eq!((backing.read_at(2, &mut buf).unwrap(), &buf[..6]), (6, &b"wer Z!"[..]));
    assert_eq!(backing.name(), b"/a/b/x");
    fs.unlink(find(&fs, "a/b").unwrap(), b"x").unwrap();
    assert_eq!(find(&fs, "a/b/x"), Err(FsError::NotFound));
    assert_eq!(read(file.as_ref()), b"lower Z!");
    drop((file, backing));
    assert_eq!(fs.statistics().free, 256, "its page came back");
}

#[test]
fn a_listing_goes_on_where_it_was() {
    let fs = empty(1 << 20);
    for i in 0..10 {
        fs.create(fs.root(), format!("f{i}").as_bytes(), &NewNode::of_mode(0o100644)).unwrap();
    }
    let (mut position, mut listed) = (0, 0);
    // Removing each entry as it is listed, as `rm -r` does.
    loop {
        let mut found = None;
        fs.read_dir(fs.root(), position, &mut |entry| {
            found = Some((entry.name.to_vec(), entry.next));
            false
        })
        .unwrap();
        let Some((name, next)) = found else { break };
        fs.unlink(fs.root(), &name).unwrap();
        (position, listed) = (next, listed + 1);
    }
    assert_eq!(listed, 10);
}

#[test]
fn attributes() {
    let fs = over(BELOW, 1 << 20);
    let id = find(&fs, "x").unwrap();
    let set = |set: SetAttributes| {
        fs.set_attributes(id, &set).unwrap();
        fs.metadata(id).unwrap()
    };
    let changed = set(SetAttributes { mode: Some(0o106755), ..SetAttributes::default() });
    assert_eq!((changed.mode, changed.mtime_ns), (0o106755, 1_700_000_000_000_000_000));
    let changed = set(SetAttributes { uid: Some(5), ..SetAttributes::default() });
    assert_eq!((changed.mode, changed.uid, changed.gid), (0o100755, 5, 0), "no longer as its owner");
    let changed =
        set(SetAttributes { atime: Some(SetTime::At(3)), mtime: Some(SetTime::Now), ..Default::default() });
    assert_eq!(changed.atime_ns, Some(3));
    assert_eq!(Some(changed.mtime_ns), changed.ctime_ns);
    read(open(&fs, id).as_ref());
    let read_at = fs.metadata(id).unwrap().atime_ns.unwrap();
    assert!(read_at > changed.mtime_ns);
    read(open(&fs, id).as_ref());
    assert_eq!(fs.metadata(id).unwrap().atime_ns, Some(read_at), "once per change, and once a day");
    // A set-group-ID directory.
    let dir = find(&fs, "a").unwrap();
    fs.set_attributes(dir, &SetAttributes { mode: Some(0o2775), gid: Some(8), ..Default::default() })
        .unwrap();
    let file = fs.create(dir, b"new", &NewNode::of_mode(0o100644)).unwrap();
    assert_eq!(fs.metadata(file).unwrap().gid, 8);
    let sub = fs.create(dir, b"sub", &NewNode::of_mode(0o40755)).unwrap();
    assert_eq!(fs.metadata(sub).unwrap().mode, 0o42755);
}

#[test]
fn room_and_holes() {
    let fs = empty(4 * 4096);
    let id = fs.create(fs.root(), b"f", &NewNode::of_mode(0o100644)).unwrap();
    let file = open(&fs, id);
    assert_eq!(file.write(Offset(1 << 40), &mut SliceSource::new(b"x"), OpenFlags::empty()), Ok(1));
    assert_eq!((file.metadata().unwrap().size, file.metadata().unwrap().blocks), ((1 << 40) + 1, 8));
    assert_eq!(file.seek(SeekFrom::Data(5), 0), Ok(1 << 40));
    assert_eq!(file.seek(SeekFrom::Hole(5), 0), Ok(5));
    file.truncate(0).unwrap();
    assert_eq!(file.allocate(Allocate::Extend, 0..3 * 4096), Ok(()));
    assert_eq!(file.allocate(Allocate::Extend, 0..1 << 50), Err(FsError::NoSpace));
    assert_eq!(file.allocate(Allocate::KeepSize, 0..4 * 4096), Ok(()));
    assert_eq!((file.metadata().unwrap().size, fs.statistics().free), (3 * 4096, 0));
    assert_eq!(file.write(Offset(4096 * 4 - 3), &mut SliceSource::new(b"abcdef"), OpenFlags::empty()), Ok(3));
    assert_eq!(
        file.write(Offset(4096 * 4), &mut SliceSource::new(b"def"), OpenFlags::empty()),
        Err(FsError::NoSpace)
    );
    assert_eq!(file.allocate(Allocate::PunchHole, 4096..8192), Ok(()));
    assert_eq!((fs.statistics().free, file.seek(SeekFrom::Hole(0), 0)), (1, Ok(4096)));
    assert_eq!(file.append(&mut SliceSource::new(b"end"), OpenFlags::empty()), Ok((3, 4 * 4096 + 3)));
}

#[test]
fn extended_attributes_are_bounded() {
    let fs = over(BELOW, 1 << 20);
    let id = find(&fs, "x").unwrap();
    assert_eq!(fs.xattr(id, b"user.a"), Err(FsError::NoData));
    assert_eq!(fs.set_xattr(id, b"user.a", b"1", SetMode::Replace), Err(FsError::NoData));
    assert_eq!(fs.set_xattr(id, b"user.a", b"1", SetMode::Neither), Err(FsError::NoData));
    fs.set_xattr(id, b"user.a", &[7; 60_000], SetMode::Create).unwrap();
    assert_eq!(fs.set_xattr(id, b"user.a", b"1", SetMode::Create), Err(FsError::Exists));
    assert_eq!(fs.set_xattr(id, b"user.a", b"1", SetMode::Neither), Err(FsError::Exists));
    fs.set_xattr(id, b"user.b", &[8; 60_000], SetMode::Either).unwrap();
    let other = find(&fs, "a/y").unwrap();
    assert_eq!(fs.set_xattr(other, b"user.a", &[7; 60_000], SetMode::Either), Err(FsError::NoSpace));
    fs.set_xattr(id, b"user.a", b"short", SetMode::Replace).unwrap();
    fs.set_xattr(other, b"user.a", &[7; 60_000], SetMode::Either).unwrap();
    assert_eq!(fs.xattr(id, b"user.a").unwrap(), b"short");
    let mut names = Vec::new();
    fs.xattr_names(id, &mut |name| names.push(name.to_vec()));
    assert_eq!(names, [b"user.a", b"user.b"]);
    fs.remove_xattr(id, b"user.b").unwrap();
    assert_eq!(fs.remove_xattr(id, b"user.b"), Err(FsError::NoData));
    fs.unlink(fs.root(), b"x").unwrap();
    fs.unlink(find(&fs, "a").unwrap(), b"y").unwrap();
    assert_eq!(fs.state().attribute_bytes, 0, "they go with the file");
}

#[test]
fn nodes_are_bounded() {
    let fs = empty(4 * 4096);
    let make = |name: &[u8]| fs.create(fs.root(), name, &NewNode::of_mode(0o100644));
    make(b"1").unwrap();
    make(b"2").unwrap();
    make(b"3").unwrap();
    assert_eq!((make(b"4"), fs.statistics().free_nodes), (Err(FsError::NoSpace), 0));
    assert_eq!(fs.create_unnamed(fs.root(), &NewNode::of_mode(0o100600), true), Err(FsError::NoSpace));
    fs.unlink(fs.root(), b"2").unwrap();
    make(b"4").unwrap();
}

#[test]
fn changes_of_what_the_archive_holds_are_told_to_mappings_once() {
    let fs = over(&[("f", 0o100644, &[1; 10_000])], 1 << 20);
    let id = find(&fs, "f").unwrap();
    let file = open(&fs, id);
    let write = |at, bytes| file.write(Offset(at), &mut SliceSource::new(bytes), OpenFlags::empty());
    write(5000, b"before anything maps it").unwrap();
    assert!(file.outdated().is_none(), "nobody shows it");
    let store = file.backing().unwrap();
    store.refreshed(store.outdated().unwrap());
    write(5000, b"again").unwrap();
    assert!(file.outdated().is_none(), "that page was replaced before");
    write(0, b"another").unwrap();
    assert!(open(&fs, id).outdated().is_none(), "who has not changed it need not tell");
    let told = file.outdated().unwrap();
    assert!(core::ptr::addr_eq(Arc::as_ptr(&told), Arc::as_ptr(&store)));
    store.refreshed(store.outdated().unwrap());
    file.truncate(8200).unwrap();
    assert!(file.outdated().is_some(), "cut in the middle of a page");
}
