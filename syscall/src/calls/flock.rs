//! flock(2): a lock on a whole file, which belongs to the open file description.

use crate::prelude::*;
use abi::general as raw;
use fs::FsError;

/// `flock(fd, operation)`.
pub struct Flock {
    fd: i32,
    operation: u32,
}

impl Syscall for Flock {
    const NR: u32 = nr::FLOCK;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Bits(names![LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Flock { fd: args.int::<0>(), operation: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let wait = self.operation & raw::LOCK_NB == 0;
        let exclusive = match self.operation & !raw::LOCK_NB {
            raw::LOCK_SH => false,
            raw::LOCK_EX => true,
            raw::LOCK_UN => {
                file.unlock();
                return Ok(0);
            }
            _ => return Err(Errno::EINVAL.into()),
        };
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let locks = ctx.process.vfs.locks();
        let done = ctx.sleep_for(
            None,
            || None,
            &[locks.notifier()],
            false,
            || match file.lock(locks, exclusive) {
                Ok(()) => Ok(Some(())),
                Err(FsError::WouldBlock) if wait => Ok(None),
                Err(error) => Err(error.into()),
            },
        );
        done.map_err(|error| error.if_interrupted(Errno::ERESTARTSYS))?;
        Ok(0)
    }
}
