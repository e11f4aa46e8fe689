//! `limits`: the resource limits as a table.

use super::put;
use crate::Process;
use crate::limits::INFINITY;
use abi::general as raw;
use alloc::{format, string::String};
use fs::pseudo::Output;

/// Name, resource and unit of each row, in the order of the table.
const ROWS: [(&str, u32, &str); 16] = [
    ("Max cpu time", raw::RLIMIT_CPU, "seconds"),
    ("Max file size", raw::RLIMIT_FSIZE, "bytes"),
    ("Max data size", raw::RLIMIT_DATA, "bytes"),
    ("Max stack size", raw::RLIMIT_STACK, "bytes"),
    ("Max core file size", raw::RLIMIT_CORE, "bytes"),
    ("Max resident set", raw::RLIMIT_RSS, "bytes"),
    ("Max processes", raw::RLIMIT_NPROC, "processes"),
    ("Max open files", raw::RLIMIT_NOFILE, "files"),
    ("Max locked memory", raw::RLIMIT_MEMLOCK, "bytes"),
    ("Max address space", raw::RLIMIT_AS, "bytes"),
    ("Max file locks", raw::RLIMIT_LOCKS, "locks"),
    ("Max pending signals", raw::RLIMIT_SIGPENDING, "signals"),
    ("Max msgqueue size", raw::RLIMIT_MSGQUEUE, "bytes"),
    ("Max nice priority", raw::RLIMIT_NICE, ""),
    ("Max realtime priority", raw::RLIMIT_RTPRIO, ""),
    ("Max realtime timeout", raw::RLIMIT_RTTIME, "us"),
];

/// `/proc/PID/limits`.
pub fn limits(process: &Process, out: &mut Output) {
    let limits = *process.limits();
    let value = |limit| if limit == INFINITY { String::from("unlimited") } else { format!("{limit}") };
    put!(out, "{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (name, resource, unit) in ROWS {
        let Some(limit) = limits.get(resource) else { continue };
        put!(out, "{name:<25} {:<20} {:<20} {unit:<10}\n", value(limit.rlim_cur), value(limit.rlim_max));
    }
}
