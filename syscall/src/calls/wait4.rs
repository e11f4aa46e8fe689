//! wait4(2): waits for a child. There are none, as no call makes a process.

use crate::prelude::*;
use abi::general as raw;

/// `wait4(pid, status, options, usage)`.
pub struct Wait4 {
    pid: i32,
    options: u32,
}

/// Options that say which kinds of children are meant.
pub const CHILDREN: u32 = raw::__WNOTHREAD | raw::__WCLONE | raw::__WALL;

impl Syscall for Wait4 {
    const NR: u32 = nr::WAIT4;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::Ptr,
        ArgKind::Bits(names![WNOHANG, WUNTRACED, WCONTINUED, __WNOTHREAD, __WCLONE, __WALL]),
        ArgKind::Ptr,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Wait4 { pid: args.int::<0>(), options: args.uint::<2>() })
    }

    fn execute(self, _ctx: &mut Context<'_>) -> CallResult<u64> {
        let error = if self.options & !(raw::WNOHANG | raw::WUNTRACED | raw::WCONTINUED | CHILDREN) != 0 {
            Errno::EINVAL
        } else if self.pid == i32::MIN {
            // Its group would have a number that does not exist.
            Errno::ESRCH
        } else {
            Errno::ECHILD
        };
        Err(error.into())
    }
}
