//! `test=shootdown`: threads on all CPUs read a page that is replaced again and again; none may see the old one afterwards.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use mm::addr::{Frame, PhysAddr, VirtAddr};
use mm::paging::{FrameSource, PageFlags, PageTables};

use crate::arch::usertables::UserTables;
use crate::arch::{percpu, tsc, usercopy};
use crate::mem::frames::MachineFrames;
use crate::{logging, threads};

const ROUNDS: u64 = 50;
const ADDRESS: u64 = 0x10_0000;

/// What main and readers share.
#[derive(Default)]
struct Shared {
    /// The round whose page is mapped for certain.
    round: AtomicU64,
    /// Readers that run, and those that have ended.
    running: AtomicU32,
    ended: AtomicU32,
    stop: AtomicBool,
    old: AtomicU64,
    reads: AtomicU64,
}

/// Runs the test with one reader less than CPUs, but at least one.
pub fn run() {
    let Ok(mut tables) = UserTables::new() else { return log::error!("no memory for tables") };
    let frames: [Option<Frame>; 2] = core::array::from_fn(|_| MachineFrames.alloc_zeroed());
    let [Some(first), Some(second)] = frames else { return log::error!("no memory for pages") };
    let root = tables.root().0;
    let shared = Arc::new(Shared::default());
    let mut replace = |round: u64| {
        let frame = if round.is_multiple_of(2) { first } else { second };
        // Nobody sees this page any more.
        MachineFrames.write(frame, 0, &round.to_ne_bytes());
        let mapped = tables.map(VirtAddr(ADDRESS), frame, PageFlags::READ).is_ok();
        let stale = tables.take_stale();
        tables.cpus().shootdown(PhysAddr(root), &stale);
        mapped
    };
    let mut good = replace(0);
    let readers = (percpu::all().len() as u32 - 1).max(1);
    for _ in 0..readers {
        let (shared, main) = (shared.clone(), sync::thread::current());
        let reader = move || {
            if let Some(context) = threads::context() {
                context.set_root(root);
            }
            shared.running.fetch_add(1, Ordering::Release);
            main.unpark();
            while !shared.stop.load(Ordering::Relaxed) {
                look(&shared);
            }
            shared.ended.fetch_add(1, Ordering::Release);
            main.unpark();
        };
        good &= threads::spawn(reader).is_ok();
    }
    while shared.running.load(Ordering::Acquire) < readers {
        threads::park(None);
    }
    let from = tsc::monotonic_ns();
    for round in 1..=ROUNDS {
        good &= replace(round);
        shared.round.store(round, Ordering::Release);
    }
    let ns = (tsc::monotonic_ns() - from) / ROUNDS;
    shared.stop.store(true, Ordering::Relaxed);
    while shared.ended.load(Ordering::Acquire) < readers {
        threads::park(None);
    }
    tables.unmap(VirtAddr(ADDRESS));
    let (old, reads) = (shared.old.load(Ordering::Relaxed), shared.reads.load(Ordering::Relaxed));
    let verdict = if good && old == 0 { "good" } else { "BAD" };
    logging::line(format_args!(
        "nospin: shootdown: {verdict} ({readers} readers, {reads} reads, {old} old, {ns} ns each)"
    ));
    MachineFrames.free(first);
    MachineFrames.free(second);
}

/// One read: what is seen must not be older than what was mapped for certain before.
fn look(shared: &Shared) {
    let least = shared.round.load(Ordering::Acquire);
    let mut bytes = [0; 8];
    let failed = usercopy::read(ADDRESS, &mut bytes) < bytes.len();
    if failed || u64::from_ne_bytes(bytes) < least {
        shared.old.fetch_add(1, Ordering::Relaxed);
    }
    shared.reads.fetch_add(1, Ordering::Relaxed);
}
