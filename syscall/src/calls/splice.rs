//! splice(2): moves bytes between a pipe and a file, a socket or another pipe.

use crate::prelude::*;
use crate::socket::transfer;
use crate::{files, pipes};
use abi::OpenFlags;
use fs::OpenFile;
use fs::pipe::PipeEnd;

/// `splice(in, inoffset, out, outoffset, length, flags)`.
pub struct Splice {
    input: i32,
    inoffset: UserPtr<i64>,
    output: i32,
    outoffset: UserPtr<i64>,
    length: usize,
    flags: u32,
}

impl Syscall for Splice {
    const NR: u32 = nr::SPLICE;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::Ptr,
        ArgKind::Int,
        ArgKind::Ptr,
        ArgKind::Unsigned,
        ArgKind::Bits(pipes::FLAGS),
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Splice {
            input: args.int::<0>(),
            inoffset: args.ptr::<1, _>(),
            output: args.int::<2>(),
            outoffset: args.ptr::<3, _>(),
            length: args.size::<4>().min(abi::MAX_RW_COUNT),
            flags: args.uint::<5>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.length == 0 {
            return Ok(0);
        }
        pipes::check_flags(self.flags)?;
        let (input, output) = (ctx.file(self.input)?, ctx.file(self.output)?);
        if input.is_path_only() || output.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let (from, to) = (input.file().as_pipe(), output.file().as_pipe());
        // A pipe has no positions.
        if from.is_some() && self.inoffset.non_null().is_some()
            || to.is_some() && self.outoffset.non_null().is_some()
        {
            return Err(Errno::ESPIPE.into());
        }
        match (from, to) {
            (Some(from), Some(to)) => {
                pipes::check_modes(&input, &output)?;
                if from.is_same_pipe(to) {
                    return Err(Errno::EINVAL.into());
                }
                let moved = pipes::wait(ctx, self.flags, &[&input, &output], || {
                    from.splice_to_pipe(to, self.length, false)
                })?;
                Ok(moved as u64)
            }
            (Some(from), None) => self.pipe_to_file(ctx, from, &input, &output),
            (None, Some(to)) => self.file_to_pipe(ctx, &input, to, &output),
            (None, None) => {
                pipes::check_modes(&input, &output)?;
                Err(Errno::EINVAL.into())
            }
        }
    }
}

impl Splice {
    fn pipe_to_file(
        &self,
        ctx: &Context<'_>,
        from: &PipeEnd,
        input: &OpenFile,
        output: &OpenFile,
    ) -> CallResult<u64> {
        let given = self.outoffset.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        pipes::check_modes(input, output)?;
        if given.is_some() && !output.file().has_position() || output.flags().contains(OpenFlags::APPEND) {
            return Err(Errno::EINVAL.into());
        }
        let start = given.map(u64::try_from).transpose().map_err(|_| Errno::EINVAL)?;
        if output.is_socket() {
            return Ok(transfer::splice_out(ctx, (from, input), output, self.length, self.flags)? as u64);
        }
        pipes::check_kind(output)?;
        ctx.strip_privileges(&**output.file())?;
        let moved = pipes::wait(ctx, self.flags, &[input], || {
            let mut done = 0;
            from.splice_to(self.length, &mut |bytes| {
                let at = start.map(|start| start.saturating_add(done as u64));
                let n = ctx.written(pipes::write(ctx, output, at, bytes))?;
                done += n;
                Ok(n)
            })
        });
        ctx.refresh_mappings(&**output.file());
        let moved = moved?;
        files::advance(ctx, self.outoffset, start, moved)?;
        Ok(moved as u64)
    }

    fn file_to_pipe(
        &self,
        ctx: &Context<'_>,
        input: &OpenFile,
        to: &PipeEnd,
        output: &OpenFile,
    ) -> CallResult<u64> {
        let given = self.inoffset.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        pipes::check_modes(input, output)?;
        if given.is_some() && !input.file().has_position() {
            return Err(Errno::EINVAL.into());
        }
        let start = given.map(u64::try_from).transpose().map_err(|_| Errno::EINVAL)?;
        let moved = pipes::fill(ctx, (input, start), (to, output), self.length, self.flags)?;
        files::advance(ctx, self.inoffset, start, moved)?;
        Ok(moved as u64)
    }
}
