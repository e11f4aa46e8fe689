//! `io`, `sched`, `schedstat` of a process or thread: what it has moved, and how the scheduler has treated it.

use super::{Key, Tasks, put};
use crate::transfers::Transferred;
use alloc::format;
use fs::FsError;
use fs::pseudo::Output;

/// `/proc/PID/io`: of all threads together.
pub fn io(tasks: &Tasks, key: Key, out: &mut Output) -> Result<(), FsError> {
    moved(tasks.process(key.task)?.transferred(), out);
    Ok(())
}

/// `/proc/PID/task/TID/io`.
pub fn io_of_thread(tasks: &Tasks, key: Key, out: &mut Output) -> Result<(), FsError> {
    moved(tasks.thread(key.task)?.transfers.get(), out);
    Ok(())
}

/// No file is on a disk, so nothing was fetched from one or written to one.
fn moved(sum: Transferred, out: &mut Output) {
    let Transferred { read, written, reads, writes } = sum;
    put!(out, "rchar: {read}\nwchar: {written}\nsyscr: {reads}\nsyscw: {writes}\n");
    put!(out, "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n");
}

/// `schedstat`: nanoseconds on a processor, nanoseconds ready and waiting for one, turns.
pub fn schedstat(tasks: &Tasks, key: Key, out: &mut Output) -> Result<(), FsError> {
    let thread = tasks.thread(key.task)?;
    let treated = thread.treatment(tasks.platform);
    put!(out, "{} {} {}\n", thread.run_time(tasks.platform), treated.waited, treated.turns);
    Ok(())
}

/// `sched`: the rows of Linux that mean something here.
pub fn sched(tasks: &Tasks, key: Key, out: &mut Output) -> Result<(), FsError> {
    const MILLISECOND: u64 = 1_000_000;
    let (process, thread) = (tasks.process(key.task)?, tasks.thread(key.task)?);
    let treated = thread.treatment(tasks.platform);
    let scheduling = thread.scheduling();
    out.extend(thread.name().into_iter().take_while(|&byte| byte != 0));
    put!(out, " ({}, #threads: {})\n", thread.tid, process.thread_count());
    put!(out, "{}\n", "-".repeat(67));
    let time = |ns: u64| format!("{}.{:06}", ns / MILLISECOND, ns % MILLISECOND);
    let priority = match i64::from(scheduling.priority) {
        0 => 120 + i64::from(scheduling.nice),
        real_time => 99 - real_time,
    };
    let rows = [
        ("se.exec_start", time(tasks.platform.monotonic_ns())),
        ("se.sum_exec_runtime", time(thread.run_time(tasks.platform))),
        ("nr_switches", format!("{}", treated.voluntary.wrapping_add(treated.involuntary))),
        ("nr_voluntary_switches", format!("{}", treated.voluntary)),
        ("nr_involuntary_switches", format!("{}", treated.involuntary)),
        ("policy", format!("{}", scheduling.policy)),
        ("prio", format!("{priority}")),
    ];
    for (name, value) in rows {
        put!(out, "{name:<45}:{value:>21}\n");
    }
    Ok(())
}
