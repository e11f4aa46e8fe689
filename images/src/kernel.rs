//! The kernel that goes into an image: where it comes from, and what its ELF file says.
//!
//! The tools carry the kernel inside (see `build.rs`), with its debug information, which an image leaves out
//! and [`run`](crate::run) uses for backtraces. Called by [`make`](crate::make), [`pvh`](crate::pvh) and
//! [`run`](crate::run). A [`Kernel`] has at least one segment, a PVH entry, and segments that lie in the file.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use goblin::elf::program_header::{PT_LOAD, PT_NOTE, ProgramHeader};
use image_format::BuildId;

use crate::elf::{self, ElfError};

/// The compressed kernel, empty if the tools were built without one.
static EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernel.elf.z"));
/// The kernel's file name where it lies beside the tools.
const BESIDE: &str = "nospin-kernel.elf";
/// Type of the note with the PVH entry address (Xen's `XEN_ELFNOTE_PHYS32_ENTRY`).
const NOTE_PVH_ENTRY: u32 = 18;
/// Type of the note with the build id (`NT_GNU_BUILD_ID`).
const NOTE_BUILD_ID: u32 = 3;

/// A kernel, ready to be put into an image.
#[derive(Debug)]
pub struct Kernel {
    elf: Vec<u8>,
    /// ELF entry point, as in the file.
    pub entry: u64,
    /// The PT_LOAD program headers.
    pub segments: Vec<ProgramHeader>,
    /// The PT_NOTE program headers.
    pub notes: Vec<ProgramHeader>,
    /// GNU build id, zero if there is none.
    pub build_id: BuildId,
    /// End of the kernel's memory in guest-physical memory, bss included; not rounded.
    pub end: u64,
}

/// Why there is no usable kernel.
#[derive(Debug)]
pub enum KernelError {
    /// None embedded, none beside the tool.
    Missing {
        /// Where one was looked for.
        beside: PathBuf,
    },
    /// The file could not be read.
    Read(PathBuf, io::Error),
    /// The file is not an x86-64 ELF file.
    Elf(ElfError),
    /// No PVH note, so nothing can boot it.
    NoPvhEntry,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { beside } => write!(
                f,
                "no kernel: this tool was built without one and there is none at {}; \
                 `cargo xtask build` makes tools with the kernel inside, --kernel PATH names another",
                beside.display()
            ),
            Self::Read(path, error) => {
                write!(f, "the kernel {}: {}", path.display(), crate::make::reason(error))
            }
            Self::Elf(error) => write!(f, "the kernel: {error}"),
            Self::NoPvhEntry => f.write_str("the kernel: no PVH entry (a note of type 18 by Xen)"),
        }
    }
}

impl std::error::Error for KernelError {}

impl Kernel {
    /// The kernel at `path`, or without a path the one that came with the tools.
    ///
    /// # Errors
    /// None found, not readable, or not a kernel.
    pub fn load(path: Option<&Path>) -> Result<Self, KernelError> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|error| KernelError::Read(path.to_owned(), error));
        if let Some(path) = path {
            return Self::from_bytes(read(path)?);
        }
        if !EMBEDDED.is_empty() {
            let mut elf = Vec::new();
            flate2::read::ZlibDecoder::new(EMBEDDED)
                .read_to_end(&mut elf)
                .map_err(|error| KernelError::Read(PathBuf::from("(built in)"), error))?;
            return Self::from_bytes(elf);
        }
        let beside = std::env::current_exe().unwrap_or_default().with_file_name(BESIDE);
        if beside.is_file() { Self::from_bytes(read(&beside)?) } else { Err(KernelError::Missing { beside }) }
    }

    /// The kernel whose ELF file has these bytes.
    ///
    /// # Errors
    /// Not a kernel.
    pub fn from_bytes(elf: Vec<u8>) -> Result<Self, KernelError> {
        let (header, phdrs) = elf::program_headers(&elf).map_err(KernelError::Elf)?;
        let of = |kind| phdrs.iter().filter(move |phdr| phdr.p_type == kind).cloned().collect::<Vec<_>>();
        let (segments, notes) = (of(PT_LOAD), of(PT_NOTE));
        let mut end = 0;
        for segment in &segments {
            let top =
                segment.p_paddr.checked_add(segment.p_memsz).ok_or(KernelError::Elf(ElfError::Wraps))?;
            end = end.max(top);
        }
        if segments.is_empty() {
            return Err(KernelError::Elf(ElfError::NoSegments));
        }
        let (pvh, build_id) = read_notes(&elf, &phdrs);
        if !pvh {
            return Err(KernelError::NoPvhEntry);
        }
        Ok(Self { entry: header.e_entry, segments, notes, build_id, end, elf })
    }

    /// The whole ELF file, debug information included.
    #[must_use]
    pub fn elf(&self) -> &[u8] {
        &self.elf
    }

    /// The file contents of one of the kernel's program headers.
    #[must_use]
    pub fn contents(&self, phdr: &ProgramHeader) -> &[u8] {
        elf::contents(&self.elf, phdr).unwrap_or_default()
    }
}

/// Whether there is a PVH entry among the notes of an ELF file, and the build id.
fn read_notes(elf: &[u8], phdrs: &[ProgramHeader]) -> (bool, BuildId) {
    let (mut pvh, mut build_id) = (false, BuildId::default());
    let notes = phdrs.iter().filter(|phdr| phdr.p_type == PT_NOTE);
    for (name, kind, desc) in notes.filter_map(|phdr| elf::contents(elf, phdr)).flat_map(Notes) {
        match (name, kind) {
            (b"Xen\0", NOTE_PVH_ENTRY) => pvh = true,
            (b"GNU\0", NOTE_BUILD_ID) => build_id = BuildId(desc.try_into().unwrap_or_default()),
            _ => (),
        }
    }
    (pvh, build_id)
}

/// Whether these are the bytes of an ELF file that a hypervisor can boot: a kernel or an image, not a program.
#[must_use]
pub fn is_bootable(elf: &[u8]) -> bool {
    elf::program_headers(elf).is_ok_and(|(_, phdrs)| read_notes(elf, &phdrs).0)
}

/// The notes in the contents of a PT_NOTE segment: name with its NUL, type, descriptor. elf(5).
struct Notes<'a>(&'a [u8]);

impl<'a> Iterator for Notes<'a> {
    type Item = (&'a [u8], u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let number = |at: usize| {
            let bytes = self.0.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let name_len = usize::try_from(number(0)?).ok()?;
        let desc_len = usize::try_from(number(4)?).ok()?;
        let kind = number(8)?;
        let name_end = name_len.checked_add(12)?;
        let desc_start = name_end.checked_next_multiple_of(4)?;
        let desc_end = desc_start.checked_add(desc_len)?;
        let name = self.0.get(12..name_end)?;
        let desc = self.0.get(desc_start..desc_end)?;
        self.0 = self.0.get(desc_end.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some((name, kind, desc))
    }
}
