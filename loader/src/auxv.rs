//! The auxiliary vector: what the kernel tells a program at start (`getauxval(3)`).
//!
//! [`AuxInput::entries`] orders the entries as Linux does on x86-64 (`create_elf_tables`). The three entries whose
//! values are addresses on the stack hold 0 until [`stack::build`](crate::stack::build) fills them in.

use alloc::vec::Vec;

use crate::PAGE_SIZE;
use crate::plan::Plan;

/// End of the vector.
pub const AT_NULL: u64 = 0;
/// Address of the program headers.
pub const AT_PHDR: u64 = 3;
/// Size of a program header.
pub const AT_PHENT: u64 = 4;
/// Number of program headers.
pub const AT_PHNUM: u64 = 5;
/// Page size.
pub const AT_PAGESZ: u64 = 6;
/// Load bias of the interpreter, 0 without one.
pub const AT_BASE: u64 = 7;
/// Flags, always 0.
pub const AT_FLAGS: u64 = 8;
/// Entry point of the program.
pub const AT_ENTRY: u64 = 9;
/// Real user ID.
pub const AT_UID: u64 = 11;
/// Effective user ID.
pub const AT_EUID: u64 = 12;
/// Real group ID.
pub const AT_GID: u64 = 13;
/// Effective group ID.
pub const AT_EGID: u64 = 14;
/// Address of the platform's name.
pub const AT_PLATFORM: u64 = 15;
/// CPU features: EDX of CPUID leaf 1.
pub const AT_HWCAP: u64 = 16;
/// Clock ticks per second of `times(2)`.
pub const AT_CLKTCK: u64 = 17;
/// Whether the program runs with raised privileges.
pub const AT_SECURE: u64 = 23;
/// Address of 16 random bytes.
pub const AT_RANDOM: u64 = 25;
/// More CPU features.
pub const AT_HWCAP2: u64 = 26;
/// Address of the path given to `execve`.
pub const AT_EXECFN: u64 = 31;
/// Address of the vDSO.
pub const AT_SYSINFO_EHDR: u64 = 33;
/// Smallest signal stack in bytes.
pub const AT_MINSIGSTKSZ: u64 = 51;

/// What the auxiliary vector is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuxInput {
    /// Address of the program headers in memory, 0 if they are not mapped.
    pub phdr: u64,
    /// Size of a program header in bytes.
    pub phent: u64,
    /// Number of program headers.
    pub phnum: u64,
    /// Load bias of the interpreter, 0 without one.
    pub base: u64,
    /// Entry point of the program (not of the interpreter).
    pub entry: u64,
    /// Real user ID.
    pub uid: u32,
    /// Effective user ID.
    pub euid: u32,
    /// Real group ID.
    pub gid: u32,
    /// Effective group ID.
    pub egid: u32,
    /// Whether the program runs with raised privileges.
    pub secure: bool,
    /// EDX of CPUID leaf 1.
    pub hwcap: u64,
    /// Linux's `ELF_HWCAP2` bits.
    pub hwcap2: u64,
    /// Clock ticks per second.
    pub clktck: u64,
    /// Page size in bytes.
    pub pagesz: u64,
    /// Smallest signal stack in bytes; left out when 0.
    pub minsigstksz: u64,
    /// Address of the vDSO, if there is one.
    pub sysinfo_ehdr: Option<u64>,
}

impl AuxInput {
    /// The part that follows from the program loaded at `bias` and the interpreter's bias; the rest is 0, but for
    /// the page size and 100 ticks per second.
    pub fn for_program(plan: &Plan, bias: u64, interp_bias: Option<u64>) -> Self {
        Self {
            phdr: plan.phdr_at(bias).unwrap_or(0),
            phent: u64::from(plan.phent),
            phnum: u64::from(plan.phnum),
            base: interp_bias.unwrap_or(0),
            entry: plan.entry_at(bias),
            uid: 0,
            euid: 0,
            gid: 0,
            egid: 0,
            secure: false,
            hwcap: 0,
            hwcap2: 0,
            clktck: 100,
            pagesz: PAGE_SIZE,
            minsigstksz: 0,
            sysinfo_ehdr: None,
        }
    }

    /// The entries in Linux's order, without the final [`AT_NULL`].
    pub fn entries(&self) -> Vec<(u64, u64)> {
        let mut entries = Vec::with_capacity(20);
        entries.extend(self.sysinfo_ehdr.map(|addr| (AT_SYSINFO_EHDR, addr)));
        entries.extend((self.minsigstksz != 0).then_some((AT_MINSIGSTKSZ, self.minsigstksz)));
        entries.extend([
            (AT_HWCAP, self.hwcap),
            (AT_PAGESZ, self.pagesz),
            (AT_CLKTCK, self.clktck),
            (AT_PHDR, self.phdr),
            (AT_PHENT, self.phent),
            (AT_PHNUM, self.phnum),
            (AT_BASE, self.base),
            (AT_FLAGS, 0),
            (AT_ENTRY, self.entry),
            (AT_UID, u64::from(self.uid)),
            (AT_EUID, u64::from(self.euid)),
            (AT_GID, u64::from(self.gid)),
            (AT_EGID, u64::from(self.egid)),
            (AT_SECURE, u64::from(self.secure)),
            (AT_RANDOM, 0),
            (AT_HWCAP2, self.hwcap2),
            (AT_EXECFN, 0),
            (AT_PLATFORM, 0),
        ]);
        entries
    }
}
