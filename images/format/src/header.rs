//! The header of the payload: the first page of what `mkimage` puts behind the kernel.
//!
//! The payload lies in guest-physical memory at the end of the kernel's own memory, rounded up to a page.
//! `mkimage` writes it, the kernel finds command line and root archive through it, and the host tools
//! read an image back with it. All numbers are little endian:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `NOSPINIM` |
//! | 8 | 4 | format version ([`FORMAT_VERSION`]) |
//! | 12 | 4 | zero |
//! | 16 | 8 | offset of the command line |
//! | 24 | 8 | its length |
//! | 32 | 8 | offset of the root archive, a multiple of 4096 |
//! | 40 | 8 | its length |
//! | 48 | 8 | length of the whole payload |
//! | 56 | 20 | build id of the kernel |
//! | 76 | 4 | CRC-32C of what precedes the payload in the image file (ELF headers and kernel) |
//! | 80 | 8 | zero |
//! | 88 | 4 | CRC-32C of the payload from byte 4096 to its end |
//! | 92 | 4 | CRC-32C of bytes 0 to 92 of this header |
//!
//! Offsets count from the start of the payload. The rest of the first page is zero; the command line
//! begins behind it, where the checksum covers it. A value of [`ImageHeader`] obtained by
//! [`ImageHeader::parse`] has consistent bounds: command line and archive lie inside `total_len`, in this
//! order and without overlap.

use core::fmt;

use crate::crc32c::crc32c;

/// The first bytes of every payload.
pub const MAGIC: [u8; 8] = *b"NOSPINIM";
/// The version of everything in this crate that an image carries.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes of the encoded header.
pub const HEADER_SIZE: usize = 96;
/// The header has a page of this many bytes to itself; the root archive starts on a multiple of it.
pub const PAGE_SIZE: u64 = 4096;

const CRC_OFFSET: usize = 92;

/// The kernel's GNU build id (the SHA-1 form, 20 bytes); all zero if the kernel has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BuildId(pub [u8; 20]);

impl BuildId {
    /// Reads the form that [`Display`](fmt::Display) writes: 40 hexadecimal digits.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let mut id = [0; 20];
        if text.len() != 40 {
            return None;
        }
        for (byte, digits) in id.iter_mut().zip(text.chunks_exact(2)) {
            let &[high, low] = digits else { return None };
            let high = char::from(high).to_digit(16)?;
            let low = char::from(low).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where the parts of a payload are. Lengths and offsets in bytes, from the start of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Offset of the command line.
    pub cmdline_off: u64,
    /// Length of the command line.
    pub cmdline_len: u64,
    /// Offset of the root archive, a multiple of [`PAGE_SIZE`].
    pub root_off: u64,
    /// Length of the root archive.
    pub root_len: u64,
    /// Length of the whole payload.
    pub total_len: u64,
    /// Build id of the kernel that the image was made with.
    pub kernel: BuildId,
    /// CRC-32C of the bytes before the payload in the image file. For the host: the guest does not see them.
    pub front_crc: u32,
    /// CRC-32C of the payload from byte [`PAGE_SIZE`] to its end.
    pub payload_crc: u32,
}

/// Why a payload is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Fewer bytes than a header has.
    TooShort,
    /// The magic is missing: not a payload at all.
    BadMagic,
    /// Another format version.
    Version {
        /// The version in the header.
        found: u32,
        /// The version that this code reads.
        expected: u32,
    },
    /// The header's own checksum does not match.
    HeaderChecksum,
    /// The payload's checksum does not match.
    PayloadChecksum,
    /// The fields contradict each other, or the payload is shorter than it says.
    Bounds,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the image header is cut off"),
            Self::BadMagic => f.write_str("not a nospin image"),
            Self::Version { found, expected } => {
                write!(f, "made by another version (format {found}, this is {expected})")
            }
            Self::HeaderChecksum | Self::PayloadChecksum => f.write_str("damaged (checksum)"),
            Self::Bounds => f.write_str("damaged (its parts lie outside of it)"),
        }
    }
}

impl core::error::Error for HeaderError {}

/// The bytes at `offset`, or `TooShort`.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], HeaderError> {
    bytes.get(offset..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(HeaderError::TooShort)
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32, HeaderError> {
    field(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64, HeaderError> {
    field(bytes, offset).map(u64::from_le_bytes)
}

impl ImageHeader {
    /// Reads and checks the header at the start of `bytes`, which need not hold the rest of the payload.
    ///
    /// # Errors
    /// In the order of the checks: too short, magic, version, header checksum, contradicting fields.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        if field::<8>(bytes, 0)? != MAGIC {
            return Err(HeaderError::BadMagic);
        }
        let found = u32_at(bytes, 8)?;
        if found != FORMAT_VERSION {
            return Err(HeaderError::Version { found, expected: FORMAT_VERSION });
        }
        let covered = bytes.get(..CRC_OFFSET).ok_or(HeaderError::TooShort)?;
        if crc32c(covered) != u32_at(bytes, CRC_OFFSET)? {
            return Err(HeaderError::HeaderChecksum);
        }
        let header = Self {
            cmdline_off: u64_at(bytes, 16)?,
            cmdline_len: u64_at(bytes, 24)?,
            root_off: u64_at(bytes, 32)?,
            root_len: u64_at(bytes, 40)?,
            total_len: u64_at(bytes, 48)?,
            kernel: BuildId(field(bytes, 56)?),
            front_crc: u32_at(bytes, 76)?,
            payload_crc: u32_at(bytes, 88)?,
        };
        if header.in_bounds() { Ok(header) } else { Err(HeaderError::Bounds) }
    }

    fn in_bounds(&self) -> bool {
        let cmdline_end = self.cmdline_off.checked_add(self.cmdline_len);
        let root_end = self.root_off.checked_add(self.root_len);
        self.cmdline_off >= PAGE_SIZE
            && cmdline_end.is_some_and(|end| end <= self.root_off)
            && self.root_off.is_multiple_of(PAGE_SIZE)
            && root_end.is_some_and(|end| end <= self.total_len)
    }

    /// The header as it stands in an image, with its checksum.
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut out = [0; HEADER_SIZE];
        let mut put = |offset: usize, bytes: &[u8]| {
            out[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &MAGIC);
        put(8, &FORMAT_VERSION.to_le_bytes());
        put(16, &self.cmdline_off.to_le_bytes());
        put(24, &self.cmdline_len.to_le_bytes());
        put(32, &self.root_off.to_le_bytes());
        put(40, &self.root_len.to_le_bytes());
        put(48, &self.total_len.to_le_bytes());
        put(56, &self.kernel.0);
        put(76, &self.front_crc.to_le_bytes());
        put(88, &self.payload_crc.to_le_bytes());
        let crc = crc32c(&out[..CRC_OFFSET]);
        out[CRC_OFFSET..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Compares the checksum of `payload` (header page included) with the header's.
    ///
    /// # Errors
    /// `Bounds` if `payload` is shorter than `total_len`, `PayloadChecksum` if it was altered.
    pub fn verify(&self, payload: &[u8]) -> Result<(), HeaderError> {
        let covered = slice(payload, PAGE_SIZE, self.total_len.saturating_sub(PAGE_SIZE))?;
        if crc32c(covered) == self.payload_crc { Ok(()) } else { Err(HeaderError::PayloadChecksum) }
    }

    /// The command line inside `payload`.
    ///
    /// # Errors
    /// `Bounds` if `payload` is shorter than the header says.
    pub fn cmdline<'a>(&self, payload: &'a [u8]) -> Result<&'a [u8], HeaderError> {
        slice(payload, self.cmdline_off, self.cmdline_len)
    }

    /// The root archive inside `payload`, for [`Archive::new`](crate::newc::Archive::new).
    ///
    /// # Errors
    /// `Bounds` if `payload` is shorter than the header says.
    pub fn root<'a>(&self, payload: &'a [u8]) -> Result<&'a [u8], HeaderError> {
        slice(payload, self.root_off, self.root_len)
    }
}

fn slice(payload: &[u8], offset: u64, len: u64) -> Result<&[u8], HeaderError> {
    let start = usize::try_from(offset).map_err(|_| HeaderError::Bounds)?;
    let len = usize::try_from(len).map_err(|_| HeaderError::Bounds)?;
    payload.get(start..).and_then(|rest| rest.get(..len)).ok_or(HeaderError::Bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> (ImageHeader, Vec<u8>) {
        let mut payload = vec![0; 8192];
        payload[4096..4106].copy_from_slice(b"-- /bin/sh");
        payload.extend_from_slice(b"archive");
        let header = ImageHeader {
            cmdline_off: 4096,
            cmdline_len: 10,
            root_off: 8192,
            root_len: 7,
            total_len: 8199,
            kernel: BuildId([7; 20]),
            front_crc: 0x0102_0304,
            payload_crc: crc32c(&payload[4096..]),
        };
        payload[..HEADER_SIZE].copy_from_slice(&header.encode());
        (header, payload)
    }

    /// Encodes `change`d fields with a right checksum, so that only the bounds can be at fault.
    fn changed(change: impl FnOnce(&mut ImageHeader)) -> Result<ImageHeader, HeaderError> {
        let (mut header, _) = sample();
        change(&mut header);
        ImageHeader::parse(&header.encode())
    }

    #[test]
    fn reads_back_what_was_written() {
        let (header, payload) = sample();
        let read = ImageHeader::parse(&payload).unwrap();
        assert_eq!(read, header);
        assert_eq!(read.cmdline(&payload).unwrap(), b"-- /bin/sh");
        assert_eq!(read.root(&payload).unwrap(), b"archive");
        read.verify(&payload).unwrap();
    }

    #[test]
    fn offsets_are_those_of_the_table() {
        let (header, payload) = sample();
        assert_eq!(&payload[..8], b"NOSPINIM");
        assert_eq!(payload[8..12], 1u32.to_le_bytes());
        assert_eq!(payload[16..24], 4096u64.to_le_bytes());
        assert_eq!(payload[24..32], 10u64.to_le_bytes());
        assert_eq!(payload[32..40], 8192u64.to_le_bytes());
        assert_eq!(payload[40..48], 7u64.to_le_bytes());
        assert_eq!(payload[48..56], 8199u64.to_le_bytes());
        assert_eq!(payload[56..76], [7; 20]);
        assert_eq!(payload[76..88], [4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(payload[88..92], header.payload_crc.to_le_bytes());
        assert_eq!(payload[92..96], crc32c(&payload[..92]).to_le_bytes());
    }

    #[test]
    fn names_both_versions() {
        let (_, mut payload) = sample();
        payload[8] = 2;
        let error = ImageHeader::parse(&payload).unwrap_err();
        assert_eq!(error, HeaderError::Version { found: 2, expected: 1 });
        assert_eq!(error.to_string(), "made by another version (format 2, this is 1)");
    }

    #[test]
    fn every_prefix_is_too_short() {
        let (header, _) = sample();
        let bytes = header.encode();
        for len in 0..HEADER_SIZE {
            assert_eq!(ImageHeader::parse(&bytes[..len]), Err(HeaderError::TooShort), "{len}");
        }
    }

    #[test]
    fn wrong_magic_and_altered_payload() {
        let (header, mut payload) = sample();
        payload[5000] ^= 1;
        assert_eq!(header.verify(&payload), Err(HeaderError::PayloadChecksum));
        assert_eq!(header.verify(&payload[..8198]), Err(HeaderError::Bounds));
        payload[0] = b'n';
        assert_eq!(ImageHeader::parse(&payload), Err(HeaderError::BadMagic));
    }

    #[test]
    fn contradicting_fields() {
        assert!(changed(|_| ()).is_ok());
        assert_eq!(changed(|h| h.cmdline_off = 96), Err(HeaderError::Bounds));
        assert_eq!(changed(|h| h.cmdline_len = 4097), Err(HeaderError::Bounds));
        assert_eq!(changed(|h| h.cmdline_len = u64::MAX), Err(HeaderError::Bounds));
        assert_eq!(changed(|h| h.root_off = 8193), Err(HeaderError::Bounds));
        assert_eq!(changed(|h| h.root_off = u64::MAX - 4095), Err(HeaderError::Bounds));
        assert_eq!(changed(|h| h.root_len = 8), Err(HeaderError::Bounds));
        assert_eq!(changed(|h| h.root_len = u64::MAX), Err(HeaderError::Bounds));
        assert_eq!(changed(|h| h.total_len = 8198), Err(HeaderError::Bounds));
    }

    #[test]
    fn build_id_as_text() {
        let id = BuildId(core::array::from_fn(|i| (i * 13) as u8));
        assert_eq!(BuildId::from_hex(id.to_string().as_bytes()), Some(id));
        assert_eq!(BuildId::from_hex(b"00"), None);
        assert_eq!(BuildId::from_hex(&[b'g'; 40]), None);
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_the_header_is_noticed(at in 0usize..HEADER_SIZE, bit in 0u8..8) {
            let (header, mut payload) = sample();
            payload[at] ^= 1 << bit;
            prop_assert_ne!(ImageHeader::parse(&payload), Ok(header));
            prop_assert!(ImageHeader::parse(&payload).is_err());
        }

        #[test]
        fn consistent_headers_survive(cmdline_len in 0u64..10_000, root_len in 0u64..1 << 40, kernel: [u8; 20],
                                      front_crc: u32, payload_crc: u32) {
            let root_off = (PAGE_SIZE + cmdline_len).next_multiple_of(PAGE_SIZE);
            let header = ImageHeader {
                cmdline_off: PAGE_SIZE, cmdline_len, root_off, root_len, total_len: root_off + root_len,
                kernel: BuildId(kernel), front_crc, payload_crc,
            };
            prop_assert_eq!(ImageHeader::parse(&header.encode()), Ok(header));
        }
    }
}
