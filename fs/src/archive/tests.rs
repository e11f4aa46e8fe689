//! The tree over good, odd and hostile archives.

use super::*;
use crate::testing::archive;
use crate::{Offset, SeekFrom, SliceSink, SliceSource};
use image_format::newc::{Metadata as Head, Writer};

fn build(bytes: Vec<u8>) -> Result<Arc<ArchiveFs>, ArchiveError> {
    ArchiveFs::new(Vec::leak(bytes), Some(PhysAddr(0x20_0000)), 7)
}

fn raw(members: &[(&str, Head, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, head, data) in members {
        writer.begin(path.as_bytes(), head, data.len() as u32, None).unwrap();
        writer.data(data).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn names_metadata_and_contents() {
    let fs = build(archive(&[
        (".", 0o40711, b""),
        ("etc", 0o40755, b""),
        ("etc/passwd", 0o100644, b"root:x:0:0::/root:/bin/sh\n"),
        ("etc/link", 0o120777, b"passwd"),
        ("zero", 0o100600, b""),
    ]))
    .unwrap();
    assert_eq!(fs.metadata(fs.root()).unwrap().mode, 0o40711);
    let etc = fs.lookup(fs.root(), b"etc").unwrap();
    let passwd = fs.lookup(etc, b"passwd").unwrap();
    let stat = fs.metadata(passwd).unwrap();
    assert_eq!((stat.dev, stat.mode, stat.size, stat.blocks), (7, 0o100644, 26, 8));
    assert_eq!(stat.mtime_ns, 1_700_000_000_000_000_000);
    assert_eq!(fs.lookup(etc, b"shadow"), Err(FsError::NotFound));
    assert_eq!(fs.lookup(passwd, b"x"), Err(FsError::NotDirectory));
    assert_eq!(fs.parent(etc), Ok(fs.root()));
    let mut target = Vec::new();
    fs.read_link(fs.lookup(etc, b"link").unwrap(), &mut target).unwrap();
    assert_eq!(target, b"passwd");
    assert_eq!(fs.read_link(passwd, &mut target), Err(FsError::Invalid));

    let file = fs.clone().open(passwd, OpenFlags::empty()).unwrap();
    let mut buf = [0; 8];
    assert_eq!(file.read(Offset(5), &mut SliceSink::new(&mut buf), OpenFlags::empty()), Ok(8));
    assert_eq!(&buf, b"x:0:0::/");
    assert_eq!(file.read(Offset(26), &mut SliceSink::new(&mut buf), OpenFlags::empty()), Ok(0));
    assert_eq!(file.read(Offset(u64::MAX), &mut SliceSink::new(&mut buf), OpenFlags::empty()), Ok(0));
    let write = file.write(Offset(0), &mut SliceSource::new(b"x"), OpenFlags::empty());
    assert_eq!(write, Err(FsError::ReadOnly));
    assert_eq!(file.seek(SeekFrom::End(-1), 0), Ok(25));
    assert_eq!(file.backing().unwrap().name(), b"/etc/passwd");
}

#[test]
fn directories_are_sorted_and_can_be_resumed() {
    let fs = build(archive(&[("b", 0o100644, b""), ("a", 0o40755, b""), ("c", 0o120777, b"x")])).unwrap();
    let list = |skip, limit| {
        let mut names = Vec::new();
        fs.read_dir(fs.root(), skip, &mut |entry| {
            names.push((entry.name.to_vec(), entry.next));
            names.len() < limit
        })
        .unwrap();
        names
    };
    assert_eq!(list(0, 9), [(b"a".to_vec(), 1), (b"b".to_vec(), 2), (b"c".to_vec(), 3)]);
    assert_eq!(list(1, 1), [(b"b".to_vec(), 2)]);
    assert_eq!(list(3, 9), []);
    assert_eq!(list(u64::MAX, 9), []);
}

#[test]
fn hard_links_share_a_node() {
    let head = |ino| Head { mode: 0o100644, nlink: 2, ino, ..Head::default() };
    let fs = build(raw(&[("first", head(5), b""), ("second", head(5), b"data"), ("other", head(6), b"")]))
        .unwrap();
    let first = fs.lookup(fs.root(), b"first").unwrap();
    assert_eq!(fs.lookup(fs.root(), b"second"), Ok(first));
    assert_eq!(fs.metadata(first).unwrap().size, 4);
    assert_ne!(fs.lookup(fs.root(), b"other"), Ok(first));
}

#[test]
fn frames_only_for_whole_aligned_pages() {
    let data = vec![1; 4096 * 2 + 100];
    let fs = build(archive(&[("big", 0o100644, &data), ("small", 0o100644, b"x")])).unwrap();
    let open =
        |name: &[u8]| fs.clone().open(fs.lookup(fs.root(), name).unwrap(), OpenFlags::empty()).unwrap();
    let store = open(b"big").backing().unwrap();
    let first = store.frame_at(0).expect("page-aligned in the archive");
    assert_eq!(store.frame_at(1).unwrap().number(), first.number() + 1);
    assert!(first.phys().0 >= 0x20_0000);
    assert_eq!(store.frame_at(2), None, "shared with what comes behind");
    assert_eq!(store.frame_at(u64::MAX), None);
    assert_eq!(open(b"small").backing().unwrap().frame_at(0), None);
    let mut buf = [0; 200];
    assert_eq!(store.read_at(8192, &mut buf), Ok(100));
}

#[test]
fn hostile_archives_are_refused() {
    let file = Head { mode: 0o100644, nlink: 1, ino: 1, ..Head::default() };
    let dir = Head { mode: 0o40755, nlink: 2, ino: 2, ..Head::default() };
    let link = Head { mode: 0o120777, nlink: 1, ino: 3, ..Head::default() };
    let long = "x".repeat(256);
    type Check = fn(&ArchiveError) -> bool;
    type Members<'a> = &'a [(&'a str, Head, &'a [u8])];
    let cases: &[(Members<'_>, Check)] = &[
        (&[("a/b", file, b"")], |e| matches!(e, ArchiveError::NoParent(_))),
        (&[("a", file, b""), ("a/b", file, b"")], |e| matches!(e, ArchiveError::NoParent(_))),
        (&[("a", link, b"/"), ("a/b", file, b"")], |e| matches!(e, ArchiveError::NoParent(_))),
        (&[("..", file, b"")], |e| matches!(e, ArchiveError::BadName(_))),
        (&[("d", dir, b""), ("d/../x", file, b"")], |e| matches!(e, ArchiveError::NoParent(_))),
        (&[("d", dir, b""), ("d//x", file, b"")], |e| matches!(e, ArchiveError::NoParent(_))),
        (&[(&long, file, b"")], |e| matches!(e, ArchiveError::BadName(_))),
        (&[("a", file, b""), ("a", file, b"")], |e| matches!(e, ArchiveError::Duplicate(_))),
        (&[("a", dir, b""), ("a", file, b"")], |e| matches!(e, ArchiveError::Duplicate(_))),
        (&[("a", link, b"")], |e| matches!(e, ArchiveError::BadLink(_))),
        (&[("a", Head { mode: 0o170644, ..file }, b"")], |e| matches!(e, ArchiveError::BadType(_))),
        (&[(".", file, b"")], |e| matches!(e, ArchiveError::BadType(_))),
    ];
    for (members, check) in cases {
        let error = build(raw(members)).err().unwrap_or_else(|| panic!("{members:?} accepted"));
        assert!(check(&error), "{members:?}: {error:?}");
    }
    assert!(matches!(build(b"garbage".to_vec()), Err(ArchiveError::Newc(_))));
}

proptest::proptest! {
    #[test]
    fn damaged_archives_never_panic(at in 0usize..600, byte: u8, cut in 0usize..1200) {
        let mut bytes = archive(&[("d", 0o40755, b""), ("d/f", 0o100644, b"data"), ("l", 0o120777, b"d/f")]);
        let len = bytes.len();
        bytes[at % len] = byte;
        bytes.truncate(len.saturating_sub(cut % 3));
        if let Ok(fs) = build(bytes) {
            for id in 0..fs.node_count() as u64 {
                let _ = fs.metadata(id);
                let _ = fs.read_dir(id, 0, &mut |_| true);
                if let Ok(file) = fs.clone().open(id, OpenFlags::empty()) {
                    let _ = file.read(Offset(0), &mut SliceSink::new(&mut [0; 64]), OpenFlags::empty());
                }
            }
        }
    }
}
