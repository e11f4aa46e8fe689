//! `/proc/sys`: the kernel's settings, as far as programs read them. Few of them can be changed.

use super::{Tasks, put, text};
use crate::Attributes;
use crate::attributes::HOST_NAME_MAX;
use crate::limits::NR_OPEN;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use fs::FsError;
use fs::inotify::Limits;
use fs::pseudo::{Builder, Key, Output};

/// The Linux release whose interface this is: programs read features from it.
pub const RELEASE: &str = "6.1.0-nospin";
/// The version that uname(2) shows.
pub const VERSION: &str = concat!("#1 nospin ", env!("CARGO_PKG_VERSION"));

/// Path and content of the settings that are the same on every machine.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("sys/fs", "aio-max-nr", "65536\n"),
    ("sys/fs", "aio-nr", "0\n"),
    ("sys/fs", "file-max", "9223372036854775807\n"),
    ("sys/fs", "inode-nr", "0\t0\n"),
    ("sys/fs", "pipe-max-size", "1048576\n"),
    ("sys/kernel", "cap_last_cap", "40\n"),
    ("sys/kernel", "core_pattern", "core\n"),
    ("sys/kernel", "core_uses_pid", "0\n"),
    ("sys/kernel", "ngroups_max", "65536\n"),
    ("sys/kernel", "ostype", "Linux\n"),
    ("sys/kernel", "overflowgid", "65534\n"),
    ("sys/kernel", "overflowuid", "65534\n"),
    ("sys/kernel", "perf_event_paranoid", "2\n"),
    ("sys/kernel", "pid_max", "32768\n"),
    ("sys/kernel", "randomize_va_space", "2\n"),
    ("sys/kernel", "tainted", "0\n"),
    ("sys/net/core", "somaxconn", "4096\n"),
    ("sys/net/core", "rmem_max", "212992\n"),
    ("sys/net/core", "wmem_max", "212992\n"),
    ("sys/net/ipv4", "ip_local_port_range", "32768\t60999\n"),
    ("sys/net/ipv4", "tcp_max_syn_backlog", "4096\n"),
    ("sys/vm", "nr_hugepages", "0\n"),
    ("sys/vm", "overcommit_memory", "0\n"),
    ("sys/vm", "overcommit_ratio", "50\n"),
    ("sys/vm", "swappiness", "60\n"),
];

/// Adds the settings.
pub fn add(builder: &mut Builder, tasks: &Arc<Tasks>) {
    let root = Builder::ROOT;
    for (dir, name, text) in SETTINGS {
        let dir = builder.dir(root, dir);
        builder.constant(dir, name, text);
    }
    let kernel = builder.dir(root, "sys/kernel");
    for (name, text) in [("osrelease", RELEASE), ("version", VERSION)] {
        builder.file(kernel, name, 0o444, move |_, out| {
            put!(out, "{text}\n");
            Ok(())
        });
    }
    builder.file(
        kernel,
        "threads-max",
        0o444,
        text!(tasks, |tasks, _, out| {
            put!(out, "{}\n", crate::limits::max_threads(tasks.platform.memory().total));
            Ok(())
        }),
    );
    let fs = builder.dir(root, "sys/fs");
    builder.file(fs, "nr_open", 0o444, |_, out| {
        put!(out, "{NR_OPEN}\n");
        Ok(())
    });
    builder.file(
        fs,
        "file-nr",
        0o444,
        text!(tasks, |tasks, _, out| {
            put!(out, "{}\t0\t{}\n", tasks.current()?.files().count(), i64::MAX);
            Ok(())
        }),
    );
    let vm = builder.dir(root, "sys/vm");
    builder.file(vm, "mmap_min_addr", 0o444, |_, out| {
        put!(out, "{}\n", mm::space::MMAP_MIN_ADDR);
        Ok(())
    });
    builder.file(vm, "max_map_count", 0o444, |_, out| {
        put!(out, "{}\n", mm::space::MAX_MAP_COUNT);
        Ok(())
    });
    names(builder, tasks);
    random(builder, tasks);
    inotify(builder, tasks);
}

/// `sys/kernel/hostname` and `domainname`: those of uname(2).
fn names(builder: &mut Builder, tasks: &Arc<Tasks>) {
    type Name = fn(&mut Attributes) -> &mut alloc::vec::Vec<u8>;
    let names: [(&str, Name); 2] = [
        ("hostname", |attributes| &mut attributes.host),
        ("domainname", |attributes| &mut attributes.domain),
    ];
    let dir = builder.dir(Builder::ROOT, "sys/kernel");
    for (file, name) in names {
        let own = tasks.clone();
        let show = move |_: Key, out: &mut Output| {
            let process = own.current()?;
            out.extend_from_slice(name(&mut process.attributes()));
            out.push(b'\n');
            Ok(())
        };
        let own = tasks.clone();
        let take = move |_: Key, bytes: &[u8]| {
            let text = bytes.split(|&byte| byte == b'\n' || byte == 0).next().unwrap_or_default();
            let text = text.get(..text.len().min(HOST_NAME_MAX)).unwrap_or_default();
            *name(&mut own.current()?.attributes()) = text.to_vec();
            Ok(())
        };
        builder.writable(dir, file, 0o644, Box::new(show), Box::new(take));
    }
}

/// `sys/fs/inotify`: limits that can be changed.
fn inotify(builder: &mut Builder, tasks: &Arc<Tasks>) {
    type Limit = fn(&Limits) -> &AtomicU32;
    let limits: [(&str, Limit); 3] = [
        ("max_queued_events", |limits| &limits.queue),
        ("max_user_instances", |limits| &limits.instances),
        ("max_user_watches", |limits| &limits.watches),
    ];
    let dir = builder.dir(Builder::ROOT, "sys/fs/inotify");
    for (name, limit) in limits {
        let own = tasks.clone();
        let show = move |_: Key, out: &mut Output| {
            let process = own.current()?;
            put!(out, "{}\n", limit(process.vfs.watches().limits()).load(Ordering::Relaxed));
            Ok(())
        };
        let own = tasks.clone();
        let take = move |_: Key, bytes: &[u8]| {
            let value = core::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse::<i32>().ok());
            let value = value.and_then(|value| u32::try_from(value).ok()).ok_or(FsError::Invalid)?;
            limit(own.current()?.vfs.watches().limits()).store(value, Ordering::Relaxed);
            Ok(())
        };
        builder.writable(dir, name, 0o644, Box::new(show), Box::new(take));
    }
}

/// `sys/kernel/random`.
fn random(builder: &mut Builder, tasks: &Arc<Tasks>) {
    let dir = builder.dir(Builder::ROOT, "sys/kernel/random");
    for (name, text) in
        [("poolsize", "256\n"), ("entropy_avail", "256\n"), ("write_wakeup_threshold", "256\n")]
    {
        builder.constant(dir, name, text);
    }
    builder.file(
        dir,
        "uuid",
        0o444,
        text!(tasks, |tasks, _, out| {
            put!(out, "{}\n", uuid(tasks));
            Ok(())
        }),
    );
    let own = tasks.clone();
    let boot = sync::SetOnce::new();
    builder.file(dir, "boot_id", 0o444, move |_, out| {
        if boot.get().is_none() {
            // Another thread may have been first: then its value counts.
            let _ = boot.set(uuid(&own));
        }
        put!(out, "{}\n", boot.get().map_or("", String::as_str));
        Ok(())
    });
}

/// A random UUID (RFC 4122, version 4).
fn uuid(tasks: &Tasks) -> String {
    let mut bytes = [0; 16];
    tasks.platform.random(&mut bytes);
    let value = u128::from_be_bytes(bytes) & !(0xf000 << 64) | 0x4000 << 64;
    let value = value & !(0xc000 << 48) | 0x8000 << 48;
    let part = |shift: u32, digits: u32| value >> shift & ((1 << (4 * digits)) - 1);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 8),
        part(80, 4),
        part(64, 4),
        part(48, 4),
        part(0, 12)
    )
}
