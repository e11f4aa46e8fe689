//! adjtimex(2): how the wall clock is disciplined: not at all, which can be read and not changed.

use crate::prelude::*;
use crate::time;

/// `adjtimex(timex)`.
pub struct AdjTimeX {
    timex: UserPtr<Timex>,
}

/// `struct timex`: 26 words, of which some are half used.
type Timex = [u64; 26];

/// The clock is not synchronised: in the status, and as the result.
const STA_UNSYNC: u64 = 0x40;
const TIME_ERROR: u64 = 5;

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
        let [modes, ..] = self.timex.read(ctx.memory())?;
        // Adjusting is refused to root too, as in a container without CAP_SYS_TIME.
        if modes as u32 != 0 {
            return Err(Errno::EPERM.into());
        }
        let now = time::timespec(ctx.platform.realtime_ns());
        let mut timex: Timex = [0; 26];
        let time = [(SECONDS, now.tv_sec as u64), (MICROSECONDS, now.tv_nsec as u64 / 1000)];
        for (index, value) in FIELDS.into_iter().chain(time) {
            if let Some(word) = timex.get_mut(index) {
                *word = value;
            }
        }
        self.timex.write(ctx.memory(), &timex)?;
        Ok(TIME_ERROR)
    }
}
