//! Tests of /proc: what the files say about a running process.

use super::*;
use crate::testing::{Running, running};
use abi::OpenFlags;
use alloc::string::String;
use alloc::vec::Vec;
use fs::device::Devices;
use fs::testing::{FakeRandom, archive, tree};
use fs::{ConsoleOptions, OpenFile, SliceSink, SliceSource, Vfs, console::ConsoleMode};

/// A tree with `/proc` and `/sys` that show the program of a fake machine.
fn mounted() -> (Running, Vfs) {
    let r = running();
    let tasks = Tasks::new(r.machine);
    tasks.enter(&r.process);
    let mode = ConsoleMode::Host { tty_in: false, tty_out: false };
    let (_, console, _) = tree(&[], ConsoleOptions { mode, winsize: (24, 80) }, r.machine.frames);
    let members = [("proc", 0o40555, &b""[..]), ("sys", 0o40555, b"")];
    let bytes: &'static [u8] = Vec::leak(archive(&members));
    let root = fs::archive::ArchiveFs::new(bytes, None, 9).unwrap();
    let mut vfs = Vfs::new(root, Devices::new(Arc::new(FakeRandom), console));
    vfs.mount(b"/proc", proc_fs(&tasks, 21, 0)).unwrap();
    vfs.mount(b"/sys", sys_fs(&tasks, 22, 0)).unwrap();
    (r, vfs)
}

fn open(vfs: &Vfs, path: &str, flags: OpenFlags) -> Result<Arc<OpenFile>, FsError> {
    vfs.open(vfs.root(), path.as_bytes(), flags, &fs::NewNode::of_mode(0o100644))
}

fn read(vfs: &Vfs, path: &str) -> String {
    let file = open(vfs, path, OpenFlags::empty()).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut buf = alloc::vec![0; 1 << 16];
    let len = file.read(&mut SliceSink::new(&mut buf)).unwrap_or_else(|error| panic!("{path}: {error}"));
    buf.truncate(len);
    String::from_utf8(buf).unwrap()
}

fn target(vfs: &Vfs, path: &str) -> String {
    let node = vfs.lookup(vfs.root(), path.as_bytes(), fs::vfs::Follow::No).unwrap();
    let mut out = Vec::new();
    node.fs.read_link(node.id, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_process_describes_itself() {
    let (r, vfs) = mounted();
    assert_eq!(target(&vfs, "/proc/self"), "2");
    assert_eq!(target(&vfs, "/proc/thread-self"), "2/task/2");
    assert_eq!(read(&vfs, "/proc/self/cmdline"), "/init\0arg\0");
    assert_eq!(read(&vfs, "/proc/2/environ"), "HOME=/\0");
    assert_eq!(read(&vfs, "/proc/thread-self/comm"), "init\n");
    let auxv = open(&vfs, "/proc/self/auxv", OpenFlags::empty()).unwrap();
    let mut buf = [0; 1024];
    let len = auxv.read(&mut SliceSink::new(&mut buf)).unwrap();
    assert!(len > 64 && len.is_multiple_of(16) && buf[len - 16..len] == [0; 16], "ends with AT_NULL: {len}");
    let stat = read(&vfs, "/proc/self/stat");
    assert!(stat.starts_with("2 (init) R 1 2 2 0 -1 "), "{stat}");
    assert_eq!(stat.split_whitespace().count(), 52);
    let statm = read(&vfs, "/proc/self/statm");
    assert_eq!(statm.split_whitespace().count(), 7);
    let pages = r.process.space().mapped_bytes() / 4096;
    assert!(statm.starts_with(&alloc::format!("{pages} ")), "{statm}");
    let status = read(&vfs, "/proc/self/status");
    for line in
        ["Name:\tinit\n", "Umask:\t0022\n", "Pid:\t2\n", "Threads:\t1\n", "SigIgn:\t0000000000000000\n"]
    {
        assert!(status.contains(line), "{line:?}");
    }
    assert!(status.contains(&alloc::format!("VmSize:\t{:8} kB\n", pages * 4)));
    let limits = read(&vfs, "/proc/self/limits");
    assert!(
        limits.contains("Max open files            1024                 1048576              files     \n")
    );
    for path in ["/proc/3", "/proc/2/task/1", "/proc/self/nothing", "/proc/self/fd/3"] {
        assert_eq!(open(&vfs, path, OpenFlags::empty()).err(), Some(FsError::NotFound), "{path}");
    }
}

#[test]
fn maps_show_each_area() {
    let (r, vfs) = mounted();
    let maps = read(&vfs, "/proc/self/maps");
    assert_eq!(maps.lines().count(), r.process.space().vmas().count());
    let own = &r.process.vfs;
    let ino =
        own.lookup(own.root(), b"/init", fs::vfs::Follow::Yes).and_then(|node| node.metadata()).unwrap().ino;
    let first = format!("00400000-00401000 r--p 00000000 00:01 {ino}                                  /init");
    assert_eq!(maps.lines().next(), Some(first.as_str()));
    assert!(maps.lines().last().is_some_and(|line| line.ends_with("   [stack]")));
    assert!(maps.contains("rw-p 00000000 00:00 0 \n"), "an area without a name ends with a space: {maps}");
    let smaps = read(&vfs, "/proc/self/smaps");
    assert!(
        smaps.contains("\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\nRss:         "),
        "{smaps}"
    );
    let rss: u64 = smaps
        .lines()
        .filter_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .sum();
    assert_eq!(rss, r.process.space().resident_pages() * 4);
    assert!(read(&vfs, "/proc/self/smaps_rollup").contains("[rollup]\nRss: "));
}

#[test]
fn links_lead_to_what_is_open() {
    let (r, vfs) = mounted();
    assert_eq!(target(&vfs, "/proc/self/exe"), "/init");
    assert_eq!(target(&vfs, "/proc/self/cwd"), "/");
    assert_eq!(target(&vfs, "/proc/self/root"), "/");
    let program = open(&vfs, "/proc/self/exe", OpenFlags::empty()).unwrap();
    assert_eq!(program.file().metadata().unwrap(), r.process.image().place.node.metadata().unwrap());
    let hosts = r
        .process
        .vfs
        .open(r.process.vfs.root(), b"etc/link", OpenFlags::empty(), &fs::NewNode::of_mode(0o100644))
        .unwrap();
    hosts.seek(fs::SeekFrom::Start(5)).unwrap();
    r.process.files().insert(hosts, abi::FdFlags::empty(), 0, 1024).unwrap();
    assert_eq!(target(&vfs, "/proc/self/fd/3"), "/etc/hosts");
    assert_eq!(read(&vfs, "/proc/self/fd/3"), "127.0.0.1 localhost\n", "with a position of its own");
    assert!(read(&vfs, "/proc/self/fdinfo/3").starts_with("pos:\t5\nflags:\t00\nmnt_id:\t1\nino:\t"));
    assert_eq!(target(&vfs, "/proc/self/fd/1"), "pipe:[3]");
    let out = open(&vfs, "/proc/self/fd/1", OpenFlags::WRONLY).unwrap();
    assert_eq!(out.write(&mut SliceSource::new(b"again")), Ok(5));
    assert_eq!(&r.line.output.lock()[..], b"again");
    // A directory behind a link can be walked through.
    assert_eq!(read(&vfs, "/proc/self/root/etc/hosts"), "127.0.0.1 localhost\n");
}

#[test]
fn what_can_be_written() {
    let (r, vfs) = mounted();
    let write = |path: &str, text: &[u8]| {
        open(&vfs, path, OpenFlags::WRONLY).unwrap().write(&mut SliceSource::new(text))
    };
    assert_eq!(write("/proc/self/comm", b"a longer name than fits\n"), Ok(24));
    assert_eq!(&r.process.name(), b"a longer name t\0");
    assert_eq!(write("/proc/self/oom_score_adj", b"-1000\n"), Ok(6));
    assert_eq!(read(&vfs, "/proc/self/oom_score_adj"), "-1000\n");
    assert_eq!(read(&vfs, "/proc/self/oom_score"), "0\n");
    for bad in [&b"1001"[..], b"x", b"", b"\xff"] {
        assert_eq!(write("/proc/self/oom_score_adj", bad), Err(FsError::Invalid));
    }
    assert_eq!(write("/proc/sys/kernel/ostype", b"x"), Err(FsError::Invalid));
}

#[test]
fn the_machine() {
    let (_, vfs) = mounted();
    let meminfo = read(&vfs, "/proc/meminfo");
    assert!(meminfo.starts_with("MemTotal:          16384 kB\nMemFree: "), "{meminfo}");
    let cpuinfo = read(&vfs, "/proc/cpuinfo");
    assert!(
        cpuinfo.contains("model name\t: Fake CPU\n")
            && cpuinfo.contains("flags\t\t: fpu mmx fxsr sse sse2 lm pni")
    );
    assert!(!cpuinfo.contains("fsgsbase"));
    assert!(read(&vfs, "/proc/stat").contains("\nbtime 1700000000\n"));
    assert_eq!(read(&vfs, "/proc/sys/kernel/pid_max"), "32768\n");
    assert_eq!(read(&vfs, "/proc/sys/kernel/random/boot_id"), read(&vfs, "/proc/sys/kernel/random/boot_id"));
    let uuid = read(&vfs, "/proc/sys/kernel/random/uuid");
    assert_eq!((uuid.len(), uuid.as_bytes()[14]), (37, b'4'), "{uuid}");
    assert_eq!(read(&vfs, "/proc/sys/fs/nr_open"), "1048576\n");
    assert_eq!(read(&vfs, "/sys/devices/system/cpu/online"), "0\n");
    assert_eq!(read(&vfs, "/sys/devices/system/cpu/cpu0/topology/core_id"), "0\n");
    assert_eq!(target(&vfs, "/proc/mounts"), "self/mounts");
    assert_eq!(sysfs::range(3), "0-3");
}
