//! Copying from and to the program's memory with fault recovery; the raw part of `UserMemory`.
//!
//! The copy loops are in entry.S. A fault in one of them first goes to the address space (demand
//! paging); if that fails, trap.rs continues at [`fixup`], and the loop returns how much it had moved before.

use mm::user::Paging;

unsafe extern "C" {
    fn usercopy(dst: *mut u8, src: *const u8, len: usize) -> usize;
    fn userzero(dst: *mut u8, len: usize) -> usize;
    static usercopy_string: u8;
    static usercopy_rest: u8;
    static usercopy_words: u8;
    static usercopy_bytes: u8;
    static usercopy_end: u8;
    static usercopy_out: u8;
    static userzero_string: u8;
    static userzero_rest: u8;
    static userzero_words: u8;
    static userzero_bytes: u8;
    static userzero_end: u8;
    static userzero_out: u8;
    fn userword_load_paging(addr: *const u32) -> u128;
    fn userword_load(addr: *const u32) -> u128;
    fn userword_exchange_paging(addr: *mut u32, old: u32, new: u32) -> u128;
    fn userword_exchange(addr: *mut u32, old: u32, new: u32) -> u128;
    static userword_paging: u8;
    static userword_nopaging: u8;
    static userword_end: u8;
    static userword_fault: u8;
}

/// Whether a fault of the instruction at `rip` may bring the page in. Not while the caller holds locks.
pub fn may_page(rip: u64) -> bool {
    let at = |symbol: *const u8| symbol.addr() as u64;
    !(at(&raw const userword_nopaging)..at(&raw const userword_end)).contains(&rip)
}

/// Where to continue when the instruction at `rip` faulted on the program's memory, if it may.
pub fn fixup(rip: u64) -> Option<u64> {
    let at = |symbol: *const u8| symbol.addr() as u64;
    // Each run of instructions that may fault, and where it continues.
    let runs = [
        (&raw const usercopy_string, &raw const usercopy_rest, &raw const usercopy_rest),
        (&raw const usercopy_words, &raw const usercopy_bytes, &raw const usercopy_bytes),
        (&raw const usercopy_bytes, &raw const usercopy_end, &raw const usercopy_out),
        (&raw const userzero_string, &raw const userzero_rest, &raw const userzero_rest),
        (&raw const userzero_words, &raw const userzero_bytes, &raw const userzero_bytes),
        (&raw const userzero_bytes, &raw const userzero_end, &raw const userzero_out),
        (&raw const userword_paging, &raw const userword_end, &raw const userword_fault),
    ];
    let run = runs.into_iter().find(|&(first, end, _)| (at(first)..at(end)).contains(&rip));
    run.map(|(_, _, next)| at(next))
}

/// Copies `dst.len()` bytes from the program's `addr`; returns how many there were before the first that could not be read.
/// The range must lie below the end of the program's half.
#[inline]
pub fn read(addr: u64, dst: &mut [u8]) -> usize {
    let src = core::ptr::with_exposed_provenance(addr as usize);
    // SAFETY: `dst` is valid for its length; a fault on `src` is recovered from.
    unsafe { usercopy(dst.as_mut_ptr(), src, dst.len()) }
}

/// Copies `src` to the program's `addr`; returns how many there were before the first that could not be written.
/// The range must lie below the end of the program's half.
#[inline]
pub fn write(addr: u64, src: &[u8]) -> usize {
    let dst = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: `src` is valid for its length; the destination is the program's half, where no kernel
    // object lives, and a fault there is recovered from.
    unsafe { usercopy(dst, src.as_ptr(), src.len()) }
}

/// Clears `len` bytes at the program's `addr`; returns how many there were before the first that could not be written.
#[inline]
pub fn zero(addr: u64, len: usize) -> usize {
    let dst = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: as for `write`.
    unsafe { userzero(dst, len) }
}

/// What a function of the `userword` family returned: the word, or `None` after a fault.
fn word(result: u128) -> Option<u32> {
    ((result >> 64) as u32 == 0).then_some(result as u32)
}

/// Loads the program's aligned word at `addr`; `None` after a fault.
pub fn load(addr: u64, paging: Paging) -> Option<u32> {
    let at = core::ptr::with_exposed_provenance(addr as usize);
    // SAFETY: a fault is recovered from.
    word(unsafe {
        match paging {
            Paging::Allowed => userword_load_paging(at),
            Paging::Forbidden => userword_load(at),
        }
    })
}

/// Stores `new` into the program's aligned word at `addr` if it is `old`; returns what it was, `None` after a fault.
pub fn compare_exchange(addr: u64, old: u32, new: u32, paging: Paging) -> Option<u32> {
    let at = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: the word is the program's, where no kernel object lives; a fault is recovered from.
    word(unsafe {
        match paging {
            Paging::Allowed => userword_exchange_paging(at, old, new),
            Paging::Forbidden => userword_exchange(at, old, new),
        }
    })
}
