//! getrusage(2): what the process has used.

use crate::prelude::*;
use crate::time;
use mm::addr::PAGE_SIZE;

/// `getrusage(who, usage)`.
pub struct GetRUsage {
    who: i32,
    out: UserPtr<[i64; 18]>,
}

const SELF: i32 = 0;
const CHILDREN: i32 = -1;
const THREAD: i32 = 1;

impl Syscall for GetRUsage {
    const NR: u32 = nr::GETRUSAGE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetRUsage { who: args.int::<0>(), out: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        const MAX_RSS: usize = 4;
        const MINOR_FAULTS: usize = 8;
        const SWITCHES: core::ops::RangeFrom<usize> = 16..;
        let mut usage = [0; 18];
        match self.who {
            SELF | THREAD => {
                let used = match self.who {
                    THREAD => ctx.thread.cpu_times(ctx.platform),
                    _ => ctx.process.cpu_times(ctx.platform),
                };
                let (resident, faults) = {
                    let space = ctx.process.space();
                    (space.peak_resident_pages() * (PAGE_SIZE / 1024), space.fault_count())
                };
                let [seconds, micros, system_seconds, system_micros, ..] = &mut usage;
                let split = |ns: u64| ((ns / time::SECOND) as i64, (ns % time::SECOND / 1000) as i64);
                (*seconds, *micros) = split(used.user);
                (*system_seconds, *system_micros) = split(used.system);
                if let Some(slot) = usage.get_mut(MAX_RSS) {
                    *slot = resident as i64;
                }
                let treated = match self.who {
                    THREAD => ctx.thread.treatment(ctx.platform),
                    _ => ctx.process.treatment(ctx.platform),
                };
                if let Some([voluntary, involuntary, ..]) = usage.get_mut(SWITCHES) {
                    (*voluntary, *involuntary) = (treated.voluntary as i64, treated.involuntary as i64);
                }
                // None of them waits for a disk. They are counted for the process, so for its only thread as well.
                let faults = if self.who == SELF || ctx.process.thread_count() == 1 { faults } else { 0 };
                if let Some(slot) = usage.get_mut(MINOR_FAULTS) {
                    *slot = faults as i64;
                }
            }
            CHILDREN => {}
            _ => return Err(Errno::EINVAL.into()),
        }
        self.out.write(ctx.memory(), &usage)?;
        Ok(0)
    }
}
