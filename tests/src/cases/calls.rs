//! Area: system calls. Results, errors, bad pointers, registers, memory, files, clocks.

use crate::case::{Case, Program, c, has, ours};
use crate::compare::Text;
use crate::compile::Variant;

/// Filling the file system with `dir`.
fn full(dir: &str) -> Program {
    const OUTPUT: &str = "write to a full file system: ENOSPC
nothing is free: 1
all of it was written: 1
the half of memory at most: 1
overwriting works: 4
growing does not: ENOSPC
nor does fallocate: ENOSPC
a hole needs nothing: 0
memory for the program: 1
unlinked but open: ENOSPC
closed: 0
all is free again: 1
";
    c("fullfs").args(&[dir]).memory(64).status(0).stdout(vec![Text::Is(OUTPUT.into())])
}

/// How far a user without capabilities may go with priorities, if root has set limits that allow for something.
const PRIORITIES: &str = "\
SCHED_FIFO: EPERM
nice better: EACCES
nice worse: 0
nice back: EACCES
RLIMIT_NICE: 0
nice back, allowed: 0
nice better than that: EACCES
RLIMIT_RTPRIO: 0
SCHED_FIFO 3: EPERM
SCHED_FIFO 2: 0
sched_setparam 3: EPERM
RLIMIT_RTPRIO lower: 0
sched_setparam 1: 0
sched_setparam 2: EPERM
SCHED_RR: EPERM
SCHED_OTHER: 0
SCHED_FIFO again: EPERM
";

/// Names of memory, where Linux has them, and calls about protection keys, as Linux answers on a CPU that has none.
const MEMORY_NAMES: &str = "\
before: 0+32 ''
a name: 0
named: 0+4 '' 4+8 '[anon:arena one]' 12+20 ''
the same behind it: 0
joined: 0+4 '' 4+10 '[anon:arena one]' 14+18 ''
another in the middle: 0
split: 0+4 '' 4+2 '[anon:arena one]' 6+2 '[anon:two]' 8+6 '[anon:arena one]' 14+18 ''
over a hole: ENOMEM
both sides: 0+4 '' 4+1 '[anon:arena one]' 5+2 '[anon:three]' 8+1 '[anon:three]' 9+5 '[anon:arena one]' 14+18 ''
taken away: 0
after: 0+32 ''
empty name: 0
empty: 0+1 '[anon:]' 1+31 ''
no name again: 0
shared memory: 0
shared: 0+16 '' 16+2 '[anon_shmem:both]' 18+2 '/dev/zero (deleted)' 20+12 ''
moved memory: 0
moved: 0+1 '' 1+7 '' 10+6 '' 16+2 '[anon_shmem:both]' 18+2 '/dev/zero (deleted)' 20+4 '' 24+2 '[anon:wanders]' 26+6 ''
nothing: 0
unaligned: EINVAL
unknown: EINVAL
length without end: EINVAL
bracket: EINVAL
control character: EINVAL
byte beyond ASCII: EINVAL
too long: EINVAL
longest: 0
no text: EFAULT
a file: EBADF
pkey_alloc: EINVAL
pkey_alloc with flags: EINVAL
pkey_free: EINVAL
pkey_free 0: EINVAL
pkey_mprotect with key 0: EINVAL
pkey_mprotect with key 1: EINVAL
pkey_mprotect without: 0
pkey_mprotect of nothing: 0
";

/// What Linux shows of private mappings of a file that changes.
const MAP_IMAGE: &str = "\
write: A B C, A B w
pwritev: 1
pwritev2: 1
D D D D
copy_file_range: 1
sendfile: 1
splice: 1
A F G, A F G
store through a shared mapping: H H
call that stores there: 1
E E
hole: 0
zeros: 0
0 0 0 0
last page: I I
cut: 0
0 0
own page: ww, 1
untouched: 1
";

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        c("badptr").stdin("").case("calls/bad pointers"),
        ours("badptr", Variant::MuslPie).case("calls/bad pointers/musl-pie"),
        c("errors").data().args(&["{data}/text"]).case("calls/errors"),
        c("unknown")
            .stderr(vec![has(&["999", "0x1"]), has(&["400"])])
            .case("calls/unknown ones answer ENOSYS and are named"),
        c("identity").case("calls/identity and signals"),
        ours("identity", Variant::Musl).case("calls/identity and signals/musl"),
        c("who").case("calls/who the process is"),
        c("pidfds").case("calls/the process as a file, and children that are not there"),
        ours("who", Variant::Musl).case("calls/who the process is/musl"),
        c("clocks").case("calls/clocks"),
        c("policies").case("calls/scheduling attributes, input and output, adjusting clocks"),
        ours("clocks", Variant::Musl).case("calls/clocks/musl"),
        c("procfs").env("MARK", "found").stdin("abcdef").args(&["one"]).case("calls/proc and sys"),
        c("counted").case("calls/what the kernel counts"),
        c("memnames")
            .status(0)
            .stdout(vec![Text::Is(MEMORY_NAMES.into())])
            .case("calls/names of memory, protection keys"),
        c("rlimits").args(&["/tmp"]).case("calls/limits without capabilities, on the size of files in /tmp"),
        ours("rlimits", Variant::MuslPie)
            .args(&["/var/tmp"])
            .case("calls/limits without capabilities, on the size of files in the root/musl-pie"),
        c("rlimits")
            .args(&["/tmp", "priorities"])
            .status(0)
            .stdout(vec![has(&["NICE: 0", "RTPRIO: 0", PRIORITIES])])
            .case("calls/limits on priorities"),
        c("waiting").case("calls/pipes, timers, poll, select, epoll"),
        c("fifos").args(&["/tmp"]).case("calls/FIFOs, packets, splice"),
        c("inotify").args(&["/tmp"]).case("calls/inotify in /tmp"),
        c("inotify").args(&["/var/tmp"]).case("calls/inotify in the root"),
        c("truth").case("calls/what proc says of ids and names, timeouts"),
        c("locks").args(&["/tmp"]).case("calls/locks in /tmp"),
        c("locks").args(&["/var/tmp"]).case("calls/locks in the root"),
        c("files").data().args(&["{data}"]).case("calls/files"),
        ours("files", Variant::Musl).data().args(&["{data}"]).case("calls/files/musl"),
        // Not natively: it would fill the disk.
        full("/tmp").case("calls/a full file system"),
        full("/var/tmp").case("calls/a full root"),
        c("writing").args(&["/tmp"]).case("calls/writing files in /tmp"),
        c("writing").args(&["/var/tmp"]).case("calls/writing files in the root"),
        ours("writing", Variant::Musl).args(&["/tmp"]).case("calls/writing files in /tmp/musl"),
        c("mapfile").args(&["/tmp"]).case("calls/mapped files in /tmp"),
        ours("mapfile", Variant::MuslPie).args(&["/var/tmp"]).case("calls/mapped files in the root/musl-pie"),
        // Not natively: it changes its file.
        c("mapimage")
            .data()
            .args(&["{data}/big"])
            .status(0)
            .stdout(vec![Text::Is(MAP_IMAGE.into())])
            .case("calls/private mappings of a file of the image that changes"),
        c("opens").args(&["/tmp"]).case("calls/newer ways to open, read and write"),
        ours("opens", Variant::MuslPie)
            .args(&["/var/tmp"])
            .case("calls/newer ways to open, read and write/musl-pie"),
        c("unixsock").args(&["/tmp"]).case("calls/sockets of AF_UNIX"),
        ours("unixsock", Variant::MuslPie).args(&["/var/tmp"]).case("calls/sockets of AF_UNIX/musl-pie"),
        c("moving").args(&["/tmp"]).case("calls/sendfile and splice with sockets"),
        c("owners").args(&["/tmp"]).case("calls/who gets signals about files, what proc says of locks"),
        c("sigio").case("calls/signals about pipes and sockets"),
        ours("sigio", Variant::MuslPie).case("calls/signals about pipes and sockets/musl-pie"),
        c("unixctl").case("calls/descriptors and credentials in messages"),
        c("udp").case("calls/datagrams within the host"),
        ours("ownname", Variant::MuslPie)
            .status(0)
            .stdout(vec![Text::Is("/etc/hostname: nospin\nnospin: 127.0.1.1\nlocalhost: 127.0.0.1\n".into())])
            .case("calls/the name of the machine and its address"),
        c("linger").case("calls/closing waits for what was sent"),
        c("netinfo").case("calls/what programs learn of interfaces"),
        c("xattr").args(&["/tmp"]).case("calls/extended attributes in /tmp"),
        ours("xattr", Variant::MuslPie)
            .args(&["/var/tmp"])
            .case("calls/extended attributes in the root/musl-pie"),
        c("rights").args(&["/tmp"]).case("calls/who may do what to files in /tmp"),
        ours("rights", Variant::MuslPie)
            .args(&["/var/tmp"])
            .case("calls/who may do what to files in the root/musl-pie"),
        c("mapfile")
            .args(&["/tmp", "bus"])
            .reports(&["killed by SIGBUS", "beyond the end of the mapped file"])
            .case("calls/stores behind the end of a mapped file"),
    ];
    for variant in [Variant::Glibc, Variant::MuslPie] {
        cases.push(ours("regs", variant).case(format!("calls/registers/{variant}")));
        cases.push(ours("memory", variant).case(format!("calls/memory/{variant}")));
    }
    cases
}
