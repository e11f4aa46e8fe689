//! Identity, limits, thread set-up, random bytes, the end.

use super::{BAD, Caller, READ_ONLY};
use abi::general as raw;
use abi::structs::{Rlimit, SysInfo, Utsname};
use abi::{Errno, nr};
use core::sync::atomic::Ordering;
use task::ExitStatus;
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;

#[test]
fn identity() {
    let c = Caller::new();
    for (call, want) in [
        (nr::GETPID, 2),
        (nr::GETTID, 2),
        (nr::GETPPID, 1),
        (nr::GETPGRP, 2),
        (nr::GETUID, 0),
        (nr::GETEUID, 0),
        (nr::GETGID, 0),
        (nr::GETEGID, 0),
        (nr::SCHED_YIELD, 0),
    ] {
        assert_eq!(c.ok(call, &[]), want);
    }
    for call in [nr::GETPGID, nr::GETSID] {
        assert_eq!([0, 1, 2].map(|pid| c.ok(call, &[pid])), [2, 1, 2]);
        c.fails(call, &[3], Errno::ESRCH);
        c.fails(call, &[u64::MAX], Errno::ESRCH);
    }
    assert_eq!(c.ok(nr::GETGROUPS, &[0, 0]), 0);
    c.fails(nr::GETGROUPS, &[u64::MAX, 0], Errno::EINVAL);
    for call in [nr::SETUID, nr::SETGID] {
        c.ok(call, &[0]);
        c.fails(call, &[1000], Errno::EINVAL);
    }
}

#[test]
fn uname_and_sysinfo() {
    let c = Caller::new();
    c.ok(nr::UNAME, &[BUF]);
    let name: Utsname = c.get(BUF);
    let text = |field: &[i8; 65]| {
        field.iter().take_while(|&&b| b != 0).map(|&b| b as u8 as char).collect::<String>()
    };
    assert_eq!(
        [text(&name.sysname), text(&name.nodename), text(&name.machine)],
        ["Linux", "nospin", "x86_64"]
    );
    assert!(text(&name.release).starts_with("6.1"));
    c.fails(nr::UNAME, &[BAD], Errno::EFAULT);
    c.fails(nr::UNAME, &[READ_ONLY], Errno::EFAULT);
    c.ok(nr::SYSINFO, &[BUF]);
    let info: SysInfo = c.get(BUF);
    assert!(info.totalram > info.freeram && info.freeram > 0 && info.mem_unit == 1);
    c.fails(nr::SYSINFO, &[BAD], Errno::EFAULT);
}

#[test]
fn limits() {
    let c = Caller::new();
    c.ok(nr::GETRLIMIT, &[raw::RLIMIT_STACK.into(), BUF]);
    assert_eq!(c.get::<Rlimit>(BUF).rlim_cur, 8 << 20);
    c.put(BUF, &Rlimit { rlim_cur: 100, rlim_max: 200 });
    c.ok(nr::PRLIMIT64, &[2, raw::RLIMIT_NOFILE.into(), BUF, BUF + 16]);
    assert_eq!(c.get::<Rlimit>(BUF + 16).rlim_cur, 1024, "the old one");
    c.ok(nr::PRLIMIT64, &[0, raw::RLIMIT_NOFILE.into(), 0, BUF + 16]);
    assert_eq!(c.get::<Rlimit>(BUF + 16).rlim_cur, 100);
    c.put(BUF, &Rlimit { rlim_cur: 2, rlim_max: 1 });
    c.fails(nr::SETRLIMIT, &[raw::RLIMIT_CORE.into(), BUF], Errno::EINVAL);
    c.put(BUF, &Rlimit { rlim_cur: 0, rlim_max: 1 << 30 });
    c.fails(nr::SETRLIMIT, &[raw::RLIMIT_NOFILE.into(), BUF], Errno::EPERM);
    c.fails(nr::GETRLIMIT, &[99, BUF], Errno::EINVAL);
    c.fails(nr::GETRLIMIT, &[0, BAD], Errno::EFAULT);
    c.fails(nr::GETRLIMIT, &[0, 0], Errno::EFAULT);
    c.fails(nr::SETRLIMIT, &[0, BAD], Errno::EFAULT);
    c.fails(nr::SETRLIMIT, &[0, 0], Errno::EFAULT);
    c.fails(nr::PRLIMIT64, &[77, 0, 0, BUF], Errno::ESRCH);
    c.fails(nr::PRLIMIT64, &[0, 0, BAD, 0], Errno::EFAULT);
}

#[test]
fn thread_setup() {
    let c = Caller::new();
    c.ok(nr::ARCH_PRCTL, &[0x1002, DATA]);
    assert_eq!(c.r.machine.fs_base.load(Ordering::Relaxed), DATA);
    c.ok(nr::ARCH_PRCTL, &[0x1003, BUF]);
    assert_eq!(c.get::<u64>(BUF), DATA);
    c.ok(nr::ARCH_PRCTL, &[0x1004, BUF]);
    assert_eq!(c.get::<u64>(BUF), 0);
    c.fails(nr::ARCH_PRCTL, &[0x1001, DATA], Errno::EINVAL);
    c.fails(nr::ARCH_PRCTL, &[0x1002, 1 << 63], Errno::EPERM);
    c.fails(nr::ARCH_PRCTL, &[0x1003, BAD], Errno::EFAULT);
    c.fails(nr::ARCH_PRCTL, &[0x3001, BUF], Errno::EINVAL);
    assert_eq!(c.ok(nr::SET_TID_ADDRESS, &[DATA]), 2);
    c.ok(nr::SET_ROBUST_LIST, &[DATA, 24]);
    assert_eq!(*c.r.thread.robust_list.lock(), (DATA, 24));
    c.fails(nr::SET_ROBUST_LIST, &[DATA, 23], Errno::EINVAL);
    c.fails(nr::RSEQ, &[DATA, 32, 0, 0], Errno::ENOSYS);
    c.ok(nr::PRCTL, &[15, c.string("a name that is too long")]);
    c.ok(nr::PRCTL, &[16, BUF]);
    assert_eq!(c.bytes(BUF, 16), b"a name that is \0");
    c.fails(nr::PRCTL, &[15, BAD], Errno::EFAULT);
    c.fails(nr::PRCTL, &[16, BAD], Errno::EFAULT);
    c.fails(nr::PRCTL, &[9999], Errno::EINVAL);
}

#[test]
fn cpus_and_random_bytes() {
    let c = Caller::new();
    assert_eq!(c.ok(nr::SCHED_GETAFFINITY, &[0, 128, BUF]), 8);
    assert_eq!(c.get::<u64>(BUF), 1);
    c.fails(nr::SCHED_GETAFFINITY, &[0, 4, BUF], Errno::EINVAL);
    c.fails(nr::SCHED_GETAFFINITY, &[0, 12, BUF], Errno::EINVAL);
    c.fails(nr::SCHED_GETAFFINITY, &[9, 8, BUF], Errno::ESRCH);
    c.fails(nr::SCHED_GETAFFINITY, &[0, 8, BAD], Errno::EFAULT);
    c.ok(nr::GETCPU, &[BUF, BUF + 4, 0]);
    c.ok(nr::GETCPU, &[0, 0, 0]);
    c.fails(nr::GETCPU, &[BAD, 0, 0], Errno::EFAULT);
    c.fails(nr::GETCPU, &[0, BAD, 0], Errno::EFAULT);
    assert_eq!(c.ok(nr::GETRANDOM, &[BUF, 300, 0]), 300);
    assert_ne!(c.bytes(BUF, 300), vec![0; 300]);
    assert_eq!(c.ok(nr::GETRANDOM, &[BUF, 0, 1]), 0);
    assert_eq!(c.ok(nr::GETRANDOM, &[DATA + 0x1fff, 64, 0]), 1, "up to the end of the mapping");
    c.fails(nr::GETRANDOM, &[BAD, 1, 0], Errno::EFAULT);
    c.fails(nr::GETRANDOM, &[BUF, 1, 8], Errno::EINVAL);
    c.fails(nr::GETRANDOM, &[BUF, 1, 6], Errno::EINVAL);
}

#[test]
fn the_end() {
    let c = Caller::new();
    assert_eq!(c.exits(nr::EXIT_GROUP, &[42]), ExitStatus::Code(42));
    assert_eq!(c.exits(nr::EXIT, &[0x1_02ff]), ExitStatus::Code(255), "the low 8 bits");
}
