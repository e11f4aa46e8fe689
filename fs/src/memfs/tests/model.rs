//! Random changes of the tree in memory, against a map of paths.

use proptest::prelude::*;
use std::collections::BTreeMap;

use super::*;

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
