//! Record locks as fcntl(2) takes them: `struct flock` to a range of bytes and back. Called by `calls::fcntl`.

use crate::prelude::*;
use abi::general as raw;
use abi::structs::Flock;
use alloc::sync::Arc;
use fs::locks::{Holder, Range, RecordLock};
use fs::{FsError, OpenFile, SeekFrom};

/// What a lock that goes to the end has as its last byte.
const TO_END: u64 = i64::MAX as u64;

/// Which command it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// F_GETLK: asks what is in the way.
    pub ask: bool,
    /// F_SETLKW: waits.
    pub wait: bool,
    /// F_OFD_*: the lock is the description's, not the process's.
    pub of_description: bool,
}

impl Command {
    /// The command with this number, if it is one about record locks.
    pub fn from_number(number: u32) -> Option<Self> {
        let (ask, wait, of_description) = match number {
            raw::F_GETLK => (true, false, false),
            raw::F_SETLK => (false, false, false),
            raw::F_SETLKW => (false, true, false),
            raw::F_OFD_GETLK => (true, false, true),
            raw::F_OFD_SETLK => (false, false, true),
            raw::F_OFD_SETLKW => (false, true, true),
            _ => return None,
        };
        Some(Command { ask, wait, of_description })
    }
}

/// Does what a command about record locks asks for.
pub fn record_lock(
    ctx: &Context<'_>,
    fd: i32,
    file: &Arc<OpenFile>,
    command: Command,
    at: UserPtr<Flock>,
) -> CallResult<u64> {
    let lock = at.read(ctx.memory())?;
    let range = range(file, &lock)?;
    let exclusive = match u32::try_from(i32::from(lock.kind)) {
        Ok(raw::F_RDLCK) => Some(false),
        Ok(raw::F_WRLCK) => Some(true),
        Ok(raw::F_UNLCK) if !command.ask => None,
        _ => return Err(Errno::EINVAL.into()),
    };
    let allowed = match exclusive {
        _ if command.ask => true,
        Some(false) => file.flags().readable(),
        Some(true) => file.flags().writable(),
        None => true,
    };
    if !allowed {
        return Err(Errno::EBADF.into());
    }
    if command.of_description && lock.pid != 0 {
        return Err(Errno::EINVAL.into());
    }
    let holder = if command.of_description { file.holder() } else { Holder::Process(ctx.process.pid) };
    match exclusive {
        Some(exclusive) => {
            let wanted = RecordLock { holder, exclusive, range };
            if command.ask {
                return ask(ctx, file, &wanted, lock, at);
            }
            set(ctx, file, &wanted, command)?;
        }
        None => file.clear_record(ctx.process.vfs.locks(), holder, range)?,
    }
    // A close by another thread may have come between: its lock would stay for ever.
    let still_open = ctx.file(fd).is_ok_and(|now| Arc::ptr_eq(&now, file));
    if !still_open && exclusive.is_some() {
        file.clear_record(ctx.process.vfs.locks(), holder, range)?;
        return Err(Errno::EBADF.into());
    }
    Ok(0)
}

/// The bytes that the structure means.
fn range(file: &OpenFile, lock: &Flock) -> CallResult<Range> {
    let base = match u32::try_from(i32::from(lock.whence)) {
        Ok(raw::SEEK_SET) => 0,
        // Without moving it, and 0 for what has none.
        Ok(raw::SEEK_CUR) => file.seek(SeekFrom::Current(0)).unwrap_or(0),
        Ok(raw::SEEK_END) => file.file().metadata()?.size,
        _ => return Err(Errno::EINVAL.into()),
    };
    let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
    let start = lock.start.checked_add(base).ok_or(Errno::EOVERFLOW)?;
    if start < 0 {
        return Err(Errno::EINVAL.into());
    }
    let (first, last) = match lock.len {
        0 => (start, i64::MAX),
        1.. => (start, start.checked_add(lock.len - 1).ok_or(Errno::EOVERFLOW)?),
        // The bytes before the start.
        _ => (start.checked_add(lock.len).ok_or(Errno::EINVAL)?, start.saturating_sub(1)),
    };
    let number = |at: i64| u64::try_from(at).map_err(|_| Errno::EINVAL);
    Ok(Range { start: number(first)?, last: number(last)? })
}

/// F_GETLK.
fn ask(
    ctx: &Context<'_>,
    file: &OpenFile,
    wanted: &RecordLock,
    mut lock: Flock,
    at: UserPtr<Flock>,
) -> CallResult<u64> {
    match ctx.process.vfs.locks().conflict(file.lock_key()?, wanted) {
        None => lock.kind = raw::F_UNLCK as i16,
        Some(found) => {
            lock.kind = if found.exclusive { raw::F_WRLCK } else { raw::F_RDLCK } as i16;
            lock.whence = raw::SEEK_SET as i16;
            lock.start = found.range.start as i64;
            let bytes = found.range.last - found.range.start + 1;
            lock.len = if found.range.last == TO_END { 0 } else { bytes as i64 };
            lock.pid = match found.holder {
                Holder::Process(pid) => pid as i32,
                Holder::Description(_) => -1,
            };
        }
    }
    at.write(ctx.memory(), &lock)?;
    Ok(0)
}

/// F_SETLK and F_SETLKW.
fn set(ctx: &Context<'_>, file: &OpenFile, wanted: &RecordLock, command: Command) -> CallResult<()> {
    let locks = ctx.process.vfs.locks();
    let mut waiting = None;
    let done = ctx.sleep_for(
        None,
        || None,
        &[locks.notifier()],
        false,
        || match file.set_record(locks, wanted) {
            Err(FsError::WouldBlock) if command.wait => {
                // Descriptions take no part: nobody is to blame for what they wait for (fcntl(2)).
                if waiting.is_none() && !command.of_description {
                    waiting = Some(locks.wait_for(file.lock_key()?, wanted)?);
                }
                Ok(None)
            }
            result => Ok(Some(result?)),
        },
    );
    done.map_err(|error| error.if_interrupted(Errno::ERESTARTSYS))?;
    Ok(())
}
