//! getsockopt(2): tells an option of a socket.

use crate::errors::ToErrno;
use crate::prelude::*;
use crate::socket;
use abi::net as raw;
use fs::socket::OptionValue;

const SOL_SOCKET: i32 = 1;
const SO_ERROR: i32 = raw::SO_ERROR as i32;

/// `getsockopt(fd, level, name, value, length)`.
pub struct GetSockOpt {
    fd: i32,
    level: i32,
    name: i32,
    value: u64,
    len: UserPtr<i32>,
}

impl Syscall for GetSockOpt {
    const NR: u32 = nr::GETSOCKOPT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetSockOpt {
            fd: args.int::<0>(),
            level: args.int::<1>(),
            name: args.int::<2>(),
            value: args.long::<3>(),
            len: args.ptr::<4, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        let room = usize::try_from(self.len.read(ctx.memory())?).map_err(|_| Errno::EINVAL)?;
        let value = match (self.level, self.name) {
            (SOL_SOCKET, SO_ERROR) => {
                let error = socket.take_error().map_or(0, |error| error.to_errno().raw());
                OptionValue::Int(error.into())
            }
            (level, name) => socket.option(level, name)?,
        };
        let int;
        let bytes = match &value {
            OptionValue::Int(value) => {
                int = value.to_ne_bytes();
                &int[..]
            }
            OptionValue::Bytes(bytes) => bytes,
        };
        let len = room.min(bytes.len());
        UserSlice::new(self.value, len).write_at(ctx.memory(), 0, bytes.get(..len).unwrap_or_default())?;
        self.len.write(ctx.memory(), &(len as i32))?;
        Ok(0)
    }
}
