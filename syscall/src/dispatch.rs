//! From the entry code to the row of a call, and back to what the program finds in RAX.

use crate::strace;
use crate::table::{Row, TABLE};
use crate::{CallError, CallResult, Context, RawArgs};
use abi::Errno;
use task::ExitStatus;

/// What the entry code does after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Puts the value into RAX and returns to the program.
    Return(u64),
    /// Saves all registers and calls [`dispatch_full`]. The call may have run already or not; that is kept in the thread.
    AllRegisters,
    /// The process has ended.
    Exit(ExitStatus),
    /// The thread has ended, and others go on.
    ThreadEnds,
}

impl From<Ended> for Outcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Process(status) => Outcome::Exit(status),
            Ended::Thread => Outcome::ThreadEnds,
        }
    }
}

/// What a call has ended that does not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The process.
    Process(ExitStatus),
    /// The thread.
    Thread,
}

/// What the program finds in RAX for a result; `Err` if it never sees it.
#[inline]
pub fn encode(result: CallResult<u64>) -> Result<u64, Ended> {
    match result {
        Ok(value) => Ok(value),
        Err(CallError::Errno(errno)) => Ok(errno.to_rax()),
        Err(CallError::Exit(status)) => Err(Ended::Process(status)),
        Err(CallError::ThreadEnds) => Err(Ended::Thread),
    }
}

/// The row of the call in `ctx.regs`. Linux looks at the low half of the number only.
#[inline]
fn row(ctx: &Context<'_>) -> Option<&'static Row> {
    TABLE.get(ctx.regs.orig_rax as u32 as usize)?.as_ref()
}

/// Runs the call in `ctx.regs`.
#[inline]
pub fn dispatch(ctx: &mut Context<'_>) -> Outcome {
    let row = row(ctx);
    if row.is_some_and(|row| row.all_registers) {
        return Outcome::AllRegisters;
    }
    match execute(ctx, row) {
        Ok(value) if ctx.process.needs_attention(ctx.thread) || Errno::restart_code(value).is_some() => {
            ctx.thread.keep_result(value);
            Outcome::AllRegisters
        }
        Ok(value) => Outcome::Return(value),
        Err(ended) => ended.into(),
    }
}

#[inline]
fn execute(ctx: &mut Context<'_>, row: Option<&Row>) -> Result<u64, Ended> {
    let run = row.map_or(unknown as fn(&mut Context<'_>) -> CallResult<u64>, |row| row.run);
    encode(if ctx.process.is_traced() { shown(ctx, run) } else { run(ctx) })
}

/// Runs a call and shows it, with the arguments that it had.
#[cold]
fn shown(ctx: &mut Context<'_>, run: fn(&mut Context<'_>) -> CallResult<u64>) -> CallResult<u64> {
    let (nr, args) = (ctx.regs.orig_rax, RawArgs(ctx.regs.syscall_args()));
    let result = run(ctx);
    strace::show(ctx, nr, &args, &result);
    result
}

/// Continues after [`Outcome::AllRegisters`], with all registers in `ctx.regs`: delivers signals, after the call if it has not
/// run yet.
pub fn dispatch_full(ctx: &mut Context<'_>) -> Outcome {
    let result = match ctx.thread.take_result() {
        Some(value) => Ok(value),
        None => {
            let row = row(ctx);
            execute(ctx, row)
        }
    };
    match result {
        Err(ended) => ended.into(),
        Ok(value) => {
            ctx.regs.rax = value;
            match ctx.target().deliver_pending(ctx.regs, true) {
                Some(status) => Outcome::Exit(status),
                None => Outcome::Return(ctx.regs.rax),
            }
        }
    }
}

/// Delivers pending signals, with all registers in `ctx.regs`; `Some` if one ends the process. Also called when an interrupt of
/// the program has made a signal pending.
pub fn deliver_signals(ctx: &mut Context<'_>) -> Option<ExitStatus> {
    ctx.target().deliver_pending(ctx.regs, false)
}

/// A call without a row: named the first time.
#[cold]
fn unknown(ctx: &mut Context<'_>) -> CallResult<u64> {
    let nr = u64::from(ctx.regs.orig_rax as u32);
    if ctx.process.first_unknown_call(nr) {
        let [a, b, c, d, e, f] = ctx.regs.syscall_args();
        let name = abi::nr::name(nr).unwrap_or("without a name");
        ctx.platform.message(format_args!(
            "system call {nr} ({name}) is not implemented: called with ({a:#x}, {b:#x}, {c:#x}, {d:#x}, {e:#x}, {f:#x}), \
             answered ENOSYS"
        ));
    }
    Err(Errno::ENOSYS.into())
}
