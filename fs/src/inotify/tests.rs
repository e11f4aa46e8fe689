//! Queues, limits and what renames tell.

use super::*;
use crate::access::Subject as Who;
use crate::{NewNode, SliceSink, Vfs};
use mm::fake::FakeFrames;

fn tree() -> Vfs {
    let members: &[(&str, u32, &[u8])] = &[("d", 0o40755, b""), ("f", 0o100644, b"x")];
    let options = crate::ConsoleOptions::parse(None, None, None).0;
    crate::testing::tree(members, options, FakeFrames::leak(64)).0
}

/// Watch, mask and name of each event in the queue.
fn drain(inotify: &Inotify) -> Vec<(i32, u32, String)> {
    let mut out = Vec::new();
    loop {
        let mut bytes = [0; 512];
        match inotify.read(Offset(0), &mut SliceSink::new(&mut bytes), OpenFlags::empty()) {
            Err(error) => {
                assert_eq!(error, FsError::WouldBlock);
                return out;
            }
            Ok(len) => {
                let mut rest = &bytes[..len];
                while !rest.is_empty() {
                    let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
                    let name_len = word(12) as usize;
                    let name = &rest[16..16 + name_len];
                    let name = String::from_utf8(name.iter().copied().take_while(|&b| b != 0).collect());
                    out.push((word(0) as i32, word(4), name.unwrap()));
                    rest = &rest[16 + name_len..];
                }
            }
        }
    }
}

#[test]
fn a_full_queue_says_so_once() {
    let vfs = tree();
    let inotify = Inotify::new(vfs.watches()).unwrap();
    vfs.watches().limits().queue.store(3, Ordering::Relaxed);
    assert_eq!(inotify.add_watch(vfs.root(), raw::IN_CREATE), Ok(1));
    for name in ["a", "b", "c", "d1", "e"] {
        vfs.view(Who::ROOT).create(vfs.root(), name.as_bytes(), &NewNode::of_mode(0o100600)).unwrap();
    }
    let events = drain(&inotify);
    assert_eq!(events.len(), 4);
    assert_eq!(events[2], (1, raw::IN_CREATE, "c".into()));
    assert_eq!(events[3], (-1, raw::IN_Q_OVERFLOW, String::new()));
    assert!(!inotify.readiness().contains(PollEvents::IN));
}

#[test]
fn limits_count() {
    let vfs = tree();
    let limits = vfs.watches().limits();
    limits.instances.store(1, Ordering::Relaxed);
    limits.watches.store(1, Ordering::Relaxed);
    let inotify = Inotify::new(vfs.watches()).unwrap();
    assert_eq!(Inotify::new(vfs.watches()).err(), Some(FsError::TooManyOpen));
    let file = vfs.lookup(vfs.root(), b"/f", crate::vfs::Follow::Yes).unwrap();
    assert_eq!(inotify.add_watch(vfs.root(), raw::IN_CREATE), Ok(1));
    assert_eq!(inotify.add_watch(&file, raw::IN_OPEN), Err(FsError::NoSpace));
    assert_eq!(inotify.add_watch(vfs.root(), raw::IN_OPEN), Ok(1), "it has that one");
    assert_eq!(inotify.remove_watch(1), Ok(()));
    assert_eq!(inotify.remove_watch(1), Err(FsError::Invalid));
    assert_eq!(inotify.add_watch(&file, raw::IN_OPEN), Ok(2), "numbers are not used again");
    assert!(vfs.watches().any());
    drop(inotify);
    assert!(!vfs.watches().any());
    assert!(Inotify::new(vfs.watches()).is_ok());
}

#[test]
fn the_end_comes_with_the_last_user() {
    let vfs = tree();
    let inotify = Inotify::new(vfs.watches()).unwrap();
    let open = vfs.open(vfs.root(), b"/f", OpenFlags::empty(), &NewNode::of_mode(0)).unwrap();
    let node = open.place().unwrap().node.clone();
    assert_eq!(inotify.add_watch(&node, raw::IN_ALL_EVENTS), Ok(1));
    vfs.view(Who::ROOT).unlink(vfs.root(), b"/f").unwrap();
    assert_eq!(drain(&inotify), [(1, raw::IN_ATTRIB, String::new())]);
    drop(open);
    let masks: Vec<u32> = drain(&inotify).into_iter().map(|(_, mask, _)| mask).collect();
    assert_eq!(masks, [raw::IN_CLOSE_NOWRITE, raw::IN_DELETE_SELF, raw::IN_IGNORED]);
    assert!(!vfs.watches().any());
}
