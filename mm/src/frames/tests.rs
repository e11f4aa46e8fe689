//! Unit and property tests of the frame allocator.

use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::addr::Frame;

fn frame(number: u64) -> Frame {
    Frame::new(number).unwrap()
}

/// Metadata full of rubbish, some of which looks like live blocks.
fn metas(count: usize) -> &'static mut [FrameMeta] {
    let rubbish = |i: usize| FrameMeta {
        next: i as u32,
        prev: 7,
        refs: 1,
        order: (i % 11) as u8,
        state: (i % 4) as u8,
        ..FrameMeta::INNER
    };
    Box::leak((0..count).map(rubbish).collect::<Vec<_>>().into_boxed_slice())
}

fn allocator(regions: &[(u64, usize)]) -> FrameAllocator {
    let mut frames = FrameAllocator::new();
    for &(first, count) in regions {
        frames.add_region(frame(first), metas(count)).unwrap();
    }
    frames
}

fn free_frames(frames: &FrameAllocator) -> u64 {
    frames.stats().free
}

/// Walks the free lists: every block aligned, marked, back-linked, inside one region; returns the blocks, those that are
/// kept unjoined among them.
fn check_lists(frames: &FrameAllocator) -> Vec<(u32, u8)> {
    let mut blocks = Vec::new();
    for order in 0..=MAX_ORDER {
        let (mut at, mut prev) = (frames.head(order), NONE);
        while at != NONE {
            let meta = frames.table.meta(at).expect("free block outside carved memory");
            assert_eq!((meta.state, meta.order, meta.prev), (FREE, order, prev));
            assert_eq!(at % (1 << order), 0);
            assert_eq!(frames.table.locate(at), frames.table.locate(at + (1 << order) - 1));
            blocks.push((at, order));
            (prev, at) = (at, meta.next);
        }
    }
    let (mut at, mut kept) = (frames.hot, 0);
    while at != NONE {
        let meta = frames.table.meta(at).expect("kept frame outside carved memory");
        assert_eq!(meta.state, HOT);
        blocks.push((at, 0));
        (kept, at) = (kept + 1, meta.next);
    }
    assert_eq!(kept, frames.hot_len);
    assert!(kept <= HOT_FRAMES);
    let uncarved: u64 = frames.table.regions().iter().map(|r| u64::from(r.end() - r.carved)).sum();
    let listed: u64 = blocks.iter().map(|&(_, order)| 1u64 << order).sum();
    assert_eq!(listed + uncarved, free_frames(frames));
    blocks
}

#[test]
fn adding_memory_touches_no_metadata() {
    let mut frames = allocator(&[(0, 1 << 20)]);
    assert_eq!(frames.stats(), FrameStats { total: 1 << 20, free: 1 << 20 });
    assert_eq!(frames.table.regions()[0].carved, 0);
    assert_eq!(frames.alloc(0), Some(frame(0)));
    assert_eq!(frames.table.regions()[0].carved, 1024);
}

#[test]
fn low_addresses_first_and_reuse_of_the_last_freed() {
    let mut frames = allocator(&[(4096, 2048), (16, 8)]);
    let first: Vec<_> = (0..4).map(|_| frames.alloc(0).unwrap().number()).collect();
    assert_eq!(first, [16, 17, 18, 19]);
    frames.free(frame(18), 0).unwrap();
    assert_eq!(frames.alloc(0), Some(frame(18)));
    assert_eq!(frames.alloc(3), Some(frame(4096)), "a block of 8 is only in the upper region");
}

#[test]
fn blocks_are_aligned_and_exhaustion_is_clean() {
    for order in 0..=MAX_ORDER {
        let mut frames = allocator(&[(5, 3000)]);
        let mut got = Vec::new();
        while let Some(block) = frames.alloc(order) {
            assert_eq!(block.number() % (1 << order), 0);
            got.push(block);
        }
        assert!(got.len() as u64 >= (3000 >> order) - 1);
        check_lists(&frames);
        for block in got {
            frames.free(block, order).unwrap();
        }
        assert_eq!(free_frames(&frames), 3000);
        check_lists(&frames);
    }
    let mut frames = allocator(&[(0, 16)]);
    assert_eq!(frames.alloc(MAX_ORDER + 1), None);
    assert_eq!(frames.alloc(5), None);
    assert_eq!(FrameAllocator::new().alloc(0), None);
}

#[test]
fn a_single_frame_is_a_region() {
    let mut frames = allocator(&[(1023, 1), (1024, 1), (7, 0)]);
    assert_eq!(frames.stats().total, 2);
    assert_eq!(
        (frames.alloc(0), frames.alloc(0), frames.alloc(0)),
        (Some(frame(1023)), Some(frame(1024)), None)
    );
    frames.free(frame(1024), 0).unwrap();
    frames.free(frame(1023), 0).unwrap();
    assert_eq!(frames.alloc(1), None, "blocks do not span regions");
}

#[test]
fn regions_are_checked() {
    let mut frames = allocator(&[(100, 50)]);
    for (first, count) in [(149, 1), (99, 2), (100, 50), (0, 1000), (120, 5)] {
        assert_eq!(
            frames.add_region(frame(first), metas(count)),
            Err(FrameError::Overlap),
            "{first}+{count}"
        );
    }
    frames.add_region(frame(150), metas(1)).unwrap();
    frames.add_region(frame(90), metas(10)).unwrap();
    assert_eq!(frames.add_region(frame(u64::from(u32::MAX)), metas(1)), Err(FrameError::OutOfRange));
    assert_eq!(frames.add_region(frame((1 << 52) - 1), metas(1)), Err(FrameError::OutOfRange));
    for i in 0..MAX_REGIONS as u64 - 3 {
        frames.add_region(frame(1000 + 2 * i), metas(1)).unwrap();
    }
    assert_eq!(frames.add_region(frame(5000), metas(1)), Err(FrameError::TooManyRegions));
    assert_eq!(frames.reserve(frame(120), 1), Err(FrameError::TooManyRegions));
    assert_eq!(frames.stats().total, 61 + MAX_REGIONS as u64 - 3);
}

#[test]
fn reserved_frames_are_never_handed_out() {
    let mut frames = allocator(&[(0, 100), (200, 100)]);
    assert_eq!(frames.reserve(frame(0), 10), Ok(10));
    assert_eq!(frames.reserve(frame(50), 10), Ok(10));
    assert_eq!(frames.reserve(frame(90), 120), Ok(20), "hole and both neighbours");
    assert_eq!(frames.reserve(frame(290), u64::MAX), Ok(10));
    assert_eq!(frames.reserve(frame(500), 4), Ok(0));
    assert_eq!(frames.reserve(frame(60), 0), Ok(0));
    let mut got = BTreeSet::new();
    while let Some(block) = frames.alloc(0) {
        got.insert(block.number());
    }
    let expected: BTreeSet<_> = (10..50).chain(60..90).chain(210..290).collect();
    assert_eq!(got, expected);
    assert_eq!(frames.free(frame(55), 0), Err(FrameError::Foreign));
    assert_eq!(frames.reserve(frame(20), 1), Err(FrameError::InUse));
}

#[test]
fn reserving_above_the_carved_part_still_works() {
    let mut frames = allocator(&[(0, 4096)]);
    frames.alloc(0).unwrap();
    assert_eq!(frames.reserve(frame(1023), 1), Err(FrameError::InUse));
    assert_eq!(frames.reserve(frame(1024), 512), Ok(512));
    check_lists(&frames);
    assert_eq!(frames.alloc(10), Some(frame(2048)));
    assert_eq!((frames.alloc(9), frames.alloc(9)), (Some(frame(1536)), Some(frame(512))));
}

#[test]
fn misuse_is_reported_and_changes_nothing() {
    let mut frames = allocator(&[(0, 4096)]);
    let block = frames.alloc(3).unwrap();
    let before = free_frames(&frames);
    assert_eq!(frames.free(frame(block.number() + 1), 0), Err(FrameError::NotFirst));
    assert_eq!(frames.free(block, 2), Err(FrameError::WrongOrder));
    assert_eq!(frames.free(frame(5000), 0), Err(FrameError::Foreign));
    assert_eq!(frames.free(frame(1 << 40), 0), Err(FrameError::Foreign));
    assert_eq!(frames.free(frame(3000), 0), Err(FrameError::DoubleFree), "never handed out");
    frames.get(block).unwrap();
    assert_eq!(frames.free(block, 3), Err(FrameError::Shared));
    assert_eq!(frames.put(block), Ok(false));
    assert_eq!(free_frames(&frames), before);
    frames.free(block, 3).unwrap();
    assert_eq!(frames.free(block, 3), Err(FrameError::DoubleFree));
    assert_eq!(frames.put(frame(block.number() + 1)), Err(FrameError::DoubleFree), "inside a joined block");
    assert_eq!(frames.get(block), Err(FrameError::DoubleFree));
    check_lists(&frames);
}

#[test]
fn joining_leaves_no_trace_of_the_parts() {
    let mut frames = allocator(&[(0, 1024)]);
    for order in [[0, 1], [1, 0]] {
        let pair = [frames.alloc(0).unwrap(), frames.alloc(0).unwrap()];
        for i in order {
            frames.free(pair[i], 0).unwrap();
        }
        for block in pair {
            assert_eq!(frames.free(block, 0), Err(FrameError::DoubleFree));
        }
        let whole = frames.alloc(MAX_ORDER).unwrap();
        for block in 1..1024 {
            assert_eq!(frames.free(frame(block), 0), Err(FrameError::NotFirst));
        }
        frames.free(whole, MAX_ORDER).unwrap();
        check_lists(&frames);
    }
}

#[test]
fn the_last_reference_frees_the_whole_block() {
    let mut frames = allocator(&[(0, 1024)]);
    let block = frames.alloc(9).unwrap();
    frames.get(block).unwrap();
    frames.get(block).unwrap();
    assert_eq!(frames.refs(block), Ok(3));
    assert_eq!((frames.put(block), frames.put(block), frames.put(block)), (Ok(false), Ok(false), Ok(true)));
    assert_eq!(free_frames(&frames), 1024);
    assert_eq!(frames.put(block), Err(FrameError::DoubleFree));
    frames.alloc(0).unwrap();
    frames.table.meta_mut(0).unwrap().refs = u32::MAX;
    assert_eq!(frames.get(frame(0)), Err(FrameError::Saturated));
}

#[test]
fn exact_runs() {
    let mut frames = allocator(&[(0, 8192)]);
    assert_eq!(frames.alloc_exact(0), None);
    for count in [1, 2, 3, 5, 100, 1000, 1024, 1025, 3000] {
        let before = free_frames(&frames);
        let run = frames.alloc_exact(count).unwrap();
        assert_eq!(free_frames(&frames), before - count);
        check_lists(&frames);
        assert!(frames.free_exact(run, count + 1).is_err());
        frames.free_exact(run, count).unwrap();
        assert_eq!(frames.free_exact(run, count), Err(FrameError::DoubleFree));
        assert_eq!(free_frames(&frames), before);
    }
    assert_eq!(frames.alloc_exact(8192), Some(frame(0)));
    assert_eq!(frames.alloc_exact(1), None);
    assert_eq!(frames.alloc_exact(u64::MAX), None);
    frames.free_exact(frame(0), 8192).unwrap();
    assert_eq!(frames.alloc(0), Some(frame(7168)), "the chunk freed last");
    assert_eq!(frames.alloc_exact(7168), Some(frame(0)));
    assert_eq!(frames.alloc_exact(1025), None);
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(u8),
    Exact(u64),
    Free(usize),
    Share(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..=MAX_ORDER).prop_map(Op::Alloc),
        1 => (1u64..2500).prop_map(Op::Exact),
        4 => any::<usize>().prop_map(Op::Free),
        1 => any::<usize>().prop_map(Op::Share),
    ]
}

/// Regions with random holes between them.
fn shapes() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((0u64..1500, 1usize..2500), 1..5).prop_map(|parts| {
        let mut at = 0;
        let mut regions = Vec::new();
        for (hole, len) in parts {
            regions.push((at + hole, len));
            at += hole + len as u64;
        }
        regions
    })
}

/// A live allocation in the model: frames, order (`None` for a run), references.
type Live = BTreeMap<u64, (u64, Option<u8>, u32)>;

fn add(live: &mut Live, regions: &[(u64, usize)], first: u64, count: u64, order: Option<u8>) {
    assert!(
        regions.iter().any(|&(start, len)| start <= first && first + count <= start + len as u64),
        "inside one region"
    );
    let below = live.range(..first + count).next_back();
    assert!(below.is_none_or(|(&start, &(len, ..))| start + len <= first), "overlap at {first}");
    live.insert(first, (count, order, 1));
}

proptest! {
    #[test]
    fn matches_a_set_of_frames(regions in shapes(), ops in prop::collection::vec(op(), 0..200)) {
        let mut frames = allocator(&regions);
        let total: u64 = regions.iter().map(|r| r.1 as u64).sum();
        let mut live = Live::new();
        for op in ops {
            let pick = |i: usize, live: &Live| live.keys().nth(i % live.len().max(1)).copied();
            match op {
                Op::Alloc(order) => if let Some(block) = frames.alloc(order) {
                    prop_assert_eq!(block.number() % (1 << order), 0);
                    add(&mut live, &regions, block.number(), 1 << order, Some(order));
                },
                Op::Exact(count) => if let Some(run) = frames.alloc_exact(count) {
                    add(&mut live, &regions, run.number(), count, None);
                },
                Op::Share(i) => if let Some(first) = pick(i, &live) {
                    let entry = live.get_mut(&first).unwrap();
                    if entry.1.is_some() {
                        frames.get(frame(first)).unwrap();
                        entry.2 += 1;
                    }
                },
                Op::Free(i) => if let Some(first) = pick(i, &live) {
                    let (count, order, refs) = live[&first];
                    match order {
                        None => { frames.free_exact(frame(first), count).unwrap(); live.remove(&first); }
                        Some(order) if refs == 1 => { frames.free(frame(first), order).unwrap(); live.remove(&first); }
                        Some(_) => {
                            prop_assert_eq!(frames.put(frame(first)), Ok(false));
                            live.get_mut(&first).unwrap().2 -= 1;
                        }
                    }
                },
            }
            let used: u64 = live.values().map(|v| v.0).sum();
            prop_assert_eq!(frames.stats(), FrameStats { total, free: total - used });
        }
        check_lists(&frames);
        for (first, (count, order, refs)) in live {
            for _ in 1..refs { frames.put(frame(first)).unwrap(); }
            match order {
                None => frames.free_exact(frame(first), count).unwrap(),
                Some(order) => frames.free(frame(first), order).unwrap(),
            }
        }
        // Everything joined again: the lists hold exactly the largest blocks that the carved parts can form.
        frames.join_hot();
        let mut listed = check_lists(&frames);
        listed.sort_unstable();
        let expected: Vec<_> =
            frames.table.regions().iter().flat_map(|r| Blocks::new(r.first, r.carved)).collect();
        prop_assert_eq!(listed, expected);
        prop_assert_eq!(frames.stats(), FrameStats { total, free: total });
    }
}

#[test]
fn a_block_can_become_single_frames() {
    let mut frames = FrameAllocator::new();
    let metas = std::boxed::Box::leak(std::vec![FrameMeta::INNER; 2048].into_boxed_slice());
    frames.add_region(Frame::new(1024).unwrap(), metas).unwrap();
    let block = frames.alloc(9).unwrap();
    frames.get(block).unwrap();
    assert_eq!(frames.split(block), Err(FrameError::Shared));
    frames.put(block).unwrap();
    frames.split(block).unwrap();
    assert_eq!(frames.free(block, 9), Err(FrameError::WrongOrder));
    for number in block.number()..block.number() + 512 {
        assert_eq!(frames.put(Frame::new(number).unwrap()), Ok(true));
    }
    let stats = frames.stats();
    assert_eq!(stats.free, stats.total);
    assert_eq!(frames.split(block), Err(FrameError::DoubleFree));
    assert!(frames.alloc(10).is_some() && frames.alloc(10).is_some(), "all is one piece again");
}
