//! Tests of the user-memory door with [`FakeUserMemory`].

use std::vec;
use std::vec::Vec;

use abi::structs::IoVec;
use proptest::prelude::*;

use super::*;
use crate::fake::FakeUserMemory;

const BASE: u64 = 0x1000_0000;

/// Two mapped pages, then nothing.
fn memory() -> FakeUserMemory {
    let memory = FakeUserMemory::new();
    memory.map(BASE, 2 * PAGE_SIZE as usize);
    memory
}

#[test]
fn ranges_outside_the_program_are_refused_before_any_copy() {
    struct Untouchable;
    impl RawUserMemory for Untouchable {
        fn raw_read(&self, addr: u64, _: &mut [u8]) -> usize {
            panic!("raw access to {addr:#x}")
        }
        fn raw_write(&self, addr: u64, _: &[u8]) -> usize {
            panic!("raw access to {addr:#x}")
        }
        fn raw_zero(&self, addr: u64, _: usize) -> usize {
            panic!("raw access to {addr:#x}")
        }
        fn raw_load(&self, addr: u64, _: Paging) -> Option<u32> {
            panic!("raw access to {addr:#x}")
        }
        fn raw_compare_exchange(&self, addr: u64, _: u32, _: u32, _: Paging) -> Option<u32> {
            panic!("raw access to {addr:#x}")
        }
    }
    let memory: &dyn UserMemory = &Untouchable;
    for (addr, first_bad) in [
        (USER_END - 7, USER_END),
        (USER_END, USER_END),
        (0xffff_8000_0000_0000, 0xffff_8000_0000_0000),
        (u64::MAX - 3, u64::MAX - 3),
        (u64::MAX, u64::MAX),
    ] {
        let fault = Err(Fault { addr: first_bad, done: 0 });
        assert_eq!(memory.read(addr, &mut [0; 8]), fault);
        assert_eq!(memory.write(addr, &[0; 8]), fault);
        assert_eq!(memory.zero(addr, 8), fault);
        assert_eq!(memory.zero(addr, usize::MAX), fault);
        assert!(memory.load(addr, Paging::Allowed).is_err());
        assert!(memory.compare_exchange(addr, 0, 1, Paging::Forbidden).is_err());
        // No bytes touch nothing.
        assert_eq!(
            (memory.read(addr, &mut []), memory.write(addr, &[]), memory.zero(addr, 0)),
            (Ok(()), Ok(()), Ok(()))
        );
    }
    assert_eq!(check_range(USER_END - 8, 8), Ok(()));
    assert_eq!(check_range(0, USER_END), Ok(()));
    assert_eq!(check_range(1, USER_END), Err(Fault { addr: USER_END, done: 0 }));
}

#[test]
fn partial_progress_is_reported() {
    let memory = memory();
    let end = BASE + 2 * PAGE_SIZE;
    memory.put(end - 3, b"abc");
    let mut buf = [0; 8];
    assert_eq!(memory.read(end - 3, &mut buf), Err(Fault { addr: end, done: 3 }));
    assert_eq!(&buf, b"abc\0\0\0\0\0");
    assert_eq!(memory.write(end - 2, b"wxyz"), Err(Fault { addr: end, done: 2 }));
    assert_eq!(memory.get(end - 3, 3), b"awx");
    memory.protect(BASE + PAGE_SIZE, 1);
    assert_eq!(memory.zero(BASE + PAGE_SIZE - 5, 10), Err(Fault { addr: BASE + PAGE_SIZE, done: 5 }));
    assert_eq!(memory.read(end - 3, &mut [0; 3]), Ok(()));
    assert_eq!(memory.read(0, &mut buf), Err(Fault { addr: 0, done: 0 }));
}

#[test]
fn strings_end_where_they_may() {
    let memory = memory();
    let end = BASE + 2 * PAGE_SIZE;
    let mut out = b"old".to_vec();
    memory.put(end - 6, b"hello\0");
    assert_eq!(memory.read_cstr(end - 6, 4096, &mut out), Ok(()));
    assert_eq!(out, b"hello");
    assert_eq!(memory.read_cstr(end - 6, 6, &mut out), Ok(()));
    assert_eq!(memory.read_cstr(end - 6, 5, &mut out), Err(CStrError::TooLong));
    assert_eq!(memory.read_cstr(end - 1, 1, &mut out), Ok(()));
    assert_eq!(out, b"");
    assert_eq!(memory.read_cstr(end - 1, 0, &mut out), Err(CStrError::TooLong));
    memory.put(end - 1, b"!");
    assert_eq!(
        memory.read_cstr(end - 6, 4096, &mut out),
        Err(CStrError::Fault(Fault { addr: end, done: 6 }))
    );
    assert_eq!(memory.read_cstr(end - 6, 6, &mut out), Err(CStrError::TooLong), "the limit is met first");
    let top = Err(CStrError::Fault(Fault { addr: u64::MAX, done: 0 }));
    assert_eq!(memory.read_cstr(u64::MAX, 10, &mut out), top);
}

#[test]
fn typed_views() {
    let memory = memory();
    let ptr = UserPtr::<u32>::new(BASE + 1);
    ptr.write(&memory, &0x1234_5678).unwrap();
    assert_eq!(ptr.read(&memory), Ok(0x1234_5678));
    assert_eq!(memory.get(BASE + 1, 4), 0x1234_5678_u32.to_le_bytes());
    assert_eq!(ptr.at(3).map(UserPtr::addr), Ok(BASE + 13));
    assert!(ptr.at(u64::MAX / 4).is_err() && ptr.at(u64::MAX).is_err());
    assert!(UserPtr::<u8>::new(0).non_null().is_none() && UserPtr::<u8>::new(0).read(&memory).is_err());

    let slice = UserSlice::new(BASE + 8, 16);
    slice.write_at(&memory, 4, b"data").unwrap();
    let mut buf = [0; 4];
    slice.part(4, 100).read_at(&memory, 0, &mut buf).unwrap();
    assert_eq!(&buf, b"data");
    assert_eq!(slice.part(20, 5), UserSlice::new(BASE + 24, 0));
    slice.zero_at(&memory, 5, 2).unwrap();
    assert_eq!(memory.get(BASE + 12, 4), b"d\0\0a");
    let outside = Err(Fault { addr: BASE + 24, done: 0 });
    assert_eq!(slice.write_at(&memory, 13, b"data"), outside);
    assert_eq!(slice.read_at(&memory, usize::MAX, &mut buf), outside);
    assert_eq!(UserSlice::new(USER_END - 4, 5).check(), Err(Fault { addr: USER_END, done: 0 }));
}

fn put_iov(memory: &FakeUserMemory, list: &[(u64, u64)]) {
    for (i, &(base, len)) in list.iter().enumerate() {
        UserPtr::<IoVec>::new(BASE).at(i as u64).unwrap().write(memory, &IoVec { base, len }).unwrap();
    }
}

#[test]
fn vectors_of_buffers() {
    let memory = FakeUserMemory::new();
    memory.map(BASE, 16 * IOV_MAX);
    put_iov(&memory, &[(1, 10), (0, 0), (u64::MAX - 1, 0), (0x2000, 20)]);
    let vecs = IoVecs::load(&memory, BASE, 4).unwrap();
    assert_eq!((vecs.total(), vecs.slices().len()), (30, 4));
    assert_eq!(vecs.slices()[3], UserSlice::new(0x2000, 20));
    assert_eq!(IoVecs::load(&memory, 0, 0).unwrap().total(), 0);
    assert!(IoVecs::load(&memory, BASE, IOV_MAX).is_ok());
    assert_eq!(IoVecs::load(&memory, BASE, IOV_MAX + 1).unwrap_err(), IoVecError::Invalid);
    assert!(matches!(IoVecs::load(&memory, BASE + 16, IOV_MAX).unwrap_err(), IoVecError::Fault(_)));
    assert!(matches!(IoVecs::load(&memory, u64::MAX - 7, 2).unwrap_err(), IoVecError::Fault(_)));

    put_iov(&memory, &[(0, 1), (0, 1 << 63)]);
    assert_eq!(IoVecs::load(&memory, BASE, 2).unwrap_err(), IoVecError::Invalid);
    put_iov(&memory, &[(0, 1 << 46), (USER_END - 8, 9)]);
    let kernel = IoVecError::Fault(Fault { addr: USER_END, done: 0 });
    assert_eq!(IoVecs::load(&memory, BASE, 2).unwrap_err(), kernel);
    put_iov(&memory, &[(0x1000, MAX_RW_COUNT as u64 - 1), (0x2000, 5), (0x3000, 5)]);
    let vecs = IoVecs::load(&memory, BASE, 3).unwrap();
    assert_eq!(vecs.total(), MAX_RW_COUNT);
    assert_eq!(vecs.slices()[1..], [UserSlice::new(0x2000, 1), UserSlice::new(0x3000, 0)]);

    assert_eq!(IoVecs::single(UserSlice::new(8, usize::MAX)).unwrap_err(), kernel);
    assert_eq!(IoVecs::single(UserSlice::new(8, 1 << 40)).unwrap().total(), MAX_RW_COUNT);
}

proptest! {
    /// Whatever the holes: a transfer does exactly what lies before the first hole.
    #[test]
    fn transfers_stop_at_the_first_hole(mapped in prop::collection::vec(any::<bool>(), 4), from in 0..4 * PAGE_SIZE, len in 0..4 * PAGE_SIZE as usize) {
        let memory = FakeUserMemory::new();
        for (i, _) in mapped.iter().enumerate().filter(|(_, m)| **m) {
            memory.map(BASE + i as u64 * PAGE_SIZE, 1);
        }
        let good = |offset: u64| mapped.get((offset / PAGE_SIZE) as usize).copied().unwrap_or(false);
        let done = (0..len).take_while(|&i| good(from + i as u64)).count();
        let expected = if done == len { Ok(()) } else { Err(Fault { addr: BASE + from + done as u64, done }) };
        let bytes: Vec<u8> = (0..len).map(|i| i as u8 | 1).collect();
        prop_assert_eq!(memory.write(BASE + from, &bytes), expected);
        let mut back = vec![0; len];
        prop_assert_eq!(memory.read(BASE + from, &mut back), expected);
        prop_assert_eq!(&back[..done], &bytes[..done]);
        prop_assert!(back[done..].iter().all(|&b| b == 0));
    }
}

#[test]
fn words_are_exchanged_whole() {
    let memory = memory();
    let was = |old, new| memory.compare_exchange(BASE + 8, old, new, Paging::Allowed);
    assert_eq!((was(0, 7), was(0, 9), memory.load(BASE + 8, Paging::Forbidden)), (Ok(0), Ok(7), Ok(7)));
    assert_eq!(memory.load(BASE + 2, Paging::Allowed), Err(Fault { addr: BASE + 2, done: 0 }), "not aligned");
    memory.protect(BASE, 1);
    assert!(was(1, 2).is_err(), "a read-only page, though nothing would be stored");
    assert_eq!(memory.load(BASE + 8, Paging::Allowed), Ok(7));
}
