//! The files of the machine directly below `/proc`.

use super::{Key, NS_PER_TICK, Tasks, cpu, put, text};
use alloc::boxed::Box;
use alloc::{format, sync::Arc, vec::Vec};
use fs::FsError;
use fs::device::DeviceNumber;
use fs::locks::Holder;
use fs::pseudo::Builder;
use fs::pseudo::Output;

const SECOND: u64 = 1_000_000_000;

/// The file systems that can be mounted: all but the root have no device.
const FILE_SYSTEMS: &str = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\trootfs\n";

/// The drivers by number: those of the nodes in `/dev`.
const DEVICES: &str = "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n\nBlock devices:\n";

/// Adds the files.
pub fn add(builder: &mut Builder, tasks: &Arc<Tasks>) {
    let root = Builder::ROOT;
    builder.file(root, "cmdline", 0o444, text!(tasks, cmdline));
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

fn cmdline(tasks: &Tasks, _: Key, out: &mut Output) -> Result<(), FsError> {
    out.extend_from_slice(tasks.command_line.get().map_or(&[], Vec::as_slice));
    out.push(b'\n');
    Ok(())
}

/// How many threads run or are ready, of how many; init is another, that sleeps.
fn running(tasks: &Tasks) -> Result<(u64, u64), FsError> {
    let process = tasks.current()?;
    let (mut running, mut all) = (0, 1);
    process.for_each_thread(|thread| {
        running += u64::from(!thread.runner().is_some_and(|runner| tasks.platform.sleeps(runner)));
        all += 1;
    });
    Ok((running, all))
}

/// The threads that run, all, and the last number that was given. The averages over time are not kept.
fn loadavg(tasks: &Tasks, _: Key, out: &mut Output) -> Result<(), FsError> {
    let (running, all) = running(tasks)?;
    put!(out, "0.00 0.00 0.00 {running}/{all} {}\n", tasks.current()?.threads_made().1);
    Ok(())
}

fn uptime(tasks: &Tasks, _: Key, out: &mut Output) -> Result<(), FsError> {
    let seconds = |ns: u64| format!("{}.{:02}", ns / SECOND, ns % SECOND / NS_PER_TICK);
    put!(out, "{} {}\n", seconds(tasks.platform.monotonic_ns()), seconds(tasks.platform.idle_ns()));
    Ok(())
}

/// The times of the CPUs. What is not idle is the program's.
fn stat(tasks: &Tasks, _: Key, out: &mut Output) -> Result<(), FsError> {
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
    let activity = tasks.platform.activity();
    put!(out, "intr {}\nctxt {}\nbtime {boot}\n", activity.interrupts, activity.switches);
    // With init, which is nobody's thread.
    put!(out, "processes {}\n", tasks.current()?.threads_made().0 + 1);
    put!(out, "procs_running {}\nprocs_blocked 0\n", running(tasks)?.0);
    put!(out, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
    Ok(())
}

/// The locks on files. Those of flock(2) are shown as the reader's, those of descriptions as nobody's (-1).
fn locks(tasks: &Tasks, _: Key, out: &mut Output) -> Result<(), FsError> {
    let process = tasks.current()?;
    let mut number = 0;
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
        put!(out, "{number}: {kind} ADVISORY  {access} {pid} {major:02x}:{minor:02x}:{node} ");
        let range = record.map_or((0, i64::MAX as u64), |lock| (lock.range.start, lock.range.last));
        match range {
            (start, last) if last == i64::MAX as u64 => put!(out, "{start} EOF\n"),
            (start, last) => put!(out, "{start} {last}\n"),
        }
    });
    Ok(())
}

fn meminfo(tasks: &Tasks, _: Key, out: &mut Output) -> Result<(), FsError> {
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
