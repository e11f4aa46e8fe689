//! waitid(2): waits for a change of a child. There are none, as no call makes a process.

use super::wait4::CHILDREN;
use crate::prelude::*;
use abi::general as raw;

/// `waitid(kind, id, info, options, usage)`.
pub struct WaitId {
    kind: i32,
    id: i32,
    info: UserPtr<[u32; INFO_WORDS]>,
    options: u32,
}

/// Number, error, code; room for alignment; process, user, status: what waitid stores of a `siginfo_t`.
const INFO_WORDS: usize = 7;

impl WaitId {
    /// What keeps the call from finding a child.
    fn error(&self, ctx: &Context<'_>) -> Errno {
        const EVENTS: u32 = raw::WEXITED | raw::WSTOPPED | raw::WCONTINUED;
        if self.options & !(EVENTS | raw::WNOHANG | raw::WNOWAIT | CHILDREN) != 0
            || self.options & EVENTS == 0
        {
            return Errno::EINVAL;
        }
        match self.kind as u32 {
            raw::P_ALL => Errno::ECHILD,
            raw::P_PID if self.id > 0 => Errno::ECHILD,
            raw::P_PGID if self.id >= 0 => Errno::ECHILD,
            raw::P_PIDFD if self.id >= 0 => match super::pidfd_open::check(ctx, self.id) {
                Ok(()) => Errno::ECHILD,
                Err(_) => Errno::EBADF,
            },
            _ => Errno::EINVAL,
        }
    }
}

impl Syscall for WaitId {
    const NR: u32 = nr::WAITID;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::Int,
        ArgKind::Ptr,
        ArgKind::Bits(names![WNOHANG, WSTOPPED, WEXITED, WCONTINUED, WNOWAIT, __WNOTHREAD, __WCLONE, __WALL]),
        ArgKind::Ptr,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (kind, id, options) = (args.int::<0>(), args.int::<1>(), args.uint::<3>());
        Ok(WaitId { kind, id, info: args.ptr::<2, _>(), options })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let error = self.error(ctx);
        // As on Linux, the information is cleared whatever was wrong.
        if !self.info.is_null() {
            self.info.write(ctx.memory(), &[0; INFO_WORDS])?;
        }
        Err(error.into())
    }
}
