//! capget(2): the capabilities of a thread.

use crate::prelude::*;
use task::credentials::Capabilities;

/// `capget(header, data)`.
pub struct CapGet {
    header: UserPtr<[u32; 2]>,
    data: UserPtr<[u32; 3]>,
}

/// What the newest version of the interface is called: 64 bits in two pieces.
const VERSION_3: u32 = 0x2008_0522;
const VERSION_2: u32 = 0x2007_1026;
/// 32 bits in one piece.
const VERSION_1: u32 = 0x1998_0330;

/// Reads a header: the thread and the number of pieces. An unknown version is EINVAL, and the header then says which is known.
pub fn header(ctx: &Context<'_>, header: UserPtr<[u32; 2]>) -> CallResult<(i32, u64)> {
    let [version, pid] = header.read(ctx.memory())?;
    let pieces = match version {
        VERSION_3 | VERSION_2 => 2,
        VERSION_1 => 1,
        _ => {
            UserPtr::<u32>::new(header.addr()).write(ctx.memory(), &VERSION_3)?;
            return Err(Errno::EINVAL.into());
        }
    };
    Ok((pid as i32, pieces))
}

impl Syscall for CapGet {
    const NR: u32 = nr::CAPGET;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(CapGet { header: args.ptr::<0, _>(), data: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let (pid, pieces) = match header(ctx, self.header) {
            Ok(known) => known,
            // Asked without a place for an answer, the call tells the version and nothing else.
            Err(error) if error == Errno::EINVAL.into() && self.data.non_null().is_none() => return Ok(0),
            Err(error) => return Err(error),
        };
        let pid = u32::try_from(pid).map_err(|_| Errno::EINVAL)?;
        if pid != 0 && pid != ctx.thread.tid {
            return Err(Errno::ESRCH.into());
        }
        let Capabilities { effective, permitted, inheritable } = ctx.process.credentials().capabilities();
        if self.data.non_null().is_none() {
            return Ok(0);
        }
        for piece in 0..pieces {
            let words = [effective, permitted, inheritable].map(|set| (set >> (32 * piece)) as u32);
            self.data.at(piece)?.write(ctx.memory(), &words)?;
        }
        Ok(0)
    }
}
