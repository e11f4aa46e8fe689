//! The vDSO and its data page: clocks that the program reads without entering the kernel (vdso(7)).
//!
//! The shared object is `vdso.S`; exec maps it and, below it, [`DataPage`]. The clock code calls [`publish_monotonic`] and
//! [`publish_wall`] once it knows what to publish; until then the functions of the object fall back to the system call.
//!
//! Invariants: the page is written only here, by one writer at a time, with an odd sequence number meanwhile; what the
//! functions compute from it is what [`tsc`](super::tsc) computes, so the two ways of reading a clock agree.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use mm::addr::{Frame, PAGE_SIZE, PhysAddr};
use mm::store::{BackingStore, StoreError};
use sync::Mutex;
use task::Vdso;

use super::layout::KERNEL_BASE;

core::arch::global_asm!(include_str!("vdso.S"), options(raw));

unsafe extern "C" {
    static vdso_start: u8;
    static vdso_end: u8;
}

/// [`DataPage::ready`]: the monotonic clocks can be read.
const READY_MONOTONIC: u32 = 1;
/// [`DataPage::ready`]: the wall clocks can be read.
const READY_WALL: u32 = 2;

/// The data page, `[vvar]`. `vdso.S` knows the layout.
#[repr(C, align(4096))]
struct DataPage {
    /// Odd while the page is being changed.
    seq: AtomicU32,
    /// `READY_*`.
    ready: AtomicU32,
    /// TSC at boot.
    tsc: AtomicU64,
    /// Nanoseconds per TSC tick, times 2^32.
    mult: AtomicU64,
    /// What to add to the nanoseconds since boot: for the monotonic clocks, for the wall clocks.
    offset: [AtomicU64; 2],
}

static PAGE: DataPage = DataPage {
    seq: AtomicU32::new(0),
    ready: AtomicU32::new(0),
    tsc: AtomicU64::new(0),
    mult: AtomicU64::new(0),
    offset: [const { AtomicU64::new(0) }; 2],
};

/// Held by the one who writes the page.
static WRITER: Mutex<()> = Mutex::new(());

/// Changes the page such that no reader uses a mixture.
fn change(write: impl FnOnce(&DataPage)) {
    let _writer = WRITER.lock();
    let seq = PAGE.seq.load(Ordering::Relaxed);
    PAGE.seq.store(seq.wrapping_add(1), Ordering::Relaxed);
    fence(Ordering::Release);
    write(&PAGE);
    PAGE.seq.store(seq.wrapping_add(2), Ordering::Release);
}

/// From now on the monotonic clocks are `mult` * (TSC - `tsc`) / 2^32.
pub fn publish_monotonic(tsc: u64, mult: u64) {
    change(|page| {
        page.tsc.store(tsc, Ordering::Relaxed);
        page.mult.store(mult, Ordering::Relaxed);
        page.ready.fetch_or(READY_MONOTONIC, Ordering::Relaxed);
    });
}

/// From now on the wall clock is the monotonic clock plus `offset`. Does nothing while that one is not published.
pub fn publish_wall(offset: u64) {
    if PAGE.ready.load(Ordering::Relaxed) & READY_MONOTONIC == 0 {
        return;
    }
    change(|page| {
        let [_, wall] = &page.offset;
        wall.store(offset, Ordering::Relaxed);
        page.ready.fetch_or(READY_WALL, Ordering::Relaxed);
    });
}

/// Pages of the kernel that programs may map for reading.
struct KernelPages {
    name: &'static [u8],
    at: PhysAddr,
    len: u64,
}

impl KernelPages {
    /// The pages from the kernel's address `start` on.
    fn new(name: &'static [u8], start: usize, len: usize) -> Arc<Self> {
        Arc::new(Self { name, at: PhysAddr(start as u64 - KERNEL_BASE), len: len as u64 })
    }
}

impl BackingStore for KernelPages {
    fn name(&self) -> &[u8] {
        self.name
    }

    fn len(&self) -> u64 {
        self.len
    }

    /// Only for a page that cannot be mapped as it is, which is none.
    fn read_at(&self, _offset: u64, _buf: &mut [u8]) -> Result<usize, StoreError> {
        Err(StoreError)
    }

    fn frame_at(&self, index: u64) -> Option<Frame> {
        let offset = index.checked_mul(PAGE_SIZE).filter(|&offset| offset < self.len)?;
        Some(Frame::containing(PhysAddr(self.at.0 + offset)))
    }
}

/// What exec maps into a program.
pub fn pages() -> Vdso {
    let (start, end) = ((&raw const vdso_start).addr(), (&raw const vdso_end).addr());
    Vdso {
        code: KernelPages::new(b"[vdso]", start, end - start),
        data: KernelPages::new(b"[vvar]", (&raw const PAGE).addr(), size_of::<DataPage>()),
    }
}
