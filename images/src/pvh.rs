//! The image file: an ELF64 file with the kernel's segments and one more that holds the payload.
//!
//! QEMU (`-kernel`), Firecracker and others load such a file by its program headers and enter it at the
//! address in the kernel's PVH note. Sections and debug information of the kernel are left out. The payload
//! lies in guest-physical memory at the end of the kernel's memory, rounded up to a page, where the kernel
//! finds it by its own linker symbol. Its layout is `image_format::header`'s.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};

use goblin::elf::program_header::{PT_LOAD, ProgramHeader};
use image_format::newc::Sink;
use image_format::{Crc32c, HEADER_SIZE, ImageHeader};

use crate::archive::{self, ArchiveError};
use crate::kernel::Kernel;
use crate::tree::Tree;

const PAGE: u64 = 4096;
const EHDR_SIZE: u64 = 64;
const PHDR_SIZE: u64 = 56;
/// The payload ends below this guest-physical address, where machines begin to have devices: 3 GiB.
const ADDRESS_MAX: u64 = 3 << 30;
/// Permission flag of a readable segment (PF_R).
const READABLE: u32 = 4;

/// How large the parts of a file are, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// ELF headers and kernel.
    pub kernel: u64,
    /// The root archive.
    pub root: u64,
    /// The whole file.
    pub total: u64,
    /// End of kernel and payload in guest-physical memory: the VM needs more memory than this.
    pub memory_end: u64,
}

/// Why the file could not be written.
#[derive(Debug)]
pub enum PvhError {
    /// Kernel and payload end above 3 GiB (this many bytes).
    TooLarge(u64),
    /// The archive could not be written.
    Archive(ArchiveError),
    /// The output could not be written.
    Write(io::Error),
}

impl fmt::Display for PvhError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(end) => write!(
                f,
                "the image would take {} of the guest's memory; the limit is 3 GiB",
                crate::human(*end)
            ),
            Self::Archive(error) => error.fmt(f),
            Self::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PvhError {}

impl From<io::Error> for PvhError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// The program headers of the file, with the kernel's contents for each that has a place of its own.
struct Layout<'k> {
    phdrs: Vec<ProgramHeader>,
    /// (offset in the file, contents), ascending.
    pieces: Vec<(u64, &'k [u8])>,
    /// Offset of the payload in the file.
    payload: u64,
}

impl<'k> Layout<'k> {
    fn new(kernel: &'k Kernel) -> Self {
        let count = (kernel.segments.len() + kernel.notes.len() + 1) as u64;
        let mut end = EHDR_SIZE + PHDR_SIZE * count;
        let mut phdrs = Vec::new();
        let mut pieces = Vec::new();
        for segment in &kernel.segments {
            let offset = end.next_multiple_of(PAGE) + segment.p_paddr % PAGE;
            let contents = kernel.contents(segment);
            phdrs.push(ProgramHeader { p_offset: offset, p_align: PAGE, ..segment.clone() });
            pieces.push((offset, contents));
            end = offset + contents.len() as u64;
        }
        let mut notes = Vec::new();
        for note in &kernel.notes {
            // Usually a part of a segment: it stays that part.
            let inside = kernel.segments.iter().zip(&phdrs).find_map(|(old, new)| {
                let delta = note.p_offset.checked_sub(old.p_offset)?;
                (delta.checked_add(note.p_filesz)? <= old.p_filesz).then_some(new.p_offset + delta)
            });
            let offset = inside.unwrap_or_else(|| {
                let offset = end.next_multiple_of(8);
                let contents = kernel.contents(note);
                pieces.push((offset, contents));
                end = offset + contents.len() as u64;
                offset
            });
            notes.push(ProgramHeader { p_offset: offset, ..note.clone() });
        }
        let payload = end.next_multiple_of(PAGE);
        let address = kernel.end.next_multiple_of(PAGE);
        phdrs.push(ProgramHeader {
            p_type: PT_LOAD,
            p_flags: READABLE,
            p_offset: payload,
            p_vaddr: address,
            p_paddr: address,
            p_filesz: 0,
            p_memsz: 0,
            p_align: PAGE,
        });
        phdrs.extend(notes);
        Self { phdrs, pieces, payload }
    }

    /// Sets the payload's length in its program header.
    fn set_payload_len(&mut self, len: u64) {
        let payload = self.payload;
        if let Some(phdr) =
            self.phdrs.iter_mut().find(|phdr| phdr.p_type == PT_LOAD && phdr.p_offset == payload)
        {
            phdr.p_filesz = len;
            phdr.p_memsz = len;
        }
    }

    /// ELF header and program headers, elf(5).
    fn headers(&self, entry: u64) -> Vec<u8> {
        let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        out.extend_from_slice(&2u16.to_le_bytes()); // ET_EXEC
        out.extend_from_slice(&62u16.to_le_bytes()); // EM_X86_64
        out.extend_from_slice(&1u32.to_le_bytes());
        out.extend_from_slice(&entry.to_le_bytes());
        out.extend_from_slice(&EHDR_SIZE.to_le_bytes());
        out.extend_from_slice(&0u64.to_le_bytes()); // no section headers
        out.extend_from_slice(&0u32.to_le_bytes());
        for half in [EHDR_SIZE as u16, PHDR_SIZE as u16, self.phdrs.len() as u16, 0, 0, 0] {
            out.extend_from_slice(&half.to_le_bytes());
        }
        for phdr in &self.phdrs {
            out.extend_from_slice(&phdr.p_type.to_le_bytes());
            out.extend_from_slice(&phdr.p_flags.to_le_bytes());
            for word in [phdr.p_offset, phdr.p_vaddr, phdr.p_paddr, phdr.p_filesz, phdr.p_memsz, phdr.p_align]
            {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
        out
    }
}

/// The output from the payload on: counts, and sums up what lies behind the header page.
struct PayloadSink<'f> {
    out: BufWriter<&'f mut File>,
    crc: Crc32c,
    len: u64,
}

impl Sink for PayloadSink<'_> {
    type Error = io::Error;

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.crc.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }
}

/// Writes the image to `out`, an empty file open for reading and writing. `progress` is told how many bytes of file
/// contents went by.
///
/// # Errors
/// Too large for a guest, a source that cannot be read, an output that cannot be written.
pub fn write(
    out: &mut File,
    kernel: &Kernel,
    cmdline: &[u8],
    tree: &Tree,
    progress: &mut dyn FnMut(u64),
) -> Result<Sizes, PvhError> {
    let address = kernel.end.next_multiple_of(PAGE);
    let at_least = address.saturating_add(archive::count(tree).bytes);
    if at_least > ADDRESS_MAX {
        return Err(PvhError::TooLarge(at_least));
    }
    let mut layout = Layout::new(kernel);
    out.seek(SeekFrom::Start(0))?;
    let mut writer = BufWriter::new(&mut *out);
    let mut front = layout.headers(kernel.entry);
    for (offset, contents) in &layout.pieces {
        front.resize(*offset as usize, 0);
        front.extend_from_slice(contents);
    }
    front.resize(layout.payload as usize, 0);
    writer.write_all(&front)?;
    writer.write_all(&[0; PAGE as usize])?; // the header, when everything is known

    let mut sink = PayloadSink { out: writer, crc: Crc32c::new(), len: PAGE };
    sink.write_all(cmdline)?;
    let root_off = sink.len.next_multiple_of(PAGE);
    let padding = (root_off - sink.len) as usize;
    sink.write_all(&[0; PAGE as usize][..padding])?;
    let mut sink = archive::write(tree, sink, progress).map_err(PvhError::Archive)?;
    sink.out.flush()?;
    let (total_len, payload_crc) = (sink.len, sink.crc.value());
    drop(sink);
    let memory_end = address.saturating_add(total_len);
    if memory_end > ADDRESS_MAX {
        return Err(PvhError::TooLarge(memory_end));
    }

    layout.set_payload_len(total_len);
    let headers = layout.headers(kernel.entry);
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&headers)?;
    if let Some(start) = front.get_mut(..headers.len()) {
        start.copy_from_slice(&headers);
    }
    let header = ImageHeader {
        cmdline_off: PAGE,
        cmdline_len: cmdline.len() as u64,
        root_off,
        root_len: total_len - root_off,
        total_len,
        kernel: kernel.build_id,
        front_crc: image_format::crc32c(&front),
        payload_crc,
    };
    out.seek(SeekFrom::Start(layout.payload))?;
    out.write_all(&header.encode())?;
    check_header(out, layout.payload, &header)?;
    let total = layout.payload + total_len;
    Ok(Sizes { kernel: layout.payload, root: header.root_len, total, memory_end })
}

/// Reads the header back, so that a file system that lost it is noticed here.
fn check_header(out: &mut File, offset: u64, header: &ImageHeader) -> Result<(), PvhError> {
    let mut bytes = [0; HEADER_SIZE];
    out.seek(SeekFrom::Start(offset))?;
    out.read_exact(&mut bytes)?;
    match ImageHeader::parse(&bytes) {
        Ok(read) if read == *header => Ok(()),
        _ => Err(PvhError::Write(io::Error::other("what was written does not read back"))),
    }
}
