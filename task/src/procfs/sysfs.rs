//! `/sys`: processors, memory and clock as programs look for them (sysfs(5)).

use super::{Tasks, put, text};
use alloc::string::String;
use alloc::{format, sync::Arc};
use fs::pseudo::{Builder, PseudoFs};

/// Bytes that stat(2) shows of every file.
const FILE_SIZE: u64 = 4096;
/// The processors that get a directory.
const CPU_NAMES: [&str; 64] = {
    macro_rules! names {
        ($($n:literal)*) => { [$(concat!("cpu", $n)),*] };
    }
    names!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39
        40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
};

/// `0`, or `0-LAST`: a list of processors from the first on.
pub(super) fn range(last: u32) -> String {
    if last == 0 { String::from("0") } else { format!("0-{last}") }
}

/// The file system for `/sys`, with the number `device`; its files appeared at `boot_time_ns` (since 1970).
pub fn sys_fs(tasks: &Arc<Tasks>, device: u64, boot_time_ns: u64) -> Arc<PseudoFs> {
    let mut builder = Builder::new();
    let root = Builder::ROOT;
    let cpus = tasks.platform.cpu_count();
    let dir = builder.dir(root, "devices/system/cpu");
    for name in ["online", "possible", "present"] {
        builder.file(
            dir,
            name,
            0o444,
            text!(tasks, |tasks, _, out| {
                put!(out, "{}\n", range(tasks.platform.cpu_count().saturating_sub(1)));
                Ok(())
            }),
        );
    }
    builder.constant(dir, "offline", "\n");
    builder.constant(dir, "kernel_max", "63\n");
    for (name, index) in CPU_NAMES.into_iter().zip(0..cpus) {
        let topology = builder.dir(dir, name);
        let topology = builder.dir(topology, "topology");
        builder.constant(topology, "physical_package_id", "0\n");
        builder.file(topology, "core_id", 0o444, move |_, out| {
            put!(out, "{index}\n");
            Ok(())
        });
    }
    let node = builder.dir(root, "devices/system/node");
    for name in ["online", "possible", "has_cpu", "has_memory"] {
        builder.constant(node, name, "0\n");
    }
    let clock = builder.dir(root, "devices/system/clocksource/clocksource0");
    builder.constant(clock, "current_clocksource", "tsc\n");
    builder.constant(clock, "available_clocksource", "tsc \n");
    let huge = builder.dir(root, "kernel/mm/transparent_hugepage");
    builder.constant(huge, "enabled", "[always] madvise never\n");
    builder.constant(huge, "defrag", "always defer defer+madvise madvise [never]\n");
    builder.constant(huge, "hpage_pmd_size", "2097152\n");
    builder.constant(huge, "shmem_enabled", "always within_size advise [never] deny force\n");
    builder.dir(root, "kernel/mm/hugepages");
    builder.dir(root, "fs/cgroup");
    builder.finish(device, "sysfs", FILE_SIZE, boot_time_ns)
}
