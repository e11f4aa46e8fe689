//! clone(2): makes a thread. Making a process is not implemented.

use crate::prelude::*;
use abi::UserRegs;
use abi::general as raw;
use task::credentials::{CAP_SYS_ADMIN, CAP_SYS_RESOURCE};

/// `clone(flags, stack, parent_tid, child_tid, tls)`.
pub struct Clone {
    flags: u64,
    stack: u64,
    parent_tid: u64,
    child_tid: u64,
    tls: u64,
}

/// What clone and clone3 ask for.
pub struct NewThread {
    /// `CLONE_*`.
    pub flags: u64,
    /// The stack pointer of the new thread; 0 for the caller's.
    pub stack: u64,
    /// Where its number is stored for the caller.
    pub parent_tid: u64,
    /// Where its number is stored for itself, and cleared.
    pub child_tid: u64,
    /// Its FS base.
    pub tls: u64,
}

/// A bit of `CLONE_*` as the calls have it.
const fn bit(flag: u32) -> u64 {
    flag as u64
}

/// What threads of one process share, all of which is wanted together.
const SHARED: u64 = bit(raw::CLONE_VM) | bit(raw::CLONE_SIGHAND) | bit(raw::CLONE_THREAD);
/// What two threads could have for themselves on Linux, and share here.
const ALSO_SHARED: u64 = bit(raw::CLONE_FS) | bit(raw::CLONE_FILES) | bit(raw::CLONE_SYSVSEM);
/// What threads may ask for besides. CLONE_DETACHED has no meaning any more; CLONE_PTRACE and CLONE_UNTRACED have none
/// without a tracer.
const OPTIONS: u64 = bit(raw::CLONE_SETTLS)
    | bit(raw::CLONE_PARENT_SETTID)
    | bit(raw::CLONE_CHILD_CLEARTID)
    | bit(raw::CLONE_CHILD_SETTID)
    | bit(raw::CLONE_DETACHED)
    | bit(raw::CLONE_PTRACE)
    | bit(raw::CLONE_UNTRACED)
    | bit(raw::CLONE_IO);
/// Namespaces, which this kernel does not have.
const NAMESPACES: u64 = bit(raw::CLONE_NEWNS)
    | bit(raw::CLONE_NEWCGROUP)
    | bit(raw::CLONE_NEWUTS)
    | bit(raw::CLONE_NEWIPC)
    | bit(raw::CLONE_NEWUSER)
    | bit(raw::CLONE_NEWPID)
    | bit(raw::CLONE_NEWNET);

/// RLIMIT_NPROC: how many threads the processes of a user may have together; there is one process. Not for root.
fn check_number(ctx: &Context<'_>) -> Result<(), Errno> {
    let process = ctx.process;
    let limit = process.limits().soft(raw::RLIMIT_NPROC);
    let exempt = process.credentials().user.real == 0
        || process.capable(CAP_SYS_RESOURCE)
        || process.capable(CAP_SYS_ADMIN);
    if exempt || (process.thread_count() as u64) < limit { Ok(()) } else { Err(Errno::EAGAIN) }
}

/// Makes a thread; its number comes back.
pub fn make(ctx: &Context<'_>, new: &NewThread) -> CallResult<u64> {
    check(ctx, new.flags)?;
    let mut regs = UserRegs { rax: 0, ..*ctx.regs };
    if new.stack != 0 {
        regs.rsp = new.stack;
    }
    let has = |flag: u32| new.flags & bit(flag) != 0;
    let fs_base = if has(raw::CLONE_SETTLS) { new.tls } else { ctx.platform.fs_base() };
    if fs_base >= mm::addr::USER_END {
        return Err(Errno::EPERM.into());
    }
    check_number(ctx)?;
    let thread = ctx.process.new_thread(ctx.platform, ctx.thread, regs, fs_base)?;
    // As on Linux nobody learns that the number could not be stored.
    if has(raw::CLONE_PARENT_SETTID) {
        let _ = UserPtr::new(new.parent_tid).write(ctx.memory(), &thread.tid);
    }
    if has(raw::CLONE_CHILD_SETTID) {
        let _ = UserPtr::new(new.child_tid).write(ctx.memory(), &thread.tid);
    }
    if has(raw::CLONE_CHILD_CLEARTID) {
        thread.clear_child_tid.store(new.child_tid, core::sync::atomic::Ordering::Relaxed);
    }
    ctx.process.begin_thread(&thread);
    Ok(thread.tid.into())
}

/// EINVAL for what Linux refuses as well; ENOSYS for a process, which is named once.
fn check(ctx: &Context<'_>, flags: u64) -> Result<(), Errno> {
    let has = |flag: u32| flags & bit(flag) != 0;
    let wrong = (has(raw::CLONE_THREAD) && !has(raw::CLONE_SIGHAND))
        || (has(raw::CLONE_SIGHAND) && !has(raw::CLONE_VM))
        || (has(raw::CLONE_NEWNS) && has(raw::CLONE_FS))
        || (has(raw::CLONE_THREAD) && (has(raw::CLONE_NEWUSER) || has(raw::CLONE_NEWPID)))
        || (has(raw::CLONE_PIDFD) && (has(raw::CLONE_THREAD) || has(raw::CLONE_DETACHED)));
    if wrong {
        return Err(Errno::EINVAL);
    }
    if flags & SHARED != SHARED {
        if ctx.process.first_unknown_call(nr::CLONE.into()) {
            ctx.platform.message(format_args!(
                "clone with the flags {flags:#x} makes a process, which is not implemented: answered ENOSYS"
            ));
        }
        return Err(Errno::ENOSYS);
    }
    if flags & NAMESPACES != 0 {
        return Err(Errno::EPERM);
    }
    if flags & ALSO_SHARED != ALSO_SHARED || flags & !(SHARED | ALSO_SHARED | OPTIONS) != 0 {
        if ctx.process.first_unknown_call(nr::CLONE3.into()) {
            ctx.platform.message(format_args!(
                "clone with the flags {flags:#x}: threads share files, directory and semaphores here, answered EINVAL"
            ));
        }
        return Err(Errno::EINVAL);
    }
    Ok(())
}

impl Syscall for Clone {
    const NR: u32 = nr::CLONE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Hex, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Hex];
    const ALL_REGISTERS: bool = true;

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Clone {
            flags: args.long::<0>(),
            stack: args.long::<1>(),
            parent_tid: args.long::<2>(),
            child_tid: args.long::<3>(),
            tls: args.long::<4>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let Clone { flags, stack, parent_tid, child_tid, tls } = self;
        // The low byte is the signal of a process's end, which a thread does not send.
        let flags = flags & u64::from(u32::MAX) & !u64::from(raw::CSIGNAL);
        make(ctx, &NewThread { flags, stack, parent_tid, child_tid, tls })
    }
}
