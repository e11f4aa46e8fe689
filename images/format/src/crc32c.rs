//! CRC-32C (Castagnoli), the checksum of image header and payload.
//!
//! The reflected form with polynomial 0x1EDC6F41, initial value and final exclusive-or of all ones, as in
//! RFC 3720 section 12.1. One table of 1 KiB, one byte per step: small, and fast enough for what is
//! checked once per image.

/// The polynomial 0x1EDC6F41 with its bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

const TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The checksum of bytes that arrive in pieces.
///
/// Pieces may be cut anywhere: `update(a); update(b)` equals one update with `a` followed by `b`.
#[derive(Clone, Debug)]
pub struct Crc32c {
    state: u32,
}

impl Crc32c {
    /// The checksum of no bytes so far.
    pub const fn new() -> Self {
        Self { state: u32::MAX }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut crc = self.state;
        for &byte in bytes {
            // The index is a u8, the table has 256 entries.
            let index = (crc as u8) ^ byte;
            crc = (crc >> 8) ^ TABLE[usize::from(index)];
        }
        self.state = crc;
    }

    /// The checksum of everything taken in so far.
    pub const fn value(&self) -> u32 {
        !self.state
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// The CRC-32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = Crc32c::new();
    crc.update(bytes);
    crc.value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The examples of RFC 3720 appendix B.4, whose byte order is that of the wire (little endian).
    #[test]
    fn rfc_3720_examples() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
        let descending: Vec<u8> = (0..32).rev().collect();
        assert_eq!(crc32c(&descending), 0x113f_db5c);
    }

    #[test]
    fn check_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    proptest! {
        #[test]
        fn pieces_equal_the_whole(bytes: Vec<u8>, cut: prop::sample::Index) {
            let cut = cut.index(bytes.len() + 1);
            let mut crc = Crc32c::new();
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            prop_assert_eq!(crc.value(), crc32c(&bytes));
        }

        #[test]
        fn one_flipped_bit_is_noticed(mut bytes in prop::collection::vec(any::<u8>(), 1..256),
                                      at: prop::sample::Index, bit in 0u8..8) {
            let before = crc32c(&bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_ne!(before, crc32c(&bytes));
        }
    }
}
