//! Reader and writer against each other, and the reader against broken archives.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Member {
    name: Vec<u8>,
    meta: Metadata,
    data: Vec<u8>,
    max_padding: Option<u32>,
}

fn write(members: &[Member]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for member in members {
        writer.begin(&member.name, &member.meta, member.data.len() as u32, member.max_padding).unwrap();
        writer.data(&member.data).unwrap();
    }
    writer.finish().unwrap()
}

fn one(name: &[u8], data: &[u8]) -> Vec<u8> {
    let meta = Metadata { mode: mode::FILE | 0o644, nlink: 1, ino: 1, ..Metadata::default() };
    write(&[Member { name: name.to_vec(), meta, data: data.to_vec(), max_padding: None }])
}

fn first(bytes: &[u8]) -> Result<Entry<'_>, NewcError> {
    Archive::new(bytes).entries().next().expect("an entry or an error")
}

#[test]
fn the_layout_is_that_of_cpio() {
    let bytes = one(b"a/b", b"12345");
    let expected = b"070701\
        00000001000081A40000000000000000000000010000000000000005\
        00000000000000000000000000000000\
        0000000400000000a/b\0\0\x0012345\0\0\0";
    assert_eq!(&bytes[..expected.len()], expected);
    assert_eq!(bytes.len(), 116 + 8 + 124);
}

#[test]
fn leading_slashes_and_dots_go() {
    let strip = |name: &[u8]| {
        let bytes = one(name, b"");
        first(&bytes).unwrap().name.to_vec()
    };
    assert_eq!(strip(b"/etc/passwd"), b"etc/passwd");
    assert_eq!(strip(b"./etc"), b"etc");
    assert_eq!(strip(b".//./etc"), b"etc");
    assert_eq!(strip(b"."), b"");
    assert_eq!(strip(b"./"), b"");
    assert_eq!(strip(b"/"), b"");
    assert_eq!(strip(b".hidden"), b".hidden");
    assert_eq!(strip(b"..x"), b"..x");
}

#[test]
fn refuses_what_cannot_be_stored() {
    let meta = Metadata::default();
    let mut writer = Writer::new(Vec::new());
    for name in [&b""[..], b"a\0b", &[b'a'; NAME_FIELD_MAX], TRAILER] {
        assert_eq!(writer.begin(name, &meta, 0, None), Err(WriteError::BadName));
    }
    writer.begin(b"x", &meta, 3, None).unwrap();
    assert_eq!(writer.data(b"1234"), Err(WriteError::WrongLength));
    writer.data(b"12").unwrap();
    assert_eq!(writer.begin(b"y", &meta, 0, None), Err(WriteError::WrongLength));
    assert_eq!(writer.finish(), Err(WriteError::WrongLength));
}

#[test]
fn aligns_where_padding_is_allowed() {
    let meta = Metadata { mode: mode::FILE | 0o755, nlink: 1, ..Metadata::default() };
    let mut writer = Writer::new(Vec::new());
    assert_eq!(writer.begin(b"big", &meta, 5000, Some(4096)), Ok(true));
    writer.data(&[7; 5000]).unwrap();
    assert_eq!(writer.begin(b"small", &meta, 10, Some(3)), Ok(false));
    writer.data(&[8; 10]).unwrap();
    let bytes = writer.finish().unwrap();
    let entries: Vec<_> = Archive::new(&bytes).entries().map(Result::unwrap).collect();
    assert_eq!((entries[0].name, entries[0].data_offset), (&b"big"[..], 4096));
    assert_eq!(entries[0].data, [7; 5000]);
    assert_eq!(entries[1].data, [8; 10]);
}

#[test]
fn every_cut_is_an_error() {
    let bytes = one(b"name", b"contents");
    let padding = 3;
    for len in 0..bytes.len() - padding {
        let last = Archive::new(&bytes[..len]).entries().last();
        assert!(matches!(last, Some(Err(NewcError::Truncated(_)))), "{len}: {last:?}");
    }
}

#[test]
fn hostile_headers() {
    let with = |at: usize, text: &[u8]| {
        let mut bytes = one(b"name", b"contents");
        bytes[at..at + text.len()].copy_from_slice(text);
        first(&bytes).map(|entry| entry.data.len())
    };
    assert_eq!(with(0, b"070707"), Err(NewcError::BadMagic(0)));
    assert_eq!(with(6, b"0000000g"), Err(NewcError::BadNumber(0)));
    assert_eq!(with(6, b"+0000001"), Err(NewcError::BadNumber(0)));
    assert_eq!(with(54, b"FFFFFFFF"), Err(NewcError::Truncated(0))); // size
    assert_eq!(with(94, b"FFFFFFFF"), Err(NewcError::BadName(0))); // name length
    assert_eq!(with(94, b"00000000"), Err(NewcError::BadName(0)));
    assert_eq!(with(94, b"00000004"), Err(NewcError::BadName(0))); // no NUL within it
    assert_eq!(with(94, b"00001000"), Err(NewcError::Truncated(0)));
    assert_eq!(with(110, b"\0"), Err(NewcError::BadName(0)));
    assert_eq!(with(0, b"070702"), Ok(8));
}

#[test]
fn nothing_comes_after_an_error_or_the_trailer() {
    let mut bytes = one(b"name", b"contents");
    bytes.extend_from_slice(&one(b"second", b""));
    let mut entries = Archive::new(&bytes).entries();
    assert!(entries.next().is_some_and(|entry| entry.is_ok()));
    assert_eq!(entries.next(), None);
    assert_eq!(entries.next(), None);
    let mut broken = Archive::new(b"070701").entries();
    assert_eq!(broken.next(), Some(Err(NewcError::Truncated(0))));
    assert_eq!(broken.next(), None);
}

fn member() -> impl Strategy<Value = Member> {
    let name = prop::collection::vec(1u8..=255, 1..40)
        .prop_filter("kept as it is", |n| n != TRAILER && n[0] != b'/' && n[0] != b'.');
    let numbers = any::<([u32; 6], (u32, u32))>();
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        (0usize..20_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    let padding = prop_oneof![Just(None), (0u32..5000).prop_map(Some)];
    (name, numbers, data, padding).prop_map(|(name, (n, rdev), data, max_padding)| {
        let [mode, uid, gid, nlink, mtime, ino] = n;
        Member { name, meta: Metadata { mode, uid, gid, nlink, mtime, ino, rdev }, data, max_padding }
    })
}

proptest! {
    #[test]
    fn reads_back_what_was_written(members in prop::collection::vec(member(), 0..8)) {
        let bytes = write(&members);
        let entries: Vec<_> = Archive::new(&bytes).entries().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(entries.len(), members.len());
        for (entry, member) in entries.iter().zip(&members) {
            let m = &member.meta;
            prop_assert_eq!(entry.name, &member.name[..]);
            prop_assert_eq!(entry.data, &member.data[..]);
            prop_assert_eq!((entry.mode, entry.uid, entry.gid), (m.mode, m.uid, m.gid));
            prop_assert_eq!((entry.nlink, entry.mtime, entry.ino), (m.nlink, m.mtime, m.ino));
            prop_assert_eq!((entry.rdev, entry.dev), (m.rdev, (0, 0)));
            prop_assert_eq!(&bytes[entry.data_offset..][..entry.data.len()], entry.data);
            if member.max_padding.is_some_and(|max| max >= 4096) && member.name.len() == 1 {
                prop_assert_eq!(entry.data_offset % 4096, 0);
            }
        }
    }

    #[test]
    fn no_input_breaks_the_reader(bytes: Vec<u8>) {
        prop_assert!(Archive::new(&bytes).entries().count() <= bytes.len() / ENTRY_HEADER_SIZE + 1);
    }

    #[test]
    fn no_altered_archive_breaks_the_reader(
        members in prop::collection::vec(member(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = write(&members);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for entry in Archive::new(&bytes).entries().flatten() {
            prop_assert_eq!(&bytes[entry.data_offset..][..entry.data.len()], entry.data);
        }
    }
}
