//! signalfd(2): as signalfd4, without flags.

use super::signalfd4::SignalFd4;
use crate::prelude::*;
use abi::OpenFlags;

/// `signalfd(fd, mask, mask size)`.
pub struct SignalFd(SignalFd4);

impl Syscall for SignalFd {
    const NR: u32 = nr::SIGNALFD;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::SigSet, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SignalFd(SignalFd4::from_args(args, OpenFlags::empty())))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
