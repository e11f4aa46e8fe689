//! setsockopt(2): changes an option of a socket.

use crate::prelude::*;
use crate::socket;

/// Bytes of a value that are looked at: more than any option that sockets have takes.
const VALUE_MAX: usize = 512;

/// `setsockopt(fd, level, name, value, length)`.
pub struct SetSockOpt {
    fd: i32,
    level: i32,
    name: i32,
    value: u64,
    len: i32,
}

impl Syscall for SetSockOpt {
    const NR: u32 = nr::SETSOCKOPT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Int, ArgKind::Ptr, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetSockOpt {
            fd: args.int::<0>(),
            level: args.int::<1>(),
            name: args.int::<2>(),
            value: args.long::<3>(),
            len: args.int::<4>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let len = usize::try_from(self.len).map_err(|_| Errno::EINVAL)?.min(VALUE_MAX);
        let file = socket::file(ctx, self.fd)?;
        let socket = socket::of(&file)?;
        let mut value = [0; VALUE_MAX];
        let value = value.get_mut(..len).ok_or(Errno::EINVAL)?;
        UserSlice::new(self.value, len).read_at(ctx.memory(), 0, value)?;
        socket::on_behalf(ctx, |caller| socket.set_option(self.level, self.name, value, caller))?;
        Ok(0)
    }
}
