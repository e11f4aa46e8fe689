//! Hand-made files with one thing wrong each.

use super::*;
use proptest::prelude::*;

/// (type, offset, vaddr, filesz, memsz)
type Phdr = (u32, u64, u64, u64, u64);

/// An ELF64 file with these program headers, filled up with zeros to `len` bytes.
fn elf(phdrs: &[Phdr], len: usize) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&[3, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0x1000u64, 64, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, phdrs.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
    for (kind, offset, vaddr, filesz, memsz) in phdrs {
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&5u32.to_le_bytes());
        for word in [offset, vaddr, vaddr, filesz, memsz, &4096] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }
    out.resize(out.len().max(len), 0);
    out
}

fn check(phdrs: &[Phdr]) -> Result<Linking, ElfError> {
    check_program(&elf(phdrs, 0x1000))
}

const GOOD: Phdr = (PT_LOAD, 0, 0, 0x1000, 0x2000);

#[test]
fn a_good_file() {
    assert_eq!(check(&[GOOD]), Ok(Linking::default()));
    assert_eq!(check(&[GOOD, (PT_LOAD, 0, 0x2000, 0, 0x1000)]), Ok(Linking::default()));
}

#[test]
fn not_elf() {
    assert_eq!(check_program(b""), Err(ElfError::NotElf));
    assert_eq!(check_program(b"\x7fEL"), Err(ElfError::NotElf));
    assert_eq!(check_program(b"#!/bin/sh\n"), Err(ElfError::Script));
    assert_eq!(check_program(b"hello"), Err(ElfError::NotElf));
}

#[test]
fn cut_anywhere() {
    let whole = elf(&[GOOD], 0x1000);
    for len in 4..whole.len() {
        assert_eq!(check_program(&whole[..len]), Err(ElfError::Truncated), "{len}");
    }
}

#[test]
fn other_kinds_of_file() {
    let with = |at: usize, value: u8| {
        let mut bytes = elf(&[GOOD], 0x1000);
        bytes[at] = value;
        check_program(&bytes)
    };
    assert_eq!(with(4, 1), Err(ElfError::Not64Bit));
    assert_eq!(with(5, 2), Err(ElfError::BigEndian));
    assert_eq!(with(18, 183), Err(ElfError::Machine(183)));
    assert_eq!(with(16, 1), Err(ElfError::Kind(1)));
    assert_eq!(with(16, 4), Err(ElfError::Kind(4)));
    assert_eq!(with(54, 32), Err(ElfError::Truncated)); // size of a program header
}

#[test]
fn bad_segments() {
    assert_eq!(check(&[]), Err(ElfError::NoSegments));
    assert_eq!(check(&[(PT_LOAD, 0, 0, 0, 0)]), Err(ElfError::NoSegments));
    assert_eq!(check(&[GOOD, (PT_LOAD, 0, 0x1fff, 1, 1)]), Err(ElfError::Overlap));
    assert_eq!(check(&[(PT_LOAD, 0, 0x1000, 0, 1), (PT_LOAD, 0, 0, 0, 0x1001)]), Err(ElfError::Overlap));
    assert_eq!(check(&[GOOD, (PT_LOAD, 0, 64 << 30, 0, 1)]), Err(ElfError::Huge));
    assert_eq!(check(&[(PT_LOAD, 0, 0, 0, u64::MAX)]), Err(ElfError::Huge));
    assert_eq!(check(&[(PT_LOAD, 0, u64::MAX, 1, 2)]), Err(ElfError::Wraps));
    assert_eq!(check(&[(PT_LOAD, u64::MAX, 0, 1, 2)]), Err(ElfError::Wraps));
    assert_eq!(check(&[(PT_LOAD, 0, 0, 2, 1)]), Err(ElfError::FileSize));
    assert_eq!(check(&[(PT_LOAD, 0, 0, 0x1001, 0x1001)]), Err(ElfError::Truncated));
}

#[test]
fn bad_dynamic_sections() {
    // The name of the interpreter has no NUL: the file's last bytes are not zero.
    let mut bytes = elf(&[GOOD, (PT_INTERP, 0xff8, 0, 8, 8)], 0x1000);
    bytes[0xff8..].fill(b'x');
    assert_eq!(check_program(&bytes), Err(ElfError::Dynamic));
    // A needed library without a string table.
    let mut bytes = elf(&[GOOD, (PT_DYNAMIC, 0x800, 0x800, 64, 64)], 0x1000);
    bytes[0x800] = 1;
    assert_eq!(check_program(&bytes), Err(ElfError::Dynamic));
    // With one, and then beyond its end.
    bytes[0x808] = 0xff;
    bytes[0x810] = 5;
    bytes[0x819] = 9;
    bytes[0x820] = 10;
    bytes[0x829] = 2;
    assert_eq!(check_program(&bytes).map(|linking| linking.needed.len()), Ok(1));
    bytes[0x808..0x810].fill(0xff);
    assert_eq!(check_program(&bytes), Err(ElfError::Dynamic));
}

#[test]
fn messages_are_one_line() {
    for error in
        [ElfError::NotElf, ElfError::Script, ElfError::Machine(183), ElfError::Kind(1), ElfError::Kind(9)]
    {
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    assert!(ElfError::Machine(183).to_string().contains("AARCH64"));
}

#[test]
fn this_very_program() {
    let bytes = std::fs::read("/proc/self/exe").unwrap();
    let linking = check_program(&bytes).unwrap();
    assert!(linking.needed.iter().any(|name| name.starts_with(b"libc.")), "{linking:?}");
    assert!(linking.interpreter.is_some());
}

proptest! {
    #[test]
    fn no_bytes_break_the_checks(changes in prop::collection::vec((0usize..0x1000, any::<u8>()), 0..20), cut in 0usize..0x1001) {
        let mut bytes = elf(&[GOOD, (PT_INTERP, 0x400, 0x400, 8, 8), (PT_DYNAMIC, 0x800, 0x800, 64, 64)], 0x1000);
        bytes[0x800] = 1;
        bytes[0x810] = 5;
        bytes[0x819] = 9;
        bytes[0x820] = 10;
        bytes[0x829] = 2;
        for (at, byte) in changes {
            // Half of them where headers and dynamic section are.
            let at = if at % 2 == 0 { at % 0xe8 } else { at };
            bytes[at] = byte;
        }
        let _ = check_program(&bytes[..cut]);
        let _ = check_library(&bytes);
        let _ = crate::kernel::Kernel::from_bytes(bytes);
    }
}
