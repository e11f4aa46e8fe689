//! Calls that change files.

use super::{BAD, Caller, READ_ONLY};
use abi::general as raw;
use abi::structs::{Flock, Stat, StatFs};
use abi::{Errno, nr};
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;
const PATH: u64 = DATA + 0x600;
const CWD: u64 = abi::AT_FDCWD as i64 as u64;
const RDWR: u32 = raw::O_RDWR | raw::O_CREAT;

impl Caller {
    /// A second path, beside that of `string`.
    fn other(&self, text: &str) -> u64 {
        self.memory().write(PATH, text.as_bytes()).unwrap();
        self.memory().write(PATH + text.len() as u64, &[0]).unwrap();
        PATH
    }

    fn make(&self, path: &str) -> u64 {
        self.ok(nr::OPEN, &[self.string(path), RDWR.into(), 0o666])
    }

    fn stat(&self, path: &str) -> Stat {
        self.ok(nr::LSTAT, &[self.string(path), BUF]);
        self.get(BUF)
    }

    fn write(&self, fd: u64, text: &[u8]) -> u64 {
        self.memory().write(BUF, text).unwrap();
        self.ok(nr::WRITE, &[fd, BUF, text.len() as u64])
    }

    fn content(&self, fd: u64) -> Vec<u8> {
        let n = self.ok(nr::PREAD64, &[fd, BUF, 200, 0]) as usize;
        self.bytes(BUF, n)
    }
}

#[test]
fn writing() {
    let c = Caller::new();
    let fd = c.make("/tmp/f");
    assert_eq!(c.stat("/tmp/f").st_mode, 0o100644, "the mask counts");
    assert_eq!(c.write(fd, b"hello world"), 11);
    assert_eq!(c.ok(nr::LSEEK, &[fd, 0, 1]), 11);
    assert_eq!(c.ok(nr::PWRITE64, &[fd, BUF, 5, 6]), 5);
    assert_eq!(c.content(fd), b"hello hello");
    let append = c.open("/tmp/f", raw::O_WRONLY | raw::O_APPEND);
    assert_eq!(c.write(append, b"!"), 1);
    assert_eq!(c.ok(nr::LSEEK, &[append, 0, 1]), 12, "at the end, wherever it was");
    assert_eq!(c.ok(nr::PWRITE64, &[append, BUF, 1, 0]), 1);
    assert_eq!(c.content(fd), b"hello hello!!");
    c.put(BUF + 0x200, &[BUF, 2, BUF + 4, 3]);
    c.memory().write(BUF, b"HE??LLO").unwrap();
    assert_eq!(c.ok(nr::PWRITEV, &[fd, BUF + 0x200, 2, 0]), 5);
    c.memory().write(BUF, &[0; 8]).unwrap();
    assert_eq!(c.ok(nr::PREADV, &[fd, BUF + 0x200, 2, 1]), 5);
    assert_eq!(c.bytes(BUF, 7), b"EL\0\0LO ");
    c.memory().write(BUF, b"hello").unwrap();
    c.ok(nr::PWRITE64, &[fd, BUF, 5, 0]);
    for call in [nr::PREADV, nr::PWRITEV] {
        c.fails(call, &[fd, BUF + 0x200, 2, u64::MAX], Errno::EINVAL);
        c.fails(call, &[0, BUF + 0x200, 2, 0], Errno::ESPIPE);
        c.fails(call, &[99, BUF + 0x200, 2, 0], Errno::EBADF);
        c.fails(call, &[fd, BAD, 2, 0], Errno::EFAULT);
    }
    let mapped = c.ok(nr::MMAP, &[0, 4096, 3, 1, fd, 0]);
    assert_eq!(c.bytes(mapped, 13), b"hello hello!!");
    c.memory().write(mapped, b"HELLO").unwrap();
    assert_eq!(c.content(fd), b"HELLO hello!!");
    c.memory().write(BUF, b"hello").unwrap();
    c.ok(nr::PWRITE64, &[fd, BUF, 5, 0]);
    assert_eq!(c.bytes(mapped, 6), b"hello ");
    c.ok(nr::FTRUNCATE, &[fd, 5]);
    c.ok(nr::TRUNCATE, &[c.string("/tmp/f"), 7]);
    assert_eq!(c.content(fd), b"hello\0\0");
    let read = c.open("/tmp/f", 0);
    c.fails(nr::FTRUNCATE, &[read, 5], Errno::EINVAL);
    c.fails(nr::FTRUNCATE, &[fd, u64::MAX], Errno::EINVAL);
    c.fails(nr::FTRUNCATE, &[1, 0], Errno::EINVAL);
    c.fails(nr::TRUNCATE, &[c.string("/tmp"), 0], Errno::EISDIR);
    c.fails(nr::TRUNCATE, &[c.string("/ro/file"), 0], Errno::EROFS);
    c.fails(nr::TRUNCATE, &[c.string("/dev/null"), 0], Errno::EINVAL);
    c.fails(nr::WRITE, &[fd, BAD, 5], Errno::EFAULT);
    c.fails(nr::PWRITE64, &[fd, BUF, 5, i64::MAX as u64], Errno::EINVAL);
    assert_eq!(c.ok(nr::CREAT, &[c.string("/tmp/f"), 0o600]), append + 2);
    assert_eq!(c.stat("/tmp/f").st_size, 0, "emptied");
    c.ok(nr::FALLOCATE, &[fd, 0, 0, 10_000]);
    c.ok(nr::FALLOCATE, &[fd, 3, 4096, 4096]);
    assert_eq!(c.ok(nr::LSEEK, &[fd, 0, raw::SEEK_HOLE.into()]), 4096);
    assert_eq!(c.ok(nr::LSEEK, &[fd, 4096, raw::SEEK_DATA.into()]), 8192);
    c.fails(nr::LSEEK, &[fd, 10_000, raw::SEEK_DATA.into()], Errno::ENXIO);
    for (args, errno) in [
        ([fd, 0, 0, 0], Errno::EINVAL),
        ([fd, 0, u64::MAX, 1], Errno::EINVAL),
        ([fd, 2, 0, 1], Errno::EOPNOTSUPP),
        ([fd, 0, 0, 1 << 40], Errno::ENOSPC),
        ([fd, 0, i64::MAX as u64, i64::MAX as u64], Errno::EFBIG),
        ([read, 0, 0, 1], Errno::EBADF),
        ([1, 0, 0, 1], Errno::ESPIPE),
    ] {
        c.fails(nr::FALLOCATE, &args, errno);
    }
    for call in [nr::FSYNC, nr::FDATASYNC, nr::SYNCFS] {
        c.ok(call, &[fd]);
        c.fails(call, &[99], Errno::EBADF);
    }
    c.fails(nr::FSYNC, &[1], Errno::EINVAL);
    c.ok(nr::SYNC, &[]);
    c.ok(nr::SYNC_FILE_RANGE, &[fd, 0, 0, 7]);
    c.fails(nr::SYNC_FILE_RANGE, &[fd, 0, 0, 8], Errno::EINVAL);
    c.fails(nr::SYNC_FILE_RANGE, &[1, 0, 0, 0], Errno::ESPIPE);
}

#[test]
fn names() {
    let c = Caller::new();
    c.ok(nr::MKDIR, &[c.string("/tmp/d"), 0o7777]);
    assert_eq!(c.stat("/tmp/d").st_mode, 0o41755);
    let dir = c.open("/tmp/d", raw::O_DIRECTORY);
    c.ok(nr::MKDIRAT, &[dir, c.string("sub"), 0o700]);
    assert_eq!(c.stat("/tmp/d").st_nlink, 3);
    c.ok(nr::MKNODAT, &[dir, c.string("file"), 0o600, 0]);
    c.ok(nr::MKNOD, &[c.string("/tmp/d/null"), 0o020666, 0x103]);
    assert_eq!(c.write(c.open("/tmp/d/null", raw::O_WRONLY), b"gone"), 4, "a device works anywhere");
    c.ok(nr::MKNOD, &[c.string("/tmp/d/fifo"), 0o010644, 0]);
    c.ok(nr::SYMLINK, &[c.string("file"), c.other("/tmp/d/soft")]);
    c.ok(nr::SYMLINKAT, &[c.string("gone"), dir, c.other("dangling")]);
    c.ok(nr::LINK, &[c.string("/tmp/d/file"), c.other("/tmp/d/hard")]);
    c.ok(nr::LINKAT, &[dir, c.string("soft"), dir, c.other("hard2"), raw::AT_SYMLINK_FOLLOW.into()]);
    assert_eq!(c.stat("/tmp/d/file").st_nlink, 3);
    assert_eq!(c.stat("/tmp/d/soft").st_mode, 0o120777, "the mask does not count");
    c.ok(nr::RENAME, &[c.string("/tmp/d/hard"), c.other("/tmp/d/sub/moved")]);
    c.ok(nr::RENAMEAT, &[dir, c.string("hard2"), dir, c.other("hard3")]);
    let exchange = u64::from(raw::RENAME_EXCHANGE);
    c.ok(nr::RENAMEAT2, &[dir, c.string("sub"), dir, c.other("soft"), exchange]);
    assert_eq!(c.stat("/tmp/d/soft").st_mode, 0o40700);
    c.ok(nr::UNLINK, &[c.string("/tmp/d/soft/moved")]);
    c.ok(nr::UNLINKAT, &[dir, c.string("soft"), raw::AT_REMOVEDIR.into()]);
    c.ok(nr::UNLINKAT, &[dir, c.string("hard3"), 0]);
    assert_eq!(c.stat("/tmp/d/file").st_nlink, 1);
    // A file without a name gets one.
    let unnamed = c.ok(nr::OPEN, &[c.string("/tmp"), (raw::O_TMPFILE | raw::O_RDWR).into(), 0o600]);
    c.write(unnamed, b"was nowhere");
    c.ok(nr::LINKAT, &[unnamed, c.string(""), CWD, c.other("/tmp/here"), raw::AT_EMPTY_PATH.into()]);
    assert_eq!(c.stat("/tmp/here").st_size, 11);

    let free = "/tmp/new";
    for (call, path, errno) in [
        (nr::MKDIR, "/tmp/d", Errno::EEXIST),
        (nr::MKDIR, "/", Errno::EEXIST),
        (nr::MKDIR, "/tmp/d/dangling", Errno::EEXIST),
        (nr::MKDIR, "/none/x", Errno::ENOENT),
        (nr::MKDIR, "/tmp/d/file/x", Errno::ENOTDIR),
        (nr::MKDIR, "/ro/x", Errno::EROFS),
        (nr::MKNOD, "/tmp/new/", Errno::ENOENT),
        (nr::RMDIR, "/tmp/d", Errno::ENOTEMPTY),
        (nr::RMDIR, "/tmp/d/file", Errno::ENOTDIR),
        (nr::RMDIR, "/tmp/d/.", Errno::EINVAL),
        (nr::RMDIR, "/tmp/d/..", Errno::ENOTEMPTY),
        (nr::RMDIR, "/dev", Errno::EBUSY),
        (nr::RMDIR, "/", Errno::EBUSY),
        (nr::UNLINK, "/tmp/d", Errno::EISDIR),
        (nr::UNLINK, "/tmp/d/file/", Errno::ENOTDIR),
        (nr::UNLINK, free, Errno::ENOENT),
        (nr::UNLINK, "/ro/file", Errno::EROFS),
        (nr::UNLINK, "", Errno::ENOENT),
    ] {
        c.fails(call, &[c.string(path), 0o644], errno);
    }
    c.fails(nr::MKNOD, &[c.string(free), 0o040755, 0], Errno::EPERM);
    c.fails(nr::MKNOD, &[c.string(free), 0o120755, 0], Errno::EINVAL);
    c.fails(nr::UNLINKAT, &[CWD, c.string(free), 1], Errno::EINVAL);
    for (call, from, to, errno) in [
        (nr::LINK, "/tmp/d", free, Errno::EPERM),
        (nr::LINK, "/tmp/d/file", "/tmp/here", Errno::EEXIST),
        (nr::LINK, "/tmp/d/file", "/ro/x", Errno::EXDEV),
        (nr::LINK, "/none", free, Errno::ENOENT),
        (nr::SYMLINK, "", free, Errno::ENOENT),
        (nr::SYMLINK, "x", "/tmp/d", Errno::EEXIST),
        (nr::RENAME, "/tmp/d", "/tmp/d/below", Errno::EINVAL),
        (nr::RENAME, "/tmp", "/tmp/d/below", Errno::EINVAL),
        (nr::RENAME, "/tmp/d/file", "/etc", Errno::EISDIR),
        (nr::RENAME, "/tmp/d/file", "/tmp", Errno::ENOTEMPTY),
        (nr::RENAME, "/tmp/d/file", "/", Errno::EBUSY),
        (nr::RENAME, "/tmp/d/file", "/ro/x", Errno::EXDEV),
        (nr::RENAME, "/tmp/d", "/tmp/here", Errno::ENOTDIR),
        (nr::RENAME, "/tmp/d/.", free, Errno::EBUSY),
        (nr::RENAME, "/tmp/here", "/tmp/new/", Errno::ENOTDIR),
        (nr::RENAME, "/none", free, Errno::ENOENT),
        (nr::RENAME, "/dev", free, Errno::EBUSY),
    ] {
        c.fails(call, &[c.string(from), c.other(to)], errno);
    }
    let no_replace = u64::from(raw::RENAME_NOREPLACE);
    c.fails(nr::RENAMEAT2, &[CWD, c.string("/tmp/d"), CWD, c.other("/tmp/here"), no_replace], Errno::EEXIST);
    c.fails(nr::RENAMEAT2, &[CWD, c.string("/tmp/d"), CWD, c.other(free), exchange], Errno::ENOENT);
    c.fails(nr::RENAMEAT2, &[CWD, c.string("/tmp/d"), CWD, c.other(free), exchange | 1], Errno::EINVAL);
    for call in [nr::MKDIR, nr::MKNOD, nr::RMDIR, nr::UNLINK, nr::CREAT, nr::TRUNCATE, nr::CHMOD, nr::CHOWN] {
        c.fails(call, &[BAD, 0, 0], Errno::EFAULT);
    }
}

#[test]
fn attributes() {
    let c = Caller::new();
    let fd = c.make("/tmp/f");
    c.ok(nr::CHMOD, &[c.string("/tmp/f"), 0o107751]);
    assert_eq!(c.stat("/tmp/f").st_mode, 0o107751);
    c.ok(nr::CHOWN, &[c.string("/tmp/f"), 7, 8]);
    let stat = c.stat("/tmp/f");
    assert_eq!((stat.st_mode, stat.st_uid, stat.st_gid), (0o101751, 7, 8));
    c.ok(nr::FCHMOD, &[fd, 0o600]);
    c.ok(nr::FCHOWN, &[fd, u64::MAX, 9]);
    c.ok(nr::SYMLINK, &[c.string("f"), c.other("/tmp/s")]);
    c.ok(nr::LCHOWN, &[c.string("/tmp/s"), 3, u64::MAX]);
    c.ok(nr::FCHOWNAT, &[fd, c.string(""), 11, u64::MAX, raw::AT_EMPTY_PATH.into()]);
    c.ok(nr::FCHMODAT, &[CWD, c.string("/tmp/s"), 0o640]);
    let stat = c.stat("/tmp/f");
    assert_eq!((stat.st_mode, stat.st_uid, stat.st_gid), (0o100640, 11, 9));
    assert_eq!(c.stat("/tmp/s").st_uid, 3);
    c.fails(nr::CHMOD, &[c.string("/none"), 0], Errno::ENOENT);
    c.fails(nr::CHMOD, &[c.string("/ro/file"), 0], Errno::EROFS);
    c.fails(nr::FCHMOD, &[99, 0], Errno::EBADF);
    c.fails(nr::FCHOWNAT, &[CWD, c.string("/tmp/f"), 0, 0, 1], Errno::EINVAL);

    let now = i64::from(raw::UTIME_NOW);
    let omit = i64::from(raw::UTIME_OMIT);
    c.put(BUF, &[1_000i64, 5, 2_000, 6]);
    c.ok(nr::UTIMENSAT, &[CWD, c.string("/tmp/f"), BUF, 0]);
    let stat = c.stat("/tmp/f");
    assert_eq!((stat.st_atime, stat.st_atime_nsec, stat.st_mtime, stat.st_mtime_nsec), (1000, 5, 2000, 6));
    c.put(BUF, &[0, omit, 0, now]);
    c.ok(nr::UTIMENSAT, &[fd, 0, BUF, 0]);
    let stat = c.stat("/tmp/f");
    assert!(stat.st_atime == 1000 && stat.st_mtime > 1_700_000_000);
    c.put(BUF, &[3i64, 999_999, 4, 1]);
    c.ok(nr::UTIMES, &[c.string("/tmp/s"), BUF]);
    c.ok(nr::FUTIMESAT, &[CWD, c.string("/tmp/s"), BUF]);
    assert_eq!((c.stat("/tmp/f").st_atime_nsec, c.stat("/tmp/f").st_mtime), (999_999_000, 4));
    c.put(BUF, &[3i64, 4]);
    c.ok(nr::UTIME, &[c.string("/tmp/f"), BUF]);
    assert_eq!(c.stat("/tmp/f").st_mtime_nsec, 0);
    c.ok(nr::UTIME, &[c.string("/tmp/f"), 0]);
    c.put(BUF, &[3i64, 1_000_000_000, 0, 0]);
    c.fails(nr::UTIMENSAT, &[CWD, c.string("/tmp/f"), BUF, 0], Errno::EINVAL);
    c.fails(nr::UTIMES, &[c.string("/tmp/f"), BUF], Errno::EINVAL);
    c.fails(nr::UTIMENSAT, &[CWD, c.string("/tmp/f"), BAD, 0], Errno::EFAULT);
    c.fails(nr::UTIMENSAT, &[CWD, 0, 0, 0], Errno::EFAULT);

    c.ok(nr::STATFS, &[c.string("/tmp"), BUF]);
    let statfs: StatFs = c.get(BUF);
    assert_eq!((statfs.kind, statfs.bsize, statfs.namelen, statfs.blocks), (0x0102_1994, 4096, 255, 256));
    c.ok(nr::FSTATFS, &[fd, BUF]);
    c.fails(nr::STATFS, &[c.string("/tmp"), READ_ONLY], Errno::EFAULT);
    c.fails(nr::FSTATFS, &[99, BUF], Errno::EBADF);
}

#[test]
fn copying_and_locking() {
    let c = Caller::new();
    let (from, to) = (c.make("/tmp/from"), c.make("/tmp/to"));
    c.write(from, b"0123456789");
    c.put(BUF + 0x200, &2i64);
    assert_eq!(c.ok(nr::SENDFILE, &[to, from, BUF + 0x200, 3]), 3);
    assert_eq!((c.get::<i64>(BUF + 0x200), c.content(to)), (5, b"234".to_vec()));
    c.ok(nr::LSEEK, &[from, 0, 0]);
    assert_eq!(c.ok(nr::COPY_FILE_RANGE, &[from, 0, to, 0, 100, 0]), 10);
    assert_eq!(c.content(to), b"2340123456789");
    c.put(BUF + 0x208, &20i64);
    assert_eq!(c.ok(nr::COPY_FILE_RANGE, &[from, BUF + 0x200, from, BUF + 0x208, 2, 0]), 2);
    assert_eq!(c.content(from), b"0123456789\0\0\0\0\0\0\0\0\0\x0056");
    c.put(BUF + 0x208, &8i64);
    c.fails(nr::COPY_FILE_RANGE, &[from, BUF + 0x200, from, BUF + 0x208, 9, 0], Errno::EINVAL);
    c.fails(nr::COPY_FILE_RANGE, &[from, 0, to, 0, 1, 1], Errno::EINVAL);
    c.fails(nr::COPY_FILE_RANGE, &[from, 0, c.open("/tmp", 0), 0, 1, 0], Errno::EISDIR);
    c.fails(nr::COPY_FILE_RANGE, &[from, 0, 1, 0, 1, 0], Errno::EINVAL);
    c.fails(nr::COPY_FILE_RANGE, &[99, 0, to, 0, 1, 0], Errno::EBADF);
    c.ok(nr::LSEEK, &[from, 0, 0]);
    assert_eq!(c.ok(nr::SENDFILE, &[from, from, 0, 2]), 2, "one description as both ends");

    let other = c.open("/tmp/from", raw::O_RDWR);
    let (shared, exclusive, no_wait) = (1, 2, 4);
    c.ok(nr::FLOCK, &[from, exclusive]);
    c.fails(nr::FLOCK, &[other, shared | no_wait], Errno::EAGAIN);
    let twin = c.ok(nr::DUP, &[from]);
    c.ok(nr::FLOCK, &[twin, shared]);
    c.ok(nr::FLOCK, &[other, shared | no_wait]);
    c.fails(nr::FLOCK, &[other, exclusive | no_wait], Errno::EAGAIN);
    c.ok(nr::CLOSE, &[from]);
    c.fails(nr::FLOCK, &[other, exclusive | no_wait], Errno::EAGAIN);
    c.ok(nr::CLOSE, &[twin]);
    c.ok(nr::FLOCK, &[other, exclusive | no_wait]);
    c.ok(nr::FLOCK, &[other, 8]);
    c.fails(nr::FLOCK, &[other, 3], Errno::EINVAL);
    c.fails(nr::FLOCK, &[99, 1], Errno::EBADF);

    let lock = |kind, whence, start, len| Flock { kind, whence, start, len, pid: 7, ..Flock::default() };
    c.put(BUF, &lock(1, 2, -3, 0));
    c.ok(nr::FCNTL, &[other, raw::F_SETLK.into(), BUF]);
    c.ok(nr::FCNTL, &[other, raw::F_GETLK.into(), BUF]);
    assert_eq!(c.get::<Flock>(BUF), lock(2, 2, -3, 0), "free, the rest as it was");
    c.put(BUF, &lock(1, 0, -1, 0));
    c.fails(nr::FCNTL, &[other, raw::F_SETLK.into(), BUF], Errno::EINVAL);
    c.put(BUF, &lock(9, 0, 0, 0));
    c.fails(nr::FCNTL, &[other, raw::F_SETLK.into(), BUF], Errno::EINVAL);
    c.put(BUF, &lock(1, 0, 0, 0));
    c.fails(nr::FCNTL, &[c.open("/tmp/from", 0), raw::F_SETLKW.into(), BUF], Errno::EBADF);
    c.fails(nr::FCNTL, &[other, raw::F_SETLK.into(), BAD], Errno::EFAULT);
}

#[test]
fn without_root_permissions_count() {
    let c = Caller::new();
    c.make("/etc/secret");
    c.ok(nr::CHMOD, &[c.string("/etc/secret"), 0o600]);
    c.ok(nr::MKDIR, &[c.string("/etc/closed"), 0o700]);
    let fd = c.make("/tmp/theirs");
    c.ok(nr::CHMOD, &[c.string("/tmp/theirs"), 0o666]);
    c.ok(nr::SETGID, &[1000]);
    c.ok(nr::SETUID, &[1000]);
    c.fails(nr::OPEN, &[c.string("/etc/secret"), 0, 0], Errno::EACCES);
    c.fails(nr::OPEN, &[c.string("/etc/closed/x"), 0, 0], Errno::EACCES);
    c.fails(nr::OPEN, &[c.string("/etc/new"), RDWR.into(), 0o666], Errno::EACCES);
    c.fails(nr::CHDIR, &[c.string("/etc/closed")], Errno::EACCES);
    c.fails(nr::TRUNCATE, &[c.string("/etc/secret"), 0], Errno::EACCES);
    c.fails(nr::ACCESS, &[c.string("/etc/secret"), raw::R_OK.into()], Errno::EACCES);
    c.fails(nr::UNLINK, &[c.string("/etc/secret")], Errno::EACCES);
    c.fails(nr::UNLINK, &[c.string("/tmp/theirs")], Errno::EPERM);
    c.fails(nr::CHMOD, &[c.string("/tmp/theirs"), 0o600], Errno::EPERM);
    c.fails(nr::CHOWN, &[c.string("/tmp/theirs"), 1000, 1000], Errno::EPERM);
    c.fails(nr::FCHMOD, &[fd, 0o600], Errno::EPERM);
    c.fails(nr::MKNOD, &[c.string("/tmp/device"), 0o020600, 0x103], Errno::EPERM);
    c.make("/tmp/own");
    let own = c.stat("/tmp/own");
    assert_eq!((own.st_uid, own.st_gid), (1000, 1000));
    c.ok(nr::CHMOD, &[c.string("/tmp/own"), 0o4755]);
    let own = c.open("/tmp/own", raw::O_RDWR);
    c.write(own, b"x");
    assert_eq!(c.stat("/tmp/own").st_mode, 0o100755);
}

#[test]
fn restricted_lookups() {
    let c = Caller::new();
    let etc = c.open("/etc", raw::O_DIRECTORY);
    let how = |flags: u32, mode: u64, resolve: u64| c.put(BUF, &[u64::from(flags), mode, resolve, 0]);
    let open = |path: &str, size: u64| c.call(nr::OPENAT2, &[etc, c.string(path), BUF, size]);
    how(0, 0, 0);
    assert!(open("hosts", 24) >= 0 && open("hosts", 32) >= 0);
    for (size, errno) in [(23, Errno::EINVAL), (4097, Errno::E2BIG)] {
        assert_eq!(open("hosts", size), -i64::from(errno.raw()));
    }
    c.put(BUF, &[0u64, 0, 0, 1]);
    assert_eq!(open("hosts", 32), -i64::from(Errno::E2BIG.raw()));
    for (path, resolve, errno) in [
        ("../etc/hosts", 8, Errno::EXDEV),
        ("/etc/hosts", 8, Errno::EXDEV),
        ("link", 4, Errno::ELOOP),
        ("/etc/hosts", 16, Errno::ENOENT),
        ("../tmp/../ro/file", 1, Errno::EXDEV),
        ("hosts", 24, Errno::EINVAL),
        ("hosts", 64, Errno::EINVAL),
    ] {
        how(0, 0, resolve);
        assert_eq!(open(path, 24), -i64::from(errno.raw()), "{path} {resolve}");
    }
    how(0, 0, 16);
    assert!(open("/hosts", 24) >= 0 && open("../hosts", 24) >= 0);
    how(0, 0o600, 0);
    assert_eq!(open("hosts", 24), -i64::from(Errno::EINVAL.raw()));
    c.fails(nr::OPENAT2, &[etc, c.string("hosts"), BAD, 24], Errno::EFAULT);
    c.fails(nr::OPENAT2, &[etc, BAD, BUF + 8, 24], Errno::EFAULT);
    c.ok(nr::FCHMODAT2, &[etc, c.string("hosts"), 0o600, 0]);
    c.ok(nr::FCHMODAT2, &[etc, c.string(""), 0o700, raw::AT_EMPTY_PATH.into()]);
    let no_follow = raw::AT_SYMLINK_NOFOLLOW.into();
    c.fails(nr::FCHMODAT2, &[etc, c.string("link"), 0o600, no_follow], Errno::EOPNOTSUPP);
    c.fails(nr::FCHMODAT2, &[etc, c.string("hosts"), 0o600, 4], Errno::EINVAL);
    c.put(BUF, &[8u64, 0]);
    c.fails(nr::NAME_TO_HANDLE_AT, &[etc, c.string("hosts"), BUF, BUF + 8, 0], Errno::EOPNOTSUPP);
    c.fails(nr::NAME_TO_HANDLE_AT, &[etc, c.string("none"), BUF, BUF + 8, 0], Errno::ENOENT);
    c.fails(nr::NAME_TO_HANDLE_AT, &[etc, c.string("hosts"), BAD, BUF + 8, 0], Errno::EFAULT);
    c.fails(nr::NAME_TO_HANDLE_AT, &[etc, c.string("hosts"), BUF, BUF + 8, 2], Errno::EINVAL);
}

#[test]
fn transfers_with_flags() {
    let c = Caller::new();
    let fd = c.make("/tmp/f");
    c.memory().write(BUF, b"abcdef").unwrap();
    c.put(BUF + 0x200, &[BUF, 6]);
    let here = u64::MAX;
    assert_eq!(c.ok(nr::PWRITEV2, &[fd, BUF + 0x200, 1, here, 0, 0]), 6);
    assert_eq!(c.ok(nr::LSEEK, &[fd, 0, 1]), 6, "the position moved");
    assert_eq!(c.ok(nr::PWRITEV2, &[fd, BUF + 0x200, 1, 0, 0, raw::RWF_APPEND.into()]), 6);
    assert_eq!(c.content(fd), b"abcdefabcdef");
    assert_eq!(c.ok(nr::PREADV2, &[fd, BUF + 0x200, 1, 2, 0, raw::RWF_NOWAIT.into()]), 6);
    assert_eq!(c.bytes(BUF, 6), b"cdefab");
    for nr in [nr::PREADV2, nr::PWRITEV2] {
        c.fails(nr, &[fd, BUF + 0x200, 1, 0, 0, 1 << 20], Errno::EOPNOTSUPP);
        c.fails(nr, &[fd, BUF + 0x200, 1, 0, 0, 0x30], Errno::EINVAL);
        c.fails(nr, &[fd, BUF + 0x200, 1, here - 1, 0, 0], Errno::EINVAL);
        c.fails(nr, &[0, BUF + 0x200, 1, 0, 0, 0], Errno::ESPIPE);
        c.fails(nr, &[99, BUF + 0x200, 1, 0, 0, 0], Errno::EBADF);
        c.fails(nr, &[fd, BAD, 1, 0, 0, 0], Errno::EFAULT);
    }
}
