//! tee(2): copies the content of a pipe to another without taking it.

use crate::pipes;
use crate::prelude::*;

/// `tee(in, out, length, flags)`.
pub struct Tee {
    input: i32,
    output: i32,
    length: usize,
    flags: u32,
}

impl Syscall for Tee {
    const NR: u32 = nr::TEE;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Int, ArgKind::Unsigned, ArgKind::Bits(pipes::FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let length = args.size::<2>().min(abi::MAX_RW_COUNT);
        Ok(Tee { input: args.int::<0>(), output: args.int::<1>(), length, flags: args.uint::<3>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        pipes::check_flags(self.flags)?;
        if self.length == 0 {
            return Ok(0);
        }
        let (input, output) = (ctx.file(self.input)?, ctx.file(self.output)?);
        pipes::check_modes(&input, &output)?;
        let from = input.file().as_pipe().ok_or(Errno::EINVAL)?;
        let to = output.file().as_pipe().filter(|to| !from.is_same_pipe(to)).ok_or(Errno::EINVAL)?;
        let copied =
            pipes::wait(ctx, self.flags, &[&input, &output], || from.splice_to_pipe(to, self.length, true))?;
        Ok(copied as u64)
    }
}
