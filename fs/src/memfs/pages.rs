//! [`Pages`]: the content of a regular file, page by page, over content of the archive that has not been changed.
//!
//! Invariants: what a page holds behind the size is zero; `base` is never longer than the size, and a page in the map hides it.
//! The budget counts every page of the map that has memory.

use crate::FsError;
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::ops::Range;

/// Bytes of a page.
pub(super) const PAGE: u64 = mm::addr::PAGE_SIZE;
/// Largest size of a file (the largest `off_t`).
pub(super) const MAX_SIZE: u64 = i64::MAX as u64;

/// A page of a file: [`PAGE`] bytes. Shared while a reader copies from it.
pub(super) type Page = Arc<Vec<u8>>;

/// Pages that a file system may use.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) used: u64,
    pub(super) limit: u64,
}

impl Budget {
    fn take(&mut self) -> Result<(), FsError> {
        if self.used >= self.limit {
            return Err(FsError::NoSpace);
        }
        self.used += 1;
        Ok(())
    }

    fn give(&mut self, pages: u64) {
        self.used = self.used.saturating_sub(pages);
    }
}

/// A run of content, readable without any lock.
pub(super) enum Chunk {
    /// Part of a page.
    Page(Page, Range<usize>),
    /// Unchanged content.
    Base(&'static [u8]),
    /// A hole.
    Zeros(usize),
}

/// A file's content.
#[derive(Default)]
pub(super) struct Pages {
    /// `None` is a hole over the base.
    map: BTreeMap<u64, Option<Page>>,
    base: &'static [u8],
    size: u64,
}

fn new_page(from: &[u8]) -> Result<Page, FsError> {
    let mut page = Vec::new();
    page.try_reserve_exact(PAGE as usize).map_err(|_| FsError::NoSpace)?;
    page.extend_from_slice(from.get(..from.len().min(PAGE as usize)).unwrap_or_default());
    page.resize(PAGE as usize, 0);
    Ok(Arc::new(page))
}

impl Pages {
    /// The content of an unchanged file.
    pub(super) fn over(base: &'static [u8]) -> Self {
        Pages { map: BTreeMap::new(), base, size: base.len() as u64 }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// 512-byte units: of the pages, and of unchanged content.
    pub(super) fn blocks(&self) -> u64 {
        let own = self.map.values().flatten().count() as u64;
        let base_pages = (self.base.len() as u64).div_ceil(PAGE);
        let hidden = self.map.range(..base_pages).count() as u64;
        if hidden == 0 && own == 0 {
            return (self.base.len() as u64).div_ceil(512);
        }
        (own + base_pages.saturating_sub(hidden)) * (PAGE / 512)
    }

    /// The unchanged bytes of page `index`.
    fn base_page(&self, index: u64) -> &'static [u8] {
        let start = usize::try_from(index.saturating_mul(PAGE)).unwrap_or(usize::MAX);
        let rest = self.base.get(start..).unwrap_or_default();
        rest.get(..rest.len().min(PAGE as usize)).unwrap_or_default()
    }

    /// The content from `at` on, at most `max` bytes of it; `None` at the end.
    pub(super) fn chunk(&self, at: u64, max: usize) -> Option<Chunk> {
        let left = usize::try_from(self.size.checked_sub(at)?).unwrap_or(usize::MAX).min(max);
        if left == 0 {
            return None;
        }
        let (index, offset) = (at / PAGE, (at % PAGE) as usize);
        let n = left.min(PAGE as usize - offset);
        match self.map.get(&index) {
            Some(Some(page)) => Some(Chunk::Page(page.clone(), offset..offset + n)),
            Some(None) => Some(Chunk::Zeros(n)),
            None => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                // A file without changes is one run.
                let n = if self.map.is_empty() { left } else { n };
                match self.base.get(at..).filter(|rest| !rest.is_empty()) {
                    Some(rest) => Some(Chunk::Base(rest.get(..rest.len().min(n)).unwrap_or_default())),
                    None => Some(Chunk::Zeros(n)),
                }
            }
        }
    }

    /// Page `index`, there and not shared, so that it can be changed. Content is kept unless `whole` says that all of it will be
    /// overwritten.
    fn page_mut(&mut self, index: u64, whole: bool, budget: &mut Budget) -> Result<&mut Vec<u8>, FsError> {
        let base = if whole { &[] } else { self.base_page(index) };
        let old = self.map.get(&index).cloned();
        let has_memory = matches!(old, Some(Some(_)));
        let replacement = match old {
            Some(Some(page)) => {
                // Two: the map's and the one here. More: somebody reads from it now.
                if Arc::strong_count(&page) > 2 { Some(new_page(&page)?) } else { None }
            }
            Some(None) => Some(new_page(&[])?),
            None => Some(new_page(base)?),
        };
        if !has_memory {
            budget.take()?;
        }
        if let Some(page) = replacement {
            self.map.insert(index, Some(page));
        }
        let slot = self.map.get_mut(&index).and_then(Option::as_mut).and_then(Arc::get_mut);
        slot.ok_or(FsError::Io)
    }

    /// Stores `bytes` at `at`; returns how many, fewer only when there is no room for the rest.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8], budget: &mut Budget) -> Result<usize, FsError> {
        let mut done = 0;
        while done < bytes.len() {
            let here =
                at.checked_add(done as u64).filter(|&here| here < MAX_SIZE).ok_or(FsError::TooLarge)?;
            let offset = (here % PAGE) as usize;
            let n = (bytes.len() - done).min(PAGE as usize - offset);
            let page = match self.page_mut(here / PAGE, n == PAGE as usize, budget) {
                Ok(page) => page,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            };
            let from = bytes.get(done..done + n).unwrap_or_default();
            if let Some(to) = page.get_mut(offset..offset + n) {
                to.copy_from_slice(from);
            }
            done += n;
            self.size = self.size.max(here + n as u64);
        }
        Ok(done)
    }

    /// Cuts or extends.
    pub(super) fn truncate(&mut self, size: u64, budget: &mut Budget) -> Result<(), FsError> {
        if size > MAX_SIZE {
            return Err(FsError::TooLarge);
        }
        if size < self.size {
            if !size.is_multiple_of(PAGE) && self.map.contains_key(&(size / PAGE)) {
                self.zero_part(size / PAGE, (size % PAGE) as usize..PAGE as usize, budget)?;
            }
            let gone = self.map.split_off(&size.div_ceil(PAGE));
            budget.give(gone.values().flatten().count() as u64);
            let keep = usize::try_from(size).unwrap_or(usize::MAX).min(self.base.len());
            self.base = self.base.get(..keep).unwrap_or_default();
        }
        self.size = size;
        Ok(())
    }

    /// Drops all content; returns it to the budget.
    pub(super) fn clear(&mut self, budget: &mut Budget) {
        // Cutting at a page's start changes no page, so it cannot fail.
        let _ = self.truncate(0, budget);
    }

    /// Zeros part of a page, if it is not zero anyway.
    fn zero_part(&mut self, index: u64, range: Range<usize>, budget: &mut Budget) -> Result<(), FsError> {
        let is_hole = match self.map.get(&index) {
            Some(content) => content.is_none(),
            None => self.base_page(index).is_empty(),
        };
        if !is_hole && let Some(part) = self.page_mut(index, false, budget)?.get_mut(range) {
            part.fill(0);
        }
        Ok(())
    }

    /// Makes `range` read as zeros and gives back its whole pages. The size stays.
    pub(super) fn punch(&mut self, range: Range<u64>, budget: &mut Budget) -> Result<(), FsError> {
        let (first, last) = (range.start / PAGE, range.end / PAGE);
        let (head, tail) = ((range.start % PAGE) as usize, (range.end % PAGE) as usize);
        if first == last {
            return self.zero_part(first, head..tail, budget);
        }
        if head > 0 {
            self.zero_part(first, head..PAGE as usize, budget)?;
        }
        if tail > 0 {
            self.zero_part(last, 0..tail, budget)?;
        }
        let whole = range.start.div_ceil(PAGE)..last;
        if whole.is_empty() {
            return Ok(());
        }
        let inside: Vec<u64> = self.map.range(whole.clone()).map(|(&index, _)| index).collect();
        for index in inside {
            if let Some(Some(_)) = self.map.remove(&index) {
                budget.give(1);
            }
        }
        for index in whole.start..whole.end.min((self.base.len() as u64).div_ceil(PAGE)) {
            self.map.insert(index, None);
        }
        Ok(())
    }

    /// Gives every page of `range` memory, and the file at least the size `size`.
    pub(super) fn fill(
        &mut self,
        range: Range<u64>,
        size: Option<u64>,
        budget: &mut Budget,
    ) -> Result<(), FsError> {
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        let there = self.map.range(pages.clone()).filter(|(_, page)| page.is_some()).count() as u64;
        // All or nothing, before the first page is taken.
        if (pages.end - pages.start).saturating_sub(there) > budget.limit.saturating_sub(budget.used) {
            return Err(FsError::NoSpace);
        }
        for index in pages {
            if !matches!(self.map.get(&index), Some(Some(_))) && self.base_page(index).is_empty() {
                self.page_mut(index, false, budget)?;
            }
        }
        self.size = self.size.max(size.unwrap_or(0));
        Ok(())
    }

    /// Whether page `index` has content, be it zeros that were written.
    fn is_data(&self, index: u64) -> bool {
        self.map.get(&index).map_or_else(|| !self.base_page(index).is_empty(), Option::is_some)
    }

    /// The first offset at or after `from` that is data (`data`) or in a hole; the end of the file counts as a hole.
    pub(super) fn next(&self, from: u64, data: bool) -> Result<u64, FsError> {
        if from >= self.size {
            return Err(FsError::BeyondEnd);
        }
        let end = self.size.div_ceil(PAGE);
        let mut index = from / PAGE;
        while index < end {
            if self.is_data(index) == data {
                return Ok((index * PAGE).max(from));
            }
            // A run of holes ends at the next page of the map, or where the base begins.
            index = if data && index >= (self.base.len() as u64).div_ceil(PAGE) {
                self.map.range(index + 1..).next().map_or(end, |(&next, _)| next)
            } else {
                index + 1
            };
        }
        if data { Err(FsError::BeyondEnd) } else { Ok(self.size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(pages: &Pages) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(chunk) = pages.chunk(out.len() as u64, usize::MAX) {
            match chunk {
                Chunk::Page(page, range) => out.extend_from_slice(&page[range]),
                Chunk::Base(bytes) => out.extend_from_slice(bytes),
                Chunk::Zeros(n) => out.resize(out.len() + n, 0),
            }
        }
        out
    }

    #[derive(Clone, Debug)]
    enum Op {
        Write(u64, Vec<u8>),
        Truncate(u64),
        Punch(u64, u64),
        Fill(u64, u64, bool),
    }

    fn op() -> impl Strategy<Value = Op> {
        let at = 0..40_000u64;
        prop_oneof![
            (at.clone(), proptest::collection::vec(any::<u8>(), 0..9000))
                .prop_map(|(at, b)| Op::Write(at, b)),
            at.clone().prop_map(Op::Truncate),
            (at.clone(), 1..20_000u64).prop_map(|(at, len)| Op::Punch(at, at + len)),
            (at, 1..9000u64, any::<bool>()).prop_map(|(at, len, grow)| Op::Fill(at, at + len, grow)),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_vector(base in 0..12_000usize, ops in proptest::collection::vec(op(), 0..25)) {
            let base: &'static [u8] = Vec::leak((0..base).map(|i| (i % 251) as u8 | 1).collect());
            let mut model = base.to_vec();
            let mut pages = Pages::over(base);
            let mut budget = Budget { used: 0, limit: 1000 };
            for op in ops {
                match op {
                    Op::Write(at, bytes) => {
                        prop_assert_eq!(pages.write(at, &bytes, &mut budget), Ok(bytes.len()));
                        let end = at as usize + bytes.len();
                        if !bytes.is_empty() {
                            model.resize(model.len().max(end), 0);
                            model[at as usize..end].copy_from_slice(&bytes);
                        }
                    }
                    Op::Truncate(size) => {
                        prop_assert_eq!(pages.truncate(size, &mut budget), Ok(()));
                        model.resize(size as usize, 0);
                    }
                    Op::Punch(from, to) => {
                        prop_assert_eq!(pages.punch(from..to, &mut budget), Ok(()));
                        let len = model.len();
                        model[(from as usize).min(len)..(to as usize).min(len)].fill(0);
                    }
                    Op::Fill(from, to, grow) => {
                        prop_assert_eq!(pages.fill(from..to, grow.then_some(to), &mut budget), Ok(()));
                        if grow {
                            model.resize(model.len().max(to as usize), 0);
                        }
                    }
                }
                prop_assert_eq!(pages.size(), model.len() as u64);
                prop_assert!(content(&pages) == model);
                prop_assert_eq!(budget.used, pages.map.values().flatten().count() as u64);
            }
            // What is not data is zero, and the two kinds of runs take turns.
            let mut at = 0;
            while let Ok(hole) = pages.next(at, false) {
                let end = pages.next(hole, true).unwrap_or(pages.size());
                prop_assert!(model[hole as usize..end as usize].iter().all(|&byte| byte == 0));
                at = end;
            }
            pages.clear(&mut budget);
            prop_assert_eq!(budget.used, 0);
        }
    }

    #[test]
    fn a_full_budget_is_no_space() {
        let mut budget = Budget { used: 0, limit: 2 };
        let mut pages = Pages::default();
        assert_eq!(pages.write(10, &[1; 9000], &mut budget), Ok(8182), "what fits");
        assert_eq!(pages.write(20_000, &[1], &mut budget), Err(FsError::NoSpace));
        assert_eq!(pages.fill(0..20_000, None, &mut budget), Err(FsError::NoSpace));
        assert_eq!(pages.size(), 8192);
        assert_eq!(pages.write(0, &[2; 100], &mut budget), Ok(100), "memory that is there");
        assert_eq!(pages.write(MAX_SIZE, &[1], &mut budget), Err(FsError::TooLarge));
        let reader = pages.chunk(0, 10);
        assert_eq!(pages.write(0, &[3], &mut budget), Ok(1), "a page being read is replaced");
        assert!(matches!(reader, Some(Chunk::Page(page, range)) if page[range.clone()] == [2; 10]));
    }
}
