//! Archives and devices for tests of this crate and of those above it (feature `testing`, needs nothing but `alloc`).
//!
//! Not part of a kernel build.

use crate::archive::ArchiveFs;
use crate::console::{Console, ConsoleDevice, ConsoleOptions};
use crate::devfs::DevFs;
use crate::device::{Devices, RandomSource};
use crate::memfs::Space;
use crate::vfs::Vfs;
use crate::{Clock, MemFs};
use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use image_format::newc::{Metadata, Writer};
use mm::paging::FrameSource;
use sync::Mutex;

/// One entry of a test archive: path, mode, contents.
pub type Member<'a> = (&'a str, u32, &'a [u8]);

/// An archive of `members`, with contents page-aligned where they are a page or more.
pub fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (i, (path, mode, data)) in members.iter().enumerate() {
        let meta = Metadata {
            mode: *mode,
            nlink: 1,
            mtime: 1_700_000_000,
            ino: i as u32 + 1,
            ..Metadata::default()
        };
        let padding = (data.len() >= 4096).then_some(4096);
        writer.begin(path.as_bytes(), &meta, data.len() as u32, padding).expect("a valid entry");
        writer.data(data).expect("announced length");
    }
    writer.finish().expect("complete")
}

/// A console device over buffers.
#[derive(Default)]
pub struct FakeLine {
    /// Bytes still to be received.
    pub input: Mutex<VecDeque<u8>>,
    /// Bytes sent.
    pub output: Mutex<Vec<u8>>,
}

impl ConsoleDevice for FakeLine {
    fn write(&self, bytes: &[u8]) {
        self.output.lock().extend_from_slice(bytes);
    }

    fn read(&self, buf: &mut [u8]) -> usize {
        assert!(!buf.is_empty(), "a read that takes nothing");
        let mut input = self.input.lock();
        let n = buf.len().min(input.len());
        for (to, from) in buf.iter_mut().zip(input.drain(..n)) {
            *to = from;
        }
        n
    }
}

/// Random bytes that are the same in every run.
pub struct FakeRandom;

impl RandomSource for FakeRandom {
    fn fill(&self, buf: &mut [u8]) {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = (i as u8).wrapping_mul(37).wrapping_add(11);
        }
    }
}

/// A clock that moves by a second at each look.
#[derive(Default)]
pub struct FakeClock(AtomicU64);

impl Clock for FakeClock {
    fn now_ns(&self) -> u64 {
        1_700_000_001_000_000_000 + self.0.fetch_add(1_000_000_000, Ordering::Relaxed)
    }
}

/// Bytes of content that the root of a [`tree`] takes.
pub const TREE_BYTES: u64 = 1 << 20;

/// A tree over `members`, which can be written, with devices on /dev and another, read-only tree of a file and a directory on /ro
/// if the archive has those directories, and the console's other end.
pub fn tree(
    members: &[Member<'_>],
    options: ConsoleOptions,
    frames: &'static dyn FrameSource,
) -> (Vfs, Arc<Console>, &'static FakeLine) {
    let bytes: &'static [u8] = Vec::leak(archive(members));
    let line: &'static FakeLine = Box::leak(Box::default());
    let console = Console::new(line, options);
    let root = ArchiveFs::new(bytes, None, 1).expect("a good archive");
    let root = MemFs::over(root, Space { frames, bytes: TREE_BYTES }, Arc::<FakeClock>::default());
    let mut vfs = Vfs::new(root, Devices::new(Arc::new(FakeRandom), console.clone()));
    if members.iter().any(|member| member.0 == "dev") {
        vfs.mount(b"/dev", DevFs::new(2, 0)).expect("/dev is there");
    }
    if members.iter().any(|member| member.0 == "ro") {
        let bytes = Vec::leak(archive(&[("dir", 0o40755, b""), ("file", 0o100644, b"content")]));
        let fs = ArchiveFs::new(bytes, None, 3).expect("a good archive");
        vfs.mount(b"/ro", fs).expect("/ro is there");
    }
    (vfs, console, line)
}
