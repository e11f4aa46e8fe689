//! mmap(2): maps memory or a file.

use super::mlock::Allowance;
use crate::prelude::*;
use abi::{MapFlags, Prot, general as raw};
use mm::addr::{PAGE_SIZE, USER_END, VirtAddr, page_ceil, page_floor};
use mm::cache::SharedMemory;
use mm::space::{MapRequest, Placement};
use mm::vma::{Backing, FileBacking, VmaFlags};

/// `mmap(address, length, protection, flags, fd, offset)`.
pub struct MMap {
    addr: u64,
    len: u64,
    prot: Prot,
    flags: MapFlags,
    fd: i32,
    offset: u64,
}

/// Protections, for strace.
pub const PROTECTIONS: Names =
    names![PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC, PROT_SEM, PROT_GROWSDOWN, PROT_GROWSUP];

const FLAGS: Names = names![
    MAP_SHARED_VALIDATE,
    MAP_SHARED,
    MAP_PRIVATE,
    MAP_FIXED,
    MAP_ANONYMOUS,
    MAP_32BIT,
    MAP_GROWSDOWN,
    MAP_DENYWRITE,
    MAP_EXECUTABLE,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_NONBLOCK,
    MAP_STACK,
    MAP_HUGETLB,
    MAP_SYNC,
    MAP_FIXED_NOREPLACE,
];

/// The flags that MAP_SHARED_VALIDATE knows: all those below, but MAP_SYNC, which needs a file system for it.
const KNOWN: u32 = raw::MAP_TYPE
    | raw::MAP_FIXED
    | raw::MAP_ANONYMOUS
    | raw::MAP_32BIT
    | raw::MAP_GROWSDOWN
    | raw::MAP_DENYWRITE
    | raw::MAP_EXECUTABLE
    | raw::MAP_LOCKED
    | raw::MAP_NORESERVE
    | raw::MAP_POPULATE
    | raw::MAP_NONBLOCK
    | raw::MAP_STACK
    | raw::MAP_HUGETLB
    | raw::MAP_FIXED_NOREPLACE;

/// Pages that are populated between two looks at signals: other threads' faults wait that long.
const POPULATE_PAGES: u64 = 1024;

/// Sizes of huge pages as MAP_HUGETLB names them: the usual one, or the exponents of 2 MiB and 1 GiB.
const HUGE_SIZES: [u32; 3] = [0, 21, 30];

impl Syscall for MMap {
    const NR: u32 = nr::MMAP;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Ptr,
        ArgKind::Unsigned,
        ArgKind::Bits(PROTECTIONS),
        ArgKind::Bits(FLAGS),
        ArgKind::Int,
        ArgKind::Hex,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let offset = args.long::<5>();
        if !offset.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL.into());
        }
        Ok(MMap {
            addr: args.long::<0>(),
            len: args.long::<1>(),
            prot: Prot::from_bits_retain(args.uint::<2>()),
            flags: MapFlags::from_bits_retain(args.uint::<3>()),
            fd: args.int::<4>(),
            offset,
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let shared = self.is_shared()?;
        let (backing, access) = self.backing(ctx, shared)?;
        if self.len == 0 {
            return Err(Errno::EINVAL.into());
        }
        // No pages are set aside for it.
        if self.flags.contains(MapFlags::HUGETLB) {
            let size = self.flags.bits() >> raw::MAP_HUGE_SHIFT & raw::MAP_HUGE_MASK;
            if !self.flags.contains(MapFlags::ANONYMOUS) || !HUGE_SIZES.contains(&size) {
                return Err(Errno::EINVAL.into());
            }
            return Err(Errno::ENOMEM.into());
        }
        let mut flags = access;
        flags.set(VmaFlags::SHARED, shared);
        flags.set(VmaFlags::GROWSDOWN, self.flags.contains(MapFlags::GROWSDOWN));
        flags.set(VmaFlags::LOCKED, self.flags.contains(MapFlags::LOCKED));
        flags.set(VmaFlags::NORESERVE, self.flags.contains(MapFlags::NORESERVE));
        // Stacks of threads use a few pages of their megabytes: as Linux since 6.7.
        flags.set(VmaFlags::NO_HUGE_PAGES, self.flags.contains(MapFlags::STACK));
        let allowance = Allowance::of(ctx);
        if flags.contains(VmaFlags::LOCKED) {
            allowance.check()?;
        }
        let request = MapRequest {
            at: self.placement(),
            len: self.len,
            prot: self.prot.into(),
            backing,
            flags,
            name: None,
        };
        let mut space = ctx.process.space();
        if (request.flags | space.future_flags()).contains(VmaFlags::LOCKED)
            && !allowance.has(space.locked_bytes(0, USER_END).saturating_add(self.len))
        {
            return Err(Errno::EAGAIN.into());
        }
        let start = space.map(request)?;
        let locked = space.find(start).is_some_and(|vma| {
            vma.flags.contains(VmaFlags::LOCKED) && !vma.flags.contains(VmaFlags::LOCK_ON_FAULT)
        });
        let populate = self.flags.contains(MapFlags::POPULATE) && !self.flags.contains(MapFlags::NONBLOCK);
        drop(space);
        if locked || populate {
            populate_area(ctx, start.0, self.len);
        }
        Ok(start.0)
    }
}

/// Populates a new mapping piece by piece, until a signal comes that ends the process. mmap(2): it does not fail when the mapping
/// cannot be populated.
fn populate_area(ctx: &Context<'_>, start: u64, len: u64) {
    let end = start.saturating_add(len);
    let mut at = start;
    while at < end && !ctx.thread.is_dying(ctx.process) {
        let Ok(next) = ctx.process.space().populate_some(at, end, POPULATE_PAGES) else { break };
        at = next;
    }
}

impl MMap {
    fn placement(&self) -> Placement {
        if self.flags.contains(MapFlags::FIXED_NOREPLACE) {
            Placement::FixedNoReplace(VirtAddr(self.addr))
        } else if self.flags.contains(MapFlags::FIXED) {
            Placement::Fixed(VirtAddr(self.addr))
        } else if self.flags.contains(MapFlags::BIT32) {
            Placement::Low
        } else if page_floor(self.addr) == 0 {
            Placement::Anywhere
        } else {
            Placement::Hint(VirtAddr(page_floor(self.addr)))
        }
    }

    /// Whether the mapping is shared, after the checks of its type.
    fn is_shared(&self) -> CallResult<bool> {
        match self.flags.bits() & raw::MAP_TYPE {
            raw::MAP_PRIVATE => Ok(false),
            raw::MAP_SHARED => Ok(true),
            raw::MAP_SHARED_VALIDATE if self.flags.contains(MapFlags::ANONYMOUS) => Err(Errno::EINVAL.into()),
            raw::MAP_SHARED_VALIDATE if self.flags.bits() & !KNOWN != 0 => Err(Errno::EOPNOTSUPP.into()),
            raw::MAP_SHARED_VALIDATE => Ok(true),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// The content, after the checks that depend on the file, and what the file forbids.
    fn backing(&self, ctx: &Context<'_>, shared: bool) -> CallResult<(Backing, VmaFlags)> {
        let none = VmaFlags::empty();
        let grows = self.flags.contains(MapFlags::GROWSDOWN);
        if self.flags.contains(MapFlags::ANONYMOUS) {
            if !shared {
                return Ok((Backing::Anonymous, none));
            }
            if grows {
                return Err(Errno::EINVAL.into());
            }
            let len = page_ceil(self.len).ok_or(Errno::ENOMEM)?;
            let store = SharedMemory::new(ctx.platform.frames(), len);
            return Ok((Backing::File(FileBacking { store, offset: 0, file_len: len }), none));
        }
        if grows {
            return Err(Errno::EINVAL.into());
        }
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let writing = shared && self.prot.contains(Prot::WRITE);
        if !file.flags().readable() || (writing && !file.flags().writable()) {
            return Err(Errno::EACCES.into());
        }
        let store = file.file().backing().ok_or(Errno::ENODEV)?;
        // A mapping with copies of its own would lose what is written to it, so there is none.
        if shared && file.flags().writable() && !store.has_shared_pages() {
            return Err(Errno::ENODEV.into());
        }
        if writing && !store.allows_shared_writing() {
            return Err(Errno::EPERM.into());
        }
        let read_only = shared && (!file.flags().writable() || !store.allows_shared_writing());
        // All of it is the file's: pages wholly behind its end cannot be accessed.
        let backing = Backing::File(FileBacking { store, offset: self.offset, file_len: self.len });
        Ok((backing, if read_only { VmaFlags::NEVER_WRITE } else { none }))
    }
}
