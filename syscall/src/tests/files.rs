//! Paths, stat, directories.

use super::{BAD, Caller, READ_ONLY};
use abi::general as raw;
use abi::structs::{Stat, Statx};
use abi::{Errno, nr};
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;
const CWD: u64 = abi::AT_FDCWD as i64 as u64;

#[test]
fn opening() {
    let c = Caller::new();
    assert_eq!(c.ok(nr::OPENAT, &[CWD, c.string("etc/hosts"), 0, 0]), 3);
    let etc = c.open("/etc", raw::O_DIRECTORY);
    assert_eq!(c.ok(nr::OPENAT, &[etc, c.string("link"), 0, 0]), 5);
    assert_eq!(c.ok(nr::OPENAT, &[99, c.string("/etc/hosts"), 0, 0]), 6, "the directory does not matter");
    let flags = |flags: u32| u64::from(flags);
    for (dir, path, how, errno) in [
        (CWD, "", 0, Errno::ENOENT),
        (CWD, "nothing", 0, Errno::ENOENT),
        (99, "hosts", 0, Errno::EBADF),
        (3, "hosts", 0, Errno::ENOTDIR),
        (1, "hosts", 0, Errno::ENOTDIR),
        (CWD, "/etc/hosts/", 0, Errno::ENOTDIR),
        (CWD, "/etc", raw::O_RDWR, Errno::EISDIR),
        (CWD, "/ro/file", raw::O_RDWR, Errno::EROFS),
        (CWD, "/etc/hosts", raw::O_CREAT | raw::O_EXCL, Errno::EEXIST),
        (CWD, "/ro/new", raw::O_CREAT | raw::O_WRONLY, Errno::EROFS),
        (CWD, "/etc/link", raw::O_NOFOLLOW, Errno::ELOOP),
        (CWD, "/etc/hosts", raw::O_DIRECTORY, Errno::ENOTDIR),
        (CWD, "/ro", raw::O_TMPFILE | raw::O_RDWR, Errno::EOPNOTSUPP),
        (CWD, "/etc/hosts", raw::O_TMPFILE | raw::O_RDWR, Errno::ENOTDIR),
        (CWD, "/tmp", raw::O_TMPFILE, Errno::EINVAL),
        (CWD, "/dev/tty", raw::O_RDWR, Errno::ENXIO),
    ] {
        c.fails(nr::OPENAT, &[dir, c.string(path), flags(how), 0o644], errno);
    }
    let long = "x".repeat(300);
    c.fails(nr::OPEN, &[c.string(&long), 0, 0], Errno::ENAMETOOLONG);
    c.fails(nr::OPEN, &[BAD, 0, 0], Errno::EFAULT);
    c.fails(nr::OPENAT, &[CWD, u64::MAX, 0, 0], Errno::EFAULT);
    // A string without end: ENAMETOOLONG after PATH_MAX bytes.
    let room = c.ok(nr::MMAP, &[0, 3 * 4096, 3, 0x22, u64::MAX, 0]);
    c.ok(nr::MUNMAP, &[room + 8192, 4096]);
    c.memory().write(room, &[b'/'; 8192]).unwrap();
    c.fails(nr::OPEN, &[room, 0, 0], Errno::ENAMETOOLONG);
    c.fails(nr::OPEN, &[room + 8000, 0, 0], Errno::EFAULT);
}

#[test]
fn stats_agree() {
    let c = Caller::new();
    let fd = c.open("/etc/hosts", 0);
    c.ok(nr::FSTAT, &[fd, BUF]);
    let by_fd: Stat = c.get(BUF);
    assert_eq!((by_fd.st_mode, by_fd.st_size, by_fd.st_nlink), (0o100644, 20, 1));
    assert_eq!((by_fd.st_mtime, by_fd.st_blksize, by_fd.st_blocks), (1_700_000_000, 4096, 8));
    let same = |args: &[u64], call| {
        c.put(BUF, &[0u8; 144]);
        c.ok(call, args);
        assert_eq!(c.get::<Stat>(BUF).st_ino, by_fd.st_ino);
    };
    same(&[c.string("/etc/link"), BUF], nr::STAT);
    same(&[c.string("/etc/hosts"), BUF], nr::LSTAT);
    same(&[CWD, c.string("/etc/link"), BUF, 0], nr::NEWFSTATAT);
    same(&[fd, c.string(""), BUF, raw::AT_EMPTY_PATH.into()], nr::NEWFSTATAT);
    c.ok(nr::LSTAT, &[c.string("/etc/link"), BUF]);
    assert_eq!(c.get::<Stat>(BUF).st_mode, 0o120777);
    c.ok(nr::NEWFSTATAT, &[CWD, c.string(""), BUF, raw::AT_EMPTY_PATH.into()]);
    assert_eq!(c.get::<Stat>(BUF).st_mode & 0o170000, 0o040000, "the current directory");
    c.ok(nr::STAT, &[c.string("/dev/null"), BUF]);
    assert_eq!(c.get::<Stat>(BUF).st_rdev, 0x103);
    c.ok(nr::FSTAT, &[0, BUF]);
    assert_eq!(c.get::<Stat>(BUF).st_mode, 0o010600, "a pipe");

    c.ok(nr::STATX, &[CWD, c.string("/dev/null"), 0, u64::from(raw::STATX_BASIC_STATS), BUF]);
    let x: Statx = c.get(BUF);
    assert_eq!((x.stx_rdev_major, x.stx_rdev_minor, u32::from(x.stx_mode)), (1, 3, 0o020666));
    c.ok(nr::STATX, &[fd, c.string(""), raw::AT_EMPTY_PATH.into(), 0, BUF]);
    assert_eq!(c.get::<Statx>(BUF).stx_size, 20);

    c.fails(nr::FSTAT, &[99, BUF], Errno::EBADF);
    c.fails(nr::FSTAT, &[fd, BAD], Errno::EFAULT);
    c.fails(nr::FSTAT, &[fd, READ_ONLY], Errno::EFAULT);
    c.fails(nr::STAT, &[BAD, BUF], Errno::EFAULT);
    c.fails(nr::STAT, &[c.string("/none"), BUF], Errno::ENOENT);
    c.fails(nr::STAT, &[c.string("/etc/hosts/x"), BUF], Errno::ENOTDIR);
    c.fails(nr::LSTAT, &[c.string(""), BUF], Errno::ENOENT);
    c.fails(nr::NEWFSTATAT, &[CWD, c.string("/"), BUF, 0x8000_0000], Errno::EINVAL);
    c.fails(nr::NEWFSTATAT, &[99, c.string("x"), BUF, 0], Errno::EBADF);
    c.fails(nr::STATX, &[CWD, c.string("/"), raw::AT_STATX_SYNC_TYPE.into(), 0, BUF], Errno::EINVAL);
    c.fails(nr::STATX, &[CWD, c.string("/"), 0, raw::STATX__RESERVED.into(), BUF], Errno::EINVAL);
    c.fails(nr::STATX, &[CWD, c.string("/"), 0, 0, BAD], Errno::EFAULT);
}

#[test]
fn links() {
    let c = Caller::new();
    assert_eq!(c.ok(nr::READLINK, &[c.string("/etc/link"), BUF, 100]), 5);
    assert_eq!(c.bytes(BUF, 5), b"hosts");
    assert_eq!(c.ok(nr::READLINK, &[c.string("/etc/link"), BUF, 2]), 2, "cut, not ended");
    let etc = c.open("/etc", 0);
    assert_eq!(c.ok(nr::READLINKAT, &[etc, c.string("link"), BUF, 100]), 5);
    let link = c.open("/etc/link", raw::O_PATH | raw::O_NOFOLLOW);
    assert_eq!(c.ok(nr::READLINKAT, &[link, c.string(""), BUF, 100]), 5);
    c.fails(nr::READLINK, &[c.string("/etc/hosts"), BUF, 100], Errno::EINVAL);
    c.fails(nr::READLINK, &[c.string("/etc/link"), BUF, 0], Errno::EINVAL);
    c.fails(nr::READLINK, &[c.string("/none"), BUF, 9], Errno::ENOENT);
    c.fails(nr::READLINK, &[c.string("/etc/link"), BAD, 100], Errno::EFAULT);
    c.fails(nr::READLINKAT, &[99, c.string("link"), BUF, 9], Errno::EBADF);
}

#[test]
fn extended_attributes() {
    let c = Caller::new();
    let put = |at: u64, text: &str| {
        c.memory().write(at, text.as_bytes()).unwrap();
        c.memory().write(at + text.len() as u64, &[0]).unwrap();
        at
    };
    let (path, name) = (put(DATA + 0x200, "/etc/hosts"), put(DATA + 0x300, "user.x"));
    let missing = put(DATA + 0x400, "/nothing");
    for nr in [nr::GETXATTR, nr::LGETXATTR, nr::SETXATTR, nr::LSETXATTR, nr::REMOVEXATTR, nr::LREMOVEXATTR] {
        c.fails(nr, &[missing, name, BUF, 10, 0], Errno::ENOENT);
        c.fails(nr, &[path, BAD, BUF, 10, 0], Errno::EFAULT);
        c.fails(nr, &[BAD, name, BUF, 10, 0], Errno::EFAULT);
    }
    c.memory().write(BUF, b"value").unwrap();
    c.fails(nr::GETXATTR, &[path, name, BUF, 10], Errno::ENODATA);
    c.fails(nr::REMOVEXATTR, &[path, name], Errno::ENODATA);
    c.fails(nr::SETXATTR, &[path, name, BUF, 5, raw::XATTR_REPLACE.into()], Errno::ENODATA);
    c.ok(nr::SETXATTR, &[path, name, BUF, 5, raw::XATTR_CREATE.into()]);
    c.fails(nr::SETXATTR, &[path, name, BUF, 5, raw::XATTR_CREATE.into()], Errno::EEXIST);
    c.fails(nr::SETXATTR, &[path, name, BUF, 5, 3], Errno::EEXIST);
    c.fails(nr::SETXATTR, &[path, name, BUF, 5, 4], Errno::EINVAL);
    c.fails(nr::SETXATTR, &[path, name, BUF, 65537, 0], Errno::E2BIG);
    assert_eq!(c.ok(nr::GETXATTR, &[path, name, BAD, 0]), 5);
    c.fails(nr::GETXATTR, &[path, name, BUF + 10, 4], Errno::ERANGE);
    c.fails(nr::GETXATTR, &[path, name, BAD, 5], Errno::EFAULT);
    assert_eq!(
        (c.ok(nr::GETXATTR, &[path, name, BUF + 10, 9]), c.bytes(BUF + 10, 5)),
        (5, b"value".to_vec())
    );
    assert_eq!((c.ok(nr::LISTXATTR, &[path, BUF, 10]), c.bytes(BUF, 7)), (7, b"user.x\0".to_vec()));
    c.fails(nr::LISTXATTR, &[path, BUF, 6], Errno::ERANGE);
    c.fails(nr::LISTXATTR, &[path, BAD, 7], Errno::EFAULT);
    c.fails(nr::SETXATTR, &[path, put(DATA + 0x500, "other.x"), BUF, 5, 0], Errno::EOPNOTSUPP);
    c.fails(nr::SETXATTR, &[path, put(DATA + 0x500, "user."), BUF, 5, 0], Errno::EINVAL);
    c.fails(nr::SETXATTR, &[put(DATA + 0x500, "/ro/file"), name, BUF, 5, 0], Errno::EROFS);
    c.ok(nr::REMOVEXATTR, &[path, name]);
    let long = put(DATA + 0x500, &"n".repeat(256));
    c.fails(nr::GETXATTR, &[path, long, BUF, 10], Errno::ERANGE);
    for nr in [nr::FGETXATTR, nr::FSETXATTR, nr::FREMOVEXATTR] {
        c.fails(nr, &[0, name, BUF, 10, 0], Errno::EOPNOTSUPP);
        c.fails(nr, &[77, name, BUF, 10, 0], Errno::EBADF);
    }
    for nr in [nr::LISTXATTR, nr::LLISTXATTR] {
        assert_eq!(c.ok(nr, &[path, BUF, 10]), 0);
        c.fails(nr, &[missing, BUF, 10], Errno::ENOENT);
    }
    assert_eq!(c.ok(nr::FLISTXATTR, &[0, BUF, 10]), 0);
}

#[test]
fn access() {
    let c = Caller::new();
    for (path, mode, want) in [
        ("/etc/hosts", raw::F_OK, None),
        ("/etc/hosts", raw::R_OK, None),
        ("/etc/hosts", raw::W_OK, None),
        ("/ro/file", raw::W_OK, Some(Errno::EROFS)),
        ("/etc/hosts", raw::X_OK, Some(Errno::EACCES)),
        ("/init", raw::X_OK | raw::R_OK, None),
        ("/etc", raw::X_OK, None),
        ("/dev/null", raw::W_OK, None),
        ("/none", raw::F_OK, Some(Errno::ENOENT)),
        ("/etc/hosts", 8, Some(Errno::EINVAL)),
    ] {
        let mode = u64::from(mode);
        for (call, args) in [
            (nr::ACCESS, vec![c.string(path), mode]),
            (nr::FACCESSAT, vec![CWD, c.string(path), mode]),
            (nr::FACCESSAT2, vec![CWD, c.string(path), mode, u64::from(raw::AT_EACCESS)]),
        ] {
            match want {
                None => drop(c.ok(call, &args)),
                Some(errno) => c.fails(call, &args, errno),
            }
        }
    }
    c.fails(nr::FACCESSAT2, &[CWD, c.string("/"), 0, 1], Errno::EINVAL);
    c.fails(nr::ACCESS, &[BAD, 0], Errno::EFAULT);
    c.ok(nr::FACCESSAT2, &[0, c.string(""), 0, raw::AT_EMPTY_PATH.into()]);
}

/// The records of getdents64: inode, next position, type, name.
fn records(mut bytes: &[u8]) -> Vec<(u64, u64, u8, String)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let len = usize::from(u16::from_le_bytes([bytes[16], bytes[17]]));
        let name = bytes[19..len].split(|&byte| byte == 0).next().unwrap();
        out.push((word(0), word(8), bytes[18], String::from_utf8(name.to_vec()).unwrap()));
        assert_eq!(len % 8, 0);
        bytes = &bytes[len..];
    }
    out
}

#[test]
fn directories() {
    let c = Caller::new();
    let fd = c.open("/etc", 0);
    let n = c.ok(nr::GETDENTS64, &[fd, BUF, 1000]) as usize;
    let all = records(&c.bytes(BUF, n));
    let names: Vec<_> = all.iter().map(|record| (record.3.as_str(), record.2)).collect();
    assert_eq!(names, [(".", 4), ("..", 4), ("hosts", 8), ("link", 10), ("plain", 8)]);
    assert_eq!(c.ok(nr::GETDENTS64, &[fd, BUF, 1000]), 0);
    // One by one, resumed at a record's position.
    c.ok(nr::LSEEK, &[fd, all[1].1, 0]);
    let n = c.ok(nr::GETDENTS64, &[fd, BUF, 40]) as usize;
    assert_eq!(records(&c.bytes(BUF, n)).len(), 1);
    assert_eq!(records(&c.bytes(BUF, n))[0].3, "hosts");
    c.fails(nr::GETDENTS64, &[fd, BUF, 10], Errno::EINVAL);
    c.fails(nr::GETDENTS64, &[fd, BAD, 1000], Errno::EFAULT);
    c.fails(nr::GETDENTS64, &[99, BUF, 1000], Errno::EBADF);
    c.fails(nr::GETDENTS64, &[0, BUF, 1000], Errno::ENOTDIR);
    c.fails(nr::GETDENTS64, &[c.open("/etc/hosts", 0), BUF, 1000], Errno::ENOTDIR);

    assert_eq!(c.ok(nr::GETCWD, &[BUF, 100]), 2);
    c.ok(nr::CHDIR, &[c.string("etc/../dev")]);
    assert_eq!(c.ok(nr::GETCWD, &[BUF, 100]), 5);
    assert_eq!(c.bytes(BUF, 5), b"/dev\0");
    assert_eq!(c.ok(nr::OPEN, &[c.string("null"), 0, 0]), 5);
    c.ok(nr::FCHDIR, &[fd]);
    c.ok(nr::STAT, &[c.string("hosts"), BUF]);
    c.fails(nr::GETCWD, &[BUF, 4], Errno::ERANGE);
    c.fails(nr::GETCWD, &[BUF, 0], Errno::ERANGE);
    c.fails(nr::GETCWD, &[BAD, 100], Errno::EFAULT);
    c.fails(nr::CHDIR, &[c.string("hosts")], Errno::ENOTDIR);
    c.fails(nr::CHDIR, &[c.string("none")], Errno::ENOENT);
    c.fails(nr::CHDIR, &[BAD], Errno::EFAULT);
    c.fails(nr::FCHDIR, &[0], Errno::ENOTDIR);
    c.fails(nr::FCHDIR, &[99], Errno::EBADF);
    assert_eq!(c.ok(nr::UMASK, &[0o7077]), 0o022);
    assert_eq!(c.ok(nr::UMASK, &[0o022]), 0o077);
}

#[test]
fn advice() {
    let c = Caller::new();
    let file = c.open("/etc/hosts", 0);
    for advice in 0..6 {
        c.ok(nr::FADVISE64, &[file, 0, 0, advice]);
    }
    c.fails(nr::FADVISE64, &[file, 0, 0, 6], Errno::EINVAL);
    c.fails(nr::FADVISE64, &[file, 0, u64::MAX, 0], Errno::EINVAL);
    c.fails(nr::FADVISE64, &[99, 0, 0, 0], Errno::EBADF);
    c.fails(nr::FADVISE64, &[0, 0, 0, 0], Errno::ESPIPE);
    c.ok(nr::READAHEAD, &[file, 0, 4096]);
    c.fails(nr::READAHEAD, &[99, 0, 1], Errno::EBADF);
    c.fails(nr::READAHEAD, &[1, 0, 1], Errno::EBADF);
    c.fails(nr::READAHEAD, &[c.open("/etc", 0), 0, 1], Errno::EINVAL);
}
