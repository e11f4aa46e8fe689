//! The kernel heap: talc behind the kernel's mutex, fed with blocks of frames as it grows; and in front of it, for small blocks,
//! a cache per CPU that takes no lock.
//!
//! Where nothing may sleep, small blocks go to the cache and larger ones to a list that the next thread frees. Interrupt handlers
//! do not touch the caches, as they may have interrupted who does.
//!
//! Much of what a system call allocates is small and cannot be refused in the middle of the call: a node of a map, a
//! counted object. For that an allocation is kept in reserve. When no other memory is left it is freed, and until
//! there is another one ([`refill`]) calls that take memory are refused at their beginning. What is large is allocated
//! fallibly everywhere, and never gets the reserve.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{self, Relaxed};
use core::sync::atomic::{AtomicPtr, AtomicU32};

use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use super::frames;
use crate::arch::paging::{phys_to_virt, virt_to_phys};
use crate::arch::percpu;
use crate::threads;

/// Blocks of at least 64 KiB are claimed.
const MIN_ORDER: u8 = 4;
/// What talc needs beside an allocation in a heap of its own, generously.
const OVERHEAD: usize = 4096;

/// The reserve: far more than one call takes in small pieces.
const RESERVE: Layout = match Layout::from_size_align(64 << 10, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a wrong layout"),
};
/// What is larger than this is allocated fallibly, and never from the reserve.
const SMALL: usize = 2048;

/// The reserved allocation; null if there is none.
static RESERVED: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Whether the heap has used its reserve.
pub fn is_low() -> bool {
    RESERVED.load(Ordering::Relaxed).is_null()
}

/// Sets memory aside for when it runs out, from the heap or from free frames. Returns whether there is some now. Called at
/// boot, and before system calls while the heap is low.
pub fn refill() -> bool {
    if !is_low() {
        return true;
    }
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc::alloc::alloc(RESERVE) };
    if block.is_null() {
        return false;
    }
    if RESERVED.compare_exchange(ptr::null_mut(), block, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // Another thread was first.
        // SAFETY: allocated above with this layout, and nobody else knows it.
        unsafe { alloc::alloc::dealloc(block, RESERVE) };
    }
    true
}

/// Free frames for a heap that needs `bytes`, and their order: as many as it likes to grow by, else as many as it must.
fn grow(bytes: usize) -> Option<(u64, u8)> {
    let order = bytes.div_ceil(4096).next_power_of_two().ilog2() as u8;
    [order.max(MIN_ORDER), order]
        .into_iter()
        .find_map(|order| frames::alloc_block(order).map(|block| (block, order)))
}

/// Feeds the heap from the frame allocator, and gives back blocks that have become empty.
#[derive(Debug)]
pub struct FrameBlocks {
    /// An empty block of the usual size, kept because it may be wanted again at once; 0 if there is none.
    spare: u64,
}

// SAFETY: both functions use the frame allocator, which does not use the heap, and `acquire` also `talc` itself.
unsafe impl Source for FrameBlocks {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let bytes =
            layout.size().checked_add(layout.align()).and_then(|n| n.checked_add(OVERHEAD)).ok_or(())?;
        let spare = core::mem::take(&mut talc.source.spare);
        let kept = (spare != 0).then_some((spare, MIN_ORDER));
        if bytes > 4096 << MIN_ORDER && spare != 0 {
            frames::free_frame(spare);
        }
        let Some((block, order)) = kept.filter(|_| bytes <= 4096 << MIN_ORDER).or_else(|| grow(bytes)) else {
            let reserve = if layout.size() <= SMALL {
                RESERVED.swap(ptr::null_mut(), Ordering::AcqRel)
            } else {
                ptr::null_mut()
            };
            // SAFETY: it was allocated from this heap with this layout, and whoever swaps it out owns it.
            return NonNull::new(reserve)
                .map(|block| unsafe { talc.deallocate(block.as_ptr(), RESERVE) })
                .ok_or(());
        };
        // SAFETY: the block is free memory in the direct map, given to the heap for good.
        unsafe { talc.claim(phys_to_virt(block), 4096 << order) }.map(|_| ()).ok_or(())
    }

    const TRACK_HEAP_END: bool = true;

    unsafe fn resize(&mut self, chunk_base: *mut u8, heap_end: *mut u8, is_heap_base: bool) -> *mut u8 {
        if !is_heap_base {
            return heap_end;
        }
        // The block is as it was claimed: whole frames up to `heap_end`, used from just behind its beginning.
        let block = virt_to_phys(chunk_base) & !4095;
        let usual = virt_to_phys(heap_end).wrapping_sub(block) == 4096 << MIN_ORDER;
        if usual && self.spare == 0 {
            self.spare = block;
        } else {
            frames::free_frame(block);
        }
        chunk_base
    }
}

/// Blocks of the caches are a power of two from here on, in bytes; a free one holds the pointer to the next.
const SMALLEST: usize = 32;
/// The largest blocks that are cached: a frame of the usual MTU and its headers.
const LARGEST: usize = 2048;
const CLASSES: usize = (LARGEST / SMALLEST).ilog2() as usize + 1;
/// Alignment of cached blocks.
const ALIGN: usize = 16;
/// How many blocks of a class a CPU keeps, unless it cannot give them back at the moment: small ones for a whole burst of packets.
const fn kept(class: usize) -> u32 {
    const BYTES: usize = 32 << 10;
    let blocks = BYTES / (SMALLEST << class);
    if blocks < 32 {
        32
    } else if blocks > 256 {
        256
    } else {
        blocks as u32
    }
}

/// The free small blocks of one CPU. Used by threads of that CPU with preemption off, never by interrupt handlers.
pub struct Cache {
    first: [AtomicPtr<Free>; CLASSES],
    count: [AtomicU32; CLASSES],
}

/// What a free block holds.
struct Free {
    next: *mut Free,
}

impl Cache {
    /// Without blocks.
    pub const fn new() -> Self {
        Self {
            first: [const { AtomicPtr::new(ptr::null_mut()) }; CLASSES],
            count: [const { AtomicU32::new(0) }; CLASSES],
        }
    }

    fn take(&self, class: usize) -> Option<NonNull<Free>> {
        let (first, count) = (self.first.get(class)?, self.count.get(class)?);
        let block = NonNull::new(first.load(Relaxed))?;
        // SAFETY: blocks in the list are free and hold the pointer to the next.
        first.store(unsafe { (*block.as_ptr()).next }, Relaxed);
        count.store(count.load(Relaxed).wrapping_sub(1), Relaxed);
        Some(block)
    }

    /// Keeps a free block; `false` if there are enough and `must` does not hold.
    #[inline]
    fn keep(&self, class: usize, block: *mut u8, must: bool) -> bool {
        let (Some(first), Some(count)) = (self.first.get(class), self.count.get(class)) else { return false };
        let have = count.load(Relaxed);
        if have >= kept(class) && !must {
            return false;
        }
        let block = block.cast::<Free>();
        // SAFETY: the block is free, aligned to 16 and at least 32 bytes long.
        unsafe { block.write(Free { next: first.load(Relaxed) }) };
        first.store(block, Relaxed);
        count.store(have.wrapping_add(1), Relaxed);
        true
    }
}

/// The class of a small block.
#[inline]
fn class_of(layout: &Layout) -> Option<usize> {
    if layout.size() > LARGEST || layout.align() > ALIGN || layout.size() == 0 {
        return None;
    }
    // The last byte's offset has a bit more with each class.
    Some((((layout.size() - 1) / SMALLEST * 2) | 1).ilog2() as usize)
}

/// The blocks of a class, as talc knows them.
fn class_layout(class: usize) -> Layout {
    // SAFETY: a power of two of at most 2048 bytes, aligned to 16.
    unsafe { Layout::from_size_align_unchecked(SMALLEST << class, ALIGN) }
}

/// What is to be freed by the next thread that allocates: given up where the lock cannot be waited for.
static DEFERRED: AtomicPtr<Deferred> = AtomicPtr::new(ptr::null_mut());

/// What such a block holds; a block that is not cached is larger than this, or aligned to more.
struct Deferred {
    next: *mut Deferred,
    layout: Layout,
}

fn defer(block: *mut u8, layout: Layout) {
    let block = block.cast::<Deferred>();
    if layout.size() < size_of::<Deferred>() || !block.is_aligned() {
        // Too small to say what it is: a few bytes with a large alignment, which the kernel does not have. They are lost.
        return;
    }
    let mut next = DEFERRED.load(Relaxed);
    loop {
        // SAFETY: the block is free, and large and aligned enough as checked above.
        unsafe { block.write(Deferred { next, layout }) };
        match DEFERRED.compare_exchange_weak(next, block, Ordering::Release, Relaxed) {
            Ok(_) => return,
            Err(now) => next = now,
        }
    }
}

/// The kernel's heap: caches of small blocks per CPU in front of talc.
struct Heap {
    talc: TalcLock<sync::RawMutex, FrameBlocks>,
}

impl Heap {
    /// Frees what was deferred. In a thread that may sleep.
    fn free_deferred(&self) {
        let mut next = DEFERRED.swap(ptr::null_mut(), Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: the list is this thread's since the exchange; each block says what it is.
            unsafe {
                let Deferred { next: behind, layout } = next.read();
                self.talc.dealloc(next.cast(), layout);
                next = behind;
            }
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn alloc_large(&self, layout: Layout) -> *mut u8 {
        if !DEFERRED.load(Relaxed).is_null() && !threads::cannot_sleep() {
            self.free_deferred();
        }
        // SAFETY: promised by the caller.
        unsafe { self.talc.alloc(layout) }
    }

    #[cold]
    #[inline(never)]
    unsafe fn free_large(&self, block: *mut u8, layout: Layout) {
        if threads::cannot_sleep() {
            return defer(block, layout);
        }
        // SAFETY: promised by the caller.
        unsafe { self.talc.dealloc(block, layout) }
    }

    /// A block of a class: one of this CPU's cache, if it has one and may be used.
    #[inline(never)]
    fn alloc_small(&self, class: usize) -> *mut u8 {
        percpu::preempt_disable();
        let cpu = percpu::current();
        let block = if cpu.in_interrupt.load(Relaxed) { None } else { cpu.heap.take(class) };
        threads::preempt_enable();
        match block {
            Some(block) => block.as_ptr().cast(),
            None => self.alloc_class(class),
        }
    }

    /// Frees a block of a class.
    ///
    /// # Safety
    /// It was allocated with the layout of its class, and nobody uses it any more.
    #[inline(never)]
    unsafe fn free_small(&self, block: *mut u8, class: usize) {
        if !self.keep(block, class, false) {
            // SAFETY: as the caller promised.
            unsafe { self.free_class(block, class) }
        }
    }

    /// A block of a class of which the cache has none.
    #[cold]
    #[inline(never)]
    fn alloc_class(&self, class: usize) -> *mut u8 {
        // SAFETY: the size is not 0.
        unsafe { self.talc.alloc(class_layout(class)) }
    }

    /// Frees a block of a class of which the cache has enough.
    #[cold]
    #[inline(never)]
    unsafe fn free_class(&self, block: *mut u8, class: usize) {
        if threads::cannot_sleep() && self.keep(block, class, true) {
            return;
        }
        // SAFETY: it was allocated with the layout of its class, or is from a cache.
        unsafe { self.free_large(block, class_layout(class)) }
    }

    /// Puts a free block into this CPU's cache; `false` if that has enough and `must` does not hold.
    #[inline]
    fn keep(&self, block: *mut u8, class: usize, must: bool) -> bool {
        percpu::preempt_disable();
        let cpu = percpu::current();
        let kept = !cpu.in_interrupt.load(Relaxed) && cpu.heap.keep(class, block, must);
        threads::preempt_enable();
        kept
    }
}

// SAFETY: blocks come from talc with the layout of their class or their own, and go back there with the same one; a cached block
// is in one list only, and lists belong to a CPU, with preemption off.
unsafe impl GlobalAlloc for Heap {
    // The class is a constant wherever the type is known, so it is found in the caller; the rest is one function for all.
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(&layout) {
            Some(class) => self.alloc_small(class),
            // SAFETY: as the caller promised.
            None => unsafe { self.alloc_large(layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised; it was allocated with this layout, so with that of its class if it has one.
        unsafe {
            match class_of(&layout) {
                Some(class) => self.free_small(block, class),
                None => self.free_large(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        match (class_of(&layout), class_of(&wanted)) {
            (Some(have), Some(want)) if have == want => return block,
            (None, None) if !threads::cannot_sleep() => {
                // SAFETY: neither is a cached block; as the caller promised.
                return unsafe { self.talc.realloc(block, layout, size) };
            }
            _ => {}
        }
        // SAFETY: the new block has room for what is copied, and the old one is given up afterwards.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[global_allocator]
static HEAP: Heap = Heap { talc: TalcLock::new(FrameBlocks { spare: 0 }) };
