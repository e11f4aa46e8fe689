//! Tests of the trees whose files are made when they are read.

use super::*;
use crate::Offset;
use crate::console::ConsoleMode;
use crate::vfs::Follow;
use crate::{OpenFile, SliceSink, SliceSource, Vfs, testing};
use abi::OpenFlags;
use core::sync::atomic::{AtomicU32, Ordering};
use std::string::String;

fn text(make: impl Fn(Key) -> String + Send + Sync + 'static) -> Text {
    Box::new(move |key, out| {
        out.extend_from_slice(make(key).as_bytes());
        Ok(())
    })
}

/// Tasks 7 and 300, with descriptors 0 and 9 each.
fn tree() -> Vfs {
    let mut builder = Builder::new();
    let root = Builder::ROOT;
    let deep = builder.dir(root, "sys/kernel");
    builder.constant(deep, "ostype", "Linux\n");
    let value = Arc::new(AtomicU32::new(1));
    let (get, set) = (value.clone(), value);
    let vm = builder.dir(root, "sys/vm");
    builder.writable(
        vm,
        "setting",
        0o644,
        text(move |_| format!("{}\n", get.load(Ordering::Relaxed))),
        Box::new(move |_, bytes| {
            set.store(number(bytes).ok_or(FsError::Invalid)?, Ordering::Relaxed);
            Ok(())
        }),
    );
    builder.link(root, "self", text(|_| "7".into()), None);
    let next = |list: [u32; 2]| -> Next { Box::new(move |_, from| list.into_iter().find(|&n| n >= from)) };
    let task = builder.tasks(root, next([7, 300]), Box::new(|_| 0));
    builder.file(task, "name", 0o444, |key, out| {
        out.extend_from_slice(format!("task {}", key.task).as_bytes());
        Ok(())
    });
    let fd = builder.dir(task, "fd");
    builder.item_files(fd, next([0, 9]), text(|key| format!("{} {}", key.task, key.item)));
    let mode = ConsoleMode::Host { tty_in: false, tty_out: false };
    let options = crate::ConsoleOptions { mode, winsize: (24, 80) };
    let (mut vfs, ..) = testing::tree(&[("proc", 0o40755, b"")], options, mm::fake::FakeFrames::leak(64));
    vfs.mount(b"/proc", builder.finish(3, "proc", 0, 0)).unwrap();
    vfs
}

fn open(vfs: &Vfs, path: &str, flags: OpenFlags) -> Arc<OpenFile> {
    vfs.open(vfs.root(), path.as_bytes(), flags, &crate::NewNode::of_mode(0o100644)).unwrap()
}

fn read(file: &OpenFile) -> String {
    let mut buf = [0; 100];
    let n = file.read(&mut SliceSink::new(&mut buf)).unwrap();
    String::from_utf8(buf[..n].to_vec()).unwrap()
}

fn names(vfs: &Vfs, path: &str) -> Vec<String> {
    let dir = open(vfs, path, OpenFlags::DIRECTORY);
    let mut names = Vec::new();
    // One entry per call, so that every position is used.
    loop {
        let mut one = None;
        dir.read_dir(&mut |entry| {
            let first = one.is_none();
            one.get_or_insert_with(|| String::from_utf8(entry.name.to_vec()).unwrap());
            first
        })
        .unwrap();
        match one {
            Some(name) => names.push(name),
            None => return names,
        }
    }
}

#[test]
fn templates_stand_for_many_nodes() {
    let vfs = tree();
    assert_eq!(read(&open(&vfs, "/proc/self/name", OpenFlags::empty())), "task 7");
    assert_eq!(read(&open(&vfs, "/proc/300/fd/9", OpenFlags::empty())), "300 9");
    assert_eq!(read(&open(&vfs, "/proc/300/fd/../../7/fd/0", OpenFlags::empty())), "7 0");
    for path in ["/proc/8", "/proc/07", "/proc/7/fd/1", "/proc/7/fd/", "/proc/99999999", "/proc/7x"] {
        let found =
            vfs.open(vfs.root(), path.as_bytes(), OpenFlags::empty(), &crate::NewNode::of_mode(0o100644));
        assert_eq!(found.is_ok(), path == "/proc/7/fd/", "{path}");
    }
    assert_eq!(names(&vfs, "/proc"), [".", "..", "sys", "self", "7", "300"]);
    assert_eq!(names(&vfs, "/proc/7/fd"), [".", "..", "0", "9"]);
    assert_eq!(names(&vfs, "/proc/7"), [".", "..", "name", "fd"]);
    let dir = vfs.lookup(vfs.root(), b"/proc/300/fd", Follow::Yes).unwrap();
    assert_eq!(vfs.path_of(&dir).unwrap(), b"/proc/300/fd");
    let place = vfs.locate(vfs.root(), b"/proc/self/../300/fd/9", Follow::Yes).unwrap();
    assert_eq!(vfs.path_to(&place).unwrap(), b"/proc/300/fd/9");
}

#[test]
fn a_read_at_the_start_makes_the_text_anew() {
    let vfs = tree();
    let file = open(&vfs, "/proc/sys/vm/setting", OpenFlags::RDWR);
    assert_eq!(read(&file), "1\n");
    assert_eq!(read(&file), "");
    assert_eq!(file.write(&mut SliceSource::new(b"25")), Ok(2));
    assert_eq!(file.write(&mut SliceSource::new(b"bad")), Err(FsError::Invalid));
    let mut buf = [0; 1];
    assert_eq!(file.read_at(Offset(0), &mut SliceSink::new(&mut buf)), Ok(1));
    assert_eq!(file.read_at(Offset(1), &mut SliceSink::new(&mut buf)), Ok(1));
    assert_eq!(&buf, b"5");
    let constant = open(&vfs, "/proc/sys/kernel/ostype", OpenFlags::RDWR);
    assert_eq!(constant.write(&mut SliceSource::new(b"x")), Err(FsError::Invalid));
    assert_eq!(constant.file().metadata().unwrap().size, 0);
}

#[test]
fn numbers_are_canonical() {
    assert_eq!(number(b"0"), Some(0));
    assert_eq!(number(b"16777215"), Some(16_777_215));
    for name in [&b""[..], b"00", b"+1", b"16777216", b"4294967297", b"1 "] {
        assert_eq!(number(name), None);
    }
}
