//! The socket calls: AF_UNIX through them, bad pointers, and the error numbers that the manual names.

use super::{BAD, Caller, READ_ONLY};
use abi::structs::{CmsgHdr, IoVec, MMsgHdr, MsgHdr, Timespec};
use abi::{Errno, general, net as raw, nr};
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;
const ADDR: u64 = DATA + 0x200;
const LEN: u64 = DATA + 0x2f0;
const MSG: u64 = DATA + 0x300;
const IOV: u64 = DATA + 0x400;
const CONTROL: u64 = DATA + 0x500;
const STREAM: u64 = raw::SOCK_STREAM as u64;
const DGRAM: u64 = raw::SOCK_DGRAM as u64;
const NONBLOCK: u64 = general::O_NONBLOCK as u64;

impl Caller {
    fn socket(&self, kind: u64) -> u64 {
        self.ok(nr::SOCKET, &[1, kind, 0])
    }

    fn pair(&self, kind: u64) -> [u64; 2] {
        self.ok(nr::SOCKETPAIR, &[1, kind, 0, BUF]);
        self.get::<[i32; 2]>(BUF).map(|fd| fd as u64)
    }

    /// Puts an address of AF_UNIX; returns its length.
    fn name(&self, path: &[u8]) -> u64 {
        self.memory().write(ADDR, &1u16.to_ne_bytes()).unwrap();
        self.memory().write(ADDR + 2, path).unwrap();
        2 + path.len() as u64
    }

    fn message(&self, control: u64, controllen: u64) -> u64 {
        self.put(IOV, &IoVec { base: BUF, len: 16 });
        self.put(MSG, &MsgHdr { iov: IOV, iovlen: 1, control, controllen, ..MsgHdr::default() });
        MSG
    }
}

#[test]
fn making_and_naming() {
    let c = Caller::new();
    c.fails(nr::SOCKET, &[1, 4, 0], Errno::ESOCKTNOSUPPORT);
    c.fails(nr::SOCKET, &[1, 1, 6], Errno::EPROTONOSUPPORT);
    c.fails(nr::SOCKET, &[77, 1, 0], Errno::EAFNOSUPPORT);
    c.fails(nr::SOCKET, &[1, 1 | 0x10, 0], Errno::EINVAL);
    c.fails(nr::SOCKETPAIR, &[1, 1, 0, BAD], Errno::EFAULT);
    let s = c.socket(STREAM | NONBLOCK);
    let t = c.socket(STREAM);
    let name = c.name(b"/tmp/s\0");
    c.fails(nr::LISTEN, &[s, 1], Errno::EINVAL);
    c.fails(nr::BIND, &[s, BAD, name], Errno::EFAULT);
    c.fails(nr::BIND, &[s, ADDR, 129], Errno::EINVAL);
    c.fails(nr::BIND, &[0, ADDR, name], Errno::ENOTSOCK);
    c.fails(nr::BIND, &[99, ADDR, name], Errno::EBADF);
    c.ok(nr::BIND, &[s, ADDR, name]);
    c.fails(nr::BIND, &[t, ADDR, name], Errno::EADDRINUSE);
    c.fails(nr::CONNECT, &[t, ADDR, name], Errno::ECONNREFUSED);
    c.ok(nr::LISTEN, &[s, 1]);
    c.fails(nr::ACCEPT, &[s, 0, 0], Errno::EAGAIN);
    c.fails(nr::ACCEPT4, &[s, 0, 0, 1], Errno::EINVAL);
    c.fails(nr::CONNECT, &[t, BAD, name], Errno::EFAULT);
    c.ok(nr::CONNECT, &[t, ADDR, name]);
    c.put(LEN, &110i32);
    c.ok(nr::GETPEERNAME, &[t, ADDR + 0x50, LEN]);
    assert_eq!((c.get::<i32>(LEN) as u64, c.bytes(ADDR + 0x52, 7)), (name, b"/tmp/s\0".to_vec()));
    c.fails(nr::GETSOCKNAME, &[t, BAD, LEN], Errno::EFAULT);
    c.fails(nr::GETSOCKNAME, &[t, ADDR, BAD], Errno::EFAULT);
    c.fails(nr::GETPEERNAME, &[s, ADDR, LEN], Errno::ENOTCONN);
    c.put(LEN, &110i32);
    let accepted = c.ok(nr::ACCEPT, &[s, ADDR + 0x50, LEN]);
    assert_eq!(c.get::<i32>(LEN), 2, "unnamed");
    c.memory().write(BUF, b"ping").unwrap();
    c.ok(nr::WRITE, &[t, BUF, 4]);
    assert_eq!(c.ok(nr::READ, &[accepted, BUF + 16, 9]), 4);
    c.ok(nr::SHUTDOWN, &[t, 1]);
    c.fails(nr::SHUTDOWN, &[t, 3], Errno::EINVAL);
    assert_eq!(c.ok(nr::READ, &[accepted, BUF + 16, 9]), 0);
    c.fails(nr::SENDTO, &[t, BUF, 4, raw::MSG_NOSIGNAL.into(), 0, 0], Errno::EPIPE);
}

#[test]
fn messages() {
    let c = Caller::new();
    let [one, other] = c.pair(DGRAM | NONBLOCK);
    c.memory().write(BUF, b"0123456789abcdef").unwrap();
    c.fails(nr::SENDTO, &[one, BAD, 4, 0, 0, 0], Errno::EFAULT);
    c.fails(nr::SENDTO, &[one, BUF, 4, 0, BAD, 16], Errno::EFAULT);
    c.fails(nr::SENDTO, &[0, BUF, 4, 0, 0, 0], Errno::ENOTSOCK);
    c.fails(nr::SENDTO, &[99, BUF, 4, 0, 0, 0], Errno::EBADF);
    c.fails(nr::SENDTO, &[one, BUF, 4, raw::MSG_OOB.into(), 0, 0], Errno::EOPNOTSUPP);
    c.fails(nr::RECVFROM, &[other, BUF, 4, 0, 0, 0], Errno::EAGAIN);
    assert_eq!(c.ok(nr::SENDTO, &[one, BUF, 10, 0, 0, 0]), 10);
    assert_eq!(c.ok(nr::RECVFROM, &[other, BUF + 32, 4, (raw::MSG_PEEK | raw::MSG_TRUNC).into(), 0, 0]), 10);
    assert_eq!(c.ok(nr::RECVFROM, &[other, BUF + 32, 4, 0, 0, 0]), 4);
    c.ok(nr::SENDTO, &[one, BUF, 10, 0, 0, 0]);
    c.fails(nr::RECVFROM, &[other, READ_ONLY, 4, 0, 0, 0], Errno::EFAULT);
    // Descriptors, with a limit on them.
    let control = CmsgHdr { len: 20, level: 1, kind: raw::SCM_RIGHTS as i32 };
    c.put(CONTROL, &control);
    c.put(CONTROL + 16, &0i32);
    assert_eq!(c.ok(nr::SENDMSG, &[one, c.message(CONTROL, 24), 0]), 16);
    assert_eq!(c.ok(nr::RECVMSG, &[other, c.message(CONTROL, 24), raw::MSG_CMSG_CLOEXEC.into()]), 16);
    let fd = c.get::<i32>(CONTROL + 16) as u64;
    assert_eq!(c.ok(nr::FCNTL, &[fd, general::F_GETFD.into()]), 1);
    assert_eq!(c.get::<MsgHdr>(MSG).controllen, 24);
    c.put(CONTROL + 16, &99i32);
    c.fails(nr::SENDMSG, &[one, c.message(CONTROL, 24), 0], Errno::EBADF);
    c.put(CONTROL, &CmsgHdr { len: 99, ..control });
    c.fails(nr::SENDMSG, &[one, c.message(CONTROL, 24), 0], Errno::EINVAL);
    c.fails(nr::SENDMSG, &[one, c.message(BAD, 24), 0], Errno::EFAULT);
    c.fails(nr::SENDMSG, &[one, c.message(CONTROL, 1 << 32), 0], Errno::ENOBUFS);
    for (call, bad) in [(nr::SENDMSG, one), (nr::RECVMSG, other)] {
        c.fails(call, &[bad, BAD, 0], Errno::EFAULT);
        c.fails(call, &[0, MSG, 0], Errno::ENOTSOCK);
        c.put(MSG, &MsgHdr { iov: IOV, iovlen: 1025, ..MsgHdr::default() });
        c.fails(call, &[bad, MSG, 0], Errno::EMSGSIZE);
        c.put(MSG, &MsgHdr { name: BUF, namelen: -1, ..MsgHdr::default() });
        c.fails(call, &[bad, MSG, 0], Errno::EINVAL);
    }
    c.message(0, 0);
    c.put(CONTROL, &MMsgHdr { hdr: c.get(MSG), len: 0, pad: 0 });
    assert_eq!(c.ok(nr::SENDMMSG, &[one, CONTROL, 1, 0]), 1);
    assert_eq!(c.get::<MMsgHdr>(CONTROL).len, 16);
    c.put(MSG, &Timespec { tv_sec: 0, tv_nsec: -1 });
    c.fails(nr::RECVMMSG, &[other, CONTROL, 1, 0, MSG], Errno::EINVAL);
    c.fails(nr::RECVMMSG, &[other, CONTROL, 1, 0, BAD], Errno::EFAULT);
    c.fails(nr::RECVMMSG, &[other, BAD, 1, 0, 0], Errno::EFAULT);
    assert_eq!(c.ok(nr::RECVMMSG, &[other, CONTROL, 9, 0, 0]), 1);
    c.fails(nr::SENDMMSG, &[0, CONTROL, 1, 0], Errno::ENOTSOCK);
}

#[test]
fn options_and_timeouts() {
    let c = Caller::new();
    let [one, _other] = c.pair(STREAM);
    let set = |name: u32, addr, len| [one, 1, name.into(), addr, len];
    c.put(BUF, &[0i64, 5000]);
    c.ok(nr::SETSOCKOPT, &set(raw::SO_RCVTIMEO_OLD, BUF, 16));
    c.fails(nr::RECVFROM, &[one, BUF, 4, 0, 0, 0], Errno::EAGAIN);
    c.put(BUF, &[0i64, 1_000_000]);
    c.fails(nr::SETSOCKOPT, &set(raw::SO_RCVTIMEO_OLD, BUF, 16), Errno::EDOM);
    c.fails(nr::SETSOCKOPT, &set(raw::SO_REUSEADDR, BAD, 4), Errno::EFAULT);
    c.fails(nr::SETSOCKOPT, &set(raw::SO_REUSEADDR, BUF, u64::MAX), Errno::EINVAL);
    c.fails(nr::SETSOCKOPT, &set(9999, BUF, 4), Errno::ENOPROTOOPT);
    c.fails(nr::SETSOCKOPT, &[0, 1, 2, BUF, 4], Errno::ENOTSOCK);
    c.put(LEN, &4i32);
    c.ok(nr::GETSOCKOPT, &set(raw::SO_TYPE, BUF, LEN));
    assert_eq!((c.get::<i32>(BUF), c.get::<i32>(LEN)), (1, 4));
    c.fails(nr::GETSOCKOPT, &set(raw::SO_TYPE, BAD, LEN), Errno::EFAULT);
    c.fails(nr::GETSOCKOPT, &set(raw::SO_TYPE, BUF, BAD), Errno::EFAULT);
    c.put(LEN, &-1i32);
    c.fails(nr::GETSOCKOPT, &set(raw::SO_TYPE, BUF, LEN), Errno::EINVAL);
    c.fails(nr::GETSOCKOPT, &[99, 1, 3, BUF, LEN], Errno::EBADF);
}

#[test]
fn files_and_pipes_to_sockets() {
    let c = Caller::new();
    let [a, b] = c.pair(STREAM | NONBLOCK);
    let file = c.open("/etc/hosts", 0);
    assert_eq!(c.ok(nr::SENDFILE, &[a, file, 0, 9]), 9);
    assert_eq!(c.ok(nr::READ, &[b, BUF, 100]), 9);
    assert_eq!(&c.get::<[u8; 9]>(BUF), b"127.0.0.1");
    c.ok(nr::PIPE2, &[BUF, NONBLOCK]);
    let [from, to] = c.get::<[i32; 2]>(BUF).map(|fd| fd as u64);
    c.fails(nr::SPLICE, &[from, 0, a, 0, 10, 0], Errno::EAGAIN);
    c.fails(nr::SPLICE, &[b, 0, to, 0, 10, 0], Errno::EAGAIN);
    assert_eq!(c.ok(nr::WRITE, &[to, BUF, 9]), 9);
    assert_eq!(c.ok(nr::SPLICE, &[from, 0, a, 0, 4, 0]), 4);
    assert_eq!(c.ok(nr::SPLICE, &[from, 0, a, 0, 100, 0]), 5);
    assert_eq!(c.ok(nr::SPLICE, &[b, 0, to, 0, 100, 0]), 9);
    assert_eq!(c.ok(nr::READ, &[from, BUF, 100]), 9);
    // Packets are not what pipes are filled with.
    let [packets, _other] = c.pair(raw::SOCK_SEQPACKET as u64 | NONBLOCK);
    c.fails(nr::SPLICE, &[packets, 0, to, 0, 10, 0], Errno::EINVAL);
    c.ok(nr::CLOSE, &[b]);
    c.r.thread.set_mask(abi::SigSet(u64::MAX));
    c.fails(nr::SENDFILE, &[a, file, 0, 9], Errno::EPIPE);
    assert!(c.r.thread.pending().set().contains(abi::Signal::SIGPIPE));
}
