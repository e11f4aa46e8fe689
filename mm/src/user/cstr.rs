//! [`CStrBuffer`]: room for a string from program memory, on the stack while the string is short.
//!
//! Used by the calls that take paths. What it gives was read once, so that the program cannot change it any more.

use super::{CStrError, UserMemory};
use crate::addr::PAGE_SIZE;
use alloc::vec::Vec;

/// Most paths are shorter.
const SHORT: usize = 64;

/// Room for one string.
pub struct CStrBuffer {
    short: [u8; SHORT],
    long: Vec<u8>,
}

impl Default for CStrBuffer {
    fn default() -> Self {
        CStrBuffer { short: [0; SHORT], long: Vec::new() }
    }
}

impl CStrBuffer {
    /// As [`UserMemory::read_cstr`], into this.
    ///
    /// # Errors
    /// [`CStrError`].
    pub fn read(&mut self, memory: &dyn UserMemory, addr: u64, max: usize) -> Result<&[u8], CStrError> {
        let CStrBuffer { short, long } = self;
        // The string may end right before a page that is not mapped.
        let room = (PAGE_SIZE - addr % PAGE_SIZE).min(max as u64);
        if room >= SHORT as u64
            && memory.read(addr, short).is_ok()
            && let Some(text) = find_nul(short).and_then(|len| short.get(..len))
        {
            return Ok(text);
        }
        memory.read_cstr(addr, max, long)?;
        Ok(long)
    }
}

/// The position of the first zero byte; eight are looked at at once.
pub(super) fn find_nul(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (i, &word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(word);
        // The lowest bit that is set is the highest bit of the first zero byte.
        let zeros = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
        if zeros != 0 {
            return Some(i * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&byte| byte == 0).map(|at| words.len() * 8 + at)
}
