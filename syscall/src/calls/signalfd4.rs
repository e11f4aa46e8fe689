//! signalfd4(2): makes a file that signals can be read from, or changes which.

use crate::prelude::*;
use abi::{OpenFlags, SigSet};
use alloc::sync::Arc;
use fs::OpenFile;
use task::signalfd::SignalFd;

/// `signalfd4(fd, mask, mask size, flags)`.
pub struct SignalFd4 {
    fd: i32,
    mask: UserPtr<u64>,
    size: usize,
    flags: OpenFlags,
}

impl SignalFd4 {
    /// Without the arguments' checks.
    pub fn from_args(args: &RawArgs, flags: OpenFlags) -> Self {
        SignalFd4 { fd: args.int::<0>(), mask: args.ptr::<1, _>(), size: args.size::<2>(), flags }
    }
}

impl Syscall for SignalFd4 {
    const NR: u32 = nr::SIGNALFD4;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::SigSet,
        ArgKind::Unsigned,
        ArgKind::Bits(&[
            (OpenFlags::CLOEXEC.bits() as u64, "SFD_CLOEXEC"),
            (OpenFlags::NONBLOCK.bits() as u64, "SFD_NONBLOCK"),
        ]),
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Self::from_args(args, OpenFlags::from_bits_retain(args.uint::<3>())))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.size != size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        let set = SigSet(self.mask.read(ctx.memory())?);
        if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(self.flags) {
            return Err(Errno::EINVAL.into());
        }
        if self.fd == -1 {
            let file = SignalFd::new(ctx.platform, ctx.process, set);
            let status = self.flags & OpenFlags::NONBLOCK | OpenFlags::RDWR;
            let file = OpenFile::new(Arc::new(file), status);
            return ctx.install(file, self.flags.contains(OpenFlags::CLOEXEC));
        }
        let file = ctx.file(self.fd)?;
        let signals = file.file().as_any().and_then(|file| file.downcast_ref::<SignalFd>());
        signals.ok_or(Errno::EINVAL)?.set_signals(set);
        Ok(self.fd as u64)
    }
}
