//! Did the program stop at a `hlt`?
//!
//! At the kernel's privilege level the program's `hlt` does not fault: it stops the CPU until the next interrupt,
//! which then returns to the byte behind it. libc uses `hlt` as its last resort (musl's `a_crash`, glibc's
//! `abort`), and expects to die there. Called by the kernel when an *interrupt* (not an exception) is about to
//! return to program code and the byte before RIP is F4. Pure functions of the bytes and flags; they never panic.
//!
//! There are two questions, and the second is the one on which to act:
//!
//! - [`ends_with_hlt`]: is the F4 an instruction, or the tail of another (`8b 45 f4`, `48 89 f4`)? Instructions cannot
//!   be decoded backwards, but decoding forwards from almost any place soon falls in step with the true boundaries.
//!   So the window before RIP is decoded from every offset. Streams that meet an invalid instruction, or do not
//!   have a boundary at RIP, are dropped. The answer is yes when at least [`MIN_STREAMS`] streams that had
//!   [`RUN_UP`] bytes to fall in step remain and *all* of them have a boundary before the F4.
//! - [`was_halted`]: was that `hlt` *executed*? Behind an inlined `if (!ok) a_crash()` comes the code that runs when
//!   all is well: `je 1f; hlt; 1:`. An interrupt at `1:` sees a `hlt` before RIP in a healthy program. Neither
//!   branches nor `hlt` change RFLAGS, so the flags at the interrupt still tell whether a branch to RIP was taken.
//!   The answer is yes only if no direct branch in sight could have led to RIP under these flags.
//!
//! Both answer "no" when in doubt: a wrong yes kills a healthy program, a wrong no lets a crashed program run on
//! behind its `hlt`.

mod branch;
mod insn;
mod tables;

pub use insn::insn_len;

/// The opcode.
const HLT: u8 = 0xf4;

/// How many bytes before RIP [`ends_with_hlt`] looks at, at most.
pub const WINDOW: usize = 96;

/// Bytes that a decoding stream needs to fall in step before its opinion counts.
pub const RUN_UP: usize = 32;

/// Fewest opinions for a yes.
pub const MIN_STREAMS: usize = 4;

/// What a decoding stream makes of the last byte of the window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is an instruction of its own.
    Boundary,
    /// It is the end of a longer instruction.
    Swallowed,
    /// The stream met an invalid instruction, or has no boundary at the end of the window.
    Lost,
}

/// Whether a `hlt` instruction ends at the end of `code_before`, the bytes before RIP: as many as are mapped, up to
/// [`WINDOW`] of use. Fewer than 37 always give "no".
pub fn ends_with_hlt(code_before: &[u8]) -> bool {
    if code_before.last() != Some(&HLT) {
        return false;
    }
    let window = code_before.get(code_before.len().saturating_sub(WINDOW)..).unwrap_or(code_before);
    let last = window.len().saturating_sub(1);
    // From the back, so that each offset inherits the fate of the instruction behind it.
    let mut fates = [Fate::Lost; WINDOW + 1];
    for (at, fate) in [(last, Fate::Boundary), (window.len(), Fate::Swallowed)] {
        if let Some(slot) = fates.get_mut(at) {
            *slot = fate;
        }
    }
    for at in (0..last).rev() {
        let next = window.get(at..).and_then(insn_len).map(|len| at.saturating_add(len));
        let fate = next.and_then(|next| fates.get(next).copied()).unwrap_or(Fate::Lost);
        if let Some(slot) = fates.get_mut(at) {
            *slot = fate;
        }
    }
    let mut agreeing = 0_usize;
    for fate in fates.iter().take(last.saturating_sub(RUN_UP)) {
        match fate {
            Fate::Boundary => agreeing = agreeing.saturating_add(1),
            Fate::Swallowed => return false,
            Fate::Lost => {}
        }
    }
    agreeing >= MIN_STREAMS
}

/// Where an interrupt returns to.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Address of the next instruction.
    pub rip: u64,
    /// RFLAGS at the interrupt.
    pub rflags: u64,
    /// Code up to RIP. The more, the surer: branches to RIP are found only in here and in `after`. Some KiB is what
    /// [`was_halted`] is made for.
    pub before: &'a [u8],
    /// Code from RIP on; likewise.
    pub after: &'a [u8],
}

/// Whether the interrupt came while a `hlt` before RIP held the CPU.
///
/// Yes, if a `hlt` ends at RIP ([`ends_with_hlt`]) and nothing else can have led there:
/// 1. No direct branch or call to RIP that is taken under RFLAGS, at any offset of `before` and `after`. A
///    conditional one that is not taken cannot have led here: the flags are still those that it saw.
/// 2. A conditional branch that ends before the `hlt` is not taken under RFLAGS, or the `hlt` was skipped.
/// 3. Unless a branch skips just the `hlt`, RIP is no multiple of 16 and holds no `endbr64`: the `hlt` may be the
///    last instruction of a function, and RIP the entry of the next.
///
/// Not seen: an indirect jump to RIP, and a direct one from outside `before` and `after`.
pub fn was_halted(site: &Site<'_>) -> bool {
    if !ends_with_hlt(site.before) || branch::may_lead_to(site) {
        return false;
    }
    match branch::before_hlt(site.before) {
        Some(branch) if branch.taken(site.rflags) => false,
        Some(branch) if branch.displacement == 1 => true,
        _ => !site.rip.is_multiple_of(16) && !site.after.starts_with(&[0xf3, 0x0f, 0x1e, 0xfa]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 64 bytes of ordinary code: `mov %rbx,%rdi; call; test %eax,%eax; mov 8(%rbp),%eax; add %rbx,%rax`.
    fn prologue() -> Vec<u8> {
        let block = [0x48, 0x89, 0xdf, 0xe8, 0x10, 0, 0, 0, 0x85, 0xc0, 0x8b, 0x45, 0x08, 0x48, 0x01, 0xd8];
        block.repeat(4)
    }

    fn site<'a>(before: &'a [u8], after: &'a [u8], rflags: u64) -> Site<'a> {
        Site { rip: 0x40_1003, rflags, before, after }
    }

    const ZERO: u64 = 1 << 6;

    #[test]
    fn tails_of_other_instructions() {
        for tail in [&[0x8b, 0x45, 0xf4][..], &[0x48, 0x89, 0xf4], &[0xb8, 0, 0, 0, 0xf4], &[0xf7, 0xf4]] {
            let mut code = prologue();
            code.extend(tail);
            assert!(!ends_with_hlt(&code), "{tail:02x?}");
        }
    }

    #[test]
    fn hlt_needs_context() {
        let mut code = prologue();
        code.push(HLT);
        assert!(ends_with_hlt(&code));
        for len in 0..20 {
            assert!(!ends_with_hlt(&code[code.len() - len..]));
        }
        assert!(!ends_with_hlt(&[]));
        assert!(!ends_with_hlt(&[HLT]));
        code.push(0x90);
        assert!(!ends_with_hlt(&code));
    }

    #[test]
    fn skipped_hlt_is_told_from_executed_hlt_by_the_flags() {
        let mut code = prologue();
        code.extend([0x74, 0x01, HLT]); // je over the hlt
        assert!(was_halted(&site(&code, &[0x90; 64], 0)));
        assert!(!was_halted(&site(&code, &[0x90; 64], ZERO)));
    }

    #[test]
    fn another_branch_to_rip_leaves_doubt() {
        let mut code = prologue();
        code.extend([0x74, 0x01, HLT]);
        let back = |opcode: u8| [0x90, 0x90, 0x90, 0x90, opcode, 0xfa];
        assert!(was_halted(&site(&code, &back(0x90), 0)));
        assert!(!was_halted(&site(&code, &back(0xeb), 0)));
        assert!(!was_halted(&site(&code, &back(0x75), 0)));
        assert!(was_halted(&site(&code, &back(0x74), 0)));
        assert!(!was_halted(&site(&code, &back(0xe2), 0)));
    }

    #[test]
    fn entry_of_the_next_function() {
        let mut code = prologue();
        code.extend([0xc3, HLT]);
        let at = |rip, after| Site { rip, ..site(&code, after, 0) };
        assert!(was_halted(&at(0x40_1003, &[0x90; 8])));
        assert!(!was_halted(&at(0x40_1010, &[0x90; 8])));
        assert!(!was_halted(&at(0x40_1003, &[0xf3, 0x0f, 0x1e, 0xfa])));
    }

    #[test]
    fn endless_loop_of_abort() {
        let mut code = prologue();
        code.extend([0xe8, 0x10, 0, 0, 0, HLT]);
        assert!(was_halted(&site(&code, &[0xeb, 0xfd], 0)));
    }
}
