//! fallocate(2): makes or gives back room in a file.

use crate::prelude::*;
use abi::{Mode, general as raw};
use fs::Allocate;

/// `fallocate(fd, mode, offset, length)`.
pub struct FAllocate {
    fd: i32,
    mode: u32,
    offset: i64,
    length: i64,
}

const MODES: Names = names![
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    FALLOC_FL_COLLAPSE_RANGE,
    FALLOC_FL_INSERT_RANGE
];

impl Syscall for FAllocate {
    const NR: u32 = nr::FALLOCATE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Bits(MODES), ArgKind::Long, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FAllocate {
            fd: args.int::<0>(),
            mode: args.uint::<1>(),
            offset: args.long::<2>() as i64,
            length: args.long::<3>() as i64,
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let offset = u64::try_from(self.offset).map_err(|_| Errno::EINVAL)?;
        let length = u64::try_from(self.length).ok().filter(|&length| length > 0).ok_or(Errno::EINVAL)?;
        const KEEP: u32 = raw::FALLOC_FL_KEEP_SIZE;
        const PUNCH_KEEP: u32 = raw::FALLOC_FL_PUNCH_HOLE | KEEP;
        const ZERO_KEEP: u32 = raw::FALLOC_FL_ZERO_RANGE | KEEP;
        let how = match self.mode {
            0 => Allocate::Extend,
            KEEP => Allocate::KeepSize,
            PUNCH_KEEP => Allocate::PunchHole,
            raw::FALLOC_FL_ZERO_RANGE => Allocate::Zero,
            ZERO_KEEP => Allocate::ZeroKeepSize,
            _ => return Err(Errno::EOPNOTSUPP.into()),
        };
        if !file.flags().writable() {
            return Err(Errno::EBADF.into());
        }
        match Mode(file.file().metadata()?.mode).file_type() {
            Mode::IFREG | Mode::IFBLK => {}
            Mode::IFIFO => return Err(Errno::ESPIPE.into()),
            _ => return Err(Errno::ENODEV.into()),
        }
        let range = offset..offset.saturating_add(length);
        if matches!(how, Allocate::Extend | Allocate::Zero) {
            ctx.check_size(&**file.file(), range.end)?;
        }
        ctx.strip_privileges(&**file.file())?;
        file.allocate(how, range.clone())?;
        if matches!(how, Allocate::PunchHole | Allocate::Zero | Allocate::ZeroKeepSize) {
            ctx.forget_hole(&**file.file(), range);
        }
        ctx.refresh_mappings(&**file.file());
        Ok(0)
    }
}
