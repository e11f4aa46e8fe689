//! Reading, writing, descriptors, polling, terminals.

use super::{BAD, Caller, READ_ONLY};
use abi::general as raw;
use abi::structs::{IoVec, PollFd, Termios, Timespec, Winsize};
use abi::{Errno, ioctl, nr};
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;

#[test]
fn write_and_writev() {
    let c = Caller::new();
    c.memory().write(BUF, b"hello\n").unwrap();
    assert_eq!(c.ok(nr::WRITE, &[1, BUF, 6]), 6);
    assert_eq!(c.ok(nr::WRITE, &[2, BUF, 0]), 0);
    c.put(BUF + 0x40, &IoVec { base: BUF, len: 5 });
    c.put(BUF + 0x50, &IoVec { base: 0, len: 0 });
    c.put(BUF + 0x60, &IoVec { base: BUF + 5, len: 1 });
    assert_eq!(c.ok(nr::WRITEV, &[1, BUF + 0x40, 3]), 6);
    assert_eq!(c.output(), b"hello\nhello\n");
    c.fails(nr::WRITE, &[1, BAD, 6], Errno::EFAULT);
    c.fails(nr::WRITE, &[1, u64::MAX, 6], Errno::EFAULT);
    c.fails(nr::WRITE, &[0, BUF, 6], Errno::EBADF);
    c.fails(nr::WRITE, &[9, BUF, 6], Errno::EBADF);
    c.fails(nr::WRITE, &[u64::MAX, BUF, 6], Errno::EBADF);
    c.fails(nr::WRITEV, &[1, BAD, 1], Errno::EFAULT);
    c.fails(nr::WRITEV, &[1, BUF, 1025], Errno::EINVAL);
    c.fails(nr::WRITEV, &[1, BUF, u64::MAX], Errno::EINVAL);
    c.put(BUF + 0x40, &IoVec { base: BUF, len: u64::MAX });
    c.fails(nr::WRITEV, &[1, BUF + 0x40, 1], Errno::EINVAL);
    c.fails(nr::WRITEV, &[0, BUF + 0x40, 1], Errno::EBADF);
    // A fault after some bytes: what arrived is counted.
    assert_eq!(c.ok(nr::WRITE, &[1, DATA + 0x1ffc, 100]), 4);
}

#[test]
fn read_and_readv() {
    let c = Caller::new();
    c.r.line.input.lock().extend(b"some input");
    assert_eq!(c.ok(nr::READ, &[0, BUF, 4]), 4);
    c.put(BUF + 0x40, &IoVec { base: BUF + 4, len: 1 });
    c.put(BUF + 0x50, &IoVec { base: BUF + 5, len: 100 });
    assert_eq!(c.ok(nr::READV, &[0, BUF + 0x40, 2]), 6);
    assert_eq!(c.bytes(BUF, 10), b"some input");
    c.r.line.input.lock().extend(b"x\xff\x00");
    c.fails(nr::READ, &[0, BAD, 4], Errno::EFAULT);
    c.fails(nr::READ, &[0, READ_ONLY, 4], Errno::EFAULT);
    assert_eq!(c.ok(nr::READ, &[0, BUF, 4]), 1, "nothing was lost");
    assert_eq!(c.ok(nr::READ, &[0, BUF, 4]), 0, "end of file");
    c.fails(nr::READ, &[1, BUF, 4], Errno::EBADF);
    c.fails(nr::READ, &[77, BUF, 4], Errno::EBADF);
    c.fails(nr::READV, &[0, BAD, 2], Errno::EFAULT);
    c.fails(nr::READV, &[1, BUF + 0x40, 1], Errno::EBADF);
    let dir = c.open("/etc", 0);
    c.fails(nr::READ, &[dir, BUF, 4], Errno::EISDIR);
    assert_eq!(c.ok(nr::FCNTL, &[0, raw::F_SETFL.into(), raw::O_NONBLOCK.into()]), 0);
    let terminal = Caller::with_terminal();
    terminal.ok(nr::FCNTL, &[0, raw::F_SETFL.into(), raw::O_NONBLOCK.into()]);
    terminal.fails(nr::READ, &[0, BUF, 4], Errno::EAGAIN);
}

#[test]
fn positions() {
    let c = Caller::new();
    let fd = c.open("/etc/hosts", 0);
    assert_eq!(c.ok(nr::READ, &[fd, BUF, 4]), 4);
    assert_eq!(c.ok(nr::PREAD64, &[fd, BUF + 16, 9, 10]), 9);
    assert_eq!(c.bytes(BUF + 16, 9), b"localhost");
    assert_eq!(c.ok(nr::LSEEK, &[fd, 0, raw::SEEK_CUR.into()]), 4);
    assert_eq!(c.ok(nr::LSEEK, &[fd, (-1i64) as u64, raw::SEEK_END.into()]), 19);
    assert_eq!(c.ok(nr::READ, &[fd, BUF, 100]), 1);
    assert_eq!(c.ok(nr::LSEEK, &[fd, 5, raw::SEEK_DATA.into()]), 5);
    assert_eq!(c.ok(nr::LSEEK, &[fd, 5, raw::SEEK_HOLE.into()]), 20);
    c.fails(nr::LSEEK, &[fd, 20, raw::SEEK_DATA.into()], Errno::ENXIO);
    c.fails(nr::LSEEK, &[fd, (-1i64) as u64, raw::SEEK_SET.into()], Errno::EINVAL);
    c.fails(nr::LSEEK, &[fd, 0, 9], Errno::EINVAL);
    c.fails(nr::LSEEK, &[99, 0, 0], Errno::EBADF);
    c.fails(nr::LSEEK, &[1, 0, 0], Errno::ESPIPE);
    c.fails(nr::PREAD64, &[fd, BUF, 1, u64::MAX], Errno::EINVAL);
    c.fails(nr::PREAD64, &[fd, BAD, 1, 0], Errno::EFAULT);
    c.fails(nr::PREAD64, &[0, BUF, 1, 0], Errno::ESPIPE);
    c.fails(nr::PREAD64, &[99, BUF, 1, 0], Errno::EBADF);
    c.fails(nr::PWRITE64, &[fd, BUF, 1, 0], Errno::EBADF);
    c.fails(nr::PWRITE64, &[1, BUF, 1, 0], Errno::ESPIPE);
    c.fails(nr::PWRITE64, &[1, BUF, 1, u64::MAX], Errno::EINVAL);
    let null = c.open("/dev/null", raw::O_WRONLY);
    assert_eq!(c.ok(nr::PWRITE64, &[null, BUF, 7, 0]), 7);
}

#[test]
fn sendfile() {
    let c = Caller::new();
    let fd = c.open("/etc/hosts", 0);
    assert_eq!(c.ok(nr::SENDFILE, &[1, fd, 0, 9]), 9);
    c.put(BUF, &10i64);
    assert_eq!(c.ok(nr::SENDFILE, &[1, fd, BUF, 100]), 10);
    assert_eq!(c.get::<i64>(BUF), 20);
    assert_eq!(c.output(), b"127.0.0.1localhost\n");
    assert_eq!(c.ok(nr::LSEEK, &[fd, 0, raw::SEEK_CUR.into()]), 9, "an offset leaves the position");
    c.fails(nr::SENDFILE, &[1, 0, 0, 9], Errno::EINVAL);
    c.fails(nr::SENDFILE, &[fd, fd, 0, 9], Errno::EBADF);
    c.fails(nr::SENDFILE, &[1, 99, 0, 9], Errno::EBADF);
    c.fails(nr::SENDFILE, &[1, fd, BAD, 9], Errno::EFAULT);
    c.put(BUF, &(-1i64));
    c.fails(nr::SENDFILE, &[1, fd, BUF, 9], Errno::EINVAL);
}

#[test]
fn descriptors() {
    let c = Caller::new();
    let fd = c.open("/etc/hosts", raw::O_CLOEXEC);
    assert_eq!(fd, 3, "the lowest free number");
    assert_eq!(c.ok(nr::FCNTL, &[fd, raw::F_GETFD.into(), 0]), 1);
    assert_eq!(c.ok(nr::DUP, &[fd]), 4);
    assert_eq!(c.ok(nr::FCNTL, &[4, raw::F_GETFD.into(), 0]), 0, "dup clears close-on-exec");
    assert_eq!(c.ok(nr::DUP2, &[fd, 7]), 7);
    assert_eq!(c.ok(nr::DUP2, &[fd, fd]), fd);
    assert_eq!(c.ok(nr::DUP3, &[fd, 8, raw::O_CLOEXEC.into()]), 8);
    assert_eq!(c.ok(nr::FCNTL, &[8, raw::F_GETFD.into(), 0]), 1);
    assert_eq!(c.ok(nr::READ, &[7, BUF, 4]), 4);
    assert_eq!(c.ok(nr::LSEEK, &[fd, 0, raw::SEEK_CUR.into()]), 4, "the position is shared");
    assert_eq!(c.ok(nr::CLOSE, &[4]), 0);
    c.fails(nr::CLOSE, &[4], Errno::EBADF);
    c.fails(nr::CLOSE, &[u64::MAX], Errno::EBADF);
    assert_eq!(c.ok(nr::FCNTL, &[fd, raw::F_DUPFD.into(), 10]), 10);
    assert_eq!(c.ok(nr::FCNTL, &[fd, 1030, 10]), 11);
    assert_eq!(c.ok(nr::FCNTL, &[11, raw::F_GETFD.into(), 0]), 1);
    assert_eq!(c.ok(nr::FCNTL, &[11, raw::F_SETFD.into(), 0]), 0);
    assert_eq!(c.ok(nr::FCNTL, &[11, raw::F_GETFD.into(), 0]), 0);
    assert_eq!(c.ok(nr::FCNTL, &[fd, raw::F_GETFL.into(), 0]), u64::from(raw::O_LARGEFILE));
    c.ok(nr::FCNTL, &[fd, raw::F_SETFL.into(), (raw::O_APPEND | raw::O_WRONLY).into()]);
    assert_eq!(c.ok(nr::FCNTL, &[7, raw::F_GETFL.into(), 0]), u64::from(raw::O_LARGEFILE | raw::O_APPEND));
    for (call, args) in [
        (nr::DUP, [99, 0, 0]),
        (nr::DUP2, [99, 5, 0]),
        (nr::DUP2, [99, 99, 0]),
        (nr::DUP3, [99, 5, 0]),
        (nr::DUP2, [fd, u64::MAX, 0]),
        (nr::DUP2, [fd, 1 << 20, 0]),
        (nr::FCNTL, [99, 1, 0]),
    ] {
        c.fails(call, &args, Errno::EBADF);
    }
    c.fails(nr::DUP3, &[fd, fd, 0], Errno::EINVAL);
    c.fails(nr::DUP3, &[fd, 9, 1], Errno::EINVAL);
    c.fails(nr::FCNTL, &[fd, 999, 0], Errno::EINVAL);
    c.fails(nr::FCNTL, &[fd, raw::F_DUPFD.into(), 1 << 20], Errno::EINVAL);
    // The limit on descriptors.
    c.put(BUF, &abi::structs::Rlimit { rlim_cur: 5, rlim_max: 5 });
    c.ok(nr::SETRLIMIT, &[raw::RLIMIT_NOFILE.into(), BUF]);
    assert_eq!(c.ok(nr::DUP, &[0]), 4);
    c.fails(nr::DUP, &[0], Errno::EMFILE);
    c.fails(nr::OPEN, &[c.string("/etc/hosts"), 0, 0], Errno::EMFILE);
}

#[test]
fn ioctls() {
    let c = Caller::new();
    c.fails(nr::IOCTL, &[1, ioctl::TCGETS.into(), BUF], Errno::ENOTTY);
    c.fails(nr::IOCTL, &[99, ioctl::TCGETS.into(), BUF], Errno::EBADF);
    c.put(BUF, &1i32);
    c.ok(nr::IOCTL, &[0, ioctl::FIONBIO.into(), BUF]);
    assert_ne!(c.ok(nr::FCNTL, &[0, raw::F_GETFL.into(), 0]) & u64::from(raw::O_NONBLOCK), 0);
    c.fails(nr::IOCTL, &[0, ioctl::FIONBIO.into(), BAD], Errno::EFAULT);
    c.ok(nr::IOCTL, &[0, ioctl::FIOCLEX.into(), 0]);
    assert_eq!(c.ok(nr::FCNTL, &[0, raw::F_GETFD.into(), 0]), 1);
    c.ok(nr::IOCTL, &[0, ioctl::FIONCLEX.into(), 0]);
    assert_eq!(c.ok(nr::FCNTL, &[0, raw::F_GETFD.into(), 0]), 0);
    c.fails(nr::IOCTL, &[c.open("/etc/hosts", 0), ioctl::TCGETS.into(), BUF], Errno::ENOTTY);
    c.fails(nr::IOCTL, &[c.open("/etc/hosts", raw::O_PATH), ioctl::TCGETS.into(), BUF], Errno::EBADF);

    let t = Caller::with_terminal();
    t.ok(nr::IOCTL, &[0, ioctl::TCGETS.into(), BUF]);
    assert_ne!(t.get::<Termios>(BUF).c_lflag & raw::ICANON, 0);
    t.ok(nr::IOCTL, &[1, ioctl::TIOCGWINSZ.into(), BUF]);
    assert_eq!(t.get::<Winsize>(BUF).ws_col, 80);
    t.ok(nr::IOCTL, &[1, ioctl::TIOCGPGRP.into(), BUF]);
    assert_eq!(t.get::<u32>(BUF), 2);
    t.fails(nr::IOCTL, &[0, ioctl::TCGETS.into(), BAD], Errno::EFAULT);
    let tty = t.open("/dev/tty", raw::O_RDWR);
    t.ok(nr::IOCTL, &[tty, ioctl::TCGETS.into(), BUF]);
}

#[test]
fn polling() {
    let c = Caller::new();
    let poll = |index: u64, fd: i32, events: u32| {
        c.put(BUF + index * 8, &PollFd { fd, events: events as i16, revents: -1 });
    };
    let found = |index: u64| c.get::<PollFd>(BUF + index * 8).revents as u32;
    poll(0, 0, raw::POLLIN);
    poll(1, 1, raw::POLLOUT | raw::POLLIN);
    poll(2, -1, raw::POLLIN);
    poll(3, 99, raw::POLLIN);
    assert_eq!(c.ok(nr::POLL, &[BUF, 4, u64::MAX]), 2);
    assert_eq!([found(0), found(1), found(2), found(3)], [0, raw::POLLOUT, 0, raw::POLLNVAL]);
    // A timeout passes; time moves only by waiting.
    assert_eq!(c.ok(nr::POLL, &[BUF, 1, 50]), 0);
    c.put(BUF + 0x40, &Timespec { tv_sec: 0, tv_nsec: 1000 });
    assert_eq!(c.ok(nr::PPOLL, &[BUF, 1, BUF + 0x40, 0, 8]), 0);
    c.put(BUF + 0x50, &u64::MAX);
    assert_eq!(c.ok(nr::PPOLL, &[BUF, 1, BUF + 0x40, BUF + 0x50, 8]), 0);
    assert_eq!(c.r.thread.mask().0, 0, "the mask comes back");
    c.r.line.input.lock().extend(b"x");
    assert_eq!(c.ok(nr::POLL, &[BUF, 1, 0]), 1);
    assert_eq!(found(0), raw::POLLIN);
    assert_eq!(c.ok(nr::POLL, &[0, 0, 0]), 0);
    c.fails(nr::POLL, &[BAD, 1, 0], Errno::EFAULT);
    c.fails(nr::POLL, &[READ_ONLY, 1, 0], Errno::EFAULT);
    c.fails(nr::POLL, &[BUF, 1 << 21, 0], Errno::EINVAL);
    c.fails(nr::PPOLL, &[BUF, 1, BAD, 0, 8], Errno::EFAULT);
    c.fails(nr::PPOLL, &[BUF, 1, 0, BAD, 8], Errno::EFAULT);
    c.fails(nr::PPOLL, &[BUF, 1, 0, BUF + 0x50, 4], Errno::EINVAL);
    c.put(BUF + 0x40, &Timespec { tv_sec: 0, tv_nsec: 1_000_000_000 });
    c.fails(nr::PPOLL, &[BUF, 1, BUF + 0x40, 0, 8], Errno::EINVAL);
}

#[test]
fn who_gets_signals_about_files() {
    let c = Caller::new();
    c.ok(nr::PIPE2, &[BUF, 0]);
    let pipe = c.get::<[i32; 2]>(BUF)[0] as u64;
    let fcntl = |command: u32, arg: u64| [pipe, command.into(), arg];
    c.ok(nr::FCNTL, &fcntl(raw::F_SETOWN, -2i64 as u64));
    assert_eq!(c.call(nr::FCNTL, &fcntl(raw::F_GETOWN, 0)), -2, "a group, not an error");
    c.ok(nr::FCNTL, &fcntl(raw::F_SETSIG, 12));
    assert_eq!(c.ok(nr::FCNTL, &fcntl(raw::F_GETSIG, 0)), 12);
    c.fails(nr::FCNTL, &fcntl(raw::F_SETOWN, 77), Errno::ESRCH);
    c.fails(nr::FCNTL, &fcntl(raw::F_SETSIG, 65), Errno::EINVAL);
    c.put(BUF, &[1u32, 2]);
    c.ok(nr::FCNTL, &fcntl(raw::F_SETOWN_EX, BUF));
    c.ok(nr::FCNTL, &fcntl(raw::F_GETOWN_EX, BUF + 8));
    assert_eq!(c.get::<[u32; 2]>(BUF + 8), [1, 2]);
    assert_eq!(c.ok(nr::FCNTL, &fcntl(raw::F_GETSIG, 0)), 12, "the owner leaves the signal");
    c.fails(nr::FCNTL, &fcntl(raw::F_SETOWN_EX, BAD), Errno::EFAULT);
    let asynchronous = || c.ok(nr::FCNTL, &fcntl(raw::F_GETFL, 0)) & u64::from(raw::FASYNC) != 0;
    c.ok(nr::FCNTL, &fcntl(raw::F_SETFL, raw::FASYNC.into()));
    assert!(asynchronous());
    c.put(BUF, &0i32);
    c.ok(nr::IOCTL, &[pipe, abi::ioctl::FIOASYNC.into(), BUF]);
    assert!(!asynchronous());
    let file = c.open("/etc/hosts", 0);
    c.ok(nr::FCNTL, &[file, raw::F_SETFL.into(), raw::FASYNC.into()]);
    assert_eq!(c.ok(nr::FCNTL, &[file, raw::F_GETFL.into(), 0]) & u64::from(raw::FASYNC), 0);
}
