//! Copying from and to the program's memory with fault recovery; the raw part of `UserMemory`.
//!
//! The copy loops are in entry.S. A fault in one of them first goes to the address space (demand
//! paging); if that fails, trap.rs continues at [`fixup`], and the loop returns how much is missing.

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
    ];
    let run = runs.into_iter().find(|&(first, end, _)| (at(first)..at(end)).contains(&rip));
    run.map(|(_, _, next)| at(next))
}

/// Copies `dst.len()` bytes from the program's `addr`; returns how many bytes could not be read.
/// The range must lie below the end of the program's half.
pub fn read(addr: u64, dst: &mut [u8]) -> usize {
    let src = core::ptr::with_exposed_provenance(addr as usize);
    // SAFETY: `dst` is valid for its length; a fault on `src` is recovered from.
    unsafe { usercopy(dst.as_mut_ptr(), src, dst.len()) }
}

/// Copies `src` to the program's `addr`; returns how many bytes could not be written.
/// The range must lie below the end of the program's half.
pub fn write(addr: u64, src: &[u8]) -> usize {
    let dst = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: `src` is valid for its length; the destination is the program's half, where no kernel
    // object lives, and a fault there is recovered from.
    unsafe { usercopy(dst, src.as_ptr(), src.len()) }
}

/// Clears `len` bytes at the program's `addr`; returns how many bytes could not be written.
pub fn zero(addr: u64, len: usize) -> usize {
    let dst = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: as for `write`.
    unsafe { userzero(dst, len) }
}
