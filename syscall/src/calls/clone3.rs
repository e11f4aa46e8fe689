//! clone3(2): makes a thread, with its arguments in a structure.

use super::clone::{NewThread, make};
use crate::prelude::*;
use abi::general as raw;

/// `clone3(arguments, size)`.
pub struct Clone3 {
    args: u64,
    size: usize,
}

/// Words of `struct clone_args`: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
/// set_tid_size, cgroup.
const WORDS: usize = 11;
/// The smallest structure (CLONE_ARGS_SIZE_VER0) and a page, which is the largest.
const SIZES: core::ops::RangeInclusive<usize> = 64..=4096;

impl Syscall for Clone3 {
    const NR: u32 = nr::CLONE3;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned];
    const ALL_REGISTERS: bool = true;

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Clone3 { args: args.long::<0>(), size: args.size::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.size > *SIZES.end() {
            return Err(Errno::E2BIG.into());
        }
        if self.size < *SIZES.start() {
            return Err(Errno::EINVAL.into());
        }
        let mut words = [0u64; WORDS];
        for (index, word) in words.iter_mut().enumerate().take(self.size / 8) {
            *word = UserPtr::new(self.args).at(index as u64)?.read(ctx.memory())?;
        }
        // What a newer program says beyond this must be nothing.
        for at in WORDS * 8..self.size {
            if UserPtr::<u8>::new(self.args).at(at as u64)?.read(ctx.memory())? != 0 {
                return Err(Errno::E2BIG.into());
            }
        }
        let [flags, _, child_tid, parent_tid, signal, stack, stack_size, tls, _, tids, _] = words;
        let refused = u64::from(raw::CSIGNAL | raw::CLONE_DETACHED);
        let thread = flags & u64::from(raw::CLONE_THREAD) != 0;
        if flags & refused != 0 || signal > 64 || (thread && signal != 0) || tids != 0 {
            return Err(Errno::EINVAL.into());
        }
        if (stack == 0) != (stack_size == 0) {
            return Err(Errno::EINVAL.into());
        }
        mm::user::check_range(stack, stack_size).map_err(|_| Errno::EINVAL)?;
        let stack = stack.saturating_add(stack_size);
        make(ctx, &NewThread { flags, stack, parent_tid, child_tid, tls })
    }
}
