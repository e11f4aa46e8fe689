//! mmap and its relatives.

use super::{BAD, Caller};
use abi::general as raw;
use abi::{Errno, nr};

const RW: u64 = 3;
const ANON: u64 = (raw::MAP_PRIVATE | raw::MAP_ANONYMOUS) as u64;
const NO_FD: u64 = u64::MAX;

fn map(c: &Caller, len: u64) -> u64 {
    c.ok(nr::MMAP, &[0, len, RW, ANON, NO_FD, 0])
}

#[test]
fn anonymous_memory() {
    let c = Caller::new();
    let at = map(&c, 5000);
    c.put(at + 8184, &7u64);
    assert_eq!(c.get::<u64>(at), 0);
    assert_eq!(c.ok(nr::MPROTECT, &[at, 4096, 1]), 0);
    assert!(c.memory().write(at, &[1]).is_err());
    assert_eq!(c.ok(nr::MUNMAP, &[at, 8192]), 0);
    assert!(c.memory().read(at, &mut [0]).is_err());
    let fixed = ANON | u64::from(raw::MAP_FIXED);
    assert_eq!(c.ok(nr::MMAP, &[0x7000_0000, 4096, RW, fixed, NO_FD, 0]), 0x7000_0000);
    let hint = c.ok(nr::MMAP, &[0x7000_0123, 4096, RW, ANON, NO_FD, 0]);
    assert_ne!(hint, 0x7000_0000, "taken");
    let noreplace = ANON | u64::from(raw::MAP_FIXED_NOREPLACE);
    c.fails(nr::MMAP, &[0x7000_0000, 4096, RW, noreplace, NO_FD, 0], Errno::EEXIST);
    let shared = u64::from(raw::MAP_SHARED | raw::MAP_ANONYMOUS | raw::MAP_POPULATE);
    c.put(c.ok(nr::MMAP, &[0, 4096, RW, shared, NO_FD, 0]), &1u8);
    for (args, errno) in [
        ([0, 0, RW, ANON, NO_FD, 0], Errno::EINVAL),
        ([0, 4096, RW, ANON, NO_FD, 1], Errno::EINVAL),
        ([0, 4096, RW, u64::from(raw::MAP_ANONYMOUS), NO_FD, 0], Errno::EINVAL),
        ([0x7000_0001, 4096, RW, fixed, NO_FD, 0], Errno::EINVAL),
        ([0, 1 << 50, RW, ANON, NO_FD, 0], Errno::ENOMEM),
        ([0, u64::MAX, RW, ANON, NO_FD, 0], Errno::ENOMEM),
        ([0x1000, 4096, RW, fixed, NO_FD, 0], Errno::EPERM),
        ([0, 4096, RW, ANON | u64::from(raw::MAP_HUGETLB), NO_FD, 0], Errno::ENOMEM),
        ([0, 4096, RW, u64::from(raw::MAP_PRIVATE), NO_FD, 0], Errno::EBADF),
    ] {
        c.fails(nr::MMAP, &args, errno);
    }
    c.fails(nr::MUNMAP, &[at + 1, 4096], Errno::EINVAL);
    c.fails(nr::MUNMAP, &[at, 0], Errno::EINVAL);
    c.fails(nr::MPROTECT, &[at + 1, 4096, 1], Errno::EINVAL);
    c.fails(nr::MPROTECT, &[at, 4096, 0x100], Errno::EINVAL);
    c.fails(nr::MPROTECT, &[BAD, 4096, 1], Errno::ENOMEM);
    assert_eq!(c.ok(nr::MPROTECT, &[at, 0, 1]), 0);
}

#[test]
fn file_mappings() {
    let c = Caller::new();
    let private = u64::from(raw::MAP_PRIVATE);
    let shared = u64::from(raw::MAP_SHARED);
    let fd = c.open("/init", 0);
    let at = c.ok(nr::MMAP, &[0, 4096, RW, private, fd, 0]);
    assert_eq!(c.bytes(at, 4), b"\x7fELF");
    c.put(at, &0u32);
    let again = c.ok(nr::MMAP, &[0, 4096, 1, shared, fd, 0x1000]);
    assert_eq!(c.bytes(again, 2), [0x0f, 0x05]);
    let hosts = c.open("/etc/hosts", 0);
    let short = c.ok(nr::MMAP, &[0, 8192, 1, private, hosts, 0]);
    assert_eq!(c.bytes(short, 22)[17..], *b"st\n\0\0");
    assert!(c.memory().read(short + 4096, &mut [0]).is_err(), "beyond the end");
    c.fails(nr::MMAP, &[0, 4096, RW, shared, fd, 0], Errno::EACCES);
    c.fails(nr::MMAP, &[0, 4096, 1, private, 99, 0], Errno::EBADF);
    c.fails(nr::MMAP, &[0, 4096, 1, private, 1, 0], Errno::EACCES);
    c.fails(nr::MMAP, &[0, 4096, 1, private, c.open("/etc", 0), 0], Errno::ENODEV);
    c.fails(nr::MMAP, &[0, 4096, 1, private, 0, 0], Errno::ENODEV);
    c.fails(nr::MMAP, &[0, 4096, 1, private, c.open("/init", raw::O_PATH), 0], Errno::EBADF);
    let validate = u64::from(raw::MAP_SHARED_VALIDATE | raw::MAP_SYNC);
    c.fails(nr::MMAP, &[0, 4096, 1, validate, fd, 0], Errno::EOPNOTSUPP);
}

#[test]
fn heap() {
    let c = Caller::new();
    let start = c.ok(nr::BRK, &[0]);
    assert_eq!(c.ok(nr::BRK, &[start + 10_000]), start + 10_000);
    c.put(start + 9_992, &1u64);
    assert_eq!(c.ok(nr::BRK, &[start + 100]), start + 100);
    assert_eq!(c.ok(nr::BRK, &[start - 1]), start + 100, "refused: the old end");
    assert_eq!(c.ok(nr::BRK, &[u64::MAX]), start + 100);
}

#[test]
fn advice() {
    let c = Caller::new();
    let at = map(&c, 3 * 4096);
    for page in 0..3 {
        c.put(at + page * 4096, &(page + 1));
    }
    let resident = c.r.process.space().resident_pages();
    assert_eq!(c.ok(nr::MADVISE, &[at + 4096, 4096, raw::MADV_DONTNEED.into()]), 0);
    assert_eq!(c.r.process.space().resident_pages(), resident - 1, "the page is gone");
    assert_eq!([0, 1, 2].map(|page| c.get::<u64>(at + page * 4096)), [1, 0, 3]);
    let areas = c.r.process.space().vmas().count();
    assert_eq!(c.ok(nr::MADVISE, &[at, 4096, raw::MADV_FREE.into()]), 0);
    assert_eq!(c.get::<u64>(at), 0);
    assert_eq!(c.r.process.space().vmas().count(), areas, "areas stay joined");
    assert_eq!(c.ok(nr::MADVISE, &[at, 3 * 4096, raw::MADV_POPULATE_WRITE.into()]), 0);
    for hint in [raw::MADV_NORMAL, raw::MADV_WILLNEED, raw::MADV_HUGEPAGE, raw::MADV_DONTFORK, raw::MADV_COLD]
    {
        assert_eq!(c.ok(nr::MADVISE, &[at, 4096, hint.into()]), 0);
    }
    let file = c.ok(nr::MMAP, &[0, 4096, RW, u64::from(raw::MAP_PRIVATE), c.open("/init", 0), 0]);
    c.put(file, &0u32);
    assert_eq!(c.ok(nr::MADVISE, &[file, 4096, raw::MADV_DONTNEED.into()]), 0);
    assert_eq!(c.bytes(file, 4), b"\x7fELF", "the file's content is back");
    c.fails(nr::MADVISE, &[file, 4096, raw::MADV_FREE.into()], Errno::EINVAL);
    c.fails(nr::MADVISE, &[at + 1, 4096, raw::MADV_DONTNEED.into()], Errno::EINVAL);
    c.fails(nr::MADVISE, &[at, u64::MAX, raw::MADV_DONTNEED.into()], Errno::EINVAL);
    c.fails(nr::MADVISE, &[at, 4096, 999], Errno::EINVAL);
    c.fails(nr::MADVISE, &[BAD, 4096, raw::MADV_DONTNEED.into()], Errno::ENOMEM);
    assert_eq!(c.ok(nr::MADVISE, &[at, 0, raw::MADV_DONTNEED.into()]), 0);
}

#[test]
fn limits_on_memory() {
    let c = Caller::new();
    let at = map(&c, 4096);
    c.put(at, &abi::structs::Rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 });
    c.ok(nr::PRLIMIT64, &[0, raw::RLIMIT_AS.into(), at, 0]);
    c.fails(nr::MMAP, &[0, 1 << 20, RW, ANON, NO_FD, 0], Errno::ENOMEM);
}

#[test]
fn moving_mappings() {
    let c = Caller::new();
    let at = map(&c, 3 * 4096);
    c.put(at + 4096, &7u64);
    let may_move = u64::from(raw::MREMAP_MAYMOVE);
    let new = c.ok(nr::MREMAP, &[at, 3 * 4096, 6 * 4096, may_move]);
    assert_eq!([c.get::<u64>(new + 4096), c.get(new + 5 * 4096)], [7, 0]);
    let fixed = may_move | u64::from(raw::MREMAP_FIXED);
    assert_eq!(c.ok(nr::MREMAP, &[new, 6 * 4096, 2 * 4096, fixed, 0x7000_0000]), 0x7000_0000);
    assert_eq!(c.get::<u64>(0x7000_1000), 7);
    let keep = may_move | u64::from(raw::MREMAP_DONTUNMAP);
    let kept = c.ok(nr::MREMAP, &[0x7000_0000, 2 * 4096, 2 * 4096, keep]);
    assert_eq!([c.get::<u64>(kept + 4096), c.get(0x7000_1000)], [7, 0]);
    c.fails(nr::MREMAP, &[kept, 4096, 4096, 8], Errno::EINVAL);
    c.fails(nr::MREMAP, &[kept, 4096, 4096, 1 << 32], Errno::EINVAL);
    c.fails(nr::MREMAP, &[kept, 4096, 0, may_move], Errno::EINVAL);
    c.fails(nr::MREMAP, &[BAD, 4096, 8192, may_move], Errno::EFAULT);
    c.fails(nr::MREMAP, &[kept, 2 * 4096, 1 << 50, may_move], Errno::EINVAL);
}

#[test]
fn locks_and_residency() {
    let c = Caller::new();
    let at = map(&c, 4 * 4096);
    assert_eq!(c.ok(nr::MINCORE, &[at, 4 * 4096, super::STRINGS]), 0);
    assert_eq!(c.bytes(super::STRINGS, 4), [0; 4]);
    assert_eq!(c.ok(nr::MLOCK, &[at + 4096 + 9, 1]), 0);
    assert_eq!(c.ok(nr::MLOCK2, &[at + 3 * 4096, 1, 1]), 0);
    c.ok(nr::MINCORE, &[at, 4 * 4096, super::STRINGS]);
    assert_eq!(c.bytes(super::STRINGS, 4), [0, 1, 0, 0]);
    c.fails(nr::MINCORE, &[at + 1, 1, super::STRINGS], Errno::EINVAL);
    c.fails(nr::MINCORE, &[at, 1, BAD], Errno::EFAULT);
    c.fails(nr::MINCORE, &[at, u64::MAX, super::STRINGS], Errno::ENOMEM);
    c.fails(nr::MINCORE, &[BAD, 1, super::STRINGS], Errno::ENOMEM);
    c.fails(nr::MADVISE, &[at + 4096, 4096, raw::MADV_DONTNEED.into()], Errno::EINVAL);
    c.fails(nr::MSYNC, &[at + 4096, 4096, raw::MS_INVALIDATE.into()], Errno::EBUSY);
    assert_eq!(c.ok(nr::MUNLOCK, &[at, 4 * 4096]), 0);
    assert_eq!(c.ok(nr::MSYNC, &[at, 4 * 4096, raw::MS_SYNC.into()]), 0);
    for (nr, args, errno) in [
        (nr::MLOCK2, [at, 1, 2], Errno::EINVAL),
        (nr::MLOCK, [at, u64::MAX - 8191, 0], Errno::EINVAL),
        (nr::MLOCK, [BAD, 1, 0], Errno::ENOMEM),
        (nr::MUNLOCK, [BAD, 1, 0], Errno::ENOMEM),
        (nr::MSYNC, [BAD, 1, 4], Errno::ENOMEM),
        (nr::MSYNC, [at, 1, 5], Errno::EINVAL),
        (nr::MSYNC, [at + 1, 1, 4], Errno::EINVAL),
        (nr::MLOCKALL, [0, 0, 0], Errno::EINVAL),
        (nr::MLOCKALL, [4, 0, 0], Errno::EINVAL),
    ] {
        c.fails(nr, &args, errno);
    }
    c.ok(nr::MPROTECT, &[at, 4096, 0]);
    c.fails(nr::MLOCK, &[at, 1], Errno::ENOMEM);
    assert_eq!(c.ok(nr::MLOCKALL, &[3]), 0);
    let future = map(&c, 4096);
    c.ok(nr::MINCORE, &[future, 4096, super::STRINGS]);
    assert_eq!(c.bytes(super::STRINGS, 1), [1]);
    assert_eq!(c.ok(nr::MUNLOCKALL, &[]), 0);
}

#[test]
fn files_of_memory() {
    let c = Caller::new();
    let shared = u64::from(raw::MAP_SHARED);
    let sealing = u64::from(raw::MFD_ALLOW_SEALING);
    let fd = c.ok(nr::MEMFD_CREATE, &[c.string("name"), sealing]);
    assert_eq!(c.ok(nr::FTRUNCATE, &[fd, 8192]), 0);
    let at = c.ok(nr::MMAP, &[0, 8192, RW, shared, fd, 0]);
    let again = c.ok(nr::MMAP, &[0, 4096, 1, shared, fd, 0]);
    c.put(at, &0x1234u64);
    assert_eq!(c.get::<u64>(again), 0x1234);
    assert_eq!(c.ok(nr::PREAD64, &[fd, super::STRINGS, 8, 0]), 8);
    assert_eq!(c.get::<u64>(super::STRINGS), 0x1234);
    assert_eq!(c.ok(nr::PWRITE64, &[fd, at, 8, 4096]), 8);
    assert_eq!(c.get::<u64>(at + 4096), 0x1234, "from a mapping of the file into it");
    assert_eq!(c.ok(nr::FTRUNCATE, &[fd, 4096]), 0);
    assert!(c.memory().read(at + 4096, &mut [0]).is_err());
    let add = u64::from(raw::F_ADD_SEALS);
    c.fails(nr::FCNTL, &[fd, add, raw::F_SEAL_WRITE.into()], Errno::EBUSY);
    c.ok(nr::MUNMAP, &[at, 8192]);
    c.ok(nr::MUNMAP, &[again, 4096]);
    assert_eq!(c.ok(nr::FCNTL, &[fd, add, raw::F_SEAL_WRITE.into()]), 0);
    assert_eq!(c.ok(nr::FCNTL, &[fd, raw::F_GET_SEALS.into()]), raw::F_SEAL_WRITE.into());
    c.fails(nr::FCNTL, &[fd, add, 1 << 20], Errno::EINVAL);
    c.fails(nr::FCNTL, &[1, add, 1], Errno::EINVAL);
    c.fails(nr::MMAP, &[0, 4096, RW, shared, fd, 0], Errno::EPERM);
    let sealed = c.ok(nr::MMAP, &[0, 4096, 1, shared, fd, 0]);
    c.fails(nr::MPROTECT, &[sealed, 4096, RW], Errno::EACCES);
    c.fails(nr::PWRITE64, &[fd, super::STRINGS, 1, 0], Errno::EPERM);
    c.fails(nr::MEMFD_CREATE, &[BAD, 0], Errno::EFAULT);
    c.fails(nr::MEMFD_CREATE, &[c.string("x"), 0x100], Errno::EINVAL);
    c.fails(nr::MEMFD_CREATE, &[c.string(&"x".repeat(250)), 0], Errno::EINVAL);
    c.fails(nr::FTRUNCATE, &[99, 0], Errno::EBADF);
    c.fails(nr::FTRUNCATE, &[fd, u64::MAX], Errno::EINVAL);
    c.fails(nr::FTRUNCATE, &[1, 0], Errno::EINVAL);
}

#[test]
fn populating_is_counted_and_ends_when_the_process_is_to_end() {
    let c = Caller::new();
    let flags = ANON | u64::from(raw::MAP_POPULATE);
    let resident = |pages: u64| {
        let before = c.r.process.space().resident_pages();
        c.ok(nr::MMAP, &[0, pages * 4096, 1, flags, NO_FD, 0]);
        c.r.process.space().resident_pages() - before
    };
    let usage = map(&c, 4096);
    let faults = || {
        c.ok(nr::GETRUSAGE, &[0, usage]);
        c.get::<[i64; 18]>(usage)[8]
    };
    let before = faults();
    assert_eq!(resident(3000), 3000);
    let counted = faults() - before;
    assert!((3000..3010).contains(&counted), "{counted}");
    // Blocked, or with a handler, it does not end the process.
    c.r.thread.set_mask(abi::SigSet(1 << abi::Signal::SIGTERM.index()));
    c.r.process.send_kernel(abi::Signal::SIGTERM);
    assert_eq!(resident(3000), 3000);
    c.r.thread.set_mask(abi::SigSet::EMPTY);
    let before = c.r.process.space().resident_pages();
    let status = c.exits(nr::MMAP, &[0, 3000 * 4096, 1, flags, NO_FD, 0]);
    assert_eq!(status, task::ExitStatus::Signal(abi::Signal::SIGTERM));
    assert_eq!(c.r.process.space().resident_pages(), before);
}
