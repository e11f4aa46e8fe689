//! Pipes, eventfd, timerfd, select and epoll.

use super::{BAD, Caller, READ_ONLY};
use abi::general as raw;
use abi::structs::{PollFd, Timespec, Timeval};
use abi::{Errno, Signal, ioctl, nr};
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;
const FDS: u64 = DATA + 0x80;

fn pipe(c: &Caller, flags: u32) -> (u64, u64) {
    c.ok(nr::PIPE2, &[FDS, flags.into()]);
    let [read, write] = c.get::<[i32; 2]>(FDS);
    (read as u64, write as u64)
}

#[test]
fn pipes() {
    let c = Caller::new();
    let (read, write) = pipe(&c, raw::O_CLOEXEC | raw::O_NONBLOCK);
    assert_eq!((read, write), (3, 4));
    assert_eq!(c.ok(nr::FCNTL, &[read, raw::F_GETFD.into(), 0]), 1);
    c.fails(nr::READ, &[read, BUF, 1], Errno::EAGAIN);
    c.memory().write(BUF, b"abc").unwrap();
    assert_eq!(c.ok(nr::WRITE, &[write, BUF, 3]), 3);
    c.ok(nr::IOCTL, &[read, ioctl::FIONREAD.into(), BUF + 8]);
    assert_eq!(c.get::<u32>(BUF + 8), 3);
    c.fails(nr::IOCTL, &[read, ioctl::FIONREAD.into(), BAD], Errno::EFAULT);
    c.fails(nr::READ, &[read, BAD, 3], Errno::EFAULT);
    assert_eq!(c.ok(nr::READ, &[read, BUF + 16, 9]), 3, "nothing was lost");
    assert_eq!(c.bytes(BUF + 16, 3), b"abc");
    assert_eq!(c.ok(nr::FCNTL, &[read, 1032, 0]), 65536);
    assert_eq!(c.ok(nr::FCNTL, &[read, 1031, 1]), 4096);
    c.fails(nr::FCNTL, &[0, 1032, 0], Errno::EBADF);
    // More than fits: as much as fits, then nothing.
    assert_eq!(c.ok(nr::WRITE, &[write, READ_ONLY, 0x1000]), 4096);
    c.fails(nr::WRITE, &[write, BUF, 1], Errno::EAGAIN);
    c.ok(nr::CLOSE, &[read]);
    c.r.thread.set_mask(abi::SigSet(u64::MAX));
    c.fails(nr::WRITE, &[write, BUF, 1], Errno::EPIPE);
    assert!(c.r.thread.pending().set().contains(Signal::SIGPIPE));
    c.fails(nr::PIPE2, &[FDS, 1], Errno::EINVAL);
    c.fails(nr::PIPE, &[BAD], Errno::EFAULT);
    c.ok(nr::PIPE, &[FDS]);
    assert_eq!(c.get::<[i32; 2]>(FDS), [3, 5], "a failed call leaves no descriptors");
}

#[test]
fn events() {
    let c = Caller::new();
    let fd = c.ok(nr::EVENTFD2, &[5, raw::EFD_NONBLOCK.into()]);
    assert_eq!(c.ok(nr::READ, &[fd, BUF, 8]), 8);
    assert_eq!(c.get::<u64>(BUF), 5);
    c.fails(nr::READ, &[fd, BUF, 8], Errno::EAGAIN);
    c.fails(nr::READ, &[fd, BUF, 7], Errno::EINVAL);
    c.fails(nr::WRITE, &[fd, BAD, 8], Errno::EFAULT);
    c.fails(nr::EVENTFD2, &[0, 2], Errno::EINVAL);
    assert_eq!(c.ok(nr::EVENTFD, &[0]), fd + 1);
}

#[test]
fn timers() {
    let c = Caller::new();
    let fd = c.ok(nr::TIMERFD_CREATE, &[raw::CLOCK_MONOTONIC.into(), 0]);
    let time = |sec, nsec| Timespec { tv_sec: sec, tv_nsec: nsec };
    c.put(BUF, &[time(0, 0), time(3, 0)]);
    c.ok(nr::TIMERFD_SETTIME, &[fd, 0, BUF, BUF + 64]);
    assert_eq!(c.get::<[Timespec; 2]>(BUF + 64)[1].tv_sec, 0);
    c.ok(nr::TIMERFD_GETTIME, &[fd, BUF + 64]);
    assert_eq!(c.get::<[Timespec; 2]>(BUF + 64)[1].tv_sec, 2, "a little less than three seconds");
    // A blocking read, poll without an end and epoll sleep until the timer expires.
    assert_eq!(c.ok(nr::READ, &[fd, BUF + 96, 8]), 8);
    assert_eq!(c.get::<u64>(BUF + 96), 1);
    c.ok(nr::TIMERFD_SETTIME, &[fd, 0, BUF, 0]);
    c.put(BUF + 128, &PollFd { fd: fd as i32, events: raw::POLLIN as i16, revents: 0 });
    assert_eq!(c.ok(nr::POLL, &[BUF + 128, 1, u64::MAX]), 1);
    c.ok(nr::TIMERFD_SETTIME, &[fd, 0, BUF, 0]);
    let epoll = c.ok(nr::EPOLL_CREATE1, &[0]);
    c.put(BUF + 160, &[raw::EPOLLIN, 7, 0]);
    c.ok(nr::EPOLL_CTL, &[epoll, raw::EPOLL_CTL_ADD.into(), fd, BUF + 160]);
    assert_eq!(c.ok(nr::EPOLL_WAIT, &[epoll, BUF + 192, 4, u64::MAX]), 1);
    c.fails(nr::TIMERFD_CREATE, &[99, 0], Errno::EINVAL);
    c.fails(nr::TIMERFD_CREATE, &[1, 1], Errno::EINVAL);
    c.fails(nr::TIMERFD_SETTIME, &[fd, 8, BUF, 0], Errno::EINVAL);
    c.fails(nr::TIMERFD_SETTIME, &[fd, 0, BAD, 0], Errno::EFAULT);
    c.fails(nr::TIMERFD_SETTIME, &[fd, 0, BUF, BAD], Errno::EFAULT);
    c.fails(nr::TIMERFD_SETTIME, &[1, 0, BUF, 0], Errno::EINVAL);
    c.fails(nr::TIMERFD_GETTIME, &[99, BUF], Errno::EBADF);
    c.fails(nr::TIMERFD_GETTIME, &[fd, BAD], Errno::EFAULT);
    c.put(BUF, &[time(0, 0), time(0, 1_000_000_000)]);
    c.fails(nr::TIMERFD_SETTIME, &[fd, 0, BUF, 0], Errno::EINVAL);
}

#[test]
fn selecting() {
    let c = Caller::new();
    let (read, write) = pipe(&c, 0);
    let set = |addr: u64, fds: &[u64]| c.put(addr, &fds.iter().fold(0u64, |set, fd| set | 1 << fd));
    set(BUF, &[read]);
    set(BUF + 8, &[write]);
    assert_eq!(c.ok(nr::SELECT, &[10, BUF, BUF + 8, 0, 0]), 1);
    assert_eq!([c.get::<u64>(BUF), c.get::<u64>(BUF + 8)], [0, 1 << write]);
    set(BUF, &[read]);
    c.put(BUF + 16, &Timeval { tv_sec: 1, tv_usec: 0 });
    assert_eq!(c.ok(nr::SELECT, &[10, BUF, 0, 0, BUF + 16]), 0);
    assert_eq!(c.get::<Timeval>(BUF + 16).tv_sec, 0, "what is left");
    c.put(BUF + 16, &Timespec { tv_sec: 1, tv_nsec: 0 });
    c.put(BUF + 32, &[BUF + 48, 8]);
    c.put(BUF + 48, &u64::MAX);
    assert_eq!(c.ok(nr::PSELECT6, &[0, 0, 0, 0, BUF + 16, BUF + 32]), 0);
    assert_eq!(c.r.thread.mask().0, 0, "the mask comes back");
    set(BUF, &[20]);
    c.fails(nr::SELECT, &[64, BUF, 0, 0, 0], Errno::EBADF);
    c.fails(nr::SELECT, &[u64::MAX, 0, 0, 0, 0], Errno::EINVAL);
    c.fails(nr::SELECT, &[1, BAD, 0, 0, 0], Errno::EFAULT);
    c.fails(nr::SELECT, &[0, 0, 0, 0, BAD], Errno::EFAULT);
    c.put(BUF + 16, &Timeval { tv_sec: -1, tv_usec: 0 });
    c.fails(nr::SELECT, &[0, 0, 0, 0, BUF + 16], Errno::EINVAL);
    c.fails(nr::PSELECT6, &[0, 0, 0, 0, 0, BAD], Errno::EFAULT);
    c.put(BUF + 32, &[BUF + 48, 4]);
    c.fails(nr::PSELECT6, &[0, 0, 0, 0, 0, BUF + 32], Errno::EINVAL);
}

#[test]
fn epoll() {
    let c = Caller::new();
    let (read, write) = pipe(&c, 0);
    let epoll = c.ok(nr::EPOLL_CREATE, &[1]);
    let (add, modify, del): (u64, u64, u64) = (1, 3, 2);
    c.put(BUF, &[raw::EPOLLIN, 0x1111, 0x2222]);
    c.ok(nr::EPOLL_CTL, &[epoll, add, read, BUF]);
    assert_eq!(c.ok(nr::EPOLL_WAIT, &[epoll, BUF + 16, 4, 10]), 0);
    c.ok(nr::WRITE, &[write, BUF, 1]);
    assert_eq!(c.ok(nr::EPOLL_WAIT, &[epoll, BUF + 16, 4, u64::MAX]), 1);
    assert_eq!(c.get::<[u32; 3]>(BUF + 16), [raw::EPOLLIN, 0x1111, 0x2222]);
    c.put(BUF + 32, &Timespec { tv_sec: 0, tv_nsec: 5 });
    c.put(BUF + 48, &u64::MAX);
    assert_eq!(c.ok(nr::EPOLL_PWAIT, &[epoll, BUF + 16, 4, 0, BUF + 48, 8]), 1);
    assert_eq!(c.ok(nr::EPOLL_PWAIT2, &[epoll, BUF + 16, 4, BUF + 32, 0, 8]), 1);
    c.fails(nr::EPOLL_CTL, &[epoll, add, read, BUF], Errno::EEXIST);
    c.fails(nr::EPOLL_CTL, &[epoll, modify, write, BUF], Errno::ENOENT);
    c.fails(nr::EPOLL_CTL, &[epoll, del, write, 0], Errno::ENOENT);
    c.fails(nr::EPOLL_CTL, &[epoll, add, epoll, BUF], Errno::EINVAL);
    c.fails(nr::EPOLL_CTL, &[read, add, write, BUF], Errno::EINVAL);
    c.fails(nr::EPOLL_CTL, &[epoll, 9, read, BUF], Errno::EINVAL);
    c.fails(nr::EPOLL_CTL, &[epoll, add, 99, BUF], Errno::EBADF);
    c.fails(nr::EPOLL_CTL, &[99, add, read, BUF], Errno::EBADF);
    c.fails(nr::EPOLL_CTL, &[epoll, add, write, BAD], Errno::EFAULT);
    let file = c.open("/etc/hosts", 0);
    c.fails(nr::EPOLL_CTL, &[epoll, add, file, BUF], Errno::EPERM);
    c.fails(nr::EPOLL_WAIT, &[epoll, BUF, 0, 0], Errno::EINVAL);
    c.fails(nr::EPOLL_WAIT, &[epoll, u64::MAX, 1, 0], Errno::EFAULT);
    c.fails(nr::EPOLL_WAIT, &[epoll, BAD, 1, 0], Errno::EFAULT);
    c.fails(nr::EPOLL_WAIT, &[read, BUF, 1, 0], Errno::EINVAL);
    c.fails(nr::EPOLL_PWAIT, &[epoll, BUF, 1, 0, BUF, 4], Errno::EINVAL);
    c.fails(nr::EPOLL_PWAIT2, &[epoll, BUF, 1, BAD, 0, 8], Errno::EFAULT);
    c.fails(nr::EPOLL_CREATE, &[0], Errno::EINVAL);
    c.fails(nr::EPOLL_CREATE1, &[1], Errno::EINVAL);
}
