//! getrandom(2): random bytes.

use crate::prelude::*;
use abi::general as raw;

/// `getrandom(buffer, length, flags)`.
pub struct GetRandom {
    buffer: UserSlice,
}

impl Syscall for GetRandom {
    const NR: u32 = nr::GETRANDOM;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::BufferOut,
        ArgKind::Unsigned,
        ArgKind::Bits(names![GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE]),
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<2>();
        let both = raw::GRND_RANDOM | raw::GRND_INSECURE;
        if flags & !(raw::GRND_NONBLOCK | both) != 0 || flags & both == both {
            return Err(Errno::EINVAL.into());
        }
        Ok(GetRandom { buffer: args.buffer::<0, 1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let buffer = checked(self.buffer)?;
        let mut chunk = [0; 256];
        let mut done = 0;
        while done < buffer.len {
            let n = chunk.len().min(buffer.len - done);
            let part = chunk.get_mut(..n).unwrap_or_default();
            ctx.platform.random(part);
            if let Err(fault) = buffer.write_at(ctx.memory(), done, part) {
                // What was stored before the fault counts.
                done += fault.done;
                if done == 0 {
                    return Err(fault.into());
                }
                break;
            }
            done += n;
        }
        Ok(done as u64)
    }
}
