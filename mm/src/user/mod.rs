//! Program memory as system calls see it: the only way there.
//!
//! `kernel` implements [`RawUserMemory`] (a copy with fault recovery); every caller uses [`UserMemory`], directly or
//! through the typed views [`UserPtr`], [`UserSlice`] and [`IoVecs`]. A bad address is a [`Fault`], which becomes
//! EFAULT; it is never a kernel fault.
//!
//! Invariant: implementors see only ranges inside `0..USER_END`; the check is made here, once.

mod cstr;
mod iovec;
#[cfg(test)]
mod tests;
mod views;

use alloc::vec::Vec;
use core::fmt;

use crate::addr::{PAGE_SIZE, USER_END};
pub use cstr::CStrBuffer;
pub use iovec::{IOV_MAX, IoVecError, IoVecs, MAX_RW_COUNT};
pub use views::{UserPtr, UserSlice};

/// An access to program memory that could not be completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// First address that could not be accessed.
    pub addr: u64,
    /// Bytes transferred before it.
    pub done: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad address {:#x} after {} bytes", self.addr, self.done)
    }
}

impl core::error::Error for Fault {}

/// Why a string could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CStrError {
    /// Memory ends before the string does (EFAULT).
    Fault(Fault),
    /// No NUL within the limit (ENAMETOOLONG, E2BIG).
    TooLong,
    /// The kernel has no memory for it (ENOMEM).
    NoMemory,
}

impl From<Fault> for CStrError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for CStrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::TooLong => f.write_str("string is too long"),
            Self::NoMemory => f.write_str("no memory for a string"),
        }
    }
}

impl core::error::Error for CStrError {}

/// Checks that `len` bytes from `addr` on are addresses a program can have.
///
/// # Errors
/// A [`Fault`] with nothing done at the first address that is not. No bytes are always good.
pub fn check_range(addr: u64, len: u64) -> Result<(), Fault> {
    if len == 0 || (addr < USER_END && len <= USER_END - addr) {
        Ok(())
    } else {
        Err(Fault { addr: addr.max(USER_END), done: 0 })
    }
}

/// The bare copies. Ranges are not empty and lie inside `0..USER_END`. Each method returns the bytes transferred
/// before the first fault; the full length means success.
pub trait RawUserMemory {
    /// Copies from the program.
    fn raw_read(&self, addr: u64, dst: &mut [u8]) -> usize;
    /// Copies to the program.
    fn raw_write(&self, addr: u64, src: &[u8]) -> usize;
    /// Stores zeros.
    fn raw_zero(&self, addr: u64, len: usize) -> usize;
    /// Loads an aligned word at once; `None` if that faults.
    fn raw_load(&self, addr: u64, paging: Paging) -> Option<u32>;
    /// Stores `new` into an aligned word if it is `old`, atomically, and gives what it was; `None` if that faults. Needs a
    /// writable page in any case.
    fn raw_compare_exchange(&self, addr: u64, old: u32, new: u32, paging: Paging) -> Option<u32>;
}

/// Whether an access may wait for a page to be brought in, which takes the lock of the address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// It may.
    Allowed,
    /// It may not: locks are held. A page that is not there counts as a fault.
    Forbidden,
}

/// Checked access to program memory.
pub trait UserMemory {
    /// Copies from the program as far as it goes; returns how many bytes came: none if the range leaves the program's half.
    fn read_some(&self, addr: u64, dst: &mut [u8]) -> usize;

    /// Copies to the program as far as it goes, as [`read_some`](Self::read_some).
    fn write_some(&self, addr: u64, src: &[u8]) -> usize;

    /// Stores `len` zeros as far as it goes, as [`read_some`](Self::read_some).
    fn zero_some(&self, addr: u64, len: usize) -> usize;

    /// Copies from the program.
    ///
    /// # Errors
    /// [`Fault`], with the progress made. A range that leaves the program's half is refused as a whole.
    fn read(&self, addr: u64, dst: &mut [u8]) -> Result<(), Fault>;

    /// Copies to the program.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn write(&self, addr: u64, src: &[u8]) -> Result<(), Fault>;

    /// Stores `len` zeros.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn zero(&self, addr: u64, len: usize) -> Result<(), Fault>;

    /// Loads an aligned word at once (no tearing).
    ///
    /// # Errors
    /// As [`read`](Self::read). With [`Paging::Forbidden`] also when the page is only not there yet.
    fn load(&self, addr: u64, paging: Paging) -> Result<u32, Fault>;

    /// Stores `new` into an aligned word if it is `old`, atomically with everybody, and gives what it was.
    ///
    /// # Errors
    /// As [`load`](Self::load); also if the page cannot be written, whatever the word is.
    fn compare_exchange(&self, addr: u64, old: u32, new: u32, paging: Paging) -> Result<u32, Fault>;

    /// Reads a NUL-terminated string of at most `max` bytes, the NUL included, into `out`, which is emptied first
    /// and gets the bytes before the NUL. A string may end right before an unmapped page.
    ///
    /// # Errors
    /// [`CStrError`].
    fn read_cstr(&self, addr: u64, max: usize, out: &mut Vec<u8>) -> Result<(), CStrError> {
        /// Most strings are shorter.
        const PIECE: u64 = 64;
        out.clear();
        let mut at = addr;
        loop {
            let room = max - out.len();
            if room == 0 {
                return Err(CStrError::TooLong);
            }
            // It may end right before a page that is not mapped.
            let piece = PIECE.min(PAGE_SIZE - at % PAGE_SIZE).min(room as u64) as usize;
            let old = out.len();
            out.try_reserve(piece).map_err(|_| CStrError::NoMemory)?;
            out.resize(old + piece, 0);
            let read = self.read(at, out.get_mut(old..).unwrap_or(&mut []));
            if let Err(fault) = read {
                out.truncate(old);
                return Err(Fault { addr: fault.addr, done: old }.into());
            }
            if let Some(len) = cstr::find_nul(out.get(old..).unwrap_or_default()) {
                out.truncate(old + len);
                return Ok(());
            }
            at = at.saturating_add(piece as u64);
        }
    }
}

/// An unaligned word counts as a bad address: it could lie in two pages.
fn check_word(addr: u64) -> Result<(), Fault> {
    if addr.is_multiple_of(4) { check_range(addr, 4) } else { Err(Fault { addr, done: 0 }) }
}

/// Whether there are bytes in the range, all of them in the program's half.
#[inline]
fn is_inside(addr: u64, len: usize) -> bool {
    (len as u64).wrapping_sub(1) < USER_END.saturating_sub(addr)
}

/// What a transfer of `len` bytes from `addr` on comes to, of which `done` were.
#[inline]
fn whole(addr: u64, len: usize, done: usize) -> Result<(), Fault> {
    if done >= len { Ok(()) } else { Err(fault(addr, len, done)) }
}

#[cold]
fn fault(addr: u64, len: usize, done: usize) -> Fault {
    let beyond = check_range(addr, len as u64).err();
    beyond.unwrap_or(Fault { addr: addr.saturating_add(done as u64), done })
}

/// [`UserMemory::read`] where it is called.
#[inline]
fn read_all<M: UserMemory + ?Sized>(memory: &M, addr: u64, dst: &mut [u8]) -> Result<(), Fault> {
    whole(addr, dst.len(), memory.read_some(addr, dst))
}

/// [`UserMemory::write`] where it is called.
#[inline]
fn write_all<M: UserMemory + ?Sized>(memory: &M, addr: u64, src: &[u8]) -> Result<(), Fault> {
    whole(addr, src.len(), memory.write_some(addr, src))
}

impl<M: RawUserMemory + ?Sized> UserMemory for M {
    fn read_some(&self, addr: u64, dst: &mut [u8]) -> usize {
        if is_inside(addr, dst.len()) { self.raw_read(addr, dst) } else { 0 }
    }

    fn write_some(&self, addr: u64, src: &[u8]) -> usize {
        if is_inside(addr, src.len()) { self.raw_write(addr, src) } else { 0 }
    }

    fn zero_some(&self, addr: u64, len: usize) -> usize {
        if is_inside(addr, len) { self.raw_zero(addr, len) } else { 0 }
    }

    fn read(&self, addr: u64, dst: &mut [u8]) -> Result<(), Fault> {
        read_all(self, addr, dst)
    }

    fn write(&self, addr: u64, src: &[u8]) -> Result<(), Fault> {
        write_all(self, addr, src)
    }

    fn zero(&self, addr: u64, len: usize) -> Result<(), Fault> {
        whole(addr, len, self.zero_some(addr, len))
    }

    fn load(&self, addr: u64, paging: Paging) -> Result<u32, Fault> {
        check_word(addr)?;
        self.raw_load(addr, paging).ok_or(Fault { addr, done: 0 })
    }

    fn compare_exchange(&self, addr: u64, old: u32, new: u32, paging: Paging) -> Result<u32, Fault> {
        check_word(addr)?;
        self.raw_compare_exchange(addr, old, new, paging).ok_or(Fault { addr, done: 0 })
    }
}
