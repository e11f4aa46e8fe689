//! The files of the machine directly below `/proc`.

use super::{Key, NS_PER_TICK, Tasks, cpu, put, text};
use alloc::boxed::Box;
use alloc::{format, sync::Arc, vec::Vec};
use fs::FsError;
use fs::device::DeviceNumber;
use fs::locks::Holder;
use fs::pseudo::Builder;

const SECOND: u64 = 1_000_000_000;

/// More than a line about a lock has.
const LOCK_LINE: usize = 160;

/// The file systems that can be mounted: all but the root have no device.
const FILE_SYSTEMS: &str = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\trootfs\n";

/// The drivers by number: those of the nodes in `/dev`.
const DEVICES: &str = "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n\nBlock devices:\n";

/// Adds the files.
pub fn add(builder: &mut Builder, tasks: &Arc<Tasks>) {
    let root = Builder::ROOT;
    builder.file(root, "cpuinfo", 0o444, text!(tasks, cpu::cpuinfo));
    builder.constant(root, "devices", DEVICES);
    builder.constant(root, "filesystems", FILE_SYSTEMS);
    builder.file(root, "loadavg", 0o444, text!(tasks, loadavg));
    builder.file(root, "locks", 0o444, text!(tasks, locks));
    builder.file(root, "meminfo", 0o444, text!(tasks, meminfo));
    let own: fs::pseudo::Text = Box::new(|_, out| {
        out.extend_from_slice(b"self/mounts");
        Ok(())
    });
    builder.link(root, "mounts", own, None);
    builder.file(root, "stat", 0o444, text!(tasks, stat));
    builder.constant(root, "swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    builder.file(root, "uptime", 0o444, text!(tasks, uptime));
    builder.file(root, "version", 0o444, |_, out| {
        let (release, version) = (super::RELEASE, super::VERSION);
        put!(out, "Linux version {release} (nospin@nospin) (rustc, ld.lld) {version}\n");
        Ok(())
    });
}

/// One running task of two. The averages over time are not kept: they are those of a machine with one task that runs.
fn loadavg(tasks: &Tasks, _: Key, out: &mut Vec<u8>) -> Result<(), FsError> {
    let pid = tasks.current()?.pid;
    put!(out, "0.00 0.00 0.00 1/2 {pid}\n");
    Ok(())
}

fn uptime(tasks: &Tasks, _: Key, out: &mut Vec<u8>) -> Result<(), FsError> {
    let seconds = |ns: u64| format!("{}.{:02}", ns / SECOND, ns % SECOND / NS_PER_TICK);
    put!(out, "{} {}\n", seconds(tasks.platform.monotonic_ns()), seconds(tasks.platform.idle_ns()));
    Ok(())
}

/// The times of the CPUs. What is not idle is the program's.
fn stat(tasks: &Tasks, _: Key, out: &mut Vec<u8>) -> Result<(), FsError> {
    let now = tasks.platform.monotonic_ns();
    let idle = tasks.platform.idle_ns().min(now);
    let cpus = u64::from(tasks.platform.cpu_count());
    let used = tasks.current()?.cpu_times(tasks.platform);
    let (user, system) = (used.user / NS_PER_TICK, used.system / NS_PER_TICK);
    let idle = idle / NS_PER_TICK;
    put!(out, "cpu  {user} 0 {system} {idle} 0 0 0 0 0 0\n");
    for cpu in 0..cpus {
        // The program runs on the first.
        let (user, system, idle) = if cpu == 0 { (user, system, idle) } else { (0, 0, user + system + idle) };
        put!(out, "cpu{cpu} {user} 0 {system} {idle} 0 0 0 0 0 0\n");
    }
    let boot = tasks.platform.realtime_ns().saturating_sub(now) / SECOND;
    put!(out, "intr 0\nctxt 0\nbtime {boot}\nprocesses 2\nprocs_running 1\nprocs_blocked 0\n");
    put!(out, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
    Ok(())
}

/// The locks on files. Those of flock(2) are shown as the reader's, those of descriptions as nobody's (-1).
fn locks(tasks: &Tasks, _: Key, out: &mut Vec<u8>) -> Result<(), FsError> {
    let process = tasks.current()?;
    let mut number = 0;
    let mut result = Ok(());
    process.vfs.locks().for_each(|(device, node), record, exclusive| {
        number += 1;
        let (kind, pid) = match record.map(|lock| lock.holder) {
            None => ("FLOCK ", i64::from(process.pid)),
            Some(Holder::Process(pid)) => ("POSIX ", i64::from(pid)),
            Some(Holder::Description(_)) => ("OFDLCK", -1),
        };
        let access = if exclusive { "WRITE" } else { "READ" };
        let device = DeviceNumber(device);
        let (major, minor) = (device.major(), device.minor());
        // A program can hold more locks than fit into memory as text.
        if result.is_err() || out.try_reserve(LOCK_LINE).is_err() {
            result = Err(FsError::NoMemory);
            return;
        }
        put!(out, "{number}: {kind} ADVISORY  {access} {pid} {major:02x}:{minor:02x}:{node} ");
        let range = record.map_or((0, i64::MAX as u64), |lock| (lock.range.start, lock.range.last));
        match range {
            (start, last) if last == i64::MAX as u64 => put!(out, "{start} EOF\n"),
            (start, last) => put!(out, "{start} {last}\n"),
        }
    });
    result
}

fn meminfo(tasks: &Tasks, _: Key, out: &mut Vec<u8>) -> Result<(), FsError> {
    let memory = tasks.platform.memory();
    let (total, free) = (memory.total / 1024, memory.free.min(memory.total) / 1024);
    let process = tasks.current()?;
    let sizes = super::maps::sizes(&process);
    let pages = |count: u64| count * (mm::addr::PAGE_SIZE / 1024);
    let (file, own) = (pages(sizes.file), pages(sizes.resident.saturating_sub(sizes.file)));
    let rows = [
        ("MemTotal", total),
        ("MemFree", free),
        // Nothing but free memory can be given out: what files use is the image itself.
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", own),
        ("Inactive", 0),
        ("Active(anon)", own),
        ("Inactive(anon)", 0),
        ("Active(file)", 0),
        ("Inactive(file)", 0),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", own),
        ("Mapped", file),
        ("Shmem", 0),
        ("KReclaimable", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("KernelStack", 0),
        ("PageTables", pages(sizes.resident.div_ceil(512))),
        ("NFS_Unstable", 0),
        ("Bounce", 0),
        ("WritebackTmp", 0),
        ("CommitLimit", total / 2),
        ("Committed_AS", pages(sizes.data + sizes.stack)),
        ("VmallocTotal", (1 << 35) - 1),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
        ("Percpu", 0),
        ("AnonHugePages", 0),
        ("ShmemHugePages", 0),
        ("ShmemPmdMapped", 0),
        ("FileHugePages", 0),
        ("FilePmdMapped", 0),
    ];
    for (name, kb) in rows {
        put!(out, "{:<16}{kb:8} kB\n", format!("{name}:"));
    }
    for name in ["HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp"] {
        put!(out, "{:<16}{:8}\n", format!("{name}:"), 0);
    }
    put!(out, "Hugepagesize:       2048 kB\nHugetlb:               0 kB\n");
    Ok(())
}
