//! copy_file_range(2): copies from file to file.

use crate::files;
use crate::prelude::*;
use abi::{Mode, OpenFlags};
use fs::{FsError, OpenFile};

/// `copy_file_range(in, inoffset, out, outoffset, length, flags)`.
pub struct CopyFileRange {
    input: i32,
    inoffset: UserPtr<i64>,
    output: i32,
    outoffset: UserPtr<i64>,
    length: usize,
    flags: u32,
}

impl Syscall for CopyFileRange {
    const NR: u32 = nr::COPY_FILE_RANGE;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Ptr, ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(CopyFileRange {
            input: args.int::<0>(),
            inoffset: args.ptr::<1, _>(),
            output: args.int::<2>(),
            outoffset: args.ptr::<3, _>(),
            length: args.size::<4>(),
            flags: args.uint::<5>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let (input, output) = (ctx.file(self.input)?, ctx.file(self.output)?);
        let from = self.inoffset.non_null().map(|at| at.read(ctx.memory())).transpose()?;
        let to = self.outoffset.non_null().map(|at| at.read(ctx.memory())).transpose()?;
        if self.flags != 0 {
            return Err(Errno::EINVAL.into());
        }
        let (source, target) = (input.file().metadata()?, output.file().metadata()?);
        let kinds = [&source, &target].map(|metadata| Mode(metadata.mode).file_type());
        if kinds.contains(&Mode::IFDIR) {
            return Err(Errno::EISDIR.into());
        }
        if kinds != [Mode::IFREG; 2] {
            return Err(Errno::EINVAL.into());
        }
        if input.is_path_only() || output.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        if !input.flags().readable()
            || !output.flags().writable()
            || output.flags().contains(OpenFlags::APPEND)
        {
            return Err(Errno::EBADF.into());
        }
        let (from, start) = self.start(&input, from)?;
        let (to, place) = self.start(&output, to)?;
        let length = (self.length.min(abi::MAX_RW_COUNT) as u64).min(source.size.saturating_sub(start));
        let apart = start.saturating_add(length) <= place || place.saturating_add(length) <= start;
        if (source.dev, source.ino) == (target.dev, target.ino) && !apart {
            return Err(Errno::EINVAL.into());
        }
        // Cut to the limit beforehand, so that no signal tells of it unless nothing may be written.
        let room = ctx.file_size_limit().saturating_sub(place);
        if room == 0 {
            ctx.written(Err(FsError::SizeLimit))?;
        }
        let length = length.min(room);
        ctx.strip_privileges(&**output.file())?;
        let done = files::transfer(ctx, (&input, from), (&output, to), length as usize);
        ctx.refresh_mappings(&**output.file());
        let done = done?;
        files::advance(ctx, self.inoffset, from, done)?;
        files::advance(ctx, self.outoffset, to, done)?;
        ctx.count_read(ctx.count_written(Ok(done as u64)))
    }
}

impl CopyFileRange {
    /// An offset as it was given, and where a copy from or to a file begins: its position, if none was given. EOVERFLOW if the
    /// length leads beyond all offsets.
    fn start(&self, file: &OpenFile, given: Option<i64>) -> CallResult<(Option<u64>, u64)> {
        let start = match given {
            Some(offset) => offset as u64,
            None => files::position(file, None)?,
        };
        start.checked_add(self.length as u64).ok_or(Errno::EOVERFLOW)?;
        if start > i64::MAX as u64 {
            return Err(Errno::EINVAL.into());
        }
        Ok((given.map(|_| start), start))
    }
}
