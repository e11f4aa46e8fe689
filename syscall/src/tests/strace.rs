//! Lines of the strace option.

use super::{BAD, Caller};
use crate::RawArgs;
use crate::strace::line;
use abi::structs::{IoVec, SigAction};
use abi::{UserRegs, nr};
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;

/// Runs a call and returns its line.
fn trace(c: &Caller, nr: u32, args: &[u64]) -> String {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    let mut regs = UserRegs::default().with_call(nr.into(), all);
    let mut ctx = c.context(&mut regs);
    let raw = RawArgs(all);
    let result = match crate::table::TABLE.get(nr as usize) {
        Some(Some(row)) => (row.run)(&mut ctx),
        _ => Err(abi::Errno::ENOSYS.into()),
    };
    line(&ctx, nr.into(), &raw, &result)
}

#[test]
fn lines() {
    let c = Caller::new();
    let cwd = abi::AT_FDCWD as i64 as u64;
    c.memory().write(BUF, b"hello\n").unwrap();
    assert_eq!(trace(&c, nr::WRITE, &[1, BUF, 6]), r#"write(1, "hello\n", 6) = 6"#);
    assert_eq!(trace(&c, nr::WRITE, &[1, BAD, 6]), "write(1, 0x100000, 6) = -1 EFAULT (Bad address)");
    assert_eq!(
        trace(&c, nr::OPENAT, &[cwd, c.string("/etc/passwd"), 0, 0]),
        r#"openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = -1 ENOENT (No such file or directory)"#
    );
    assert_eq!(
        trace(&c, nr::OPENAT, &[cwd, c.string("/ro/x\"\\\u{1}7"), 0o102101, 0o644]),
        r#"openat(AT_FDCWD, "/ro/x\"\\\0017", O_WRONLY|O_CREAT|O_APPEND|O_LARGEFILE, 0644) = -1 EROFS (Read-only file system)"#
    );
    assert_eq!(
        trace(&c, nr::OPEN, &[c.string("/etc/hosts"), 0o2000000, 9]),
        r#"open("/etc/hosts", O_RDONLY|O_CLOEXEC) = 3"#
    );
    assert_eq!(trace(&c, nr::READ, &[3, BUF, 100]), r#"read(3, "127.0.0.1 localhost\n", 100) = 20"#);
    assert_eq!(trace(&c, nr::FSTAT, &[3, BUF]), "fstat(3, {st_mode=S_IFREG|0644, st_size=20, ...}) = 0");
    assert_eq!(trace(&c, nr::FSTAT, &[9, BUF]), "fstat(9, 0x402100) = -1 EBADF (Bad file descriptor)");
    assert_eq!(trace(&c, nr::EXIT_GROUP, &[7]), "exit_group(7) = ?");
    assert_eq!(trace(&c, nr::GETPID, &[]), "getpid() = 2");
    assert_eq!(trace(&c, nr::BRK, &[0]), "brk(NULL) = 0x404000");
    let mapped = trace(&c, nr::MMAP, &[0, 8192, 3, 0x22, u64::MAX, 0]);
    assert!(
        mapped.starts_with("mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7"),
        "{mapped}"
    );
    assert_eq!(
        trace(&c, 999, &[1]),
        "syscall_0x3e7(0x1, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)"
    );
    assert_eq!(trace(&c, nr::CHDIR, &[BAD]), "chdir(0x100000) = -1 EFAULT (Bad address)");
    assert_eq!(
        trace(&c, nr::ARCH_PRCTL, &[0x3001, 0]),
        "arch_prctl(0x3001, 0) = -1 EINVAL (Invalid argument)"
    );
    assert_eq!(trace(&c, nr::LSEEK, &[3, (-5i64) as u64, 2]), "lseek(3, -5, SEEK_END) = 15");
    assert_eq!(trace(&c, nr::KILL, &[77, 15]), "kill(77, SIGTERM) = -1 ESRCH (No such process)");
}

#[test]
fn socket_addresses() {
    let c = Caller::new();
    c.memory().write(BUF, b"\x01\0/tmp/s\0").unwrap();
    assert_eq!(
        trace(&c, nr::CONNECT, &[1, BUF, 9]),
        "connect(1, {AF_UNIX, \"/tmp/s\"}, 9) = -1 ENOTSOCK (Socket operation on non-socket)"
    );
    c.memory().write(BUF, &[2, 0, 0, 80, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert!(trace(&c, nr::BIND, &[1, BUF, 16]).starts_with("bind(1, {10.0.2.2:80}, 16)"));
    assert!(trace(&c, nr::BIND, &[1, BUF, 8]).starts_with(&format!("bind(1, {BUF:#x}, 8)")));
    assert!(trace(&c, nr::BIND, &[1, BAD, 16]).starts_with("bind(1, 0x100000, 16)"));
}

#[test]
fn longer_things() {
    let c = Caller::new();
    c.memory().write(BUF, &[b'x'; 40]).unwrap();
    let shown = "x".repeat(32);
    assert_eq!(trace(&c, nr::WRITE, &[1, BUF, 40]), format!("write(1, \"{shown}\"..., 40) = 40"));
    c.put(BUF + 64, &IoVec { base: BUF, len: 2 });
    c.put(BUF + 80, &IoVec { base: BAD, len: 3 });
    assert_eq!(
        trace(&c, nr::WRITEV, &[1, BUF + 64, 2]),
        r#"writev(1, [{iov_base="xx", iov_len=2}, {iov_base=0x100000, iov_len=3}], 2) = 2"#
    );
    assert!(trace(&c, nr::WRITEV, &[1, BAD, 2]).starts_with("writev(1, 0x100000, 2) = -1 EFAULT"));
    c.put(BUF, &SigAction { handler: 1, flags: 0x1400_0000, restorer: 0, mask: 1 << 1 | 1 << 2 });
    assert_eq!(
        trace(&c, nr::RT_SIGACTION, &[15, BUF, 0, 8]),
        "rt_sigaction(SIGTERM, {sa_handler=SIG_IGN, sa_mask=[INT QUIT], sa_flags=SA_RESTORER|SA_RESTART}, NULL, 8) = 0"
    );
    c.put(BUF, &!(1u64 << 33));
    assert_eq!(
        trace(&c, nr::RT_SIGPROCMASK, &[2, BUF, 0, 8]),
        "rt_sigprocmask(SIG_SETMASK, ~[RT_2], NULL, 8) = 0"
    );
    assert!(
        trace(&c, nr::PRLIMIT64, &[0, 3, 0, BUF])
            .contains("RLIMIT_STACK, NULL, {rlim_cur=8388608, rlim_max=RLIM64_INFINITY}")
    );
    assert!(
        trace(&c, nr::MPROTECT, &[BAD, 4096, 0])
            .starts_with("mprotect(0x100000, 4096, PROT_NONE) = -1 ENOMEM")
    );
}
