//! The heap of brk(2).

use super::AddressSpace;
use crate::addr::{PAGE_SIZE, USER_END, VirtAddr, page_ceil};
use crate::vma::{Backing, Prot, Vma};

impl AddressSpace {
    /// Sets where the heap begins; it is empty then. For the loader, once, after the program's segments are mapped.
    pub fn set_brk_start(&mut self, addr: VirtAddr) {
        (self.start_brk, self.brk) = (addr.0, addr.0);
    }

    /// First address of the heap.
    #[must_use]
    pub fn brk_start(&self) -> VirtAddr {
        VirtAddr(self.start_brk)
    }

    /// brk(2) as the system call is: moves the end of the heap to `new` and returns the end, which is the old one if
    /// `new` is `None`, lies below the start, meets another mapping, or exceeds a limit.
    pub fn brk(&mut self, new: Option<VirtAddr>) -> VirtAddr {
        if let Some(new) = new.filter(|new| new.0 >= self.start_brk && self.start_brk != 0)
            && self.move_brk(new.0).is_some()
        {
            self.brk = new.0;
        }
        VirtAddr(self.brk)
    }

    /// Maps or unmaps what lies between the old and the new end; `None` if that is not possible.
    fn move_brk(&mut self, new: u64) -> Option<()> {
        let (old_end, new_end) = (page_ceil(self.brk)?, page_ceil(new)?);
        if new_end < old_end {
            return self.unmap(VirtAddr(new_end), old_end - new_end).ok();
        }
        if new - self.start_brk > self.layout.limits.data || new_end > USER_END {
            return None;
        }
        if new_end == old_end {
            return Some(());
        }
        // One page stays free between the heap and what follows, and the guard gap below a stack.
        if self
            .vmas
            .find_or_next(VirtAddr(old_end))
            .is_some_and(|vma| new_end + PAGE_SIZE > vma.guarded_start())
        {
            return None;
        }
        let (len, prot, flags) = (new_end - old_end, Prot::READ | Prot::WRITE, self.future);
        self.check_limits(len, len).ok()?;
        self.check_commit(len, prot, flags).ok()?;
        if self.vmas.count() >= self.layout.max_map_count {
            return None;
        }
        self.reserve_areas().ok()?;
        let backing = Backing::Anonymous;
        self.vmas
            .insert(Vma {
                start: old_end,
                end: new_end,
                prot,
                flags,
                backing,
                name: Some("[heap]"),
                given: None,
            })
            .ok()?;
        self.fetch_locked(old_end, new_end, flags);
        Some(())
    }
}
