//! getdents64(2): entries of a directory.

use crate::prelude::*;
use abi::structs::Dirent64Head;
use abi::{Mode, NAME_MAX, bytes_of};

/// `getdents64(fd, buffer, count)`.
pub struct GetDents64 {
    fd: i32,
    buffer: UserSlice,
}

/// Bytes of an entry without its name.
const HEAD: usize = size_of::<Dirent64Head>();
/// Longest entry, with NUL and padding.
const LONGEST: usize = (HEAD + NAME_MAX + 1).next_multiple_of(8);

impl Syscall for GetDents64 {
    const NR: u32 = nr::GETDENTS64;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetDents64 {
            fd: args.int::<0>(),
            buffer: UserSlice::new(args.long::<1>(), args.uint::<2>() as usize),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let mut done = 0;
        let mut failure = None;
        file.read_dir(&mut |entry| {
            let mut record = [0; LONGEST];
            let len = (HEAD + entry.name.len() + 1).next_multiple_of(8);
            if len > self.buffer.len - done {
                failure = Some(Errno::EINVAL);
                return false;
            }
            let head = Dirent64Head {
                ino: entry.ino.to_le_bytes(),
                off: entry.next.to_le_bytes(),
                reclen: (len as u16).to_le_bytes(),
                kind: Mode(entry.mode).dirent_type(),
            };
            for (to, from) in record.iter_mut().zip(bytes_of(&head).iter().chain(entry.name)) {
                *to = *from;
            }
            let stored = self.buffer.write_at(ctx.memory(), done, record.get(..len).unwrap_or(&record));
            if stored.is_err() {
                failure = Some(Errno::EFAULT);
                return false;
            }
            done += len;
            true
        })?;
        match failure {
            Some(errno) if done == 0 => Err(errno.into()),
            _ => Ok(done as u64),
        }
    }
}
