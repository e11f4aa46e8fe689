//! Branches that could have led to an address, and whether the flags allow it.
//!
//! Called by [`was_halted`](super::was_halted). Every offset is looked at as if an instruction began there: bytes
//! that only look like a branch make the answer more careful, never bolder.

use super::Site;

const CARRY: u64 = 1 << 0;
const PARITY: u64 = 1 << 2;
const ZERO: u64 = 1 << 6;
const SIGN: u64 = 1 << 7;
const OVERFLOW: u64 = 1 << 11;

/// When a branch is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Always, or depending on a register.
    Perhaps,
    /// By a condition code: the low four bits of the opcode.
    Condition(u8),
}

/// A direct branch.
#[derive(Clone, Copy)]
pub(super) struct Branch {
    when: When,
    /// Length in bytes.
    len: usize,
    /// From its end to its target, in bytes.
    pub(super) displacement: i64,
}

impl Branch {
    /// Whether the branch is, or may be, taken under `rflags`.
    pub(super) fn taken(&self, rflags: u64) -> bool {
        match self.when {
            When::Perhaps => true,
            When::Condition(code) => holds(code, rflags),
        }
    }
}

/// Whether a condition code holds (Intel SDM volume 1, appendix B).
fn holds(code: u8, rflags: u64) -> bool {
    let set = |mask| rflags & mask != 0;
    let less = set(SIGN) != set(OVERFLOW);
    let positive = match code >> 1 {
        0 => set(OVERFLOW),
        1 => set(CARRY),
        2 => set(ZERO),
        3 => set(CARRY | ZERO),
        4 => set(SIGN),
        5 => set(PARITY),
        6 => less,
        _ => less || set(ZERO),
    };
    positive != (code & 1 != 0)
}

/// The direct branch or call whose opcode is at the beginning of `code`.
fn decode(code: &[u8]) -> Option<Branch> {
    let (&opcode, rest) = code.split_first()?;
    let short = |when| {
        let displacement = i64::from(i8::from_le_bytes([*rest.first()?]));
        Some(Branch { when, len: 2, displacement })
    };
    match opcode {
        0x70..=0x7f => short(When::Condition(opcode & 15)),
        0xeb | 0xe0..=0xe3 => short(When::Perhaps),
        0xe8 | 0xe9 => near(rest, When::Perhaps, 5),
        0x0f => match rest.split_first()? {
            (second @ 0x80..=0x8f, rest) => near(rest, When::Condition(second & 15), 6),
            _ => None,
        },
        _ => None,
    }
}

/// A branch with a 32-bit displacement.
fn near(rest: &[u8], when: When, len: usize) -> Option<Branch> {
    let displacement = i64::from(i32::from_le_bytes(*rest.first_chunk()?));
    Some(Branch { when, len, displacement })
}

/// Whether a direct branch around the site can have led to its RIP under its RFLAGS.
pub(super) fn may_lead_to(site: &Site<'_>) -> bool {
    // From RIP to the branch: negative in `before`. A branch across RIP itself is none.
    let before = offsets(site.before).map(|(at, code)| (at - site.before.len() as i64, code));
    before.chain(offsets(site.after)).any(|(at, code)| {
        decode(code).is_some_and(|branch| {
            at.saturating_add(branch.len as i64).saturating_add(branch.displacement) == 0
                && branch.taken(site.rflags)
        })
    })
}

/// Every offset with the code from there on.
fn offsets(code: &[u8]) -> impl Iterator<Item = (i64, &[u8])> {
    (0_i64..).zip((0..code.len()).filter_map(|at| code.get(at..)))
}

/// The conditional branch that ends just before the last byte of `code`, which is a `hlt`; the short form first if
/// the bytes can be read as both.
pub(super) fn before_hlt(code: &[u8]) -> Option<Branch> {
    let end = code.len().checked_sub(1)?;
    [2, 6].into_iter().find_map(|len| {
        let branch = decode(code.get(end.checked_sub(len)?..end)?)?;
        (branch.len == len && matches!(branch.when, When::Condition(_))).then_some(branch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_their_opposites() {
        for flags in [0, CARRY, PARITY, ZERO, SIGN, OVERFLOW, SIGN | OVERFLOW, CARRY | ZERO] {
            for code in (0..16).step_by(2) {
                assert_ne!(holds(code, flags), holds(code + 1, flags));
            }
        }
        assert!(holds(0x4, ZERO) && holds(0x6, CARRY) && holds(0x6, ZERO) && holds(0xc, SIGN));
        assert!(!holds(0xc, SIGN | OVERFLOW) && holds(0xe, ZERO) && holds(0xf, 0) && holds(0xa, PARITY));
    }

    #[test]
    fn branches_in_both_directions() {
        let jump = |code: &[u8]| decode(code).map(|branch| (branch.len, branch.displacement));
        assert_eq!(jump(&[0x74, 0xfe]), Some((2, -2)));
        assert_eq!(jump(&[0xe9, 1, 0, 0, 0]), Some((5, 1)));
        assert_eq!(jump(&[0x0f, 0x84, 0xff, 0xff, 0xff, 0xff]), Some((6, -1)));
        assert_eq!(jump(&[0x0f, 0x84, 0xff]), None);
        assert_eq!(jump(&[0x74]), None);
        assert_eq!(jump(&[0xc3]), None);
    }
}
