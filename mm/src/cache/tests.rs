//! The cache against a vector of bytes, and what mappings see.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::fake::FakeFrames;

const MAX: usize = 6 * PAGE;

#[derive(Clone, Debug)]
enum Op {
    Write(usize, usize, u8),
    Read(usize, usize),
    Size(usize),
    Punch(usize, usize),
    Page(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let span = || (0..MAX, 0..2 * PAGE);
    prop_oneof![
        (span(), any::<u8>()).prop_map(|((a, l), b)| Op::Write(a, l, b)),
        span().prop_map(|(a, l)| Op::Read(a, l)),
        (0..MAX).prop_map(Op::Size),
        span().prop_map(|(a, l)| Op::Punch(a, l)),
        (0..8_u64).prop_map(Op::Page),
    ]
}

proptest! {
    #[test]
    fn matches_a_vector(ops in prop::collection::vec(op(), 1..50)) {
        let frames = FakeFrames::leak(64);
        let cache = PageCache::new(frames, 0);
        let mut model: Vec<u8> = Vec::new();
        for op in ops {
            match op {
                Op::Write(at, len, byte) => {
                    let bytes = vec![byte; len];
                    prop_assert_eq!(cache.write(at as u64, &bytes), Ok(len));
                    if len > 0 {
                        model.resize(model.len().max(at + len), 0);
                        model[at..at + len].copy_from_slice(&bytes);
                    }
                }
                Op::Read(at, len) => {
                    let mut bytes = vec![0xee; len];
                    let count = cache.read(at as u64, &mut bytes);
                    prop_assert_eq!(&bytes[..count], &model[at.min(model.len())..(at + len).min(model.len())]);
                }
                Op::Size(size) => {
                    cache.set_size(size as u64);
                    model.resize(size, 0);
                }
                Op::Punch(at, len) => {
                    cache.punch(at as u64..(at + len) as u64);
                    let end = (at + len).min(model.len());
                    model[at.min(end)..end].fill(0);
                }
                Op::Page(index) => match cache.page(index) {
                    Ok(frame) => {
                        let start = index as usize * PAGE;
                        let mut page = vec![0; PAGE];
                        frames.read(frame, 0, &mut page);
                        let known = (model.len() - start).min(PAGE);
                        prop_assert_eq!(&page[..known], &model[start..start + known]);
                        prop_assert!(page[known..].iter().all(|&byte| byte == 0));
                        // A mapping may leave anything behind the end: nobody else ever sees it.
                        frames.write(frame, known, &vec![0x77; PAGE - known]);
                        frames.write(frame, known, &vec![0; PAGE - known]);
                        frames.free(frame);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, SharedPageError::BeyondEnd);
                        prop_assert!(index as usize * PAGE >= model.len());
                    }
                },
            }
            prop_assert_eq!(cache.size(), model.len() as u64);
        }
        drop(cache);
        prop_assert_eq!(frames.allocated(), 0);
    }
}

#[test]
fn what_a_mapping_stores_behind_the_end_does_not_come_back() {
    let frames = FakeFrames::leak(8);
    let cache = PageCache::new(frames, 100);
    let frame = cache.page(0).unwrap();
    frames.write(frame, 100, b"behind");
    cache.set_size(200);
    let mut bytes = [1; 200];
    assert_eq!((cache.read(0, &mut bytes), bytes), (200, [0; 200]));
    frames.write(frame, 200, b"behind");
    assert_eq!(cache.write(300, b"x"), Ok(1));
    let mut bytes = [1; 300];
    assert_eq!((cache.read(0, &mut bytes), bytes), (300, [0; 300]));
    cache.set_size(0);
    assert_eq!((cache.page_count(), frames.allocated()), (0, 1), "the mapping's reference");
    frames.free(frame);
    assert_eq!(frames.allocated(), 0);
}

#[test]
fn without_memory() {
    let frames = FakeFrames::leak(8);
    let cache = PageCache::new(frames, 0);
    frames.set_budget(Some(1));
    assert_eq!(cache.write(PAGE_SIZE - 10, &[1; 20]), Ok(10), "what fits");
    assert_eq!(cache.write(PAGE_SIZE, &[1; 20]), Err(NoMemory));
    assert_eq!((cache.size(), cache.page(1)), (PAGE_SIZE, Err(SharedPageError::BeyondEnd)));
    cache.set_size(2 * PAGE_SIZE);
    assert_eq!(cache.page(1), Err(SharedPageError::NoMemory));
}
