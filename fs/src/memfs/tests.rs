//! The tree in memory against a map of paths, and what a map of paths does not show.

use super::*;
use crate::testing::{FakeClock, Member, archive};
use crate::{Allocate, Offset, SeekFrom, SliceSink, SliceSource};
use mm::fake::FakeFrames;
use proptest::prelude::*;
use std::collections::BTreeMap;

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

/// A file of the model has an identity, which its names share; a directory has none.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Dir,
    File(usize),
}

#[derive(Clone, Debug)]
struct Model {
    tree: BTreeMap<String, Entry>,
    files: Vec<Vec<u8>>,
}

impl Model {
    fn new() -> Self {
        let mut model = Model { tree: BTreeMap::new(), files: Vec::new() };
        model.tree.insert(String::new(), Entry::Dir);
        for &(path, mode, data) in BELOW {
            let entry = if mode & 0o40000 != 0 { Entry::Dir } else { model.file(data) };
            model.tree.insert(path.into(), entry);
        }
        model
    }

    fn file(&mut self, data: &[u8]) -> Entry {
        self.files.push(data.to_vec());
        Entry::File(self.files.len() - 1)
    }

    /// The entry at a path by walking: errors as the walk gives them.
    fn get(&self, path: &str) -> Result<&Entry, FsError> {
        self.dir(split(path).0)?;
        self.tree.get(path).ok_or(FsError::NotFound)
    }

    fn dir(&self, path: &str) -> Result<(), FsError> {
        let mut at = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = if at.is_empty() { name.into() } else { format!("{at}/{name}") };
            match self.tree.get(&at) {
                None => return Err(FsError::NotFound),
                Some(Entry::File(_)) => return Err(FsError::NotDirectory),
                Some(Entry::Dir) => {}
            }
        }
        Ok(())
    }

    fn is_empty(&self, path: &str) -> bool {
        !self.tree.keys().any(|other| other.starts_with(&format!("{path}/")))
    }

    fn below(path: &str, above: &str) -> bool {
        path == above || path.starts_with(&format!("{above}/"))
    }

    fn rename(&mut self, from: &str, to: &str, mode: RenameMode) -> Result<(), FsError> {
        self.dir(split(from).0)?;
        self.dir(split(to).0)?;
        let old = self.get(from)?.clone();
        let new = self.tree.get(to).cloned();
        match (mode, &new) {
            (RenameMode::NoReplace, Some(_)) => return Err(FsError::Exists),
            (RenameMode::Exchange, None) => return Err(FsError::NotFound),
            _ => {}
        }
        if old == Entry::Dir && Self::below(split(to).0, from) {
            return Err(FsError::Invalid);
        }
        let above = new == Some(Entry::Dir) && Self::below(split(from).0, to);
        if mode == RenameMode::Exchange {
            if above {
                return Err(FsError::Invalid);
            }
            let moved = |path: &String| {
                let swap = |path: &str, one: &str, two: &str| {
                    Self::below(path, one).then(|| format!("{two}{}", &path[one.len()..]))
                };
                swap(path, from, to).or_else(|| swap(path, to, from)).unwrap_or(path.clone())
            };
            self.tree = self.tree.iter().map(|(path, entry)| (moved(path), entry.clone())).collect();
            return Ok(());
        }
        if above {
            return Err(FsError::NotEmpty);
        }
        match (&old, &new) {
            (Entry::Dir, Some(Entry::File(_))) => return Err(FsError::NotDirectory),
            (Entry::File(_), Some(Entry::Dir)) => return Err(FsError::IsDirectory),
            _ => {}
        }
        if from == to || matches!(old, Entry::File(_)) && new.as_ref() == Some(&old) {
            return Ok(());
        }
        if new.is_some() && !self.is_empty(to) {
            return Err(FsError::NotEmpty);
        }
        self.tree.remove(to);
        let moved = |path: &String| {
            if Self::below(path, from) { format!("{to}{}", &path[from.len()..]) } else { path.clone() }
        };
        self.tree = self.tree.iter().map(|(path, entry)| (moved(path), entry.clone())).collect();
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Op {
    Create(String, u32),
    Link(String, String),
    Unlink(String),
    RemoveDir(String),
    Rename(String, String, RenameMode),
    Write(String, u64, u8),
}

fn op() -> impl Strategy<Value = Op> {
    let path =
        || proptest::collection::vec(prop_oneof!["a", "b", "x", "y"], 1..4).prop_map(|names| names.join("/"));
    let mode = prop_oneof![
        Just(RenameMode::Replace),
        Just(RenameMode::Replace),
        Just(RenameMode::NoReplace),
        Just(RenameMode::Exchange)
    ];
    prop_oneof![
        (path(), prop_oneof![Just(Mode::IFDIR), Just(Mode::IFREG)])
            .prop_map(|(path, kind)| Op::Create(path, kind)),
        (path(), path()).prop_map(|(from, to)| Op::Link(from, to)),
        path().prop_map(Op::Unlink),
        path().prop_map(Op::RemoveDir),
        (path(), path(), mode).prop_map(|(from, to, mode)| Op::Rename(from, to, mode)),
        (path(), 0..9000u64, any::<u8>()).prop_map(|(path, at, byte)| Op::Write(path, at, byte)),
    ]
}

fn apply(fs: &Arc<MemFs>, op: &Op) -> Result<(), FsError> {
    let at = |path: &str| {
        let id = find(fs, split(path).0)?;
        if fs.kind(id)? == NodeKind::Directory { Ok(id) } else { Err(FsError::NotDirectory) }
    };
    let name = |path| split(path).1.as_bytes();
    match op {
        Op::Create(path, kind) => {
            fs.create(at(path)?, name(path), &NewNode::of_mode(kind | 0o644)).map(|_| ())
        }
        Op::Link(from, to) => fs.link(find(fs, from)?, at(to)?, name(to)),
        Op::Unlink(path) => fs.unlink(at(path)?, name(path)),
        Op::RemoveDir(path) => fs.remove_dir(at(path)?, name(path)),
        Op::Rename(from, to, mode) => fs.rename((at(from)?, name(from)), (at(to)?, name(to)), *mode),
        Op::Write(path, offset, byte) => {
            let id = find(fs, path)?;
            if fs.kind(id)? == NodeKind::Directory {
                return Err(FsError::IsDirectory);
            }
            write(fs, id, *offset, &[*byte; 5]).map(|_| ())
        }
    }
}

fn expect(model: &mut Model, op: &Op) -> Result<(), FsError> {
    match op {
        Op::Create(path, kind) => {
            model.dir(split(path).0)?;
            if model.tree.contains_key(path) {
                return Err(FsError::Exists);
            }
            let entry = if *kind == Mode::IFDIR { Entry::Dir } else { model.file(b"") };
            model.tree.insert(path.clone(), entry);
        }
        Op::Link(from, to) => {
            let entry = model.get(from)?.clone();
            model.dir(split(to).0)?;
            if model.tree.contains_key(to) {
                return Err(FsError::Exists);
            }
            if entry == Entry::Dir {
                return Err(FsError::NotPermitted);
            }
            model.tree.insert(to.clone(), entry);
        }
        Op::Unlink(path) => match model.get(path)? {
            Entry::Dir => return Err(FsError::IsDirectory),
            Entry::File(_) => drop(model.tree.remove(path)),
        },
        Op::RemoveDir(path) => match model.get(path)? {
            Entry::File(_) => return Err(FsError::NotDirectory),
            Entry::Dir if !model.is_empty(path) => return Err(FsError::NotEmpty),
            Entry::Dir => drop(model.tree.remove(path)),
        },
        Op::Rename(from, to, mode) => return model.rename(from, to, *mode),
        Op::Write(path, offset, byte) => {
            let &Entry::File(file) = model.get(path)? else { return Err(FsError::IsDirectory) };
            let (start, data) = (*offset as usize, &mut model.files[file]);
            data.resize(data.len().max(start + 5), 0);
            data[start..start + 5].fill(*byte);
        }
    }
    Ok(())
}

/// Compares the trees below `dir`: names, contents, link counts, parents.
fn compare(fs: &Arc<MemFs>, model: &Model, dir: NodeId, path: &str, seen: &mut usize) {
    let mut entries = Vec::new();
    fs.read_dir(dir, 0, &mut |entry| {
        entries.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.ino));
        true
    })
    .unwrap();
    let mut subdirectories = 0;
    for (name, ino) in entries {
        *seen += 1;
        let full = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let id = fs.lookup(dir, name.as_bytes()).unwrap();
        let metadata = fs.metadata(id).unwrap();
        assert_eq!(metadata.ino, ino);
        match &model.tree[&full] {
            Entry::Dir => {
                subdirectories += 1;
                assert_eq!(fs.parent(id), Ok(dir));
                compare(fs, model, id, &full, seen);
            }
            Entry::File(file) => {
                assert!(read(open(fs, id).as_ref()) == model.files[*file], "{full}");
                let names = model.tree.values().filter(|entry| **entry == Entry::File(*file)).count();
                assert_eq!(metadata.nlink as usize, names, "{full}");
            }
        }
    }
    // The test archives count no subdirectories: those of the archive stand for themselves.
    if dir > BELOW.len() as NodeId {
        assert_eq!(fs.metadata(dir).unwrap().nlink, 2 + subdirectories);
    }
}

proptest! {
    #[test]
    fn behaves_like_a_map_of_paths(ops in proptest::collection::vec(op(), 0..60)) {
        let fs = over(BELOW, 1 << 24);
        let mut model = Model::new();
        for op in &ops {
            let (got, want) = (apply(&fs, op), expect(&mut model, op));
            prop_assert_eq!(got, want, "{:?}", op);
        }
        let mut seen = 0;
        compare(&fs, &model, fs.root(), "", &mut seen);
        prop_assert_eq!(seen + 1, model.tree.len());
        let live: u64 = fs.state().inodes.values().map(|inode| match &inode.content {
            Content::File(pages) if pages.blocks() % 8 == 0 => pages.blocks() / 8,
            _ => 0,
        }).sum();
        prop_assert!(fs.state().budget.used <= live, "nothing is kept for files that are gone");
    }
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
