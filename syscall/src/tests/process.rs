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
        c.fails(call, &[u32::MAX.into()], Errno::EINVAL);
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

#[test]
fn users_and_groups() {
    let c = Caller::new();
    let three = || {
        c.ok(nr::GETRESUID, &[BUF, BUF + 4, BUF + 8]);
        c.get::<[u32; 3]>(BUF)
    };
    const SAME: u64 = u32::MAX as u64;
    c.put(BUF, &[7u32, 5, 6]);
    c.ok(nr::SETGROUPS, &[3, BUF]);
    assert_eq!(c.ok(nr::GETGROUPS, &[0, 0]), 3);
    c.fails(nr::GETGROUPS, &[2, BUF], Errno::EINVAL);
    c.fails(nr::GETGROUPS, &[3, BAD], Errno::EFAULT);
    c.ok(nr::GETGROUPS, &[3, BUF]);
    assert_eq!(c.get::<[u32; 3]>(BUF), [5, 6, 7]);
    c.fails(nr::SETGROUPS, &[65537, BUF], Errno::EINVAL);
    c.fails(nr::SETGROUPS, &[1, BAD], Errno::EFAULT);
    c.ok(nr::SETRESGID, &[10, 11, 12]);
    assert_eq!((c.ok(nr::GETGID, &[]), c.ok(nr::GETEGID, &[])), (10, 11));
    c.ok(nr::SETREGID, &[SAME, 10]);
    assert_eq!((c.ok(nr::SETFSGID, &[SAME]), c.ok(nr::SETFSUID, &[9]), c.ok(nr::SETFSUID, &[0])), (10, 0, 9));
    c.ok(nr::GETRESGID, &[BUF, BUF + 4, BUF + 8]);
    assert_eq!(c.get::<[u32; 3]>(BUF), [10, 10, 12]);
    for call in [nr::GETRESUID, nr::GETRESGID] {
        c.fails(call, &[BUF, BAD, BUF], Errno::EFAULT);
    }
    c.ok(nr::SETRESUID, &[1, 2, 3]);
    assert_eq!(three(), [1, 2, 3]);
    for call in [nr::SETUID, nr::SETGID] {
        c.fails(call, &[77], Errno::EPERM);
    }
    c.fails(nr::SETRESUID, &[SAME, 0, SAME], Errno::EPERM);
    c.fails(nr::SETREUID, &[9, SAME], Errno::EPERM);
    c.fails(nr::SETRESGID, &[9, 9, 9], Errno::EPERM);
    c.fails(nr::SETREGID, &[9, 9], Errno::EPERM);
    c.fails(nr::SETGROUPS, &[0, 0], Errno::EPERM);
    c.ok(nr::SETREUID, &[2, 1]);
    assert_eq!(three(), [2, 1, 1]);
    let name = c.string("x");
    c.fails(nr::SETHOSTNAME, &[name, 1], Errno::EPERM);
    c.fails(nr::SETDOMAINNAME, &[name, 1], Errno::EPERM);
    c.fails(nr::SETPRIORITY, &[0, 0, -1i64 as u64], Errno::EACCES);
    c.fails(nr::SCHED_SETSCHEDULER, &[0, 1, BUF], Errno::EPERM);
    c.fails(nr::SETTIMEOFDAY, &[0, 0], Errno::EPERM);
}

#[test]
fn capabilities() {
    let c = Caller::new();
    const DATA: u64 = BUF + 16;
    c.put(BUF, &[0u32, 0]);
    c.ok(nr::CAPGET, &[BUF, 0]);
    assert_eq!(c.get::<u32>(BUF), 0x2008_0522);
    c.ok(nr::CAPGET, &[BUF, DATA]);
    assert_eq!(c.get::<[u32; 6]>(DATA), [u32::MAX, u32::MAX, 0, 0x1ff, 0x1ff, 0]);
    c.put(DATA, &[0u32, 1 << 8, 0, 0, 0, 0]);
    c.ok(nr::CAPSET, &[BUF, DATA]);
    c.put(DATA, &[0u32, u32::MAX, 0, 0, 0, 0]);
    c.fails(nr::CAPSET, &[BUF, DATA], Errno::EPERM);
    c.fails(nr::CAPSET, &[BUF, BAD], Errno::EFAULT);
    c.fails(nr::CAPGET, &[BUF, BAD], Errno::EFAULT);
    c.fails(nr::CAPGET, &[BAD, DATA], Errno::EFAULT);
    c.fails(nr::CAPSET, &[BAD, DATA], Errno::EFAULT);
    c.fails(nr::PRCTL, &[24, 8], Errno::EPERM);
    c.put(BUF, &[0x1998_0330u32, 99]);
    c.fails(nr::CAPGET, &[BUF, DATA], Errno::ESRCH);
    c.fails(nr::CAPSET, &[BUF, DATA], Errno::EPERM);
    c.put(BUF, &[1u32, 0]);
    c.fails(nr::CAPSET, &[BUF, DATA], Errno::EINVAL);
    assert_eq!(c.get::<u32>(BUF), 0x2008_0522);
    c.put(BUF, &[1u32, 0]);
    c.fails(nr::CAPGET, &[BUF, DATA], Errno::EINVAL);
}

#[test]
fn scheduling_attributes() {
    let c = Caller::new();
    let set = |attr: [u64; 7]| c.put(BUF, &attr);
    // Round robin, priority 7; told in the first version's size.
    set([48 | 2 << 32, 1, 7 << 32, 0, 0, 0, 0]);
    c.ok(nr::SCHED_SETATTR, &[0, BUF, 0]);
    c.put(BUF, &[u64::MAX; 7]);
    c.ok(nr::SCHED_GETATTR, &[2, BUF, 48, 0]);
    assert_eq!(c.get::<[u64; 7]>(BUF), [48 | 2 << 32, 1, 7 << 32, 0, 0, 0, u64::MAX]);
    // A deadline that is possible is refused as one that does not fit.
    set([56 | 6 << 32, 0, 0, 1000, 2000, 2000, 0]);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 0], Errno::EBUSY);
    set([56 | 6 << 32, 0, 0, 3000, 2000, 2000, 0]);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 0], Errno::EINVAL);
    set([56, 32, 0, 0, 0, 0, 0]);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 0], Errno::EOPNOTSUPP);
    set([40, 0, 0, 0, 0, 0, 0]);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 0], Errno::E2BIG);
    assert_eq!(c.get::<u32>(BUF), 56);
    set([56, 0, 0, 0, 0, 0, 0]);
    c.fails(nr::SCHED_SETATTR, &[77, BUF, 0], Errno::ESRCH);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 1], Errno::EINVAL);
    c.fails(nr::SCHED_SETATTR, &[0, BAD, 0], Errno::EFAULT);
    c.fails(nr::SCHED_GETATTR, &[0, BAD, 48, 0], Errno::EFAULT);
    c.fails(nr::SCHED_GETATTR, &[0, BUF, 40, 0], Errno::EINVAL);
    c.fails(nr::SCHED_GETATTR, &[77, BUF, 48, 0], Errno::ESRCH);

    // Without privilege only what takes nothing from others.
    c.ok(nr::SETUID, &[1000]);
    set([48 | 1 << 32, 1, 7 << 32, 0, 0, 0, 0]);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 0], Errno::EPERM);
    set([48, 1, u64::from(-1i32 as u32), 0, 0, 0, 0]);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 0], Errno::EPERM);
    set([48, 0, 5, 0, 0, 0, 0]);
    c.fails(nr::SCHED_SETATTR, &[0, BUF, 0], Errno::EPERM);
    set([48, 1, 5, 0, 0, 0, 0]);
    c.ok(nr::SCHED_SETATTR, &[0, BUF, 0]);
    c.fails(nr::IOPRIO_SET, &[1, 0, 1 << 13], Errno::EPERM);
}

#[test]
fn priorities_of_input_and_output() {
    let c = Caller::new();
    assert_eq!((c.ok(nr::IOPRIO_GET, &[1, 0]), c.ok(nr::IOPRIO_GET, &[2, 0])), (0, 2 << 13 | 4));
    c.ok(nr::IOPRIO_SET, &[1, 0, 1 << 13 | 3]);
    assert_eq!((c.ok(nr::IOPRIO_GET, &[1, 2]), c.ok(nr::IOPRIO_GET, &[3, 0])), (1 << 13 | 3, 1 << 13 | 3));
    for wrong in [4, 4 << 13] {
        c.fails(nr::IOPRIO_SET, &[1, 0, wrong], Errno::EINVAL);
    }
    c.fails(nr::IOPRIO_SET, &[0, 0, 0], Errno::EINVAL);
    c.fails(nr::IOPRIO_GET, &[4, 0], Errno::EINVAL);
    c.fails(nr::IOPRIO_GET, &[1, 77], Errno::ESRCH);
    c.fails(nr::IOPRIO_SET, &[1, 77, 0], Errno::ESRCH);
}

#[test]
fn scheduling() {
    let c = Caller::new();
    c.put(BUF, &5i32);
    c.ok(nr::SCHED_SETSCHEDULER, &[0, 0x4000_0002, BUF]);
    assert_eq!(c.ok(nr::SCHED_GETSCHEDULER, &[2]), 0x4000_0002);
    assert_eq!(c.ok(nr::SCHED_GETSCHEDULER, &[1]), 0, "init's is the ordinary one");
    assert_eq!(c.ok(nr::SCHED_GETPARAM, &[1, BUF]), 0);
    c.put(BUF, &9i32);
    c.ok(nr::SCHED_SETPARAM, &[0, BUF]);
    c.ok(nr::SCHED_GETPARAM, &[0, BUF + 8]);
    assert_eq!(c.get::<i32>(BUF + 8), 9);
    c.ok(nr::SCHED_RR_GET_INTERVAL, &[0, BUF + 8]);
    assert_eq!(c.get::<[i64; 2]>(BUF + 8), [0, 100_000_000]);
    c.put(BUF, &0i32);
    c.fails(nr::SCHED_SETPARAM, &[0, BUF], Errno::EINVAL);
    c.fails(nr::SCHED_SETSCHEDULER, &[0, 6, BUF], Errno::EINVAL);
    assert_eq!(c.ok(nr::SCHED_GETSCHEDULER, &[0]), 0x4000_0002, "setparam keeps the flag");
    c.fails(nr::SCHED_SETSCHEDULER, &[0, 4, BUF], Errno::EINVAL);
    for call in [nr::SCHED_GETPARAM, nr::SCHED_SETPARAM] {
        c.fails(call, &[0, 0], Errno::EINVAL);
        c.fails(call, &[0, BAD], Errno::EFAULT);
        c.fails(call, &[77, BUF], Errno::ESRCH);
    }
    for call in [nr::SCHED_GETSCHEDULER, nr::SCHED_RR_GET_INTERVAL] {
        c.fails(call, &[u64::MAX, BUF], Errno::EINVAL);
        c.fails(call, &[77, BUF], Errno::ESRCH);
    }
    c.fails(nr::SCHED_RR_GET_INTERVAL, &[0, BAD], Errno::EFAULT);
    assert_eq!((c.ok(nr::SCHED_GET_PRIORITY_MAX, &[1]), c.ok(nr::SCHED_GET_PRIORITY_MIN, &[2])), (99, 1));
    c.fails(nr::SCHED_GET_PRIORITY_MAX, &[4], Errno::EINVAL);
    c.fails(nr::SCHED_GET_PRIORITY_MIN, &[9], Errno::EINVAL);
    c.put(BUF, &2u64);
    c.fails(nr::SCHED_SETAFFINITY, &[0, 8, BUF], Errno::EINVAL);
    c.put(BUF, &3u64);
    c.ok(nr::SCHED_SETAFFINITY, &[0, 8, BUF]);
    c.fails(nr::SCHED_SETAFFINITY, &[0, 0, BUF], Errno::EINVAL);
    c.fails(nr::SCHED_SETAFFINITY, &[0, 8, BAD], Errno::EFAULT);
    c.fails(nr::SCHED_SETAFFINITY, &[77, 8, BUF], Errno::ESRCH);
    c.ok(nr::SETPRIORITY, &[0, 0, -50i64 as u64]);
    assert_eq!(c.ok(nr::GETPRIORITY, &[0, 2]), 40);
    c.fails(nr::GETPRIORITY, &[0, 77], Errno::ESRCH);
    c.fails(nr::GETPRIORITY, &[3, 0], Errno::EINVAL);
    c.fails(nr::SETPRIORITY, &[3, 0, 0], Errno::EINVAL);
}

#[test]
fn names_groups_and_properties() {
    let c = Caller::new();
    let name = c.string("host.example");
    c.ok(nr::SETHOSTNAME, &[name, 4]);
    c.ok(nr::SETDOMAINNAME, &[name + 5, 7]);
    c.ok(nr::UNAME, &[BUF]);
    let told: Utsname = c.get(BUF);
    assert_eq!(told.nodename[..5], *b"host\0".map(|b| b as i8).as_slice());
    assert_eq!(told.domainname[..8], *b"example\0".map(|b| b as i8).as_slice());
    for call in [nr::SETHOSTNAME, nr::SETDOMAINNAME] {
        c.fails(call, &[name, 65], Errno::EINVAL);
        c.fails(call, &[name, u64::MAX], Errno::EINVAL);
        c.fails(call, &[BAD, 1], Errno::EFAULT);
    }
    assert_eq!(c.ok(nr::PERSONALITY, &[0x4_0000]), 0);
    assert_eq!(c.ok(nr::PERSONALITY, &[u32::MAX.into()]), 0x4_0000);
    c.fails(nr::SETSID, &[], Errno::EPERM);
    c.fails(nr::SETPGID, &[0, 0], Errno::EPERM);
    c.fails(nr::SETPGID, &[77, 0], Errno::ESRCH);
    c.fails(nr::SETPGID, &[0, u64::MAX], Errno::EINVAL);
    c.fails(nr::MEMBARRIER, &[8, 0], Errno::EPERM);
    for command in [16, 8, 1, 2, 4] {
        c.ok(nr::MEMBARRIER, &[command, 0]);
    }
    assert_eq!(c.ok(nr::MEMBARRIER, &[0, 0]), 31);
    c.fails(nr::MEMBARRIER, &[0, 1], Errno::EINVAL);
    c.fails(nr::MEMBARRIER, &[32, 0], Errno::EINVAL);
    for (set, get, value) in [(4, 3, 0), (8, 7, 1), (29, 30, 77), (38, 39, 1), (41, 42, 1)] {
        c.ok(nr::PRCTL, &[set, value, 0, 0, 0]);
        assert_eq!(c.ok(nr::PRCTL, &[get, 0, 0, 0, 0]), value, "{get}");
    }
    for bad in
        [[4, 2, 0], [8, 2, 0], [38, 0, 0], [38, 1, 1], [39, 1, 0], [1, 65, 0], [23, 41, 0], [24, 41, 0]]
    {
        c.fails(nr::PRCTL, &bad, Errno::EINVAL);
    }
    for (set, get, value) in [(1, 2, 15), (36, 37, 1)] {
        c.ok(nr::PRCTL, &[set, value]);
        c.ok(nr::PRCTL, &[get, BUF]);
        assert_eq!(c.get::<i32>(BUF), value as i32);
        c.fails(nr::PRCTL, &[get, BAD], Errno::EFAULT);
    }
    assert_eq!(
        (c.ok(nr::PRCTL, &[23, 40]), c.ok(nr::PRCTL, &[24, 40]), c.ok(nr::PRCTL, &[23, 40])),
        (1, 0, 0)
    );
    assert_eq!(c.ok(nr::PRCTL, &[21]), 0);
}

#[test]
fn descriptor_ranges() {
    let c = Caller::new();
    for fd in 10..15 {
        c.ok(nr::DUP2, &[0, fd]);
    }
    c.fails(nr::CLOSE_RANGE, &[12, 11, 0], Errno::EINVAL);
    c.fails(nr::CLOSE_RANGE, &[12, 13, 8], Errno::EINVAL);
    c.ok(nr::CLOSE_RANGE, &[11, 12, 2]);
    c.fails(nr::FCNTL, &[12, raw::F_GETFD.into()], Errno::EBADF);
    c.ok(nr::CLOSE_RANGE, &[13, u32::MAX.into(), 4]);
    assert_eq!([10, 13, 14].map(|fd| c.ok(nr::FCNTL, &[fd, raw::F_GETFD.into()])), [0, 1, 1]);
    c.ok(nr::CLOSE_RANGE, &[3, u32::MAX.into(), 0]);
    assert_eq!(c.r.process.files().count(), 3);
}
