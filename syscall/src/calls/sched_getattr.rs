//! sched_getattr(2): policy, nice value and priority in one structure that may grow.

use super::sched_getscheduler::scheduling_of;
use crate::prelude::*;
use abi::general as raw;

/// `sched_getattr(pid, attributes, size, flags)`.
pub struct SchedGetAttr {
    pid: i32,
    attr: UserPtr<u8>,
    size: u32,
    flags: u32,
}

/// `struct sched_attr` as words of 8 bytes: size and policy, flags, nice and priority, three times of a deadline, clamps.
pub type Attr = [u64; 7];

/// Bytes of the first version, without clamps. Callers may be of any version, also later ones.
pub const SIZE_FIRST: u32 = 48;
/// Bytes of this version.
pub const SIZE: u32 = 56;

/// More than this no structure will ever have.
pub const SIZE_MAX: u32 = 4096;

/// The flag that is kept.
pub const RESET_ON_FORK: u64 = raw::SCHED_FLAG_RESET_ON_FORK as u64;

/// Two halves of a word.
pub fn word(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

impl Syscall for SchedGetAttr {
    const NR: u32 = nr::SCHED_GETATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedGetAttr {
            pid: args.int::<0>(),
            attr: args.ptr::<1, _>(),
            size: args.uint::<2>(),
            flags: args.uint::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let sane = (SIZE_FIRST..=SIZE_MAX).contains(&self.size) && self.flags == 0 && self.pid >= 0;
        let Some(attr) = self.attr.non_null().filter(|_| sane) else { return Err(Errno::EINVAL.into()) };
        let scheduling = scheduling_of(ctx, self.pid)?;
        let size = self.size.min(SIZE);
        // What the other kind of policy has is 0.
        let nice = if scheduling.priority > 0 { 0 } else { scheduling.nice };
        let flags = if scheduling.reset_on_fork { RESET_ON_FORK } else { 0 };
        let all: Attr =
            [word(size, scheduling.policy), flags, word(nice as u32, scheduling.priority), 0, 0, 0, 0];
        let addr = attr.addr();
        for (word, at) in all.iter().zip((0..size).step_by(8)) {
            UserPtr::new(addr.wrapping_add(at.into())).write(ctx.memory(), word)?;
        }
        Ok(0)
    }
}
