//! Pages against a vector of bytes, with mappings that store into them.

use super::*;
use mm::fake::FakeFrames;
use proptest::prelude::*;

fn content(pages: &Pages) -> Vec<u8> {
    let mut out = Vec::new();
    let mut buffer = [0; 5000];
    while let Some(chunk) = pages.chunk(out.len() as u64, usize::MAX, &mut buffer) {
        match chunk {
            Chunk::Copied(n) => out.extend_from_slice(&buffer[..n]),
            Chunk::Base(bytes) => out.extend_from_slice(bytes),
            Chunk::Zeros(n) => out.resize(out.len() + n, 0),
        }
    }
    out
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Punch(u64, u64),
    Fill(u64, u64, bool),
    /// A mapping fetches a page, and stores where the file is.
    Map(u64, u8),
}

fn op() -> impl Strategy<Value = Op> {
    let at = 0..40_000u64;
    prop_oneof![
        (at.clone(), proptest::collection::vec(any::<u8>(), 0..9000)).prop_map(|(at, b)| Op::Write(at, b)),
        at.clone().prop_map(Op::Truncate),
        (at.clone(), 1..20_000u64).prop_map(|(at, len)| Op::Punch(at, at + len)),
        (at, 1..9000u64, any::<bool>()).prop_map(|(at, len, grow)| Op::Fill(at, at + len, grow)),
        (0..10u64, any::<u8>()).prop_map(|(index, byte)| Op::Map(index, byte)),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_vector(base in 0..12_000usize, ops in proptest::collection::vec(op(), 0..25)) {
        let base: &'static [u8] = Vec::leak((0..base).map(|i| (i % 251) as u8 | 1).collect());
        let mut model = base.to_vec();
        let frames = FakeFrames::leak(100);
        let mut pages = Pages::over(frames, base);
        let mut budget = Budget { used: 0, limit: 1000 };
        for op in ops {
            match op {
                Op::Write(at, bytes) => {
                    prop_assert_eq!(pages.write(at, &bytes, &mut budget), Ok(bytes.len()));
                    let end = at as usize + bytes.len();
                    if !bytes.is_empty() {
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].copy_from_slice(&bytes);
                    }
                }
                Op::Truncate(size) => {
                    prop_assert_eq!(pages.truncate(size, &mut budget), Ok(()));
                    model.resize(size as usize, 0);
                }
                Op::Punch(from, to) => {
                    prop_assert_eq!(pages.punch(from..to, &mut budget), Ok(()));
                    let len = model.len();
                    model[(from as usize).min(len)..(to as usize).min(len)].fill(0);
                }
                Op::Fill(from, to, grow) => {
                    prop_assert_eq!(pages.fill(from..to, grow.then_some(to), &mut budget), Ok(()));
                    if grow {
                        model.resize(model.len().max(to as usize), 0);
                    }
                }
                Op::Map(index, byte) => {
                    let start = (index * PAGE) as usize;
                    let page = pages.shared_page(index, &mut budget);
                    prop_assert_eq!(page.is_ok(), start < model.len());
                    if let Ok(frame) = page {
                        // All of the page, also behind the file's end.
                        frames.write(frame, 0, &[byte; PAGE as usize]);
                        frames.free(frame);
                        let end = model.len().min(start + PAGE as usize);
                        model[start..end].fill(byte);
                    }
                }
            }
            prop_assert_eq!(pages.size(), model.len() as u64);
            prop_assert!(content(&pages) == model);
            prop_assert_eq!(budget.used, pages.map.values().flatten().count() as u64);
            prop_assert_eq!(budget.used, pages.own);
        }
        // What is not data is zero, and the two kinds of runs take turns.
        let mut at = 0;
        while let Ok(hole) = pages.next(at, false) {
            let end = pages.next(hole, true).unwrap_or(pages.size());
            prop_assert!(model[hole as usize..end as usize].iter().all(|&byte| byte == 0));
            at = end;
        }
        pages.clear(&mut budget);
        prop_assert_eq!((budget.used, frames.allocated()), (0, 0));
    }
}

#[test]
fn a_full_budget_is_no_space() {
    let mut budget = Budget { used: 0, limit: 2 };
    let frames = FakeFrames::leak(8);
    let mut pages = Pages::over(frames, &[]);
    assert_eq!(pages.write(10, &[1; 9000], &mut budget), Ok(8182), "what fits");
    assert_eq!(pages.write(20_000, &[1], &mut budget), Err(FsError::NoSpace));
    assert_eq!(pages.fill(0..20_000, None, &mut budget), Err(FsError::NoSpace));
    assert_eq!(pages.size(), 8192);
    assert_eq!(pages.write(0, &[2; 100], &mut budget), Ok(100), "memory that is there");
    assert_eq!(pages.write(MAX_SIZE, &[1], &mut budget), Err(FsError::TooLarge));
    pages.truncate(1 << 20, &mut budget).unwrap();
    assert_eq!(pages.shared_page(5, &mut budget), Err(SharedPageError::Io), "no room for a page");
    assert_eq!(pages.shared_page(256, &mut budget), Err(SharedPageError::BeyondEnd));
    budget.limit = 9;
    frames.set_budget(Some(0));
    assert_eq!(pages.write(9000, &[1], &mut budget), Err(FsError::NoSpace));
    assert_eq!(budget.used, 2);
    drop(pages);
    assert_eq!(frames.allocated(), 0);
}
