//! Who is to get signals about a file: F_SETOWN and its kin. Called by fcntl(2). [`sigio`](crate::sigio) sends them.

use crate::prelude::*;
use abi::{Signal, general as raw};
use fs::{Interested, OpenFile};

/// `struct f_owner_ex`: kind and number.
type OwnerEx = [u32; 2];

/// F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG, F_SETOWN_EX, F_GETOWN_EX.
pub fn owner(ctx: &Context<'_>, file: &OpenFile, command: u32, arg: u64) -> CallResult<u64> {
    match command {
        raw::F_GETOWN => {
            let who = file.interested();
            let id = i64::from(who.id);
            Ok(if u32::from(who.kind) == raw::F_OWNER_PGRP { -id } else { id } as u64)
        }
        raw::F_SETOWN => match arg as i32 {
            i32::MIN => Err(Errno::EINVAL.into()),
            group @ ..0 => set(ctx, file, raw::F_OWNER_PGRP, group.unsigned_abs()),
            process => set(ctx, file, raw::F_OWNER_PID, process.unsigned_abs()),
        },
        raw::F_GETOWN_EX => {
            let who = file.interested();
            UserPtr::<OwnerEx>::new(arg).write(ctx.memory(), &[who.kind.into(), who.id])?;
            Ok(0)
        }
        raw::F_SETOWN_EX => {
            let [kind, id] = UserPtr::<OwnerEx>::new(arg).read(ctx.memory())?;
            set(ctx, file, kind, id)
        }
        raw::F_GETSIG => Ok(file.interested().signal.into()),
        raw::F_SETSIG => {
            let signal = match arg {
                0 => 0,
                number => Signal::new(number).ok_or(Errno::EINVAL)?.raw(),
            };
            change(file, |who| Interested { signal, ..who });
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn set(ctx: &Context<'_>, file: &OpenFile, kind: u32, id: u32) -> CallResult<u64> {
    /// The parent of the program, which the kernel plays.
    const INIT: u32 = 1;
    let exists = match kind {
        raw::F_OWNER_TID => id == ctx.thread.tid,
        raw::F_OWNER_PID => id == ctx.process.pid || id == INIT,
        raw::F_OWNER_PGRP => id == ctx.process.pid,
        _ => return Err(Errno::EINVAL.into()),
    };
    if id != 0 && !exists {
        return Err(Errno::ESRCH.into());
    }
    let kind = u8::try_from(kind).map_err(|_| Errno::EINVAL)?;
    change(file, |who| Interested { kind, id, ..who });
    Ok(0)
}

/// Another thread may change the other half at the same time, which then has happened before.
fn change(file: &OpenFile, new: impl Fn(Interested) -> Interested) {
    loop {
        let old = file.interested();
        if file.set_interested(old, new(old)) {
            break;
        }
    }
}
