//! What follows each opcode byte in 64-bit mode (Intel SDM volume 2, appendix A; AMD APM volume 3, appendix A).
//!
//! One character per opcode, sixteen to a row; [`insn`](super::insn) gives them their meaning:
//!
//! | char | what follows | char | what follows |
//! |---|---|---|---|
//! | `.` | nothing | `!` | no such instruction |
//! | `M` | ModRM | `L` | ModRM, memory only |
//! | `b` | 8-bit immediate | `B` | ModRM, 8-bit immediate |
//! | `w` | 16-bit immediate | `e` | 16-bit and 8-bit immediate (`enter`) |
//! | `z` | immediate of 16 or 32 bits | `Z` | ModRM, immediate of 16 or 32 bits |
//! | `v` | immediate of 16, 32 or 64 bits | `o` | address of 64 or 32 bits |
//! | `j` | 32-bit displacement | `c` | ModRM that names registers only |
//! | `p` | a legacy prefix came | `r` | a REX prefix came |
//! | `0` `8` `A` | further opcode maps | `2` `3` `E` | VEX (2, 3 bytes), EVEX |
//! | `P` `C` `D` `G` `H` `I` `F` `q` | depends on ModRM or prefixes |

/// Sixteen rows of sixteen opcodes.
pub(super) type Map = [&'static [u8; 16]; 16];

/// The character of an opcode.
pub(super) fn class(map: &Map, opcode: u8) -> u8 {
    // Both indices are below 16.
    map[usize::from(opcode >> 4)][usize::from(opcode & 15)]
}

/// One-byte opcodes.
pub(super) const ONE_BYTE: Map = [
    b"MMMMbz!!MMMMbz!0",
    b"MMMMbz!!MMMMbz!!",
    b"MMMMbzp!MMMMbzp!",
    b"MMMMbzp!MMMMbzp!",
    b"rrrrrrrrrrrrrrrr",
    b"................",
    b"!!EMppppzZbB....",
    b"bbbbbbbbbbbbbbbb",
    b"BZ!BMMMMMMMMMLMP",
    b"..........!.....",
    b"oooo....bz......",
    b"bbbbbbbbvvvvvvvv",
    b"BBw.32CDe.w..b!.",
    b"MMMM!!!.MMMMMMMM",
    b"bbbbbbbbjj!b....",
    b"p.pp..GH......IF",
];

/// Opcodes behind 0F.
pub(super) const TWO_BYTE: Map = [
    b"MMMM!.....!.!M.B",
    b"MMMMMMMMMMMMMMMM",
    b"cccc!!!!MMMMMMMM",
    b"......!.8!A!!!!!",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
    b"BBBBMMM.qM!!MMMM",
    b"jjjjjjjjjjjjjjjj",
    b"MMMMMMMMMMMMMMMM",
    b"...MBMMM...MBMMM",
    b"MMMMMMMMMMBMMMMM",
    b"MMBMBBBM........",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
];

/// Opcodes of VEX map 1.
pub(super) const VEX_1: Map = [
    b"!!!!!!!!!!!!!!!!",
    b"MMMMMMMM!!!!!!!!",
    b"!!!!!!!!MMMMMMMM",
    b"!!!!!!!!!!!!!!!!",
    b"!MM!MMMM!!MM!!!!",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
    b"BBBBMMM.!!!!MMMM",
    b"!!!!!!!!!!!!!!!!",
    b"MMMM!!!!MM!!!!!!",
    b"!!!!!!!!!!!!!!M!",
    b"!!!!!!!!!!!!!!!!",
    b"!!B!BBB!!!!!!!!!",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMM!",
];

/// Opcodes of EVEX map 1.
pub(super) const EVEX_1: Map = [
    b"!!!!!!!!!!!!!!!!",
    b"MMMMMMMM!!!!!!!!",
    b"!!!!!!!!MMMMMMMM",
    b"!!!!!!!!!!!!!!!!",
    b"!!!!!!!!!!!!!!!!",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
    b"BBBBMMM!MMMMMMMM",
    b"!!!!!!!!!!!!!!!!",
    b"!!!!!!!!!!!!!!!!",
    b"!!!!!!!!!!!!!!!!",
    b"!!!!!!!!!!!!!!!!",
    b"!!B!BBB!!!!!!!!!",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMMM",
    b"MMMMMMMMMMMMMMM!",
];
