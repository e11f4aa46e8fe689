//! [`EventFd`]: a counter as a file (eventfd(2)).

use crate::notify::Notifier;
use crate::{File, FsError, Metadata, Offset, Sink, Source};
use abi::{OpenFlags, PollEvents};
use alloc::{format, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

/// The largest value of the counter.
const MAX: u64 = u64::MAX - 1;

/// A counter. Operations that would have to wait answer [`FsError::WouldBlock`], and the caller waits.
pub struct EventFd {
    /// Nothing else is published with it: those who wait enter with the notifier before they look, and are told after a change.
    count: AtomicU64,
    /// Reads take one, not all.
    semaphore: bool,
    notifier: Notifier,
}

impl EventFd {
    /// A counter that starts with `count`.
    pub fn new(count: u32, semaphore: bool) -> Self {
        EventFd { count: AtomicU64::new(count.into()), semaphore, notifier: Notifier::new() }
    }

    /// Takes one, if there is one; returns how many.
    fn take_one(&self) -> u64 {
        let less = |count: u64| count.checked_sub(1);
        u64::from(self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok())
    }
}

impl File for EventFd {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata::anonymous())
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        if dst.remaining() < size_of::<u64>() {
            return Err(FsError::Invalid);
        }
        let taken = if self.semaphore { self.take_one() } else { self.count.swap(0, Ordering::AcqRel) };
        if taken == 0 {
            return Err(FsError::WouldBlock);
        }
        self.notifier.notify();
        // As on Linux, a bad pointer loses what was taken.
        dst.put(&taken.to_le_bytes())?;
        Ok(size_of::<u64>())
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        if src.remaining() < size_of::<u64>() {
            return Err(FsError::Invalid);
        }
        let mut bytes = [0; size_of::<u64>()];
        if src.take(&mut bytes)? < bytes.len() {
            return Err(FsError::Fault);
        }
        let more = u64::from_le_bytes(bytes);
        if more == u64::MAX {
            return Err(FsError::Invalid);
        }
        let add = |count: u64| count.checked_add(more).filter(|&sum| sum <= MAX);
        self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).map_err(|_| FsError::WouldBlock)?;
        self.notifier.notify();
        Ok(size_of::<u64>())
    }

    fn seek(&self, _to: crate::SeekFrom, position: u64) -> Result<u64, FsError> {
        // Linux lets it pass without effect.
        Ok(position)
    }

    fn readiness(&self) -> PollEvents {
        let count = self.count.load(Ordering::Acquire);
        let mut events = PollEvents::empty();
        events.set(PollEvents::IN | PollEvents::RDNORM, count > 0);
        events.set(PollEvents::OUT | PollEvents::WRNORM, count < MAX);
        events
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(&self.notifier)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"anon_inode:[eventfd]");
    }

    fn details(&self, out: &mut crate::pseudo::Output) {
        out.extend_from_slice(
            format!("eventfd-count: {:16x}\n", self.count.load(Ordering::Acquire)).as_bytes(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SliceSink, SliceSource};

    fn read(file: &EventFd) -> Result<u64, FsError> {
        let mut buf = [0; 8];
        file.read(Offset(0), &mut SliceSink::new(&mut buf), OpenFlags::empty())?;
        Ok(u64::from_le_bytes(buf))
    }

    fn write(file: &EventFd, value: u64) -> Result<usize, FsError> {
        file.write(Offset(0), &mut SliceSource::new(&value.to_le_bytes()), OpenFlags::empty())
    }

    #[test]
    fn counts() {
        let file = EventFd::new(3, false);
        assert_eq!((write(&file, 4), read(&file), read(&file)), (Ok(8), Ok(7), Err(FsError::WouldBlock)));
        assert_eq!(write(&file, u64::MAX), Err(FsError::Invalid));
        assert_eq!((write(&file, MAX), write(&file, 1)), (Ok(8), Err(FsError::WouldBlock)));
        assert_eq!(file.readiness(), PollEvents::IN | PollEvents::RDNORM);
        let semaphore = EventFd::new(2, true);
        assert_eq!((read(&semaphore), read(&semaphore)), (Ok(1), Ok(1)));
        assert_eq!(read(&semaphore), Err(FsError::WouldBlock));
        let mut short = [0; 7];
        let result = file.read(Offset(0), &mut SliceSink::new(&mut short), OpenFlags::empty());
        assert_eq!(result, Err(FsError::Invalid));
    }
}
