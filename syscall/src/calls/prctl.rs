//! prctl(2): properties of the process, and the name of the thread.

use crate::CallError;
use crate::prelude::*;
use abi::{Signal, prctl as raw};
use alloc::sync::Arc;
use alloc::vec::Vec;
use mm::addr::{VirtAddr, page_ceil};
use mm::user::CStrError;
use task::NAME_LEN;
use task::attributes::TIMER_SLACK_NS;
use task::credentials::NotPermitted;

/// `prctl(option, argument...)`.
pub struct Prctl {
    option: u32,
    args: [u64; 4],
}

macro_rules! options {
    ($($name:ident),* $(,)?) => { &[$((raw::$name as u64, stringify!($name))),*] };
}

const OPTIONS: Names = options![
    PR_SET_PDEATHSIG,
    PR_GET_PDEATHSIG,
    PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,
    PR_GET_KEEPCAPS,
    PR_SET_KEEPCAPS,
    PR_SET_NAME,
    PR_GET_NAME,
    PR_GET_SECCOMP,
    PR_CAPBSET_READ,
    PR_CAPBSET_DROP,
    PR_SET_TIMERSLACK,
    PR_GET_TIMERSLACK,
    PR_SET_CHILD_SUBREAPER,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS,
    PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,
    PR_SET_VMA,
    PR_GET_TIMING,
    PR_SET_TIMING,
    PR_GET_SECUREBITS,
    PR_CAP_AMBIENT,
    PR_GET_TSC,
    PR_SET_TSC,
];

/// SECBIT_KEEP_CAPS, the secure bit that PR_SET_KEEPCAPS sets.
const KEEP_CAPS: u64 = 1 << 4;

/// Longest name of memory, the NUL counted.
const MEMORY_NAME_MAX: usize = 80;

impl Syscall for Prctl {
    const NR: u32 = nr::PRCTL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(OPTIONS), ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let all = [args.long::<1>(), args.long::<2>(), args.long::<3>(), args.long::<4>()];
        Ok(Prctl { option: args.uint::<0>(), args: all })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let [arg, ..] = self.args;
        match self.option {
            raw::PR_SET_NAME => set_name(ctx, arg)?,
            raw::PR_GET_NAME => UserPtr::new(arg).write(ctx.memory(), &ctx.thread.name())?,
            raw::PR_GET_PDEATHSIG => {
                let signal = ctx.process.attributes().parent_death_signal;
                UserPtr::new(arg).write(ctx.memory(), &i32::from(signal))?;
            }
            raw::PR_GET_CHILD_SUBREAPER => {
                let on = ctx.process.attributes().child_subreaper;
                UserPtr::new(arg).write(ctx.memory(), &i32::from(on))?;
            }
            raw::PR_GET_DUMPABLE => return Ok(ctx.process.attributes().dumpable.into()),
            raw::PR_GET_KEEPCAPS => return Ok(ctx.process.credentials().keep_capabilities.into()),
            // The program may read the time-stamp counter, as it always may in ring 0.
            raw::PR_GET_TSC => UserPtr::new(arg).write(ctx.memory(), &raw::PR_TSC_ENABLE)?,
            raw::PR_SET_TSC if arg == u64::from(raw::PR_TSC_ENABLE) => {}
            raw::PR_GET_TIMING => {}
            raw::PR_SET_TIMING if arg == u64::from(raw::PR_TIMING_STATISTICAL) => {}
            raw::PR_GET_SECUREBITS => {
                let keep = ctx.process.credentials().keep_capabilities;
                return Ok(if keep { KEEP_CAPS } else { 0 });
            }
            raw::PR_CAP_AMBIENT => return self.ambient(ctx),
            // Off, as it always is: filters cannot be set.
            raw::PR_GET_SECCOMP => {}
            raw::PR_GET_TIMERSLACK => return Ok(ctx.process.attributes().timer_slack),
            raw::PR_CAPBSET_READ => {
                return Ok(ctx.process.credentials().is_bounding(arg).ok_or(Errno::EINVAL)?.into());
            }
            raw::PR_SET_VMA => self.name_memory(ctx)?,
            raw::PR_CAPBSET_DROP => drop_bounding(ctx, arg)?,
            raw::PR_GET_NO_NEW_PRIVS => {
                self.nothing_after(0)?;
                return Ok(ctx.process.attributes().no_new_privileges.into());
            }
            raw::PR_GET_THP_DISABLE => {
                self.nothing_after(0)?;
                return Ok(ctx.process.attributes().no_huge_pages.into());
            }
            _ => return self.set(ctx, arg),
        }
        Ok(0)
    }
}

impl Prctl {
    /// The options that change a property.
    fn set(&self, ctx: &Context<'_>, arg: u64) -> CallResult<u64> {
        let flag = match arg {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Errno::EINVAL),
        };
        if self.option == raw::PR_SET_KEEPCAPS {
            ctx.process.credentials().keep_capabilities = flag?;
            return Ok(0);
        }
        let mut attributes = ctx.process.attributes();
        match self.option {
            raw::PR_SET_DUMPABLE => attributes.dumpable = flag?,
            raw::PR_SET_CHILD_SUBREAPER => attributes.child_subreaper = arg != 0,
            raw::PR_SET_TIMERSLACK if arg as i64 > 0 => attributes.timer_slack = arg,
            raw::PR_SET_TIMERSLACK => attributes.timer_slack = TIMER_SLACK_NS,
            raw::PR_SET_PDEATHSIG if arg == 0 => attributes.parent_death_signal = 0,
            raw::PR_SET_PDEATHSIG => {
                attributes.parent_death_signal = Signal::new(arg).ok_or(Errno::EINVAL)?.raw();
            }
            raw::PR_SET_NO_NEW_PRIVS => {
                self.nothing_after(1)?;
                // Once set it stays.
                if flag != Ok(true) {
                    return Err(Errno::EINVAL.into());
                }
                attributes.no_new_privileges = true;
            }
            raw::PR_SET_THP_DISABLE => {
                self.nothing_after(1)?;
                attributes.no_huge_pages = arg != 0;
            }
            _ => return Err(Errno::EINVAL.into()),
        }
        Ok(0)
    }

    /// PR_CAP_AMBIENT: the capabilities that a program keeps when it executes another. None is ever in the set, for nothing can
    /// be executed; what adds to it is refused as on a process that has none to give on.
    fn ambient(&self, ctx: &Context<'_>) -> CallResult<u64> {
        let [what, capability, ..] = self.args;
        if what == u64::from(raw::PR_CAP_AMBIENT_CLEAR_ALL) {
            self.nothing_after(1)?;
            return Ok(0);
        }
        self.nothing_after(2)?;
        ctx.process.credentials().is_bounding(capability).ok_or(Errno::EINVAL)?;
        match u32::try_from(what) {
            Ok(raw::PR_CAP_AMBIENT_IS_SET | raw::PR_CAP_AMBIENT_LOWER) => Ok(0),
            Ok(raw::PR_CAP_AMBIENT_RAISE) => Err(Errno::EPERM.into()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// PR_SET_VMA: gives memory that is no file's a name, or takes it away.
    fn name_memory(&self, ctx: &Context<'_>) -> CallResult<()> {
        let [what, start, len, name] = self.args;
        if what != u64::from(raw::PR_SET_VMA_ANON_NAME) {
            return Err(Errno::EINVAL.into());
        }
        let name = (name != 0).then(|| memory_name(ctx, name)).transpose()?;
        let shown = |kind: &[u8]| -> Option<Arc<[u8]>> {
            Some([b"[", kind, b":", name.as_deref()?, b"]"].concat().into())
        };
        let (private, shared) = (shown(b"anon"), shown(b"anon_shmem"));
        // A length that wraps to 0 pages is an error, a true 0 is not.
        let pages = page_ceil(len).ok_or(Errno::EINVAL)?;
        let end = start.checked_add(pages).ok_or(Errno::EINVAL)?;
        if !VirtAddr(start).is_page_aligned() {
            return Err(Errno::EINVAL.into());
        }
        let whole = ctx.process.space().visit(start, end, |space, part| {
            let given = match (part.is_file, space.is_shared_memory(part)) {
                (false, _) => &private,
                (true, true) => &shared,
                (true, false) => return Err(Errno::EBADF.into()),
            };
            space.set_given(part, given.as_ref()).map_err(CallError::from)
        })?;
        if whole { Ok(()) } else { Err(Errno::ENOMEM.into()) }
    }

    /// EINVAL unless the arguments from `index` on are 0.
    fn nothing_after(&self, index: usize) -> Result<(), Errno> {
        let rest = self.args.get(index..).unwrap_or_default();
        if rest.iter().all(|&arg| arg == 0) { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

fn set_name(ctx: &Context<'_>, addr: u64) -> CallResult<()> {
    // A longer name is cut, so it need not end within the limit, but it must be readable up to there.
    let mut name = [0; NAME_LEN];
    for (byte, addr) in name.iter_mut().zip(addr..) {
        *byte = UserPtr::<u8>::new(addr).read(ctx.memory())?;
        if *byte == 0 {
            break;
        }
    }
    ctx.thread.set_name(&name);
    Ok(())
}

/// A name for memory: printable, without what the lists of areas or shells give a meaning.
fn memory_name(ctx: &Context<'_>, addr: u64) -> CallResult<Vec<u8>> {
    let mut name = Vec::new();
    let result = ctx.memory().read_cstr(addr, MEMORY_NAME_MAX, &mut name);
    result.map_err(|error| match error {
        CStrError::TooLong => Errno::EINVAL.into(),
        error => CallError::from(error),
    })?;
    let good = |byte: &u8| matches!(byte, b' '..=b'~') && !br"\`$[]".contains(byte);
    if name.iter().all(good) { Ok(name) } else { Err(Errno::EINVAL.into()) }
}

/// A process without the right is told so before the capability is looked at.
fn drop_bounding(ctx: &Context<'_>, capability: u64) -> CallResult<()> {
    let mut credentials = ctx.process.credentials();
    let known = credentials.is_bounding(capability).is_some();
    if !known {
        return Err(if credentials.capable(task::credentials::CAP_SETPCAP) {
            Errno::EINVAL.into()
        } else {
            NotPermitted.into()
        });
    }
    Ok(credentials.drop_bounding(capability)?)
}
