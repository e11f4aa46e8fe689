//! Another CPU that uses the same page tables, with a TLB that forgets nothing unless it is told.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::addr::{Frame, PhysAddr};
use crate::flush::{Shootdown, Stale};
use crate::paging::PageFlags;

const ACCESS: PageFlags = PageFlags::READ.union(PageFlags::WRITE).union(PageFlags::EXEC);

type Pages = BTreeMap<u64, (Frame, PageFlags)>;

/// The other CPU. Checks what must hold at any time: no frame is freed that it can reach, and no page gets another frame while it
/// has the old one.
#[derive(Default)]
pub struct FakeCpu {
    /// What the page tables have, so that it can look at any time.
    tables: Mutex<Pages>,
    tlb: Mutex<Pages>,
    deaf: AtomicBool,
    calls: AtomicU64,
    paused: Mutex<bool>,
    resumed: Condvar,
}

fn lock(pages: &Mutex<Pages>) -> MutexGuard<'_, Pages> {
    pages.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an old entry allows what a new one does not.
pub(super) fn narrows(old: (Frame, PageFlags), new: Option<(Frame, PageFlags)>) -> bool {
    old.1.intersects(ACCESS)
        && new.is_none_or(|(frame, flags)| frame != old.0 || !(flags & ACCESS).contains(old.1 & ACCESS))
}

impl FakeCpu {
    /// A CPU that has seen nothing.
    #[must_use]
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Makes it ignore what it is told.
    pub fn set_deaf(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// Stops it, so that it does not answer, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = paused;
        self.resumed.notify_all();
    }

    /// Whether it does not answer.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it was told something.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// An access to the page at `va`: the frame it reaches and what it may do there, if anything.
    pub fn access(&self, va: u64) -> Option<(Frame, PageFlags)> {
        let mut tlb = lock(&self.tlb);
        if let Some(known) = tlb.get(&va) {
            return Some(*known);
        }
        let found = lock(&self.tables).get(&va).copied().filter(|(_, flags)| flags.intersects(ACCESS))?;
        tlb.insert(va, found);
        Some(found)
    }

    /// A fault of its own: it looks at the tables again.
    pub fn forget(&self, va: u64) {
        lock(&self.tlb).remove(&va);
    }

    /// Whether all it remembers is still allowed.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        let tables = lock(&self.tables);
        lock(&self.tlb).iter().all(|(va, old)| !narrows(*old, tables.get(va).copied()))
    }

    /// The tables change.
    pub(super) fn table_changes(&self, va: u64, new: Option<(Frame, PageFlags)>) {
        if let Some((frame, _)) = new.filter(|(_, flags)| flags.intersects(ACCESS)) {
            let old = lock(&self.tlb).get(&va).copied();
            assert!(
                old.is_none_or(|(old, _)| old == frame),
                "page {va:#x} mapped anew while a CPU has the old one"
            );
        }
        let mut tables = lock(&self.tables);
        match new {
            Some(new) => tables.insert(va, new),
            None => tables.remove(&va),
        };
    }

    /// Frames are freed.
    pub(super) fn frames_freed(&self, first: Frame, count: u64) {
        let numbers = first.number()..first.number() + count;
        let reachable =
            lock(&self.tlb).iter().find(|(_, (frame, _))| numbers.contains(&frame.number())).map(|e| *e.0);
        assert!(reachable.is_none(), "the frame of {reachable:#x?} is freed while a CPU can reach it");
    }
}

impl Shootdown for FakeCpu {
    fn shootdown(&self, _root: PhysAddr, stale: &Stale) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.resumed.wait_while(paused, |paused| *paused));
        if !self.deaf.load(Ordering::Relaxed) {
            let mut tlb = lock(&self.tlb);
            tlb.retain(|va, _| !stale.overlaps(*va, *va + 1));
        }
    }
}
