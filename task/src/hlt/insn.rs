//! The length of an x86-64 instruction.
//!
//! Called by the decision in [`hlt`](super), which decodes code that it knows nothing about: any bytes may come.
//! The decoder knows what determines the length; it does not check every operand, so that some undefined
//! encodings have a length as well.
//!
//! Not decoded (no length): 3-byte VEX maps above 3, REX2 and the other APX forms, and VEX behind a prefix that
//! makes it undefined. A 66 prefix leaves the displacement of near branches at 32 bits, as Intel's processors have
//! it.

use super::tables::{EVEX_1, ONE_BYTE, TWO_BYTE, VEX_1, class};

/// Longest instruction in bytes.
pub(super) const MAX_LEN: usize = 15;

/// What the prefixes say.
#[derive(Clone, Copy, Default)]
struct Prefixes {
    /// 66.
    operand_size: bool,
    /// 67.
    address_size: bool,
    /// F2.
    repne: bool,
    /// REX.W, if REX comes last.
    rex_w: bool,
    /// 66, F0, F2, F3 or REX came: VEX and EVEX do not allow them.
    bars_vex: bool,
}

/// Length in bytes of the instruction at the beginning of `code`; `None` when it is invalid, longer than 15 bytes,
/// or not wholly in `code`.
pub fn insn_len(code: &[u8]) -> Option<usize> {
    let mut prefixes = Prefixes::default();
    let mut at = 0;
    let len = loop {
        let opcode = *code.get(at)?;
        match class(&ONE_BYTE, opcode) {
            b'p' => {
                prefixes.rex_w = false;
                match opcode {
                    0x66 => (prefixes.operand_size, prefixes.bars_vex) = (true, true),
                    0x67 => prefixes.address_size = true,
                    0xf2 => (prefixes.repne, prefixes.bars_vex) = (true, true),
                    0xf0 | 0xf3 => prefixes.bars_vex = true,
                    _ => {}
                }
            }
            b'r' => {
                prefixes.rex_w = opcode & 8 != 0;
                prefixes.bars_vex = true;
            }
            b'0' => break two_byte(code, at + 1, prefixes)?,
            b'2' | b'3' | b'E' => break vex(code, at, prefixes)?,
            // pop, or XOP by its map, which cannot be a ModRM byte with reg 0.
            b'P' if code.get(at + 1)? & 31 >= 8 => break xop(code, at, prefixes)?,
            kind => break operands(code, at + 1, kind, prefixes)?,
        }
        at += 1;
        if at >= MAX_LEN {
            return None;
        }
    };
    (len <= MAX_LEN && len <= code.len()).then_some(len)
}

/// The instruction's end, from the byte behind 0F.
fn two_byte(code: &[u8], at: usize, prefixes: Prefixes) -> Option<usize> {
    match class(&TWO_BYTE, *code.get(at)?) {
        b'8' => operands(code, at + 2, b'M', prefixes),
        b'A' => operands(code, at + 2, b'B', prefixes),
        kind => operands(code, at + 1, kind, prefixes),
    }
}

/// The instruction's end, from the C4, C5 or 62 byte.
fn vex(code: &[u8], at: usize, prefixes: Prefixes) -> Option<usize> {
    if prefixes.bars_vex {
        return None;
    }
    let payload = *code.get(at + 1)?;
    let (evex, map, opcode_at) = match *code.get(at)? {
        0xc5 => (false, 1, at + 2),
        0xc4 => (false, payload & 31, at + 3),
        // EVEX: bit 3 of the first payload byte is 0, bit 2 of the second is 1.
        _ if payload & 8 == 0 && *code.get(at + 2)? & 4 != 0 => (true, payload & 7, at + 4),
        _ => return None,
    };
    let kind = match (map, evex) {
        (1, false) => class(&VEX_1, *code.get(opcode_at)?),
        (1, true) => class(&EVEX_1, *code.get(opcode_at)?),
        (2, _) | (5 | 6, true) => b'M',
        (3, _) => b'B',
        _ => return None,
    };
    operands(code, opcode_at + 1, kind, prefixes)
}

/// The instruction's end, from the 8F byte of an XOP prefix (AMD APM volume 3, section 1.2.7).
fn xop(code: &[u8], at: usize, prefixes: Prefixes) -> Option<usize> {
    if prefixes.bars_vex {
        return None;
    }
    let modrm = at + 4;
    let immediate = match *code.get(at + 1)? & 31 {
        8 => 1,
        9 => 0,
        10 => 4,
        _ => return None,
    };
    Some(modrm + modrm_len(code, modrm)? + immediate)
}

/// The instruction's end, where `at` is behind the opcode and `kind` is its character in the tables.
fn operands(code: &[u8], at: usize, kind: u8, prefixes: Prefixes) -> Option<usize> {
    let full = if prefixes.operand_size && !prefixes.rex_w { 2 } else { 4 };
    match kind {
        b'.' => Some(at),
        b'b' => Some(at + 1),
        b'w' => Some(at + 2),
        b'e' => Some(at + 3),
        b'j' => Some(at + 4),
        b'z' => Some(at + full),
        b'v' => Some(at + if prefixes.rex_w { 8 } else { full }),
        b'o' => Some(at + if prefixes.address_size { 4 } else { 8 }),
        b'c' => Some(at + 1),
        _ => modrm_operands(code, at, kind, full, prefixes),
    }
}

/// [`operands`] for the kinds with a ModRM byte; `full` is the size of a full immediate.
fn modrm_operands(code: &[u8], at: usize, kind: u8, full: usize, prefixes: Prefixes) -> Option<usize> {
    let modrm = *code.get(at)?;
    let (register, reg) = (modrm >= 0xc0, (modrm >> 3) & 7);
    let immediate = match kind {
        b'M' => 0,
        b'B' => 1,
        b'Z' => full,
        // lea.
        b'L' if !register => 0,
        // pop; the other values of reg are XOP or undefined.
        b'P' if reg == 0 => 0,
        // mov with an immediate; F8 is xabort and xbegin.
        b'C' if reg == 0 || modrm == 0xf8 => 1,
        b'D' if reg == 0 || modrm == 0xf8 => full,
        // Group 3: only test has an immediate.
        b'G' => usize::from(reg < 2),
        b'H' => {
            if reg < 2 {
                full
            } else {
                0
            }
        }
        // Groups 4 and 5: inc, dec; call, jmp, push. Far transfers need memory.
        b'I' if reg < 2 => 0,
        b'F' if reg < 7 && !(register && (reg == 3 || reg == 5)) => 0,
        // vmread, or extrq and insertq with two immediates.
        b'q' if prefixes.operand_size || prefixes.repne => 2,
        b'q' => 0,
        _ => return None,
    };
    Some(at + modrm_len(code, at)? + immediate)
}

/// Length of ModRM, SIB and displacement.
fn modrm_len(code: &[u8], at: usize) -> Option<usize> {
    let modrm = *code.get(at)?;
    let (mode, rm) = (modrm >> 6, modrm & 7);
    if mode == 3 {
        return Some(1);
    }
    let (sib, base) = if rm == 4 { (1, *code.get(at + 1)? & 7) } else { (0, rm) };
    let displacement = match mode {
        1 => 1,
        2 => 4,
        // Without displacement; base 5 means a 32-bit displacement instead of a base.
        _ if base == 5 => 4,
        _ => 0,
    };
    Some(1 + sib + displacement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_by_hand() {
        let cases: &[(&[u8], usize)] = &[
            (&[0xf4], 1),
            (&[0x90], 1),
            (&[0x8b, 0x45, 0xf4], 3),
            (&[0x48, 0x89, 0xf4], 3),
            (&[0x66, 0xb8, 1, 2], 4),
            (&[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], 10),
            (&[0xf7, 0xc1, 1, 2, 3, 4], 6),
            (&[0xf7, 0xd9], 2),
            (&[0xf6, 0x04, 0x25, 1, 2, 3, 4, 5], 8),
            (&[0xc8, 1, 2, 3], 4),
            (&[0xa1, 1, 2, 3, 4, 5, 6, 7, 8], 9),
            (&[0x67, 0xa1, 1, 2, 3, 4], 6),
            (&[0xc5, 0xf8, 0x77], 3),
            (&[0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1], 6),
            (&[0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x44, 0x24, 1], 8),
            (&[0x0f, 0x20, 0x04], 3),
            (&[0x8f, 0x00], 2),
            (&[0x8f, 0xe8, 0x78, 0xc2, 0xd2, 0x07], 6),
            (&[0xc7, 0xf8, 1, 2, 3, 4], 6),
            (&[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], 11),
        ];
        for &(code, len) in cases {
            assert_eq!(insn_len(code), Some(len), "{code:02x?}");
            assert_eq!(insn_len(&code[..len - 1]), None, "{code:02x?} cut");
        }
    }

    #[test]
    fn invalid_in_64_bit_mode() {
        for opcode in
            [0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce]
        {
            assert_eq!(insn_len(&[opcode; 16]), None, "{opcode:02x}");
        }
        assert_eq!(insn_len(&[0x66, 0xc5, 0xf8, 0x77]), None);
        assert_eq!(insn_len(&[0x8d, 0xc0]), None);
        assert_eq!(insn_len(&[0x66; 20]), None);
        assert_eq!(insn_len(&[]), None);
    }
}
