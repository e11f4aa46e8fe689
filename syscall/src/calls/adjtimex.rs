//! adjtimex(2): how the wall clock is disciplined: not at all, which can be read and not changed.

use crate::prelude::*;
use crate::time;

/// `adjtimex(timex)`.
pub struct AdjTimeX {
    timex: UserPtr<Timex>,
}

/// `struct timex`: 26 words, of which some are half used.
pub type Timex = [u64; 26];

/// The clock is not synchronised: in the status, and as the result.
const STA_UNSYNC: u64 = 0x40;
const TIME_ERROR: u64 = 5;

/// Modes: adjtime(3), and its question for what is left to adjust, which changes nothing.
const ADJ_ADJTIME: u32 = 0x8000;
const ADJ_OFFSET_SINGLESHOT: u32 = 1;
const ADJ_OFFSET_SS_READ: u32 = 0xa001;

/// The word of each field that is not 0, and its value: largest and estimated error (16 s), status, precision,
/// tolerance (500 ppm), microseconds per tick.
const FIELDS: [(usize, u64); 6] =
    [(3, 16_000_000), (4, 16_000_000), (5, STA_UNSYNC), (7, 1), (8, 32_768_000), (11, 10_000)];
const SECONDS: usize = 9;
const MICROSECONDS: usize = 10;

impl Syscall for AdjTimeX {
    const NR: u32 = nr::ADJTIMEX;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(AdjTimeX { timex: args.ptr::<0, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        adjust(ctx, self.timex)
    }
}

/// Tells how the wall clock is adjusted: not at all.
pub fn adjust(ctx: &Context<'_>, timex: UserPtr<Timex>) -> CallResult<u64> {
    let [modes, ..] = timex.read(ctx.memory())?;
    match modes as u32 {
        0 | ADJ_OFFSET_SS_READ => {}
        // The old way to move the clock slowly has one form.
        modes if modes & ADJ_ADJTIME != 0 && modes & ADJ_OFFSET_SINGLESHOT == 0 => {
            return Err(Errno::EINVAL.into());
        }
        // Adjusting is refused to root too, as in a container without CAP_SYS_TIME.
        _ => return Err(Errno::EPERM.into()),
    }
    let now = time::timespec(ctx.platform.realtime_ns());
    let mut told: Timex = [0; 26];
    let time = [(0, modes), (SECONDS, now.tv_sec as u64), (MICROSECONDS, now.tv_nsec as u64 / 1000)];
    for (index, value) in FIELDS.into_iter().chain(time) {
        if let Some(word) = told.get_mut(index) {
            *word = value;
        }
    }
    timex.write(ctx.memory(), &told)?;
    Ok(TIME_ERROR)
}
