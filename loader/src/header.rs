//! The ELF header and the program header table: read, checked, copied out of the file.
//!
//! Called by [`plan`](crate::plan()) only. What is here is format (System V gABI, chapters 4 and 5, and the
//! AMD64 supplement); what the headers mean for an address space is in `plan.rs`.

use alloc::vec::Vec;

use goblin::elf::header as h;
use goblin::elf64::header::{Header, SIZEOF_EHDR};
use goblin::elf64::program_header::{ProgramHeader, SIZEOF_PHDR};

use crate::error::ElfError;
use crate::read::{ReadAt, read_exact};

// The structures are copied from file bytes as they are: the file is little-endian, so the machine must be.
const _: () = assert!(cfg!(target_endian = "little"));

/// Largest program header table in bytes (Linux: `load_elf_phdrs`).
const MAX_TABLE_BYTES: usize = 65536;

/// Reads the ELF header and checks all of it that does not concern program headers.
pub(crate) fn read_header(file: &dyn ReadAt) -> Result<Header, ElfError> {
    let len = file.len();
    let mut magic = [0; h::SELFMAG];
    if len < h::SELFMAG as u64 {
        return Err(ElfError::NotElf);
    }
    read_exact(file, 0, &mut magic)?;
    if magic != *h::ELFMAG {
        return Err(ElfError::NotElf);
    }
    let mut bytes = [0; SIZEOF_EHDR];
    read_exact(file, 0, &mut bytes)?;
    let mut header = Header::default();
    plain::copy_from_bytes(&mut header, &bytes)
        .map_err(|_| ElfError::Truncated { needed: SIZEOF_EHDR as u64, len })?;
    check_header(&header)?;
    Ok(header)
}

fn check_header(header: &Header) -> Result<(), ElfError> {
    // From the identification: EI_CLASS, EI_DATA, EI_VERSION.
    let [_, _, _, _, class, data, version, ..] = header.e_ident;
    match class {
        h::ELFCLASS64 => {}
        h::ELFCLASS32 => return Err(ElfError::Class32),
        other => return Err(ElfError::BadClass(other)),
    }
    match data {
        h::ELFDATA2LSB => {}
        h::ELFDATA2MSB => return Err(ElfError::BigEndian),
        other => return Err(ElfError::BadByteOrder(other)),
    }
    let expected = u32::from(h::EV_CURRENT);
    for version in [u32::from(version), header.e_version] {
        if version != expected {
            return Err(ElfError::BadVersion(version));
        }
    }
    if header.e_machine != h::EM_X86_64 {
        return Err(ElfError::WrongMachine(header.e_machine));
    }
    match header.e_type {
        h::ET_EXEC | h::ET_DYN => Ok(()),
        other => Err(ElfError::NotExecutable(other)),
    }
}

/// Reads the program header table.
pub(crate) fn read_program_headers(
    file: &dyn ReadAt,
    header: &Header,
) -> Result<Vec<ProgramHeader>, ElfError> {
    if usize::from(header.e_phentsize) != SIZEOF_PHDR {
        return Err(ElfError::BadPhentsize(header.e_phentsize));
    }
    let count = usize::from(header.e_phnum);
    if count == 0 {
        return Err(ElfError::NoProgramHeaders);
    }
    // At most 65535 * 56 bytes: no overflow.
    let size = count * SIZEOF_PHDR;
    if size > MAX_TABLE_BYTES {
        return Err(ElfError::TooManyProgramHeaders(header.e_phnum));
    }
    let end = header.e_phoff.saturating_add(size as u64);
    if end > file.len() {
        return Err(ElfError::Truncated { needed: end, len: file.len() });
    }
    let bytes = read_vec(file, header.e_phoff, size)?;
    let mut table = Vec::new();
    table.try_reserve_exact(count).map_err(|_| ElfError::NoMemory)?;
    for entry in bytes.chunks_exact(SIZEOF_PHDR) {
        let mut phdr = ProgramHeader::default();
        plain::copy_from_bytes(&mut phdr, entry)
            .map_err(|_| ElfError::Truncated { needed: end, len: file.len() })?;
        table.push(phdr);
    }
    Ok(table)
}

/// Reads `size` bytes at `offset` into a new vector. The caller bounds `size`.
pub(crate) fn read_vec(file: &dyn ReadAt, offset: u64, size: usize) -> Result<Vec<u8>, ElfError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| ElfError::NoMemory)?;
    bytes.resize(size, 0);
    read_exact(file, offset, &mut bytes)?;
    Ok(bytes)
}
