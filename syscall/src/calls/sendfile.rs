//! sendfile(2): moves bytes from one file to another inside the kernel.

use crate::files;
use crate::pipes;
use crate::prelude::*;
use crate::socket::transfer;

/// `sendfile(out, in, offset, count)`.
pub struct SendFile {
    output: i32,
    input: i32,
    offset: UserPtr<i64>,
    count: usize,
}

impl Syscall for SendFile {
    const NR: u32 = nr::SENDFILE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SendFile {
            output: args.int::<0>(),
            input: args.int::<1>(),
            offset: args.ptr::<2, _>(),
            count: args.size::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let start = self.offset.non_null().map(|at| at.read(ctx.memory())).transpose()?;
        let input = ctx.file(self.input)?;
        if !input.flags().readable() {
            return Err(Errno::EBADF.into());
        }
        if start.is_some() && !input.file().has_position() {
            return Err(Errno::ESPIPE.into());
        }
        let start = start.map(u64::try_from).transpose().map_err(|_| Errno::EINVAL)?;
        isize::try_from(self.count).map_err(|_| Errno::EINVAL)?;
        let count = self.count.min(abi::MAX_RW_COUNT);
        let output = ctx.file(self.output)?;
        if !output.flags().writable() {
            return Err(Errno::EBADF.into());
        }
        // Callers fall back to read and write on EINVAL.
        if !files::is_regular(&input)? || files::appends(&output) {
            return Err(Errno::EINVAL.into());
        }
        ctx.strip_privileges(&**output.file())?;
        let sent = match output.file().as_pipe() {
            Some(pipe) => pipes::fill(ctx, (&input, start), (pipe, &output), count, 0)?,
            None if output.is_socket() => transfer::send_file(ctx, (&input, start), &output, count)?,
            None => {
                let sent =
                    ctx.retry(&output, || files::transfer(ctx, (&input, start), (&output, None), count));
                ctx.refresh_mappings(&**output.file());
                sent?
            }
        };
        files::advance(ctx, self.offset, start, sent)?;
        ctx.count_read(ctx.count_written(Ok(sent as u64)))
    }
}
