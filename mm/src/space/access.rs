//! Access to the memory of an address space that need not be loaded: exec, tests, other processes' memory.

use super::{Access, AddressSpace, FaultError};
use crate::addr::{Frame, PAGE_SIZE, VirtAddr};
use crate::user::{Fault, check_range};
use crate::vma::Prot;

impl AddressSpace {
    /// Stores `bytes` as the kernel does when it builds a program's image: the area must exist, but need not be
    /// writable. Pages get frames of their own.
    ///
    /// # Errors
    /// [`FaultError`] of the first page that cannot be written; those before it have been.
    pub fn write_initial(&mut self, addr: VirtAddr, bytes: &[u8]) -> Result<(), FaultError> {
        let end = addr.checked_add(bytes.len() as u64).ok_or(FaultError::NotMapped)?;
        let mut rest = bytes;
        for (at, len) in pieces(addr, end) {
            self.reach(at.page())?;
            let frame = self.ensure_page(at.page(), true)?;
            let (piece, tail) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            self.frames.write(frame, at.page_offset(), piece);
            rest = tail;
        }
        Ok(())
    }

    /// Reads memory as the program would.
    ///
    /// # Errors
    /// [`Fault`], with the progress made.
    pub fn read(&mut self, addr: VirtAddr, dst: &mut [u8]) -> Result<(), Fault> {
        let len = dst.len() as u64;
        self.walk(addr, len, Access::Read, |space, frame, offset, range| {
            if let Some(piece) = dst.get_mut(range) {
                space.frames.read(frame, offset, piece);
            }
        })
    }

    /// Writes memory as the program would.
    ///
    /// # Errors
    /// [`Fault`], with the progress made.
    pub fn write(&mut self, addr: VirtAddr, src: &[u8]) -> Result<(), Fault> {
        self.walk(addr, src.len() as u64, Access::Write, |space, frame, offset, range| {
            if let Some(piece) = src.get(range) {
                space.frames.write(frame, offset, piece);
            }
        })
    }

    /// Gives the pages of a range frames, as if the program had written them, or read them where it may not write
    /// (MAP_POPULATE). Holes and inaccessible areas are passed over.
    ///
    /// # Errors
    /// [`FaultError`] of the first page that fails for lack of memory or because of its file.
    pub fn populate(&mut self, addr: VirtAddr, len: u64) -> Result<(), FaultError> {
        let (mut at, end) = (addr.page().0, addr.0.saturating_add(len));
        while at < end {
            at = self.populate_some(at, end, u64::MAX)?;
        }
        Ok(())
    }

    /// As [`populate`](Self::populate) for `start..end`, at most `pages` pages of it: returns where it is to go on.
    ///
    /// # Errors
    /// As [`populate`](Self::populate).
    pub fn populate_some(&mut self, start: u64, end: u64, pages: u64) -> Result<u64, FaultError> {
        let (mut at, mut left) = (start, pages);
        while let Some(vma) = self.vmas.find_or_next(VirtAddr(at)).filter(|vma| at.max(vma.start) < end) {
            let (stop, prot) = (vma.end.min(end), vma.prot);
            at = at.max(vma.start);
            while at < stop && !prot.is_empty() {
                if left == 0 {
                    return Ok(at);
                }
                self.fetch_page(VirtAddr(at), prot.contains(Prot::WRITE))?;
                (at, left) = (at + PAGE_SIZE, left - 1);
            }
            at = at.max(stop);
        }
        Ok(end)
    }

    /// Gives a page what an access needs, which counts as a fault unless it is there.
    pub(super) fn fetch_page(&mut self, page: VirtAddr, write: bool) -> Result<(), FaultError> {
        let missing = self.tables.query(page).is_none();
        self.ensure_page(page, write)?;
        self.faults = self.faults.saturating_add(u64::from(missing));
        Ok(())
    }

    /// Faults the pages of a range in and shows each to `visit`: frame, offset in it, part of the range.
    fn walk(
        &mut self,
        addr: VirtAddr,
        len: u64,
        access: Access,
        mut visit: impl FnMut(&Self, Frame, usize, core::ops::Range<usize>),
    ) -> Result<(), Fault> {
        check_range(addr.0, len)?;
        let mut done = 0;
        for (at, piece) in pieces(addr, VirtAddr(addr.0.saturating_add(len))) {
            let frame = self
                .fault(at, access)
                .and_then(|()| self.tables.query(at.page()).ok_or(FaultError::NotMapped))
                .map_err(|_| Fault { addr: at.0, done })?;
            visit(self, frame.0, at.page_offset(), done..done + piece);
            done += piece;
        }
        Ok(())
    }
}

/// The range cut at page boundaries: address and length of each piece.
fn pieces(addr: VirtAddr, end: VirtAddr) -> impl Iterator<Item = (VirtAddr, usize)> {
    let mut at = addr.0;
    core::iter::from_fn(move || {
        let left = end.0.checked_sub(at).filter(|&left| left > 0)?;
        let start = VirtAddr(at);
        let len = (PAGE_SIZE - start.page_offset() as u64).min(left);
        at += len;
        Some((start, len as usize))
    })
}
