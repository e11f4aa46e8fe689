//! ioprio_get(2): the priority of input and output.

use super::getpriority;
use crate::prelude::*;
use abi::general as raw;

/// `ioprio_get(which, who)`.
pub struct IoPrioGet {
    which: u32,
    who: u32,
}

/// Classes are above this bit.
pub const CLASS_SHIFT: u32 = 13;
/// No class is set.
pub const NONE: u16 = 0;
/// First of all.
pub const REAL_TIME: u16 = 1;
/// By level.
pub const BEST_EFFORT: u16 = 2;
/// When nobody else wants anything.
pub const IDLE: u16 = 3;

const PROCESS: u32 = 1;
const GROUP: u32 = 2;
const USER: u32 = 3;

/// What a priority belongs to, for strace.
pub const WHICH: Names = &[
    (PROCESS as u64, "IOPRIO_WHO_PROCESS"),
    (GROUP as u64, "IOPRIO_WHO_PGRP"),
    (USER as u64, "IOPRIO_WHO_USER"),
];

/// ESRCH unless the process is meant, EINVAL unless something is.
pub fn own(ctx: &Context<'_>, which: u32, who: u32) -> CallResult<()> {
    let which = match which {
        PROCESS => raw::PRIO_PROCESS,
        GROUP => raw::PRIO_PGRP,
        USER => raw::PRIO_USER,
        _ => return Err(Errno::EINVAL.into()),
    };
    getpriority::threads(ctx, which, who)?;
    Ok(())
}

impl Syscall for IoPrioGet {
    const NR: u32 = nr::IOPRIO_GET;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(WHICH), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(IoPrioGet { which: args.uint::<0>(), who: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        own(ctx, self.which, self.who)?;
        let attributes = ctx.process.attributes();
        if attributes.io_priority >> CLASS_SHIFT != NONE || self.which == PROCESS {
            return Ok(attributes.io_priority.into());
        }
        // Groups and users are told what follows from the scheduling where nothing is set.
        let scheduling = ctx.thread.scheduling();
        let class = match scheduling.policy {
            raw::SCHED_IDLE => IDLE,
            raw::SCHED_FIFO | raw::SCHED_RR => REAL_TIME,
            _ => BEST_EFFORT,
        };
        let level = (scheduling.nice.clamp(-20, 19) + 20) / 5;
        Ok(u64::from(class) << CLASS_SHIFT | u64::from(level.unsigned_abs()))
    }
}
