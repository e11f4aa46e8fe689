//! The `strace` option: every call with decoded arguments and result, in strace's style.
//!
//! A call is shown when it has returned, with what it stored; one that does not return with `= ?`. Everything is read from
//! program memory anew and nothing is trusted: what cannot be read is shown as an address.

mod args;

use crate::table::TABLE;
use crate::{CallError, CallResult, Context, RawArgs};
use alloc::string::String;
use core::fmt::Write;

pub(crate) use args::names;
pub use args::{ArgKind, Names};

/// Shows a call.
#[cold]
pub fn show(ctx: &Context<'_>, nr: u64, args: &RawArgs, result: &CallResult<u64>) {
    ctx.platform.message(format_args!("{}", line(ctx, nr, args, result)));
}

/// The line for a call.
pub fn line(ctx: &Context<'_>, nr: u64, args: &RawArgs, result: &CallResult<u64>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, ctx, nr, args, result);
    out
}

fn write(
    out: &mut String,
    ctx: &Context<'_>,
    nr: u64,
    args: &RawArgs,
    result: &CallResult<u64>,
) -> core::fmt::Result {
    let nr = u64::from(nr as u32);
    match abi::nr::name(nr) {
        Some(name) => write!(out, "{name}(")?,
        None => write!(out, "syscall_{nr:#x}(")?,
    }
    const ALL: &[ArgKind] = &[ArgKind::Hex; 6];
    let kinds = match TABLE.get(nr as usize) {
        Some(Some(row)) => row.args,
        _ => ALL,
    };
    for (i, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.is_shown(args)) {
        if i > 0 {
            out.push_str(", ");
        }
        kind.write(out, ctx.memory(), args, i, result)?;
    }
    match result {
        Ok(value) if kinds_return_address(nr) => write!(out, ") = {value:#x}"),
        Ok(value) => write!(out, ") = {}", *value as i64),
        Err(CallError::Errno(errno)) => write!(out, ") = -1 {errno}"),
        Err(CallError::Exit(_) | CallError::ThreadEnds) => write!(out, ") = ?"),
    }
}

/// Calls whose result is an address.
fn kinds_return_address(nr: u64) -> bool {
    u32::try_from(nr).is_ok_and(|nr| matches!(nr, abi::nr::MMAP | abi::nr::BRK | abi::nr::MREMAP))
}
