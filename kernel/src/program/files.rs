//! The program's files: the image's root, which can be changed in memory, and what is mounted on it. Called once, before the program.

use alloc::sync::Arc;

use fs::archive::ArchiveFs;
use fs::devfs::DevFs;
use fs::device::{Devices, RandomSource};
use fs::memfs::Space;
use fs::{Clock, Console, FileSystem, MemFs, Vfs};
use mm::addr::PhysAddr;
use task::Platform;
use task::procfs::{self, Tasks};

use crate::platform::{self, MACHINE};

/// Device numbers of the file systems.
const ROOT_DEVICE: u64 = 1;
const DEV_DEVICE: u64 = 5;
/// Directories below the root that are file systems of their own, in memory: name, device number, permissions.
const TEMPORARY: [(&[u8], u64, u32); 2] = [(b"tmp", 6, 0o1777), (b"run", 7, 0o755)];
/// POSIX shared memory (shm_overview(7)).
const SHM_DEVICE: u64 = 8;
const PROC_DEVICE: u64 = 21;
const SYS_DEVICE: u64 = 22;

/// The image's files, which can be changed in memory, with the devices mounted on `/dev`, and what is known about the tasks
/// on `/proc` and `/sys`.
pub(super) fn tree(
    archive: &'static [u8],
    at: u64,
    console: &Arc<Console>,
    tasks: &Arc<Tasks>,
) -> Result<Vfs, fs::archive::ArchiveError> {
    struct MachineRandom;
    impl RandomSource for MachineRandom {
        fn fill(&self, buf: &mut [u8]) {
            MACHINE.random(buf);
        }
    }
    struct WallClock;
    impl Clock for WallClock {
        fn now_ns(&self) -> u64 {
            MACHINE.realtime_ns()
        }
    }
    let archive = ArchiveFs::new(archive, Some(PhysAddr(at)), ROOT_DEVICE)?;
    let half = Space { frames: MACHINE.frames(), bytes: MACHINE.memory().total / 2 };
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let root = MemFs::over(archive.clone(), half, clock.clone());
    let mut vfs = Vfs::new(root, Devices::new(Arc::new(MachineRandom), console.clone()));
    for (name, device, mode) in TEMPORARY {
        // What the image has there is not hidden: the root can be written too.
        let empty = archive.lookup(archive.root(), name).is_ok_and(|dir| {
            let mut empty = true;
            let listed = archive.read_dir(dir, 0, &mut |_| {
                empty = false;
                false
            });
            listed.is_ok() && empty
        });
        if empty {
            let fs = MemFs::new(device, half, clock.clone(), mode, platform::boot_time_ns());
            if let Err(error) = vfs.mount(&[b"/", name].concat(), fs) {
                log::warn!("/{} is not mounted: {error}", name.escape_ascii());
            }
        }
    }
    let now = platform::boot_time_ns();
    let mounts: [(&str, Arc<dyn FileSystem>); 4] = [
        ("/dev", DevFs::new(DEV_DEVICE, now)),
        ("/dev/shm", MemFs::new(SHM_DEVICE, half, clock, 0o1777, now)),
        ("/proc", procfs::proc_fs(tasks, PROC_DEVICE, now)),
        ("/sys", procfs::sys_fs(tasks, SYS_DEVICE, now)),
    ];
    for (path, fs) in mounts {
        if let Err(error) = vfs.mount(path.as_bytes(), fs) {
            log::warn!("{path} is not mounted: {error}");
        }
    }
    Ok(vfs)
}
