//! futex(2), as far as one thread can use it.

use crate::prelude::*;
use crate::{CallError, time};
use abi::structs::Timespec;
use abi::{Signal, general as raw};
use task::{ExitStatus, RestartBlock};

/// `futex(address, operation, value, timeout or value 2, address 2, value 3)`.
///
/// Nobody can wait while the only thread runs, so wakes find nobody; a wait can end by its time or by a signal.
pub struct Futex {
    word: UserPtr<u32>,
    operation: u32,
    value: u32,
    timeout: UserPtr<Timespec>,
    mask: u32,
}

/// Operations, for strace.
const OPERATIONS: Names = names![
    FUTEX_WAIT,
    FUTEX_WAKE,
    FUTEX_REQUEUE,
    FUTEX_CMP_REQUEUE,
    FUTEX_WAKE_OP,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE_BITSET,
    FUTEX_WAIT_PRIVATE,
    FUTEX_WAKE_PRIVATE,
    FUTEX_REQUEUE_PRIVATE,
    FUTEX_CMP_REQUEUE_PRIVATE,
    FUTEX_WAKE_OP_PRIVATE,
    FUTEX_WAIT_BITSET_PRIVATE,
    FUTEX_WAKE_BITSET_PRIVATE,
];

impl Syscall for Futex {
    const NR: u32 = nr::FUTEX;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Ptr,
        ArgKind::Value(OPERATIONS),
        ArgKind::Unsigned,
        ArgKind::Hex,
        ArgKind::Ptr,
        ArgKind::Hex,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let word: UserPtr<u32> = args.ptr::<0, _>();
        if !word.addr().is_multiple_of(4) {
            return Err(Errno::EINVAL.into());
        }
        let (operation, value, mask) = (args.uint::<1>(), args.uint::<2>(), args.uint::<5>());
        Ok(Futex { word, operation, value, timeout: args.ptr::<3, _>(), mask })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let realtime = self.operation & raw::FUTEX_CLOCK_REALTIME != 0;
        match self.operation & !(raw::FUTEX_PRIVATE_FLAG | raw::FUTEX_CLOCK_REALTIME) {
            raw::FUTEX_WAIT if realtime => Err(Errno::ENOSYS.into()),
            raw::FUTEX_WAIT => {
                let ns = self.time(ctx)?;
                self.wait(ctx, ns.map(|ns| time::deadline_in(ctx, ns)))
            }
            raw::FUTEX_WAIT_BITSET if self.mask == 0 => Err(Errno::EINVAL.into()),
            raw::FUTEX_WAIT_BITSET => {
                let clock = if realtime { raw::CLOCK_REALTIME } else { raw::CLOCK_MONOTONIC };
                let deadline = match self.time(ctx)? {
                    Some(ns) => Some(time::deadline_at(ctx, clock as i32, ns)?),
                    None => None,
                };
                self.wait(ctx, deadline)
            }
            raw::FUTEX_WAKE_BITSET if self.mask == 0 => Err(Errno::EINVAL.into()),
            raw::FUTEX_WAKE | raw::FUTEX_WAKE_BITSET | raw::FUTEX_REQUEUE => {
                self.word.read(ctx.memory())?;
                Ok(0)
            }
            raw::FUTEX_CMP_REQUEUE if self.word.read(ctx.memory())? != self.mask => Err(Errno::EAGAIN.into()),
            raw::FUTEX_CMP_REQUEUE => Ok(0),
            _ => Err(Errno::ENOSYS.into()),
        }
    }
}

impl Futex {
    fn time(&self, ctx: &Context<'_>) -> CallResult<Option<u64>> {
        match self.timeout.non_null() {
            Some(ptr) => Ok(Some(time::nanoseconds(&ptr.read(ctx.memory())?)?)),
            None => Ok(None),
        }
    }

    /// Goes on with a wait that a signal without a handler ended.
    pub fn wait_again(ctx: &Context<'_>, word: u64, value: u32, deadline: u64) -> CallResult<u64> {
        let timeout = UserPtr::new(0);
        let wait = Futex { word: UserPtr::new(word), operation: raw::FUTEX_WAIT, value, timeout, mask: 0 };
        wait.wait(ctx, Some(deadline))
    }

    fn wait(&self, ctx: &Context<'_>, deadline: Option<u64>) -> CallResult<u64> {
        if self.word.read(ctx.memory())? != self.value {
            return Err(Errno::EAGAIN.into());
        }
        if deadline.is_none() && !ctx.interrupted() && ctx.process.next_timer(ctx.platform).is_none() {
            ctx.platform.message(format_args!(
                "the program waits for ever for the futex at {:#x}: it has no other thread that could wake it",
                self.word.addr()
            ));
            return Err(CallError::Exit(ExitStatus::Signal(Signal::SIGKILL)));
        }
        ctx.sleep(deadline, || Ok(None::<()>)).map_err(|error| match deadline {
            Some(deadline) => {
                let (word, value) = (self.word.addr(), self.value);
                ctx.thread.restart_with(RestartBlock::Futex { word, value, deadline });
                error.if_interrupted(Errno::ERESTART_RESTARTBLOCK)
            }
            None => error.if_interrupted(Errno::ERESTARTSYS),
        })?;
        Err(Errno::ETIMEDOUT.into())
    }
}
