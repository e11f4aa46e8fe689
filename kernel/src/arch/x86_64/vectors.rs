//! The program's vector registers: XSAVE and XRSTOR, or FXSAVE and FXRSTOR without them.
//!
//! The kernel is soft-float, so the registers are the program's whenever the kernel runs. They are stored for signal frames and
//! when a thread is switched away from. All state is in the standard format.

use alloc::alloc::Layout;
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use abi::sigframe::{FXSAVE_SIZE, MXCSR_OFFSET};
use sync::SetOnce;
use task::VectorLayout;
use task::vector::ALIGN;

use super::cpu;

/// CR4.OSXSAVE as CPUID shows it.
const OSXSAVE: u32 = 1 << 27;
/// MXCSR bits of a processor that does not say (Intel's manual, volume 1, 11.6.6).
const DEFAULT_MXCSR_MASK: u32 = 0xffbf;
const MXCSR_MASK_OFFSET: usize = 28;
/// XSTATE_BV of the state of a new program: x87 and SSE.
const LEGACY: u8 = 3;

/// Whether there is XSAVE, and the size of its area. Asked for once, after the control registers are set: the bit shows what is
/// enabled, and each CPUID leaves the virtual machine.
fn xsave() -> (bool, u64) {
    static XSAVE: SetOnce<(bool, u64)> = SetOnce::new();
    if let Some(&known) = XSAVE.get() {
        return known;
    }
    let found = (cpu::cpuid(1).ecx & OSXSAVE != 0, cpu::vector_state_size());
    // Set by another thread in between: it found the same.
    let _ = XSAVE.set(found);
    found
}

/// What the processor's state looks like.
#[inline]
pub fn layout() -> VectorLayout {
    VectorLayout {
        size: SIZE.load(Ordering::Relaxed),
        features: FEATURES.load(Ordering::Relaxed),
        mxcsr_mask: MXCSR_MASK.load(Ordering::Relaxed),
    }
}

/// The bits of MXCSR that may be set.
fn mxcsr_mask() -> u32 {
    #[repr(C, align(64))]
    struct Area([u8; FXSAVE_SIZE]);
    let mut area = Area([0; FXSAVE_SIZE]);
    // SAFETY: FXSAVE writes 512 bytes to the aligned area.
    unsafe { asm!("fxsave64 [{}]", in(reg) &raw mut area, options(nostack, preserves_flags)) };
    let mask =
        area.0.get(MXCSR_MASK_OFFSET..).and_then(<[u8]>::first_chunk).map_or(0, |b| u32::from_le_bytes(*b));
    if mask != 0 { mask } else { DEFAULT_MXCSR_MASK }
}

/// Whether to use XSAVE on `area`, which is what the instructions need: 64-aligned, and large enough.
fn check(area: &[u8]) -> bool {
    let (has_xsave, size) = xsave();
    assert!(area.as_ptr().addr().is_multiple_of(ALIGN) && area.len() as u64 >= size);
    has_xsave
}

/// Stores the registers.
pub fn save(area: &mut [u8]) {
    let has_xsave = check(area);
    let at = area.as_mut_ptr();
    // SAFETY: the area is aligned and as large as CPUID says that the enabled components need.
    unsafe {
        if has_xsave {
            asm!("xsave64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack, preserves_flags));
        } else {
            asm!("fxsave64 [{}]", in(reg) at, options(nostack, preserves_flags));
        }
    }
}

/// Loads the registers. The caller has checked MXCSR and the header, with which the instructions would fault.
pub fn load(area: &[u8]) {
    let has_xsave = check(area);
    let at = area.as_ptr();
    // SAFETY: the area is aligned and large enough; its header and MXCSR hold nothing that is reserved. The kernel itself uses
    // none of the registers.
    unsafe {
        if has_xsave {
            asm!("xrstor64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack, preserves_flags));
        } else {
            asm!("fxrstor64 [{}]", in(reg) at, options(nostack, preserves_flags));
        }
    }
}

/// The unmasked ones among the x87 unit's exceptions.
pub fn x87_exceptions() -> u32 {
    let (mut status, mut control) = (0u16, 0u16);
    // SAFETY: both instructions store two bytes and wait for nothing.
    unsafe {
        asm!("fnstsw word ptr [{}]", "fnstcw word ptr [{}]", in(reg) &raw mut status, in(reg) &raw mut control, options(nostack));
    }
    u32::from(status & !control & 0x3f)
}

/// The unmasked ones among the SSE unit's exceptions.
pub fn simd_exceptions() -> u32 {
    let mut mxcsr = 0u32;
    // SAFETY: stores four bytes.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags)) };
    mxcsr & !(mxcsr >> 7) & 0x3f
}

/// How the state is stored at a switch: with XSAVEOPT, with XSAVE, or with FXSAVE. Chosen once, because CPUID is slow in a
/// virtual machine.
static WAY: AtomicU8 = AtomicU8::new(WAY_FXSAVE);
const WAY_FXSAVE: u8 = 0;
const WAY_XSAVE: u8 = 1;
const WAY_XSAVEOPT: u8 = 2;
/// The [`layout`].
static SIZE: AtomicUsize = AtomicUsize::new(FXSAVE_SIZE);
static FEATURES: AtomicU64 = AtomicU64::new(0);
static MXCSR_MASK: AtomicU32 = AtomicU32::new(DEFAULT_MXCSR_MASK);

/// Finds out what the state looks like, and chooses how it is stored. Once, by the boot processor, when its control registers are
/// set.
pub fn init() {
    const XSAVEOPT: u32 = 1;
    if xsave().0 {
        let optimised = cpu::cpuid_count(0xd, 1).eax & XSAVEOPT != 0;
        WAY.store(if optimised { WAY_XSAVEOPT } else { WAY_XSAVE }, Ordering::Relaxed);
        FEATURES.store(cpu::vector_features(), Ordering::Relaxed);
    }
    MXCSR_MASK.store(mxcsr_mask(), Ordering::Relaxed);
    SIZE.store(cpu::vector_state_size() as usize, Ordering::Relaxed);
}

/// Where the vector registers of a thread are while it does not run.
pub struct VectorArea {
    at: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the area is owned memory.
unsafe impl Send for VectorArea {}

impl VectorArea {
    /// An area with the state that a program starts with (System V ABI AMD64, 3.4.1); `None` without memory.
    pub fn new() -> Option<Self> {
        const FCW: [u8; 2] = 0x37fu16.to_le_bytes();
        const MXCSR: [u8; 4] = 0x1f80u32.to_le_bytes();
        let layout = Layout::from_size_align(SIZE.load(Ordering::Relaxed), ALIGN).ok()?;
        // SAFETY: the layout is at least `FXSAVE_SIZE` bytes.
        let at = NonNull::new(unsafe { alloc::alloc::alloc_zeroed(layout) })?;
        // SAFETY: both fields are in the first 512 bytes.
        unsafe {
            at.copy_from_nonoverlapping(NonNull::from(&FCW).cast(), FCW.len());
            at.add(MXCSR_OFFSET).copy_from_nonoverlapping(NonNull::from(&MXCSR).cast(), MXCSR.len());
            // Says that the legacy parts are there; the field is part of the state with XSAVE only.
            if layout.size() > FXSAVE_SIZE {
                at.add(FXSAVE_SIZE).write(LEGACY);
            }
        }
        Some(Self { at, layout })
    }

    /// Stores the registers. With interrupts masked, by the CPU that runs the area's thread.
    #[inline]
    pub fn save(&self) {
        let at = self.at.as_ptr();
        // SAFETY: the area is aligned and as large as CPUID says that the enabled components need.
        unsafe {
            match WAY.load(Ordering::Relaxed) {
                WAY_XSAVEOPT => {
                    asm!("xsaveopt64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack, preserves_flags));
                }
                WAY_XSAVE => {
                    asm!("xsave64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack, preserves_flags));
                }
                _ => asm!("fxsave64 [{}]", in(reg) at, options(nostack, preserves_flags)),
            }
        }
    }

    /// Loads the registers. With interrupts masked, by the CPU that is about to run the area's thread.
    #[inline]
    pub fn load(&self) {
        let at = self.at.as_ptr();
        // SAFETY: the area is aligned and large enough, and holds what `new` or `save` wrote. The kernel itself uses none of
        // the registers.
        unsafe {
            if WAY.load(Ordering::Relaxed) == WAY_FXSAVE {
                asm!("fxrstor64 [{}]", in(reg) at, options(nostack, preserves_flags));
            } else {
                asm!("xrstor64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack, preserves_flags));
            }
        }
    }
}

impl Drop for VectorArea {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and owned.
        unsafe { alloc::alloc::dealloc(self.at.as_ptr(), self.layout) };
    }
}
