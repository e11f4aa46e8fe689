//! memfd_create(2): makes a file of memory without a path.

use crate::prelude::*;
use abi::{FdFlags, OpenFlags, general as raw};
use alloc::vec::Vec;
use fs::{MemFd, MemFdOptions, OpenFile};
use mm::user::CStrError;

/// `memfd_create(name, flags)`.
pub struct MemFdCreate {
    name: u64,
    flags: u32,
}

/// Longest name with its NUL: a file name less `memfd:`.
const NAME_MAX: usize = 250;

impl Syscall for MemFdCreate {
    const NR: u32 = nr::MEMFD_CREATE;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Path, ArgKind::Bits(names![MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<1>();
        let known = raw::MFD_CLOEXEC | raw::MFD_ALLOW_SEALING | raw::MFD_NOEXEC_SEAL | raw::MFD_EXEC;
        let both = raw::MFD_NOEXEC_SEAL | raw::MFD_EXEC;
        // MFD_HUGETLB is a flag of kernels with such a file system; this one has none.
        if flags & !known != 0 || flags & both == both {
            return Err(Errno::EINVAL.into());
        }
        Ok(MemFdCreate { name: args.long::<0>(), flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut name = Vec::new();
        ctx.memory().read_cstr(self.name, NAME_MAX, &mut name).map_err(|error| match error {
            CStrError::TooLong => Errno::EINVAL.into(),
            other => crate::CallError::from(other),
        })?;
        let has = |flag| self.flags & flag != 0;
        let options =
            MemFdOptions { sealing: has(raw::MFD_ALLOW_SEALING), no_exec: has(raw::MFD_NOEXEC_SEAL) };
        let file = MemFd::new(ctx.platform.frames(), &name, options, ctx.platform.realtime_ns());
        let file = OpenFile::new(file, OpenFlags::RDWR | OpenFlags::LARGEFILE);
        let flags = if has(raw::MFD_CLOEXEC) { FdFlags::CLOEXEC } else { FdFlags::empty() };
        Ok(ctx.process.files().insert(file, flags, 0, ctx.fd_limit())?.into())
    }
}
