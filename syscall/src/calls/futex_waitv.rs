//! futex_waitv(2): waits for one of several futexes.

use super::futex::{key, pause};
use crate::prelude::*;
use crate::time;
use abi::general as raw;
use abi::structs::Timespec;
use alloc::vec::Vec;
use task::futex::{FutexError, Key, WaitFor, Word};

/// `futex_waitv(waiters, count, flags, timeout, clock)`.
pub struct FutexWaitV {
    waiters: UserPtr<[u64; 3]>,
    count: u32,
    flags: u32,
    timeout: UserPtr<Timespec>,
    clock: i32,
}

/// Most futexes of a call (FUTEX_WAITV_MAX).
const MAX: u32 = 128;
/// Words of 32 bits (FUTEX_32).
const SIZE_U32: u32 = 2;
/// Used by the threads of one process only.
const PRIVATE: u32 = raw::FUTEX_PRIVATE_FLAG;

impl Syscall for FutexWaitV {
    const NR: u32 = nr::FUTEX_WAITV;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Hex, ArgKind::Time, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FutexWaitV {
            waiters: args.ptr::<0, _>(),
            count: args.uint::<1>(),
            flags: args.uint::<2>(),
            timeout: args.ptr::<3, _>(),
            clock: args.int::<4>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.flags != 0 || self.count == 0 || self.count > MAX || self.waiters.addr() == 0 {
            return Err(Errno::EINVAL.into());
        }
        let deadline = match self.timeout.non_null() {
            None => None,
            Some(_) if !matches!(self.clock as u32, raw::CLOCK_MONOTONIC | raw::CLOCK_REALTIME) => {
                return Err(Errno::EINVAL.into());
            }
            Some(ptr) => {
                let ns = time::nanoseconds(&ptr.read(ctx.memory())?)?;
                Some(time::deadline_at(ctx, self.clock, ns)?)
            }
        };
        let mut words: Vec<(u64, u32, Key)> = Vec::new();
        words.try_reserve_exact(self.count as usize).map_err(|_| Errno::ENOMEM)?;
        for index in 0..self.count {
            // Value, address, flags (32 bits) and nothing.
            let [value, addr, flags] = self.waiters.at(index.into())?.read(ctx.memory())?;
            let (flags, reserved) = (flags as u32, flags >> 32);
            if flags & !(SIZE_U32 | PRIVATE) != 0 || flags & SIZE_U32 == 0 || reserved != 0 {
                return Err(Errno::EINVAL.into());
            }
            if value > u64::from(u32::MAX) {
                return Err(Errno::EINVAL.into());
            }
            words.push((addr, value as u32, key(ctx, addr, flags & PRIVATE == 0)?));
        }
        let mut waits: Vec<WaitFor<'_>> = Vec::new();
        waits.try_reserve_exact(words.len()).map_err(|_| Errno::ENOMEM)?;
        waits.extend(words.iter().map(|(addr, value, key)| {
            let word = Word { addr: *addr, key };
            WaitFor { word, value: *value, mask: u32::MAX }
        }));
        let waiter = ctx.thread.waiter();
        match ctx.process.futexes.wait(&waits, &waiter, ctx.memory(), &mut || pause(ctx, deadline)) {
            Ok(index) => Ok(index.into()),
            Err(FutexError::Interrupted) => Err(Errno::ERESTARTSYS.into()),
            Err(error) => Err(error.into()),
        }
    }
}
