//! sendfile(2): moves bytes from one file to another inside the kernel.

use crate::prelude::*;
use abi::{Mode, OpenFlags};
use fs::{FsError, Offset, OpenFile, Sink, SliceSource};

/// `sendfile(out, in, offset, count)`.
pub struct SendFile {
    output: i32,
    input: i32,
    offset: UserPtr<i64>,
    count: usize,
}

/// A sink that writes what it gets to a file.
struct FileSink<'a> {
    file: &'a OpenFile,
    remaining: usize,
}

impl Sink for FileSink<'_> {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn put(&mut self, src: &[u8]) -> Result<usize, FsError> {
        let n = self.file.write(&mut SliceSource::new(src.get(..self.remaining).unwrap_or(src)))?;
        self.remaining -= n.min(self.remaining);
        Ok(n)
    }
}

impl Syscall for SendFile {
    const NR: u32 = nr::SENDFILE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let count = args.size::<3>().min(abi::MAX_RW_COUNT);
        Ok(SendFile { output: args.int::<0>(), input: args.int::<1>(), offset: args.ptr::<2, _>(), count })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let start = self.offset.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        let start = start.map(u64::try_from).transpose().map_err(|_| Errno::EINVAL)?;
        let (input, output) = (ctx.file(self.input)?, ctx.file(self.output)?);
        if !input.flags().readable() || !output.flags().writable() {
            return Err(Errno::EBADF.into());
        }
        // Only what could be mapped can be sent (sendfile(2)); callers fall back to read and write on EINVAL.
        if Mode(input.file().metadata()?.mode).file_type() != Mode::IFREG
            || output.flags().contains(OpenFlags::APPEND)
        {
            return Err(Errno::EINVAL.into());
        }
        let mut sink = FileSink { file: &output, remaining: self.count };
        let sent = match start {
            None => input.read(&mut sink)?,
            Some(start) => {
                let sent = input.read_at(Offset(start), &mut sink)?;
                self.offset.write(ctx.memory(), &(start.saturating_add(sent as u64) as i64))?;
                sent
            }
        };
        Ok(sent as u64)
    }
}
