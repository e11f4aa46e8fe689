//! Every reason for which a file is refused, one changed field each.

use loader::{ElfError, ExecFailure, Kind, ReadAt, ReadError, Role, plan};

use crate::build::{Image, PT_GNU_RELRO, PT_GNU_STACK, PT_INTERP, PT_LOAD, Phdr, R, W, X};
use crate::check::check;

/// The error for the default image after a change.
fn error(change: impl FnOnce(&mut Image)) -> ElfError {
    let mut image = Image::default();
    change(&mut image);
    let bytes = image.bytes();
    assert!(!check(&bytes));
    plan(&bytes.as_slice()).unwrap_err()
}

fn accepted(change: impl FnOnce(&mut Image)) -> loader::Plan {
    let mut image = Image::default();
    change(&mut image);
    let bytes = image.bytes();
    assert!(check(&bytes));
    plan(&bytes.as_slice()).unwrap()
}

fn interp(len: u64) -> Phdr {
    Phdr { kind: PT_INTERP, filesz: len, memsz: len, align: 1, ..Phdr::load(R, 0x3000, 0x40_3000, 0) }
}

#[test]
fn the_unchanged_image_is_accepted() {
    let plan = accepted(|_| {});
    assert_eq!((plan.kind, plan.entry), (Kind::Exec, 0x40_0800));
    assert_eq!(plan.span, 0x40_0000..0x40_6000);
    assert_eq!((plan.phdr_vaddr, plan.phent, plan.phnum), (Some(0x40_0040), 56, 2));
    assert_eq!((plan.interp, plan.stack_executable, plan.relro), (None, None, None));
}

#[test]
fn not_an_elf_file() {
    for bytes in [&b""[..], b"\x7f", b"\x7fEL", b"#!/bin/sh\n", &[0; 100]] {
        assert_eq!(plan(&bytes), Err(ElfError::NotElf));
    }
}

#[test]
fn every_truncation_is_refused() {
    let whole = Image { len: 0x2900, ..Image::default() }.bytes();
    assert!(check(&whole));
    for len in 0..whole.len() {
        assert!(!check(&whole[..len]), "accepted with {len} bytes");
    }
    assert_eq!(plan(&&whole[..63]), Err(ElfError::Truncated { needed: 64, len: 63 }));
    assert_eq!(plan(&&whole[..100]), Err(ElfError::Truncated { needed: 64 + 2 * 56, len: 100 }));
    let beyond = ElfError::SegmentBeyondEof { index: 1, end: 0x2900, len: 0x28ff };
    assert_eq!(plan(&&whole[..0x28ff]), Err(beyond));
}

#[test]
fn wrong_identification() {
    assert_eq!(error(|i| i.ident[4] = 1), ElfError::Class32);
    assert_eq!(error(|i| i.ident[4] = 0), ElfError::BadClass(0));
    assert_eq!(error(|i| i.ident[5] = 2), ElfError::BigEndian);
    assert_eq!(error(|i| i.ident[5] = 3), ElfError::BadByteOrder(3));
    assert_eq!(error(|i| i.ident[6] = 0), ElfError::BadVersion(0));
    assert_eq!(error(|i| i.version = 2), ElfError::BadVersion(2));
}

#[test]
fn wrong_machine_is_named() {
    let aarch64 = error(|i| i.machine = 183);
    assert_eq!(aarch64, ElfError::WrongMachine(183));
    assert_eq!(aarch64.to_string(), "ELF file for AArch64; only x86-64 programs can run");
    assert!(error(|i| i.machine = 999).to_string().contains("999"));
}

#[test]
fn not_executable() {
    for kind in [0, 1, 4, 0xfe00] {
        let error = error(|i| i.kind = kind);
        assert_eq!(error, ElfError::NotExecutable(kind));
        assert_eq!(error.failure(Role::Program), ExecFailure::NoExec);
        assert_eq!(error.failure(Role::Interpreter), ExecFailure::LibBad);
    }
}

#[test]
fn program_header_table() {
    assert_eq!(error(|i| i.phentsize = 32), ElfError::BadPhentsize(32));
    assert_eq!(error(|i| i.phdrs.clear()), ElfError::NoProgramHeaders);
    assert_eq!(error(|i| i.phnum = Some(1171)), ElfError::TooManyProgramHeaders(1171));
    assert_eq!(error(|i| i.phnum = Some(0xffff)), ElfError::TooManyProgramHeaders(0xffff));
    assert_eq!(error(|i| i.phoff = u64::MAX), ElfError::Truncated { needed: u64::MAX, len: 0x4000 });
    assert_eq!(error(|i| i.phdrs.iter_mut().for_each(|p| p.kind = 0)), ElfError::NoLoadSegment);
    let no_memory = error(|i| i.phdrs.iter_mut().for_each(|p| (p.filesz, p.memsz) = (0, 0)));
    assert_eq!(no_memory, ElfError::NoLoadSegment);
}

#[test]
fn largest_table_is_accepted() {
    accepted(|i| {
        let empty = Phdr { kind: 0, ..i.phdrs[0] };
        i.phdrs.resize(1170, empty);
        i.len = 0x20000;
    });
}

#[test]
fn segment_sizes() {
    assert_eq!(error(|i| i.phdrs[1].memsz = 0x7ff), ElfError::FileLargerThanMemory { index: 1 });
    assert_eq!(error(|i| i.phdrs[1].memsz = u64::MAX), ElfError::SegmentWraps { index: 1 });
    assert_eq!(error(|i| i.phdrs[1].offset = u64::MAX - 0xeff + 0x800), ElfError::SegmentWraps { index: 1 });
    assert_eq!(error(|i| i.phdrs[1].vaddr = u64::MAX - 0xeff), ElfError::SegmentWraps { index: 1 });
    let end = 0x7fff_ffff_f001;
    let high = error(|i| i.phdrs[1].memsz = end - 0x40_2100);
    assert_eq!(high, ElfError::SegmentTooHigh { index: 1, end });
    assert_eq!(high.failure(Role::Program), ExecFailure::NoMemory);
    accepted(|i| i.phdrs[1].memsz = end - 1 - 0x40_2100);
    let eof = ElfError::SegmentBeyondEof { index: 1, end: 0x4100, len: 0x4000 };
    assert_eq!(error(|i| i.phdrs[1].filesz = 0x2000), eof);
}

#[test]
fn segment_order_and_overlap() {
    assert_eq!(error(|i| i.phdrs.swap(0, 1)), ElfError::SegmentsUnordered { index: 1 });
    let overlap = ElfError::SegmentsOverlap { first: 0, second: 1 };
    assert_eq!(error(|i| (i.phdrs[0].filesz, i.phdrs[0].memsz) = (0x1800, 0x2101)), overlap);
    accepted(|i| i.phdrs[0].memsz = 0x2100);
    // The same bytes of the file at the same addresses are no conflict, other bytes are.
    accepted(|i| (i.phdrs[0].filesz, i.phdrs[0].memsz) = (0x2200, 0x2200));
    let other = error(|i| {
        (i.phdrs[0].filesz, i.phdrs[0].memsz) = (0x2200, 0x2200);
        i.phdrs[1].offset = 0x1100;
    });
    assert_eq!(other, overlap);
    assert_eq!(other.failure(Role::Program), ExecFailure::Invalid);
    // A conflict with a segment before the previous one.
    let buried = error(|i| {
        i.phdrs = vec![
            Phdr::load(R, 0, 0x40_0000, 0x3000),
            Phdr::load(R, 0, 0x40_0000, 0x1000),
            Phdr::load(R, 0, 0x40_2000, 0x1000),
        ];
    });
    assert_eq!(buried, ElfError::SegmentsOverlap { first: 0, second: 2 });
}

#[test]
fn shared_page_belongs_to_the_later_segment() {
    let plan = accepted(|i| {
        i.phdrs = vec![Phdr::load(R | X, 0, 0x40_0000, 0x1234), Phdr::load(R | W, 0x1234, 0x40_1234, 0x800)];
    });
    let mut model = crate::check::Model::default();
    plan.map_into(0, &mut model).unwrap();
    assert!(!model.at(0x40_0fff).unwrap().1.write);
    for at in [0x40_1000, 0x40_1233, 0x40_1234, 0x40_1fff] {
        let (content, prot) = model.at(at).unwrap();
        assert_eq!(content, crate::check::Content::File(at - 0x40_0000));
        assert!(prot.write && !prot.exec);
    }
}

#[test]
fn alignment() {
    for align in [3, 0x1001, 1 << 31, 1 << 63, u64::MAX] {
        assert_eq!(error(|i| i.phdrs[0].align = align), ElfError::BadAlignment { index: 0, align });
    }
    for align in [0, 1, 2, 16, 0x1000] {
        assert_eq!(accepted(|i| i.phdrs.iter_mut().for_each(|p| p.align = align)).align, 0x1000);
    }
    assert_eq!(accepted(|i| i.phdrs[0].align = 1 << 30).align, 1 << 30);
    assert_eq!(error(|i| i.phdrs[1].offset += 1), ElfError::NotCongruent { index: 1 });
    // Without file content the offset means nothing.
    accepted(|i| (i.phdrs[1].offset, i.phdrs[1].filesz) = (7, 0));
}

#[test]
fn lowest_address() {
    let low = |i: &mut Image| {
        i.phdrs = vec![Phdr::load(R | X, 0, 0xf000, 0x2000)];
        i.entry = 0xf800;
    };
    assert_eq!(error(low), ElfError::SegmentTooLow { index: 0, vaddr: 0xf000 });
    accepted(|i| {
        low(i);
        i.kind = 3;
    });
    accepted(|i| i.phdrs = vec![Phdr::load(R | X, 0, 0x10000, 0x2000)]);
}

#[test]
fn entry_point() {
    assert_eq!(error(|i| i.entry = 0x7fff_ffff_f000), ElfError::EntryOutOfRange(0x7fff_ffff_f000));
}

#[test]
fn interpreter_path() {
    let with = |len: u64, path: &[u8]| {
        let path = path.to_vec();
        move |i: &mut Image| {
            i.phdrs.push(interp(len));
            i.patches.push((0x3000, path));
        }
    };
    assert_eq!(accepted(with(8, b"/lib/ld\0")).interp.as_deref(), Some(&b"/lib/ld"[..]));
    assert_eq!(accepted(with(8, b"/lib\0ld\0")).interp.as_deref(), Some(&b"/lib"[..]));
    assert_eq!(error(with(0, b"")), ElfError::InterpEmpty);
    assert_eq!(error(with(1, b"\0")), ElfError::InterpEmpty);
    assert_eq!(error(with(2, b"\0\0")), ElfError::InterpEmpty);
    assert_eq!(error(with(7, b"/lib/ld\0")), ElfError::InterpNotTerminated);
    assert_eq!(error(with(4097, b"/lib/ld\0")), ElfError::InterpTooLong(4097));
    let mut longest = vec![b'/'; 4096];
    longest[4095] = 0;
    assert_eq!(accepted(with(4096, &longest)).interp.map(|path| path.len()), Some(4095));
    let beyond = error(|i| i.phdrs.push(Phdr { offset: 0x3ffa, ..interp(8) }));
    assert_eq!(beyond, ElfError::InterpBeyondEof);
    let wrapped = error(|i| i.phdrs.push(Phdr { offset: u64::MAX, ..interp(8) }));
    assert_eq!(wrapped, ElfError::InterpBeyondEof);
}

#[test]
fn gnu_headers() {
    let stack = |flags| Phdr { kind: PT_GNU_STACK, ..Phdr::load(flags, 0, 0, 0) };
    assert_eq!(accepted(|i| i.phdrs.push(stack(R | W))).stack_executable, Some(false));
    assert_eq!(accepted(|i| i.phdrs.push(stack(R | W | X))).stack_executable, Some(true));
    let relro = |size| Phdr { kind: PT_GNU_RELRO, ..Phdr::load(R, 0x2100, 0x40_2100, size) };
    assert_eq!(accepted(|i| i.phdrs.push(relro(0x100))).relro, Some(0x40_2100..0x40_2200));
    assert_eq!(accepted(|i| i.phdrs.push(relro(u64::MAX))).relro, None);
}

#[test]
fn unmapped_program_headers_have_no_address() {
    let plan = accepted(|i| {
        i.phdrs = vec![Phdr { kind: PT_LOAD, ..Phdr::load(R | X, 0x1000, 0x40_1000, 0x1000) }];
    });
    assert_eq!(plan.phdr_vaddr, None);
}

/// A file whose reads fail behind an offset.
struct Failing(Vec<u8>, u64);

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        if offset >= self.1 { Err(ReadError::Io) } else { self.0.as_slice().read_at(offset, buf) }
    }
}

#[test]
fn failing_reads_are_io_errors() {
    for from in [0, 64] {
        let result = plan(&Failing(Image::default().bytes(), from));
        assert_eq!(result, Err(ElfError::Read(ReadError::Io)));
        assert_eq!(result.unwrap_err().failure(Role::Interpreter), ExecFailure::Io);
    }
    assert!(plan(&Failing(Image::default().bytes(), 65)).is_ok());
}
