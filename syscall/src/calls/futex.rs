//! futex(2): waiting for words of memory, and locks in them.

use crate::prelude::*;
use crate::{CallError, time};
use abi::structs::Timespec;
use abi::{Signal, general as raw};
use task::futex::{FutexError, Key, Locker, Pause, WaitFor, WakeOp, Word};
use task::{ExitStatus, RestartBlock};

/// `futex(address, operation, value, timeout or value 2, address 2, value 3)`.
pub struct Futex {
    word: UserPtr<u32>,
    operation: u32,
    value: u32,
    timeout: UserPtr<Timespec>,
    second: UserPtr<u32>,
    mask: u32,
}

/// Operations, for strace.
const OPERATIONS: Names = names![
    FUTEX_WAIT,
    FUTEX_WAKE,
    FUTEX_REQUEUE,
    FUTEX_CMP_REQUEUE,
    FUTEX_WAKE_OP,
    FUTEX_LOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_TRYLOCK_PI,
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

/// FUTEX_LOCK_PI2, which old headers do not have.
const LOCK_PI2: u32 = 13;

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
        Ok(Futex {
            word: args.ptr::<0, _>(),
            operation: args.uint::<1>(),
            value: args.uint::<2>(),
            timeout: args.ptr::<3, _>(),
            second: args.ptr::<4, _>(),
            mask: args.uint::<5>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let command = self.operation & !(raw::FUTEX_PRIVATE_FLAG | raw::FUTEX_CLOCK_REALTIME);
        let has_clock = matches!(command, raw::FUTEX_WAIT_BITSET | raw::FUTEX_WAIT_REQUEUE_PI | LOCK_PI2);
        if self.operation & raw::FUTEX_CLOCK_REALTIME != 0 && !has_clock {
            return Err(Errno::ENOSYS.into());
        }
        let deadline = match command {
            raw::FUTEX_WAIT => self.time(ctx)?.map(|ns| time::deadline_in(ctx, ns)),
            raw::FUTEX_LOCK_PI => self.deadline(ctx, raw::CLOCK_REALTIME)?,
            raw::FUTEX_WAIT_BITSET | raw::FUTEX_WAIT_REQUEUE_PI | LOCK_PI2 => {
                let realtime = self.operation & raw::FUTEX_CLOCK_REALTIME != 0;
                self.deadline(ctx, if realtime { raw::CLOCK_REALTIME } else { raw::CLOCK_MONOTONIC })?
            }
            _ => None,
        };
        let two = |at: u32| self.value as i32 >= 0 && at as i32 >= 0;
        // Linux wakes one before it looks at the count.
        let count = (self.value as i32).max(1) as usize;
        let second = self.timeout.addr() as u32;
        match command {
            raw::FUTEX_WAIT => self.wait(ctx, deadline, u32::MAX),
            raw::FUTEX_WAIT_BITSET if self.mask == 0 => Err(Errno::EINVAL.into()),
            raw::FUTEX_WAIT_BITSET => self.wait(ctx, deadline, self.mask),
            raw::FUTEX_WAKE => self.wake(ctx, count, u32::MAX),
            raw::FUTEX_WAKE_BITSET if self.mask == 0 => Err(Errno::EINVAL.into()),
            raw::FUTEX_WAKE_BITSET => self.wake(ctx, count, self.mask),
            raw::FUTEX_REQUEUE | raw::FUTEX_CMP_REQUEUE | raw::FUTEX_CMP_REQUEUE_PI if !two(second) => {
                Err(Errno::EINVAL.into())
            }
            raw::FUTEX_REQUEUE => self.requeue(ctx, second, None),
            raw::FUTEX_CMP_REQUEUE => self.requeue(ctx, second, Some(self.mask)),
            raw::FUTEX_WAKE_OP => self.wake_op(ctx, count, (second as i32).max(1) as usize),
            raw::FUTEX_LOCK_PI | LOCK_PI2 => self.lock(ctx, Some(deadline)),
            raw::FUTEX_TRYLOCK_PI => self.lock(ctx, None),
            raw::FUTEX_UNLOCK_PI => {
                // Whose it is comes before whether it can be one.
                if self.word.read(ctx.memory())? & raw::FUTEX_TID_MASK != ctx.thread.tid {
                    return Err(Errno::EPERM.into());
                }
                let key = self.key(ctx, self.word)?;
                let word = ctx.process.futex_word(self.word.addr(), &key);
                ctx.process.futexes.unlock_pi(word, ctx.thread.tid, ctx.memory())?;
                Ok(0)
            }
            raw::FUTEX_WAIT_REQUEUE_PI => self.wait_requeue(ctx, deadline),
            raw::FUTEX_CMP_REQUEUE_PI => self.requeue_pi(ctx, second),
            _ => Err(Errno::ENOSYS.into()),
        }
    }
}

/// What identifies the word at `addr`: EINVAL unless it is aligned, EFAULT for what is no memory of a program.
pub fn key(ctx: &Context<'_>, addr: u64, shared: bool) -> CallResult<Key> {
    if !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL.into());
    }
    mm::user::check_range(addr, 4)?;
    if shared {
        // The word must exist to be identified.
        UserPtr::<u32>::new(addr).read(ctx.memory())?;
    }
    Ok(ctx.process.futex_key(addr, shared).ok_or(Errno::EFAULT)?)
}

/// Lets the calling thread sleep: until it is woken, until `deadline`, or until a signal comes.
pub fn pause(ctx: &Context<'_>, deadline: Option<u64>) -> Pause {
    if deadline.is_some_and(|deadline| ctx.platform.monotonic_ns() >= deadline) {
        return Pause::TimedOut;
    }
    if ctx.interrupted() {
        return Pause::Interrupted;
    }
    ctx.platform.wait(deadline);
    Pause::Again
}

impl Futex {
    fn time(&self, ctx: &Context<'_>) -> CallResult<Option<u64>> {
        match self.timeout.non_null() {
            Some(ptr) => Ok(Some(time::nanoseconds(&ptr.read(ctx.memory())?)?)),
            None => Ok(None),
        }
    }

    fn deadline(&self, ctx: &Context<'_>, clock: u32) -> CallResult<Option<u64>> {
        self.time(ctx)?.map(|ns| time::deadline_at(ctx, clock as i32, ns)).transpose()
    }

    fn key(&self, ctx: &Context<'_>, word: UserPtr<u32>) -> CallResult<Key> {
        key(ctx, word.addr(), self.operation & raw::FUTEX_PRIVATE_FLAG == 0)
    }

    /// Goes on with a wait that a signal without a handler ended.
    pub fn wait_again(ctx: &Context<'_>, block: RestartBlock) -> CallResult<u64> {
        let RestartBlock::Futex { word, operation, value, mask, deadline } = block else {
            return Err(Errno::EINTR.into());
        };
        let (word, second) = (UserPtr::new(word), UserPtr::new(0));
        let wait = Futex { word, operation, value, timeout: UserPtr::new(0), second, mask };
        wait.wait(ctx, Some(deadline), mask)
    }

    fn wait(&self, ctx: &Context<'_>, deadline: Option<u64>, mask: u32) -> CallResult<u64> {
        let key = self.key(ctx, self.word)?;
        let word = Word { addr: self.word.addr(), key: &key };
        let waiter = ctx.thread.waiter();
        let wait = [WaitFor { word, value: self.value, mask }];
        let mut sleep =
            || if self.is_hopeless(ctx, deadline) { Pause::TimedOut } else { pause(ctx, deadline) };
        match ctx.process.futexes.wait(&wait, &waiter, ctx.memory(), &mut sleep) {
            Ok(_) => Ok(0),
            Err(FutexError::TimedOut) if deadline.is_none() => {
                ctx.platform.message(format_args!(
                    "the program waits for ever for the futex at {:#x}: it has no other thread that could wake it",
                    self.word.addr()
                ));
                Err(CallError::Exit(ExitStatus::Signal(Signal::SIGKILL)))
            }
            Err(FutexError::Interrupted) => match deadline {
                Some(deadline) => {
                    ctx.thread.restart_with(RestartBlock::Futex {
                        word: self.word.addr(),
                        operation: self.operation,
                        value: self.value,
                        mask,
                        deadline,
                    });
                    Err(Errno::ERESTART_RESTARTBLOCK.into())
                }
                None => Err(Errno::ERESTARTSYS.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Whether nobody could ever end the wait.
    fn is_hopeless(&self, ctx: &Context<'_>, deadline: Option<u64>) -> bool {
        deadline.is_none()
            && ctx.process.is_alone()
            && !ctx.interrupted()
            && ctx.process.next_timer(ctx.platform).is_none()
    }

    fn wake(&self, ctx: &Context<'_>, count: usize, mask: u32) -> CallResult<u64> {
        let key = self.key(ctx, self.word)?;
        Ok(ctx.process.futexes.wake(&key, count, mask)? as u64)
    }

    fn requeue(&self, ctx: &Context<'_>, count: u32, expected: Option<u32>) -> CallResult<u64> {
        let (from, to) = (self.key(ctx, self.word)?, self.key(ctx, self.second)?);
        let from = Word { addr: self.word.addr(), key: &from };
        let to = Word { addr: self.second.addr(), key: &to };
        let counts = (self.value as usize, count as usize);
        let (woken, moved) = ctx.process.futexes.requeue(from, to, counts, expected, ctx.memory())?;
        // With the comparison those that moved count too (futex(2)).
        Ok((woken + moved) as u64)
    }

    fn wake_op(&self, ctx: &Context<'_>, count: usize, count2: usize) -> CallResult<u64> {
        let (first, second) = (self.key(ctx, self.word)?, self.key(ctx, self.second)?);
        let first = Word { addr: self.word.addr(), key: &first };
        let second = Word { addr: self.second.addr(), key: &second };
        let op = WakeOp::decode(self.mask).ok_or(Errno::ENOSYS)?;
        Ok(ctx.process.futexes.wake_op(first, second, (count, count2), op, ctx.memory())? as u64)
    }

    /// Takes the lock, waiting until the deadline if there is one, or not at all.
    fn lock(&self, ctx: &Context<'_>, wait: Option<Option<u64>>) -> CallResult<u64> {
        let key = self.key(ctx, self.word)?;
        let word = Word { addr: self.word.addr(), key: &key };
        let waiter = ctx.thread.waiter();
        let locker = Locker { tid: ctx.thread.tid, priority: priority(ctx), waiter: &waiter };
        let exists = |tid| ctx.process.has_thread(tid);
        let mut sleep = || pause(ctx, wait.flatten());
        let sleep: Option<&mut dyn FnMut() -> Pause> = if wait.is_some() { Some(&mut sleep) } else { None };
        match ctx.process.futexes.lock_pi(word, locker, &exists, ctx.memory(), sleep) {
            Ok(()) => Ok(0),
            // It starts again whatever the handler's flags say.
            Err(FutexError::Interrupted) => Err(Errno::ERESTARTNOINTR.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn wait_requeue(&self, ctx: &Context<'_>, deadline: Option<u64>) -> CallResult<u64> {
        if self.word.addr() == self.second.addr() {
            return Err(Errno::EINVAL.into());
        }
        let (from, to) = (self.key(ctx, self.word)?, self.key(ctx, self.second)?);
        let from = Word { addr: self.word.addr(), key: &from };
        let to = Word { addr: self.second.addr(), key: &to };
        let waiter = ctx.thread.waiter();
        let locker = Locker { tid: ctx.thread.tid, priority: priority(ctx), waiter: &waiter };
        let mut sleep = || pause(ctx, deadline);
        let futexes = &ctx.process.futexes;
        match futexes.wait_requeue_pi(from, self.value, to, locker, ctx.memory(), &mut sleep) {
            Ok(()) => Ok(0),
            // The word has changed perhaps: the program looks.
            Err(FutexError::Interrupted) => Err(Errno::EAGAIN.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn requeue_pi(&self, ctx: &Context<'_>, count: u32) -> CallResult<u64> {
        // More than one cannot get the lock.
        if self.value != 1 || self.word.addr() == self.second.addr() {
            return Err(Errno::EINVAL.into());
        }
        let (from, to) = (self.key(ctx, self.word)?, self.key(ctx, self.second)?);
        let from = Word { addr: self.word.addr(), key: &from };
        let to = Word { addr: self.second.addr(), key: &to };
        let exists = |tid| ctx.process.has_thread(tid);
        let count = count as usize;
        let futexes = &ctx.process.futexes;
        Ok(futexes.requeue_pi(from, to, count, self.mask, &exists, ctx.memory())? as u64)
    }
}

/// Who gets a lock first: real-time priorities above nice values, the smallest number first.
fn priority(ctx: &Context<'_>) -> i32 {
    let scheduling = ctx.thread.scheduling();
    if scheduling.priority > 0 { -(scheduling.priority as i32) - 100 } else { scheduling.nice }
}
