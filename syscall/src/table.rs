//! The table of calls: one row per call, found by its number.

use crate::calls::*;
use crate::strace::ArgKind;
use crate::{CallResult, Context, RawArgs, Syscall};

/// What is known about a call.
pub struct Row {
    /// Its number.
    pub nr: u32,
    /// Decodes and executes it.
    pub run: fn(&mut Context<'_>, &RawArgs) -> CallResult<u64>,
    /// Its arguments, for strace.
    pub args: &'static [ArgKind],
}

impl Row {
    const fn of<S: Syscall>() -> Self {
        Row { nr: S::NR, run: run::<S>, args: S::ARGS }
    }
}

fn run<S: Syscall>(ctx: &mut Context<'_>, args: &RawArgs) -> CallResult<u64> {
    S::decode(args)?.execute(ctx)
}

/// Builds the table. Two rows with the same number do not compile.
macro_rules! rows {
    ($($call:ty,)*) => {
        /// All calls, by number.
        pub static TABLE: [Option<Row>; abi::nr::COUNT] = {
            let mut table = [const { None }; abi::nr::COUNT];
            $(
                assert!(table[<$call as Syscall>::NR as usize].is_none(), "two rows for one call");
                table[<$call as Syscall>::NR as usize] = Some(Row::of::<$call>());
            )*
            table
        };
    };
}

rows! {
    access::Access,
    arch_prctl::ArchPrctl,
    brk::Brk,
    chdir::ChDir,
    chmod::ChMod,
    chown::ChOwn,
    clock_getres::ClockGetRes,
    clock_gettime::ClockGetTime,
    clock_nanosleep::ClockNanoSleep,
    close::Close,
    copy_file_range::CopyFileRange,
    creat::Creat,
    dup2::Dup2,
    dup3::Dup3,
    dup::Dup,
    exit::Exit,
    exit_group::ExitGroup,
    faccessat2::FAccessAt2,
    faccessat::FAccessAt,
    fallocate::FAllocate,
    fchdir::FChDir,
    fchmod::FChMod,
    fchmodat::FChModAt,
    fchown::FChOwn,
    fchownat::FChOwnAt,
    fcntl::Fcntl,
    fdatasync::FDataSync,
    flock::Flock,
    fstat::FStat,
    fstatfs::FStatFs,
    fsync::FSync,
    ftruncate::FTruncate,
    futex::Futex,
    futimesat::FUTimesAt,
    getcpu::GetCpu,
    getcwd::GetCwd,
    getdents64::GetDents64,
    getegid::GetEGid,
    geteuid::GetEUid,
    getgid::GetGid,
    getgroups::GetGroups,
    getpgid::GetPgid,
    getpgrp::GetPgrp,
    getpid::GetPid,
    getppid::GetPPid,
    getrandom::GetRandom,
    getrlimit::GetRLimit,
    getsid::GetSid,
    gettid::GetTid,
    gettimeofday::GetTimeOfDay,
    getuid::GetUid,
    ioctl::IoCtl,
    kill::Kill,
    lchown::LChOwn,
    link::Link,
    linkat::LinkAt,
    lseek::LSeek,
    lstat::LStat,
    madvise::MAdvise,
    mkdir::MkDir,
    mkdirat::MkDirAt,
    mknod::MkNod,
    mknodat::MkNodAt,
    mmap::MMap,
    mprotect::MProtect,
    munmap::MUnmap,
    nanosleep::NanoSleep,
    newfstatat::NewFStatAt,
    open::Open,
    openat::OpenAt,
    poll::Poll,
    ppoll::PPoll,
    prctl::Prctl,
    pread64::PRead64,
    preadv::PReadV,
    prlimit64::PrLimit64,
    pwrite64::PWrite64,
    pwritev::PWriteV,
    read::Read,
    readlink::ReadLink,
    readlinkat::ReadLinkAt,
    readv::ReadV,
    rename::Rename,
    renameat2::RenameAt2,
    renameat::RenameAt,
    rmdir::RmDir,
    rseq::Rseq,
    rt_sigaction::RtSigAction,
    rt_sigprocmask::RtSigProcMask,
    sched_getaffinity::SchedGetAffinity,
    sched_yield::SchedYield,
    sendfile::SendFile,
    set_robust_list::SetRobustList,
    set_tid_address::SetTidAddress,
    setgid::SetGid,
    setrlimit::SetRLimit,
    setuid::SetUid,
    sigaltstack::SigAltStack,
    stat::Stat,
    statfs::StatFs,
    statx::Statx,
    symlink::SymLink,
    symlinkat::SymLinkAt,
    sync::Sync,
    sync_file_range::SyncFileRange,
    syncfs::SyncFs,
    sysinfo::SysInfo,
    tgkill::TgKill,
    time::Time,
    tkill::TKill,
    truncate::Truncate,
    umask::Umask,
    uname::Uname,
    unlink::Unlink,
    unlinkat::UnlinkAt,
    utime::UTime,
    utimensat::UTimeNsAt,
    utimes::UTimes,
    write::Write,
    writev::WriteV,
    clock_settime::ClockSetTime,
    getpriority::GetPriority,
    getresgid::GetResGid,
    getresuid::GetResUid,
    getrusage::GetRUsage,
    membarrier::MemBarrier,
    personality::Personality,
    sched_get_priority_max::SchedGetPriorityMax,
    sched_get_priority_min::SchedGetPriorityMin,
    sched_getparam::SchedGetParam,
    sched_getscheduler::SchedGetScheduler,
    sched_rr_get_interval::SchedRrGetInterval,
    sched_setaffinity::SchedSetAffinity,
    sched_setparam::SchedSetParam,
    sched_setscheduler::SchedSetScheduler,
    setdomainname::SetDomainName,
    setfsgid::SetFsGid,
    setfsuid::SetFsUid,
    setgroups::SetGroups,
    sethostname::SetHostName,
    setpgid::SetPgid,
    setpriority::SetPriority,
    setregid::SetReGid,
    setresgid::SetResGid,
    setresuid::SetResUid,
    setreuid::SetReUid,
    setsid::SetSid,
    settimeofday::SetTimeOfDay,
    times::Times,
    capget::CapGet,
    capset::CapSet,
    close_range::CloseRange,
    adjtimex::AdjTimeX,
    fadvise64::FAdvise64,
    readahead::ReadAhead,
}
