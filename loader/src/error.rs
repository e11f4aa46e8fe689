//! Why a file cannot be executed: one typed error, one clear line each, and the class from which the errno follows.
//!
//! The errno itself is chosen by the caller, in one place, from [`ExecFailure`].

use core::fmt;

use crate::read::ReadError;

/// Why [`plan`](crate::plan()) refused a file. `index` counts program headers from 0; addresses and sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfError {
    /// Reading the file failed.
    Read(ReadError),
    /// No memory for the headers.
    NoMemory,
    /// The file does not begin with the ELF magic number.
    NotElf,
    /// The file ends before its headers do.
    Truncated {
        /// File length that the headers ask for.
        needed: u64,
        /// Actual file length.
        len: u64,
    },
    /// A 32-bit ELF file (x32 included).
    Class32,
    /// `EI_CLASS` is neither 32-bit nor 64-bit.
    BadClass(u8),
    /// A big-endian file.
    BigEndian,
    /// `EI_DATA` names no byte order.
    BadByteOrder(u8),
    /// `EI_VERSION` or `e_version` is not 1.
    BadVersion(u32),
    /// Built for another machine (`e_machine`).
    WrongMachine(u16),
    /// `e_type` is neither `ET_EXEC` nor `ET_DYN`.
    NotExecutable(u16),
    /// `e_phentsize` is not 56.
    BadPhentsize(u16),
    /// There are no program headers.
    NoProgramHeaders,
    /// The program header table is larger than the 64 KiB that Linux accepts.
    TooManyProgramHeaders(u16),
    /// No `PT_LOAD` header with memory.
    NoLoadSegment,
    /// `p_filesz` is larger than `p_memsz`.
    FileLargerThanMemory {
        /// Program header.
        index: usize,
    },
    /// A segment's content lies behind the end of the file.
    SegmentBeyondEof {
        /// Program header.
        index: usize,
        /// Where the content ends in the file.
        end: u64,
        /// Actual file length.
        len: u64,
    },
    /// A segment's addresses or file offsets exceed 64 bits.
    SegmentWraps {
        /// Program header.
        index: usize,
    },
    /// A segment ends above the user half of the address space.
    SegmentTooHigh {
        /// Program header.
        index: usize,
        /// End of the segment.
        end: u64,
    },
    /// A segment with a fixed address begins below [`MMAP_MIN_ADDR`](crate::MMAP_MIN_ADDR).
    SegmentTooLow {
        /// Program header.
        index: usize,
        /// Begin of the segment.
        vaddr: u64,
    },
    /// Two segments claim the same bytes with different content.
    SegmentsOverlap {
        /// Program header of the earlier segment.
        first: usize,
        /// Program header of the later segment.
        second: usize,
    },
    /// `PT_LOAD` headers are not in ascending order of address.
    SegmentsUnordered {
        /// Program header that lies below its predecessor.
        index: usize,
    },
    /// `p_align` is not a power of two, or is larger than 1 GiB.
    BadAlignment {
        /// Program header.
        index: usize,
        /// The alignment.
        align: u64,
    },
    /// Address and file offset of a segment differ within the page, so that it cannot be mapped.
    NotCongruent {
        /// Program header.
        index: usize,
    },
    /// The entry point lies outside the user half of the address space.
    EntryOutOfRange(u64),
    /// The interpreter's path is empty.
    InterpEmpty,
    /// The interpreter's path is longer than `PATH_MAX`, in bytes with its NUL.
    InterpTooLong(u64),
    /// The interpreter's path does not end with NUL.
    InterpNotTerminated,
    /// The interpreter's path lies behind the end of the file.
    InterpBeyondEof,
}

/// In which role a file was to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program named to `execve`.
    Program,
    /// The interpreter (dynamic linker) that a program names.
    Interpreter,
}

/// Class of a failure, as `execve(2)` tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecFailure {
    /// Not in a format that can be executed (ENOEXEC).
    NoExec,
    /// Executable in principle, but asks for the impossible (EINVAL).
    Invalid,
    /// Reading failed (EIO).
    Io,
    /// Does not fit in memory or in the address space (ENOMEM).
    NoMemory,
    /// The interpreter is not in a format that can be executed (ELIBBAD).
    LibBad,
    /// Arguments and environment are too large (E2BIG).
    TooBig,
}

impl ElfError {
    /// The class of this failure for a file loaded in `role`.
    pub fn failure(&self, role: Role) -> ExecFailure {
        match self {
            Self::Read(ReadError::Io) | Self::InterpBeyondEof => ExecFailure::Io,
            Self::Read(ReadError::NoMemory) | Self::NoMemory | Self::SegmentTooHigh { .. } => {
                ExecFailure::NoMemory
            }
            Self::FileLargerThanMemory { .. }
            | Self::SegmentWraps { .. }
            | Self::SegmentTooLow { .. }
            | Self::SegmentsOverlap { .. }
            | Self::SegmentsUnordered { .. }
            | Self::BadAlignment { .. }
            | Self::NotCongruent { .. }
            | Self::EntryOutOfRange(_) => ExecFailure::Invalid,
            _ => match role {
                Role::Program => ExecFailure::NoExec,
                Role::Interpreter => ExecFailure::LibBad,
            },
        }
    }
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Read(error) => write!(f, "cannot read the file: {error}"),
            Self::NoMemory => f.write_str("out of memory while reading the ELF headers"),
            Self::NotElf => f.write_str("not an ELF file"),
            Self::Truncated { needed, len } => {
                write!(f, "truncated ELF file: its headers need {needed} bytes, the file has {len}")
            }
            Self::Class32 => f.write_str("32-bit ELF file; only 64-bit x86-64 programs can run"),
            Self::BadClass(class) => write!(f, "damaged ELF header: class {class}"),
            Self::BigEndian => f.write_str("big-endian ELF file; only x86-64 programs can run"),
            Self::BadByteOrder(data) => write!(f, "damaged ELF header: byte order {data}"),
            Self::BadVersion(version) => write!(f, "ELF version {version}; only version 1 exists"),
            Self::WrongMachine(machine) => fmt_machine(f, machine),
            Self::NotExecutable(kind) => fmt_type(f, kind),
            Self::BadPhentsize(size) => write!(f, "ELF program headers of {size} bytes; 56 expected"),
            Self::NoProgramHeaders => f.write_str("ELF file without program headers"),
            Self::TooManyProgramHeaders(count) => write!(f, "too many ELF program headers: {count}"),
            _ => self.fmt_segment(f),
        }
    }
}

impl ElfError {
    /// The part of `Display` that concerns segments, entry point and interpreter.
    fn fmt_segment(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoLoadSegment => f.write_str("ELF file without a loadable segment"),
            Self::FileLargerThanMemory { index } => {
                write!(f, "program header {index}: file size exceeds memory size")
            }
            Self::SegmentBeyondEof { index, end, len } => {
                write!(
                    f,
                    "truncated ELF file: program header {index} reaches to byte {end}, the file has {len}"
                )
            }
            Self::SegmentWraps { index } => write!(f, "program header {index}: address or offset overflows"),
            Self::SegmentTooHigh { index, end } => {
                write!(f, "program header {index}: segment end {end:#x} lies above the user address space")
            }
            Self::SegmentTooLow { index, vaddr } => {
                write!(
                    f,
                    "program header {index}: address {vaddr:#x} lies below the lowest allowed address 0x10000"
                )
            }
            Self::SegmentsOverlap { first, second } => {
                write!(f, "program headers {first} and {second}: segments overlap")
            }
            Self::SegmentsUnordered { index } => {
                write!(f, "program header {index}: segments are not in ascending order")
            }
            Self::BadAlignment { index, align } => {
                write!(f, "program header {index}: alignment {align:#x} is not a power of two up to 1 GiB")
            }
            Self::NotCongruent { index } => {
                write!(f, "program header {index}: address and file offset differ within the page")
            }
            Self::EntryOutOfRange(entry) => {
                write!(f, "entry point {entry:#x} lies above the user address space")
            }
            Self::InterpEmpty => f.write_str("empty interpreter path"),
            Self::InterpTooLong(len) => write!(f, "interpreter path of {len} bytes; at most 4096 allowed"),
            Self::InterpNotTerminated => f.write_str("interpreter path without terminating NUL"),
            _ => f.write_str("truncated ELF file: the interpreter path lies behind its end"),
        }
    }
}

impl core::error::Error for ElfError {}

fn fmt_machine(f: &mut fmt::Formatter<'_>, machine: u16) -> fmt::Result {
    use goblin::elf::header as h;
    let name = match machine {
        h::EM_386 => "Intel 80386",
        h::EM_ARM => "ARM (32-bit)",
        h::EM_AARCH64 => "AArch64",
        h::EM_RISCV => "RISC-V",
        h::EM_PPC => "PowerPC",
        h::EM_PPC64 => "PowerPC64",
        h::EM_S390 => "IBM S/390",
        h::EM_MIPS => "MIPS",
        h::EM_SPARC => "SPARC",
        h::EM_SPARCV9 => "SPARC V9",
        h::EM_IA_64 => "Itanium",
        h::EM_BPF => "BPF",
        258 => "LoongArch",
        _ => {
            return write!(
                f,
                "ELF file for another machine (e_machine {machine}); only x86-64 programs can run"
            );
        }
    };
    write!(f, "ELF file for {name}; only x86-64 programs can run")
}

fn fmt_type(f: &mut fmt::Formatter<'_>, kind: u16) -> fmt::Result {
    use goblin::elf::header as h;
    match kind {
        h::ET_REL => f.write_str("not an executable: ELF object file (not linked)"),
        h::ET_CORE => f.write_str("not an executable: ELF core dump"),
        h::ET_NONE => f.write_str("not an executable: ELF file without a type"),
        _ => write!(f, "not an executable: ELF type {kind}"),
    }
}
