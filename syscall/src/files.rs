//! What the calls that change files share: nodes by path or descriptor, attributes and times as arguments, copying from file to
//! file. Called by `calls`.

use crate::{CallResult, Context, socket};
use abi::structs::{StatFs, Timespec, Timeval};
use abi::{AtFlags, Errno, Mode, OpenFlags, general as raw};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::vfs::Follow;
use fs::{
    FsError, NewNode, NodeRef, Offset, OpenFile, Place, RenameMode, SeekFrom, SetAttributes, SetTime,
    SliceSink, SliceSource,
};
use mm::user::UserPtr;

/// Bytes of a copy's buffer.
const COPY: usize = 64 * 1024;

/// What a call makes: the type and permissions in `mode`, without those of the mask (umask(2)).
pub fn new_node<'t>(ctx: &Context<'_>, mode: u32, rdev: u64, target: &'t [u8]) -> NewNode<'t> {
    let mode = if Mode(mode).file_type() == Mode::IFLNK {
        mode
    } else {
        mode & !ctx.process.umask.load(Ordering::Relaxed)
    };
    let credentials = ctx.process.credentials();
    NewNode { mode, uid: credentials.user.fs, gid: credentials.group.fs, rdev, target }
}

/// Waits until an opened file is open: a FIFO needs its other end (fifo(7)).
pub fn wait_until_open(ctx: &Context<'_>, file: &OpenFile) -> CallResult<()> {
    if !file.file().is_open() {
        let opened = ctx.sleep_on(None, &[&**file.file()], false, || Ok(file.file().is_open().then_some(())));
        opened.map_err(|error| error.if_interrupted(Errno::ERESTARTSYS))?;
    }
    Ok(())
}

/// After a descriptor of `file` was taken out of the table, which is unlocked by now: the last use of a file may do work when it ends, or
/// wait until what was sent has arrived (SO_LINGER).
pub fn closed(ctx: &Context<'_>, file: Arc<OpenFile>) {
    if let Some(last) = ctx.process.closed(file)
        && last.is_socket()
    {
        socket::linger(ctx, &last);
    }
}

/// Makes a node at a path.
pub fn create(ctx: &Context<'_>, dirfd: i32, path: u64, mode: u32, rdev: u64) -> CallResult<u64> {
    let path = ctx.path(path)?;
    let base = ctx.base(dirfd, &path)?;
    ctx.files().create(&base, &path, &new_node(ctx, mode, rdev, b""))?;
    Ok(0)
}

/// mknod(2): makes any node but directories and symbolic links.
pub fn make_node(ctx: &Context<'_>, dirfd: i32, path: u64, mode: u32, device: u32) -> CallResult<u64> {
    let (kind, rdev) = match Mode(mode).file_type() {
        0 | Mode::IFREG => (Mode::IFREG, 0),
        kind @ (Mode::IFCHR | Mode::IFBLK) => (kind, u64::from(device)),
        kind @ (Mode::IFIFO | Mode::IFSOCK) => (kind, 0),
        Mode::IFDIR => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    create(ctx, dirfd, path, kind | mode & 0o7777, rdev)
}

/// symlink(2).
pub fn symlink(ctx: &Context<'_>, target: u64, dirfd: i32, path: u64) -> CallResult<u64> {
    let target = ctx.path(target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    let path = ctx.path(path)?;
    let base = ctx.base(dirfd, &path)?;
    ctx.files().create(&base, &path, &new_node(ctx, Mode::IFLNK | 0o777, 0, &target))?;
    Ok(0)
}

/// The node of a path, or with AT_EMPTY_PATH of a descriptor.
pub fn node(ctx: &Context<'_>, dirfd: i32, path: u64, flags: AtFlags, follow: Follow) -> CallResult<NodeRef> {
    let path = ctx.path(path)?;
    if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
        return match dirfd {
            abi::AT_FDCWD => Ok(ctx.process.cwd()),
            fd => Ok(ctx.file(fd)?.file().node().ok_or(Errno::EINVAL)?.clone()),
        };
    }
    let base = ctx.base(dirfd, &path)?;
    Ok(ctx.files().lookup(&base, &path, follow)?)
}

/// As [`node`], with the name under which it was found.
pub fn place(ctx: &Context<'_>, dirfd: i32, path: u64, flags: AtFlags, follow: Follow) -> CallResult<Place> {
    let bytes = ctx.path(path)?;
    if bytes.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
        return Ok(Place { node: node(ctx, dirfd, path, flags, follow)?, entry: None });
    }
    let base = ctx.base(dirfd, &bytes)?;
    Ok(ctx.files().locate(&base, &bytes, follow)?)
}

/// link(2): `old` and `new` are a directory descriptor and a path each.
pub fn link(ctx: &Context<'_>, old: (i32, u64), new: (i32, u64), flags: AtFlags) -> CallResult<u64> {
    let follow = if flags.contains(AtFlags::SYMLINK_FOLLOW) { Follow::Yes } else { Follow::No };
    let node = node(ctx, old.0, old.1, flags, follow)?;
    let path = ctx.path(new.1)?;
    let base = ctx.base(new.0, &path)?;
    ctx.files().link(&node, &base, &path)?;
    Ok(0)
}

/// unlink(2).
pub fn unlink(ctx: &Context<'_>, dirfd: i32, path: u64) -> CallResult<u64> {
    let path = ctx.path(path)?;
    let base = ctx.base(dirfd, &path)?;
    ctx.files().unlink(&base, &path)?;
    Ok(0)
}

/// rmdir(2).
pub fn remove_dir(ctx: &Context<'_>, dirfd: i32, path: u64) -> CallResult<u64> {
    let path = ctx.path(path)?;
    let base = ctx.base(dirfd, &path)?;
    ctx.files().remove_dir(&base, &path)?;
    Ok(0)
}

/// renameat2(2): `old` and `new` are a directory descriptor and a path each.
pub fn rename(ctx: &Context<'_>, old: (i32, u64), new: (i32, u64), flags: u32) -> CallResult<u64> {
    let mode = match flags {
        0 => RenameMode::Replace,
        raw::RENAME_NOREPLACE => RenameMode::NoReplace,
        raw::RENAME_EXCHANGE => RenameMode::Exchange,
        _ => return Err(Errno::EINVAL.into()),
    };
    let (from, to) = (ctx.path(old.1)?, ctx.path(new.1)?);
    let (from_base, to_base) = (ctx.base(old.0, &from)?, ctx.base(new.0, &to)?);
    ctx.files().rename((&from_base, &from), (&to_base, &to), mode)?;
    Ok(0)
}

/// Changes attributes of the file at a path.
pub fn set(ctx: &Context<'_>, dirfd: i32, path: u64, flags: AtFlags, set: &SetAttributes) -> CallResult<u64> {
    let follow = if flags.contains(AtFlags::SYMLINK_NOFOLLOW) { Follow::No } else { Follow::Yes };
    let place = place(ctx, dirfd, path, flags, follow)?;
    change(ctx, &place.node, set)?;
    ctx.process.vfs.watches().happened((&place).into(), raw::IN_ATTRIB);
    Ok(0)
}

/// Changes attributes of a node, if that is permitted.
fn change(ctx: &Context<'_>, node: &NodeRef, set: &SetAttributes) -> CallResult<()> {
    if node.fs.is_read_only() {
        return Err(Errno::EROFS.into());
    }
    let who = ctx.process.credentials().subject();
    Ok(node.fs.set_attributes(node.id, &who.check_change(node, set)?)?)
}

/// Changes attributes of an open file.
pub fn set_open(ctx: &Context<'_>, fd: i32, set: &SetAttributes) -> CallResult<u64> {
    let file = ctx.file(fd)?;
    if file.is_path_only() {
        return Err(Errno::EBADF.into());
    }
    // What has no place in a file system has no attributes of its own.
    let node = file.file().node().ok_or(Errno::EPERM)?;
    change(ctx, node, set)?;
    if let Some(place) = file.place() {
        ctx.process.vfs.watches().happened(place.into(), raw::IN_ATTRIB);
    }
    Ok(0)
}

/// chmod(2).
pub fn chmod(ctx: &Context<'_>, dirfd: i32, path: u64, mode: u32, flags: AtFlags) -> CallResult<u64> {
    let attributes = SetAttributes { mode: Some(mode & 0o7777), ..SetAttributes::default() };
    set(ctx, dirfd, path, flags, &attributes)
}

/// Owner and group as arguments: -1 leaves one as it is.
pub fn owner(uid: u32, gid: u32) -> SetAttributes {
    let given = |id: u32| (id != u32::MAX).then_some(id);
    SetAttributes { uid: given(uid), gid: given(gid), is_chown: true, ..SetAttributes::default() }
}

/// chown(2).
pub fn chown(
    ctx: &Context<'_>,
    dirfd: i32,
    path: u64,
    (uid, gid): (u32, u32),
    flags: AtFlags,
) -> CallResult<u64> {
    set(ctx, dirfd, path, flags, &owner(uid, gid))
}

/// fsync(2) and fdatasync(2): here content and attributes last equally long.
pub fn sync(ctx: &Context<'_>, fd: i32) -> CallResult<u64> {
    let file = ctx.file(fd)?;
    if file.is_path_only() {
        return Err(Errno::EBADF.into());
    }
    file.file().sync()?;
    Ok(0)
}

/// Both times to the present.
pub fn present() -> SetAttributes {
    SetAttributes { atime: Some(SetTime::Now), mtime: Some(SetTime::Now), ..SetAttributes::default() }
}

/// Access and change time as utimensat(2) takes them. Times before 1970 become 1970, as on every file system that cannot keep
/// them.
pub fn times(times: &[Timespec; 2]) -> CallResult<SetAttributes> {
    let one = |time: &Timespec| match u32::try_from(time.tv_nsec) {
        Ok(raw::UTIME_NOW) => Ok(Some(SetTime::Now)),
        Ok(raw::UTIME_OMIT) => Ok(None),
        Ok(nanoseconds @ 0..1_000_000_000) => {
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            let ns = seconds.saturating_mul(crate::time::SECOND).saturating_add(nanoseconds.into());
            Ok(Some(SetTime::At(if time.tv_sec < 0 { 0 } else { ns })))
        }
        _ => Err(Errno::EINVAL),
    };
    let [atime, mtime] = times;
    Ok(SetAttributes { atime: one(atime)?, mtime: one(mtime)?, ..SetAttributes::default() })
}

/// The same in microseconds.
pub fn coarse_times(values: &[Timeval; 2]) -> CallResult<SetAttributes> {
    if values.iter().any(|value| !(0..1_000_000).contains(&value.tv_usec)) {
        return Err(Errno::EINVAL.into());
    }
    times(&values.map(|value| Timespec { tv_sec: value.tv_sec, tv_nsec: value.tv_usec * 1000 }))
}

/// What statfs(2) stores about the file system of a node.
pub fn statistics(node: &NodeRef) -> StatFs {
    let statistics = node.fs.statistics();
    let mut out: StatFs = abi::zeroed();
    out.kind = statistics.magic;
    (out.bsize, out.frsize) = (mm::addr::PAGE_SIZE, mm::addr::PAGE_SIZE);
    (out.blocks, out.bfree, out.bavail) = (statistics.blocks, statistics.free, statistics.free);
    (out.files, out.ffree) = (statistics.nodes, statistics.free_nodes);
    out.fsid = [node.fs.device() as u32, (node.fs.device() >> 32) as u32];
    out.namelen = abi::NAME_MAX as u64;
    /// ST_VALID: the kernel sets flags at all.
    const VALID: u64 = 0x20;
    /// ST_RDONLY.
    const READ_ONLY: u64 = 1;
    out.flags = VALID | if node.fs.is_read_only() { READ_ONLY } else { 0 };
    out
}

/// An offset that a call may be given by address.
pub fn offset(ctx: &Context<'_>, at: UserPtr<i64>) -> CallResult<Option<u64>> {
    let offset = at.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
    Ok(offset.map(u64::try_from).transpose().map_err(|_| Errno::EINVAL)?)
}

/// Stores such an offset after `done` bytes.
pub fn advance(ctx: &Context<'_>, at: UserPtr<i64>, offset: Option<u64>, done: usize) -> CallResult<()> {
    if let Some(offset) = offset {
        at.write(ctx.memory(), &(offset.saturating_add(done as u64) as i64))?;
    }
    Ok(())
}

/// Where a transfer begins: at the offset, or at the file's position.
pub fn position(file: &OpenFile, offset: Option<u64>) -> CallResult<u64> {
    match offset {
        Some(offset) => Ok(offset),
        None => Ok(file.seek(SeekFrom::Current(0))?),
    }
}

/// Moves up to `count` bytes from file to file, each at an offset or at its position. One file may be both.
pub fn transfer(
    ctx: &Context<'_>,
    input: (&OpenFile, Option<u64>),
    output: (&OpenFile, Option<u64>),
    count: usize,
) -> Result<usize, FsError> {
    let size_limit = ctx.file_size_limit();
    let mut buffer = Vec::new();
    let size = count.min(COPY);
    buffer.try_reserve_exact(size).map_err(|_| FsError::NoMemory)?;
    buffer.resize(size, 0);
    let later = |offset: Option<u64>, done: usize| offset.map(|at| Offset(at.saturating_add(done as u64)));
    let mut done = 0;
    while done < count {
        let piece = buffer.get_mut(..size.min(count - done)).unwrap_or_default();
        let mut sink = SliceSink::new(piece);
        let got = match later(input.1, done) {
            Some(at) => input.0.read_at(at, &mut sink),
            None => input.0.read(&mut sink),
        };
        let got = match got {
            Ok(0) => break,
            Ok(got) => got,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        };
        let mut source = SliceSource::new(piece.get(..got).unwrap_or_default()).limited(size_limit);
        let put = match later(output.1, done) {
            Some(at) => output.0.write_at(at, &mut source),
            None => output.0.write(&mut source),
        };
        let moved = put.unwrap_or(0);
        done += moved;
        if moved < got {
            if input.1.is_none() {
                // What could not be written has not been read.
                input.0.seek(SeekFrom::Current(-((got - moved) as i64)))?;
            }
            match ctx.written(put) {
                // A file that took a part says only now why not more.
                Ok(1..) if output.0.file().has_position() => {}
                Err(error) if done == 0 => return Err(error),
                _ => break,
            }
        }
    }
    Ok(done)
}

/// Whether a file can be copied from inside the kernel: what could be mapped (sendfile(2)).
pub fn is_regular(file: &OpenFile) -> CallResult<bool> {
    Ok(Mode(file.file().metadata()?.mode).file_type() == Mode::IFREG)
}

/// Whether a file is written at its end only.
pub fn appends(file: &OpenFile) -> bool {
    file.flags().contains(OpenFlags::APPEND)
}
