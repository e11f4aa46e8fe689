//! The files of one process: `/proc/PID` and `/proc/PID/task/TID`.

use super::maps::{self, sizes};
use super::signals::sets;
use super::{HZ, Jump, Key, NS_PER_TICK, Tasks, put, text};
use crate::credentials::CAP_LAST;
use crate::{Process, Thread};
use alloc::boxed::Box;
use alloc::{format, string::String};
use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;
use core::sync::atomic::Ordering;
use fs::pseudo::{Builder, Destination, Next, Output, Template, Text};
use fs::{FsError, NodeRef, OpenFile, device::DeviceNumber};
use mm::addr::{PAGE_SIZE, VirtAddr};

/// SIGCHLD, which the end of a process sends.
const EXIT_SIGNAL: u32 = 17;

/// Adds the directories of all processes.
pub fn add(builder: &mut Builder, tasks: &Arc<Tasks>) {
    let own = tasks.clone();
    let next: Next = Box::new(move |_, from| own.next_process(from));
    let process = builder.tasks(Builder::ROOT, next, Box::new(|_| 0));
    common(builder, tasks, process, text!(tasks, |tasks, key, out| stat(tasks, key, out, false)));
    builder.file(process, "io", 0o400, text!(tasks, super::treated::io));
    for (name, make) in FILES_OF_PROCESSES {
        builder.file(process, name, 0o444, file(tasks, *make));
    }
    descriptors(builder, tasks, process);

    let threads = builder.dir(process, "task");
    let own = tasks.clone();
    let next: Next = Box::new(move |key, from| own.next_thread(key.task, from));
    let own = tasks.clone();
    // A thread's directory lies in that of its process.
    let above = Box::new(move |tid| own.process(tid).map_or(0, |process| process.pid));
    let thread = builder.tasks(threads, next, above);
    common(builder, tasks, thread, text!(tasks, |tasks, key, out| stat(tasks, key, out, true)));
    builder.file(thread, "io", 0o400, text!(tasks, super::treated::io_of_thread));
}

type Make = fn(&Tasks, &Process, &mut Output) -> Result<(), FsError>;

/// Files that processes have and their threads have not.
const FILES_OF_PROCESSES: &[(&str, Make)] = &[
    ("coredump_filter", |_, _, out| constant(out, "00000033\n")),
    ("mountstats", |_, process, out| {
        mountstats(process, out);
        Ok(())
    }),
];

/// Files of processes and threads.
const FILES: &[(&str, u32, Make)] = &[
    ("auxv", 0o400, |_, process, out| strings(process, process.image().auxv.clone(), out)),
    ("cgroup", 0o444, |_, _, out| constant(out, "0::/\n")),
    ("cmdline", 0o444, |_, process, out| strings(process, process.image().args.clone(), out)),
    ("environ", 0o400, |_, process, out| strings(process, process.image().env.clone(), out)),
    ("limits", 0o444, |_, process, out| {
        super::limits::limits(process, out);
        Ok(())
    }),
    ("maps", 0o444, |_, process, out| {
        maps::maps(process, out);
        Ok(())
    }),
    ("mountinfo", 0o444, |_, process, out| {
        mountinfo(process, out);
        Ok(())
    }),
    ("mounts", 0o444, |_, process, out| {
        mounts(process, out);
        Ok(())
    }),
    ("oom_score", 0o444, |tasks, process, out| {
        oom_score(tasks, process, out);
        Ok(())
    }),
    ("personality", 0o400, |_, _, out| constant(out, "00000000\n")),
    ("smaps", 0o444, |_, process, out| {
        maps::smaps(process, out);
        Ok(())
    }),
    ("smaps_rollup", 0o444, |_, process, out| {
        maps::smaps_rollup(process, out);
        Ok(())
    }),
    // Who reads it runs.
    ("wchan", 0o444, |_, _, out| constant(out, "0")),
    ("statm", 0o444, |_, process, out| {
        maps::statm(process, out);
        Ok(())
    }),
];

fn constant(out: &mut Output, text: &str) -> Result<(), FsError> {
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn file(
    tasks: &Arc<Tasks>,
    make: Make,
) -> impl Fn(Key, &mut Output) -> Result<(), FsError> + Send + Sync + 'static {
    let tasks = tasks.clone();
    move |key, out| make(&tasks, &*tasks.process(key.task)?, out)
}

fn common(
    builder: &mut Builder,
    tasks: &Arc<Tasks>,
    dir: Template,
    stat: impl Fn(Key, &mut Output) -> Result<(), FsError> + Send + Sync + 'static,
) {
    for (name, permissions, make) in FILES {
        builder.file(dir, name, *permissions, file(tasks, *make));
    }
    super::network::add_to(builder, tasks, dir);
    builder.file(dir, "stat", 0o444, stat);
    builder.file(dir, "status", 0o444, text!(tasks, status));
    builder.file(dir, "sched", 0o644, text!(tasks, super::treated::sched));
    builder.file(dir, "schedstat", 0o444, text!(tasks, super::treated::schedstat));
    name(builder, tasks, dir);
    oom_score_adj(builder, tasks, dir);
    places(builder, tasks, dir);
}

/// `comm`: the name, which can be changed.
fn name(builder: &mut Builder, tasks: &Arc<Tasks>, dir: Template) {
    let show = text!(tasks, |tasks, key, out| {
        let name = tasks.thread(key.task)?.name();
        out.extend(name.into_iter().take_while(|&byte| byte != 0));
        out.push(b'\n');
        Ok(())
    });
    let own = tasks.clone();
    let take = move |key: Key, bytes: &[u8]| {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        own.thread(key.task)?.set_name(bytes);
        Ok(())
    };
    builder.writable(dir, "comm", 0o644, Box::new(show), Box::new(take));
}

/// `oom_score_adj`: from -1000 to 1000.
fn oom_score_adj(builder: &mut Builder, tasks: &Arc<Tasks>, dir: Template) {
    let show = text!(tasks, |tasks, key, out| {
        put!(out, "{}\n", tasks.process(key.task)?.oom_score_adj.load(Ordering::Relaxed));
        Ok(())
    });
    let own = tasks.clone();
    let take = move |key: Key, bytes: &[u8]| {
        let text = core::str::from_utf8(bytes).map_err(|_| FsError::Invalid)?;
        let value = text.trim().parse::<i32>().map_err(|_| FsError::Invalid)?;
        if !(-1000..=1000).contains(&value) {
            return Err(FsError::Invalid);
        }
        own.process(key.task)?.oom_score_adj.store(value, Ordering::Relaxed);
        Ok(())
    };
    builder.writable(dir, "oom_score_adj", 0o644, Box::new(show), Box::new(take));
}

/// `exe`, `cwd` and `root`.
fn places(builder: &mut Builder, tasks: &Arc<Tasks>, dir: Template) {
    let show = text!(tasks, |tasks, key, out| {
        let process = tasks.process(key.task)?;
        out.extend(process.vfs.path_to(&process.image().place)?);
        Ok(())
    });
    let jump = node(tasks, |process| process.image().place.node.clone());
    builder.link(dir, "exe", Box::new(show), Some(jump));
    let show = text!(tasks, |tasks, key, out| {
        let process = tasks.process(key.task)?;
        out.extend(process.vfs.path_of(&process.cwd())?);
        Ok(())
    });
    builder.link(dir, "cwd", Box::new(show), Some(node(tasks, Process::cwd)));
    let show: Text = Box::new(|_, out| constant(out, "/"));
    builder.link(dir, "root", show, Some(node(tasks, |process| process.vfs.root().clone())));
}

fn node(tasks: &Arc<Tasks>, find: fn(&Process) -> NodeRef) -> Destination {
    let tasks = tasks.clone();
    Box::new(move |key| Ok(Jump::Node(find(&*tasks.process(key.task)?))))
}

/// `fd` and `fdinfo`.
fn descriptors(builder: &mut Builder, tasks: &Arc<Tasks>, dir: Template) {
    let open = |tasks: &Arc<Tasks>| -> Next {
        let tasks = tasks.clone();
        Box::new(move |key, from| tasks.process(key.task).ok()?.files().next_open(from))
    };
    fn file(tasks: &Tasks, key: Key) -> Result<(Arc<Process>, Arc<OpenFile>), FsError> {
        let process = tasks.process(key.task)?;
        let file = process.file(key.item).map_err(|_| FsError::NotFound)?;
        Ok((process, file))
    }
    let links = builder.dir(dir, "fd");
    let show = text!(tasks, |tasks, key, out| {
        let (process, file) = file(tasks, key)?;
        match file.place() {
            Some(place) => {
                out.extend(process.vfs.path_to(place)?);
                if place.node.metadata()?.nlink == 0 {
                    out.extend_from_slice(b" (deleted)");
                }
            }
            None => {
                let mut name = Vec::new();
                file.file().describe(&mut name);
                out.extend_from_slice(&name);
            }
        }
        Ok(())
    });
    let own = tasks.clone();
    let jump: Destination = Box::new(move |key| {
        let (_, file) = file(&own, key)?;
        Ok(match file.file().node() {
            Some(node) => Jump::Node(node.clone()),
            None => Jump::File(file.file().clone()),
        })
    });
    builder.item_links(links, open(tasks), Box::new(show), jump);
    let infos = builder.dir(dir, "fdinfo");
    let show = text!(tasks, |tasks, key, out| {
        let (_, file) = file(tasks, key)?;
        let ino = file.file().metadata()?.ino;
        put!(out, "pos:\t{}\nflags:\t0{:o}\nmnt_id:\t1\nino:\t{ino}\n", file.position(), file.flags().bits());
        file.file().details(out);
        Ok(())
    });
    builder.item_files(infos, open(tasks), Box::new(show));
}

/// Appends a range of the process's memory: arguments, environment, auxiliary vector.
fn strings(process: &Process, range: Range<u64>, out: &mut Output) -> Result<(), FsError> {
    let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| FsError::NoMemory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| FsError::NoMemory)?;
    bytes.resize(len, 0);
    let read = process.space().read(VirtAddr(range.start), &mut bytes);
    if let Err(fault) = read {
        // The program has unmapped a part: what is before it is shown.
        bytes.truncate(fault.done);
    }
    out.extend_from_slice(&bytes);
    Ok(())
}

/// `/proc/PID/mounts`, as fstab(5).
fn mounts(process: &Process, out: &mut Output) {
    for (path, root) in process.vfs.mounts() {
        let kind = root.fs.type_name();
        let access = if root.fs.is_read_only() { "ro" } else { "rw" };
        put!(out, "{kind} {} {kind} {access},relatime 0 0\n", path.escape_ascii());
    }
}

/// `/proc/PID/mountstats`.
fn mountstats(process: &Process, out: &mut Output) {
    for (path, root) in process.vfs.mounts() {
        let kind = root.fs.type_name();
        put!(out, "device {kind} mounted on {} with fstype {kind}\n", path.escape_ascii());
    }
}

/// `/proc/PID/mountinfo`.
fn mountinfo(process: &Process, out: &mut Output) {
    for (id, (path, root)) in (1..).zip(process.vfs.mounts()) {
        let kind = root.fs.type_name();
        let access = if root.fs.is_read_only() { "ro" } else { "rw" };
        let device = DeviceNumber(root.fs.device());
        let (major, minor) = (device.major(), device.minor());
        let path = path.escape_ascii();
        put!(out, "{id} 1 {major}:{minor} / {path} {access},relatime - {kind} {kind} {access}\n");
    }
}

/// `/proc/PID/oom_score`: thousandths of the memory, moved by the adjustment.
fn oom_score(tasks: &Tasks, process: &Process, out: &mut Output) {
    let used = process.space().resident_pages().saturating_mul(PAGE_SIZE);
    let total = tasks.platform.memory().total.max(1);
    let adjust = i64::from(process.oom_score_adj.load(Ordering::Relaxed));
    let score = (used.saturating_mul(1000) / total) as i64;
    // Linux shows 0 to 2000, where 1000 is a task that uses all memory and is not adjusted.
    put!(out, "{}\n", (1000 + score + adjust).max(0) * 2 / 3);
}

/// Whether a thread runs or sleeps, as a letter and a word. Who reads runs.
fn state(tasks: &Tasks, process: &Process, thread: &Thread) -> (char, &'static str) {
    if !process.has_thread(thread.tid) {
        ('Z', "zombie")
    } else if thread.runner().is_some_and(|runner| tasks.platform.sleeps(runner)) {
        ('S', "sleeping")
    } else {
        ('R', "running")
    }
}

/// `stat` of a process, or of one thread, which differs in the processor time.
fn stat(tasks: &Tasks, key: Key, out: &mut Output, of_thread: bool) -> Result<(), FsError> {
    let (process, thread) = (tasks.process(key.task)?, tasks.thread(key.task)?);
    let image = process.image();
    let sizes = sizes(&process);
    let sets = sets(&process, &thread);
    let limit = process.limits().soft(abi::general::RLIMIT_RSS);
    let (brk, faults) = {
        let space = process.space();
        (space.brk_start().0, space.fault_count())
    };
    let (pid, ppid) = (process.pid, process.ppid);
    let name = thread.name();
    let name: Vec<u8> = name.into_iter().take_while(|&byte| byte != 0).collect();
    put!(out, "{} (", thread.tid);
    out.extend_from_slice(&name);
    // State, parent, group, session, terminal, its group, flags (PF_RANDOMIZE), faults of it and of its children.
    put!(out, ") {} {ppid} {pid} {pid} 0 -1 4194304 {faults} 0 0 0", state(tasks, &process, &thread).0);
    // User, system, children; priority, niceness, threads, no interval timer, start.
    let start = process.start_ns / NS_PER_TICK;
    let scheduling = thread.scheduling();
    let (real_time, nice) = (i64::from(scheduling.priority), i64::from(scheduling.nice));
    let priority = if real_time > 0 { -1 - real_time } else { 20 + nice };
    let used = if of_thread { thread.cpu_times(tasks.platform) } else { process.cpu_times(tasks.platform) };
    put!(out, " {} {} 0 0", used.user / NS_PER_TICK, used.system / NS_PER_TICK);
    put!(out, " {priority} {nice} {} 0 {start}", process.thread_count());
    put!(out, " {} {} {limit}", sizes.total.saturating_mul(PAGE_SIZE), sizes.resident);
    put!(out, " {} {} {} 0 0", sizes.code.0, sizes.code.1, image.stack_start);
    let low = u64::from(u32::MAX >> 1);
    let [pending, blocked, ignored, caught] =
        [sets.pending, sets.blocked, sets.ignored, sets.caught].map(|set| set & low);
    put!(out, " {pending} {blocked} {ignored} {caught} 0 0 0 {EXIT_SIGNAL}");
    // CPU, real-time priority, policy, and times of waiting and of guests.
    put!(out, " {} {real_time} {} 0 0 0", tasks.platform.current_cpu(), scheduling.policy);
    let (args, env) = (&image.args, &image.env);
    put!(out, " {} {} {brk}", sizes.variables.0, sizes.variables.1);
    put!(out, " {} {} {} {} 0\n", args.start, args.end, env.start, env.end);
    Ok(())
}

/// `/proc/PID/status`.
fn status(tasks: &Tasks, key: Key, out: &mut Output) -> Result<(), FsError> {
    let (process, thread) = (tasks.process(key.task)?, tasks.thread(key.task)?);
    let pid = process.pid;
    let tid = thread.tid;
    put!(out, "Name:\t");
    for byte in thread.name().into_iter().take_while(|&byte| byte != 0) {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            byte => out.push(byte),
        }
    }
    put!(out, "\nUmask:\t{:04o}\n", process.umask.load(Ordering::Relaxed));
    let (letter, word) = state(tasks, &process, &thread);
    put!(out, "State:\t{letter} ({word})\n");
    put!(out, "Tgid:\t{pid}\nNgid:\t0\nPid:\t{tid}\nPPid:\t{}\nTracerPid:\t0\n", process.ppid);
    let credentials = process.credentials().clone();
    for (name, ids) in [("Uid", credentials.user), ("Gid", credentials.group)] {
        put!(out, "{name}:\t{}\t{}\t{}\t{}\n", ids.real, ids.effective, ids.saved, ids.fs);
    }
    // The table of Linux has room for at least 64, in powers of two.
    let room = process.files().highest().map_or(0, |fd| fd + 1).next_power_of_two().max(64);
    put!(out, "FDSize:\t{room}\nGroups:\t");
    for (index, group) in credentials.groups().iter().enumerate() {
        put!(out, "{}{group}", if index == 0 { "" } else { " " });
    }
    put!(out, " \n");
    put!(out, "NStgid:\t{pid}\nNSpid:\t{tid}\nNSpgid:\t{pid}\nNSsid:\t{pid}\n");
    memory(&process, out);
    let queue = process.limits().soft(abi::general::RLIMIT_SIGPENDING);
    let sets = sets(&process, &thread);
    put!(out, "CoreDumping:\t0\nTHP_enabled:\t1\nThreads:\t{}\nSigQ:\t0/{queue}\n", process.thread_count());
    put!(out, "SigPnd:\t{:016x}\nShdPnd:\t{:016x}\n", thread.pending().set().0, sets.pending);
    put!(
        out,
        "SigBlk:\t{:016x}\nSigIgn:\t{:016x}\nSigCgt:\t{:016x}\n",
        sets.blocked,
        sets.ignored,
        sets.caught
    );
    let capabilities = credentials.capabilities();
    let bounding = (0..=u64::from(CAP_LAST))
        .filter(|&capability| credentials.is_bounding(capability) == Some(true))
        .fold(0u64, |set, capability| set | 1 << capability);
    let no_new_privileges = u8::from(process.attributes().no_new_privileges);
    put!(out, "CapInh:\t{:016x}\nCapPrm:\t{:016x}\n", capabilities.inheritable, capabilities.permitted);
    put!(out, "CapEff:\t{:016x}\nCapBnd:\t{bounding:016x}\n", capabilities.effective);
    put!(out, "CapAmb:\t{:016x}\nNoNewPrivs:\t{no_new_privileges}\n", 0);
    put!(out, "Seccomp:\t0\nSeccomp_filters:\t0\n");
    put!(out, "Speculation_Store_Bypass:\tunknown\nSpeculationIndirectBranch:\tunknown\n");
    let cpus = tasks.platform.cpu_count();
    let last = cpus.saturating_sub(1);
    let allowed: Vec<u32> = (0..cpus)
        .filter(|&cpu| thread.runner().is_none_or(|runner| tasks.platform.may_run_on(runner, cpu)))
        .collect();
    put!(out, "Cpus_allowed:\t");
    for word in (0..=last / 32).rev() {
        let mask =
            allowed.iter().filter(|&&cpu| cpu / 32 == word).fold(0u32, |mask, cpu| mask | 1 << (cpu % 32));
        let separator = if word == 0 { "" } else { "," };
        if word == last / 32 { put!(out, "{mask:x}{separator}") } else { put!(out, "{mask:08x}{separator}") }
    }
    put!(out, "\nCpus_allowed_list:\t{}\n", ranges(&allowed));
    put!(out, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
    let treated = thread.treatment(tasks.platform);
    put!(out, "voluntary_ctxt_switches:\t{}\n", treated.voluntary);
    put!(out, "nonvoluntary_ctxt_switches:\t{}\n", treated.involuntary);
    Ok(())
}

/// Numbers in order as a list of ranges.
fn ranges(numbers: &[u32]) -> String {
    let mut list = String::new();
    let mut rest = numbers.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut last = first;
        while rest.peek() == Some(&last.wrapping_add(1)) {
            last = rest.next().unwrap_or(last);
        }
        let separator = if list.is_empty() { "" } else { "," };
        list +=
            &if first == last { format!("{separator}{first}") } else { format!("{separator}{first}-{last}") };
    }
    list
}

/// The lines of `status` about memory.
fn memory(process: &Process, out: &mut Output) {
    let s = sizes(process);
    let rows = [
        ("VmPeak", s.peak_total),
        ("VmSize", s.total),
        ("VmLck", 0),
        ("VmPin", 0),
        ("VmHWM", s.peak_resident),
        ("VmRSS", s.resident),
        ("RssAnon", s.resident.saturating_sub(s.file)),
        ("RssFile", s.file),
        ("RssShmem", 0),
        ("VmData", s.data),
        ("VmStk", s.stack),
        ("VmExe", s.text),
        ("VmLib", s.library),
        // One last-level table per 2 MiB that is touched at least.
        ("VmPTE", s.resident.div_ceil(512)),
        ("VmSwap", 0),
        ("HugetlbPages", 0),
    ];
    for (name, pages) in rows {
        put!(out, "{name}:\t{:8} kB\n", pages * (PAGE_SIZE / 1024));
    }
}

const _: () = assert!(HZ == 100, "times are in hundredths of seconds");
