//! The table against a map from number to file.

use super::*;
use abi::OpenFlags;
use fs::devfs::DevFs;
use fs::device::{Device, DeviceFile};
use fs::node::NodeRef;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn file() -> Arc<OpenFile> {
    let node = NodeRef::root_of(DevFs::new(1, 0));
    OpenFile::new(Arc::new(DeviceFile::new(node, Device::Null)), OpenFlags::RDWR)
}

#[derive(Clone, Debug)]
enum Op {
    Insert { min: u32, cloexec: bool },
    Remove(u32),
    DupTo(u32, u32),
    SetFlags(u32, bool),
    Exec,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u32..20, any::<bool>()).prop_map(|(min, cloexec)| Op::Insert { min: min.saturating_sub(8), cloexec }),
        3 => (0u32..20).prop_map(Op::Remove),
        2 => (0u32..20, 0u32..20).prop_map(|(a, b)| Op::DupTo(a, b)),
        1 => (0u32..20, any::<bool>()).prop_map(|(fd, on)| Op::SetFlags(fd, on)),
        1 => Just(Op::Exec),
    ]
}

fn flags(cloexec: bool) -> FdFlags {
    if cloexec { FdFlags::CLOEXEC } else { FdFlags::empty() }
}

const LIMIT: u64 = 16;

proptest! {
    #[test]
    fn behaves_as_a_map(ops in prop::collection::vec(op(), 1..60)) {
        let mut table = FdTable::new();
        let mut model: BTreeMap<u32, (Arc<OpenFile>, FdFlags)> = BTreeMap::new();
        for op in ops {
            match op {
                Op::Insert { min, cloexec } => {
                    let file = file();
                    let lowest = (min..).find(|fd| !model.contains_key(fd)).unwrap();
                    let got = table.insert(file.clone(), flags(cloexec), min, LIMIT);
                    if u64::from(lowest) < LIMIT {
                        prop_assert_eq!(got, Ok(lowest));
                        model.insert(lowest, (file, flags(cloexec)));
                    } else {
                        prop_assert_eq!(got, Err(FdError::TooMany));
                    }
                }
                Op::Remove(fd) => {
                    let got = table.remove(fd);
                    match model.remove(&fd) {
                        Some((file, _)) => prop_assert!(Arc::ptr_eq(&got.unwrap(), &file)),
                        None => prop_assert_eq!(got.err(), Some(FdError::Bad)),
                    }
                }
                Op::DupTo(old, new) => {
                    let got = table.dup_to(old, new, FdFlags::empty(), LIMIT);
                    match model.get(&old).cloned() {
                        Some((file, _)) if u64::from(new) < LIMIT => {
                            let before = model.insert(new, (file, FdFlags::empty()));
                            prop_assert_eq!(got.unwrap().is_some(), before.is_some());
                        }
                        _ => prop_assert_eq!(got.err(), Some(FdError::Bad)),
                    }
                }
                Op::SetFlags(fd, on) => {
                    let got = table.set_flags(fd, flags(on));
                    prop_assert_eq!(got.is_ok(), model.contains_key(&fd));
                    if let Some(entry) = model.get_mut(&fd) {
                        entry.1 = flags(on);
                    }
                }
                Op::Exec => {
                    let closed = table.close_on_exec().len();
                    let before = model.len();
                    model.retain(|_, (_, flags)| !flags.contains(FdFlags::CLOEXEC));
                    prop_assert_eq!(closed, before - model.len());
                }
            }
            prop_assert_eq!(table.count(), model.len());
            for fd in 0..24 {
                match model.get(&fd) {
                    Some((file, flags)) => {
                        prop_assert!(Arc::ptr_eq(&table.get(fd).unwrap(), file));
                        prop_assert_eq!(table.flags(fd), Ok(*flags));
                    }
                    None => prop_assert_eq!(table.get(fd).err(), Some(FdError::Bad)),
                }
            }
        }
    }
}
