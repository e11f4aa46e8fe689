//! The vector registers of a program in memory: the standard format of XSAVE, or FXSAVE's without it.
//!
//! Used by signal frames. The processor's part is behind [`Platform`]; this module keeps the buffer, describes
//! the state for programs, and makes what a program gives back safe to load.

use crate::Platform;
use abi::sigframe::*;
use abi::{bytes_of, bytes_of_mut};
use alloc::vec::Vec;
use mm::user::{Fault, UserMemory, UserPtr};

/// What the processor's vector state looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorLayout {
    /// Bytes in the standard format, 512 without XSAVE.
    pub size: usize,
    /// XCR0: the components, 0 without XSAVE.
    pub features: u64,
    /// The bits of MXCSR that may be set.
    pub mxcsr_mask: u32,
}

/// Alignment of the state, in the kernel and in a frame.
pub const ALIGN: usize = 64;
/// x87 and SSE.
const LEGACY: u64 = 3;
/// Control word and MXCSR of a new program (System V ABI).
const FCW: u16 = 0x37f;
const MXCSR: u32 = 0x1f80;

impl VectorLayout {
    /// Bytes in a signal frame: with XSAVE a magic word follows the state.
    pub fn frame_size(&self) -> u64 {
        self.size as u64 + if self.features != 0 { 4 } else { 0 }
    }
}

/// A buffer for the state; allocated when first used.
#[derive(Default)]
pub struct VectorBuffer(Vec<u8>);

/// Why a state cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorError {
    /// Program memory.
    Fault,
    /// Bits that the processor does not allow.
    Invalid,
    /// No memory for the buffer.
    NoMemory,
}

impl From<Fault> for VectorError {
    fn from(_: Fault) -> Self {
        VectorError::Fault
    }
}

fn put(area: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(slot) = area.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        slot.copy_from_slice(bytes);
    }
}

fn word(area: &[u8], at: usize) -> u64 {
    area.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl VectorBuffer {
    /// The aligned bytes.
    fn area(&mut self, layout: &VectorLayout) -> Result<&mut [u8], VectorError> {
        let whole = layout.size + ALIGN;
        if self.0.len() < whole {
            self.0.try_reserve_exact(whole).map_err(|_| VectorError::NoMemory)?;
            self.0.resize(whole, 0);
        }
        let start = self.0.as_ptr().align_offset(ALIGN);
        self.0.get_mut(start..).and_then(|rest| rest.get_mut(..layout.size)).ok_or(VectorError::NoMemory)
    }

    /// Stores the program's state at `addr` in its memory, as a frame has it, and gives it the state of a new program.
    pub fn save(&mut self, platform: &dyn Platform, addr: u64) -> Result<(), VectorError> {
        let layout = platform.vector_layout();
        let memory = platform.user_memory();
        let area = self.area(&layout)?;
        platform.save_vectors(area);
        let sw = FpxSwBytes {
            magic1: FP_XSTATE_MAGIC1,
            extended_size: layout.frame_size() as u32,
            xfeatures: layout.features,
            xstate_size: layout.size as u32,
            padding: [0; 7],
        };
        let sw = if layout.features != 0 { sw } else { FpxSwBytes::default() };
        put(area, SW_BYTES_OFFSET, bytes_of(&sw));
        if layout.features != 0 {
            // The legacy parts are always there, also where the processor found them unused.
            let present = word(area, FXSAVE_SIZE) | LEGACY;
            put(area, FXSAVE_SIZE, &present.to_le_bytes());
        }
        memory.write(addr, area)?;
        if layout.features != 0 {
            UserPtr::new(addr.wrapping_add(layout.size as u64)).write(memory, &FP_XSTATE_MAGIC2)?;
        }
        load_initial(platform, &layout, area);
        Ok(())
    }

    /// Gives the program the state of a new one.
    pub fn reset(&mut self, platform: &dyn Platform) -> Result<(), VectorError> {
        let layout = platform.vector_layout();
        let area = self.area(&layout)?;
        load_initial(platform, &layout, area);
        Ok(())
    }

    /// Loads the state that a frame has at `addr`. As Linux, takes the legacy part alone if what describes the rest is damaged.
    pub fn restore(&mut self, platform: &dyn Platform, addr: u64) -> Result<(), VectorError> {
        let layout = platform.vector_layout();
        let memory = platform.user_memory();
        let area = self.area(&layout)?;
        let legacy = area.get_mut(..FXSAVE_SIZE).ok_or(VectorError::NoMemory)?;
        memory.read(addr, legacy)?;
        let mut sw = FpxSwBytes::default();
        if let Some(bytes) = legacy.get(SW_BYTES_OFFSET..) {
            bytes_of_mut(&mut sw).copy_from_slice(bytes);
        }
        if layout.features != 0 {
            if extended(&sw, &layout, memory, addr) {
                let end = sw.xstate_size as usize;
                let rest = area.get_mut(FXSAVE_SIZE..end).ok_or(VectorError::Invalid)?;
                memory.read(addr.wrapping_add(FXSAVE_SIZE as u64), rest)?;
                let present = word(area, FXSAVE_SIZE);
                let header =
                    (8..XSAVE_HEADER_SIZE).step_by(8).fold(0, |bits, at| bits | word(area, FXSAVE_SIZE + at));
                if present & !layout.features != 0 || header != 0 {
                    put(area, FXSAVE_SIZE, &[0; XSAVE_HEADER_SIZE]);
                    return Err(VectorError::Invalid);
                }
                put(area, FXSAVE_SIZE, &(present & sw.xfeatures).to_le_bytes());
            } else {
                put(area, FXSAVE_SIZE, &[0; XSAVE_HEADER_SIZE]);
                put(area, FXSAVE_SIZE, &LEGACY.to_le_bytes());
            }
        }
        if word(area, MXCSR_OFFSET) as u32 & !layout.mxcsr_mask != 0 {
            return Err(VectorError::Invalid);
        }
        platform.load_vectors(area);
        Ok(())
    }
}

/// Makes `area` the state of a new program, and loads it.
fn load_initial(platform: &dyn Platform, layout: &VectorLayout, area: &mut [u8]) {
    // Without XSAVE there is no word that says "initial", so all of the legacy part has to be.
    let used = if layout.features != 0 { MXCSR_OFFSET + 8 } else { FXSAVE_SIZE };
    area.iter_mut().take(used).for_each(|byte| *byte = 0);
    put(area, 0, &FCW.to_le_bytes());
    put(area, MXCSR_OFFSET, &MXCSR.to_le_bytes());
    put(area, FXSAVE_SIZE, &[0; XSAVE_HEADER_SIZE]);
    platform.load_vectors(area);
}

/// Whether the frame at `addr` has a whole state in XSAVE format.
fn extended(sw: &FpxSwBytes, layout: &VectorLayout, memory: &dyn UserMemory, addr: u64) -> bool {
    let size = sw.xstate_size as usize;
    let fits = (FXSAVE_SIZE + XSAVE_HEADER_SIZE..=layout.size).contains(&size);
    sw.magic1 == FP_XSTATE_MAGIC1
        && fits
        && sw.xstate_size <= sw.extended_size
        && UserPtr::<u32>::new(addr.wrapping_add(size as u64)).read(memory) == Ok(FP_XSTATE_MAGIC2)
}
