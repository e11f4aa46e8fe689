//! mprotect(2): changes the protection of pages.

use super::mmap::PROTECTIONS;
use crate::prelude::*;
use abi::Prot;
use mm::addr::VirtAddr;

/// `mprotect(address, length, protection)`.
pub struct MProtect {
    addr: u64,
    len: u64,
    prot: Prot,
}

impl MProtect {
    /// Whether there is no byte to protect.
    pub fn is_nothing(&self) -> bool {
        self.len == 0
    }
}

impl Syscall for MProtect {
    const NR: u32 = nr::MPROTECT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(PROTECTIONS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (addr, len) = (args.long::<0>(), args.long::<1>());
        let prot = Prot::from_bits_retain(args.uint::<2>());
        let known = Prot::READ | Prot::WRITE | Prot::EXEC | Prot::SEM;
        // PROT_GROWSDOWN and PROT_GROWSUP would change more than was named; nothing uses them.
        let grows = Prot::GROWSDOWN | Prot::GROWSUP;
        let nothing = len == 0 && VirtAddr(addr).is_page_aligned() && !prot.intersects(grows);
        if !known.contains(prot) && !nothing {
            return Err(Errno::EINVAL.into());
        }
        Ok(MProtect { addr, len, prot })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.process.space().protect(VirtAddr(self.addr), self.len, self.prot.into())?;
        Ok(0)
    }
}
