//! [`Table`]: finds the connection of a packet, without a lock.
//!
//! Read for every packet, on all CPUs; changed when connections begin and end, under a lock that readers never take. A chained hash
//! table over slots that never go away ([`Slots`](super::slots::Slots)): a reader may walk onto a slot that has moved to another chain
//! meanwhile. Each chain therefore ends in a mark that says whose end it is; a reader that arrives at another chain's end begins
//! again, which it does only when somebody changed the table. So a connection that is in the table all the while is found. Somebody
//! who was found may be gone when the number is used: the user of the number checks.
//!
//! Growth: the new heads and the new chains are made beside the old ones (each slot has two links, for even and odd levels), then
//! readers are sent there. Old heads are kept for readers that are late; they are at most a third of the new ones.
//!
//! Orderings: who links a slot in stores its key before (release), readers load links with acquire. A packet that belongs to a
//! connection was caused by what followed its insertion.

use super::flow::{Flow, WORDS};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use sync::{Mutex, SetOnce};

/// Heads of level 0; each level has four times as many.
const FIRST: usize = 256;
const LEVELS: usize = 7;
/// Marks the end of a chain; the rest says of which.
const END: u32 = 1 << 31;
const LEVEL_SHIFT: u32 = 27;

/// What the table keeps in a slot.
#[derive(Debug, Default)]
pub struct Link {
    words: [AtomicU64; WORDS],
    hash: AtomicU64,
    next: [AtomicU32; 2],
}

impl Link {
    fn is(&self, flow: &Flow, hash: u64) -> bool {
        self.hash.load(Ordering::Relaxed) == hash
            && self.words.iter().zip(flow.words()).all(|(mine, word)| mine.load(Ordering::Relaxed) == *word)
    }

    /// The connection that the slot has, or had last.
    pub fn flow(&self) -> Flow {
        let mut words = [0; WORDS];
        words.iter_mut().zip(&self.words).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
        Flow::from_words(words)
    }
}

/// Finds the links of slots.
pub trait Links {
    /// Those of slot `index`.
    fn link(&self, index: u32) -> Option<&Link>;
}

/// Why a connection was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exists;

/// The table.
pub struct Table {
    levels: [SetOnce<Box<[AtomicU32]>>; LEVELS],
    current: AtomicUsize,
    /// Held by who changes the table: the number of connections.
    count: Mutex<usize>,
}

fn end_of(level: usize, bucket: usize) -> u32 {
    END | (level as u32) << LEVEL_SHIFT | bucket as u32
}

fn heads(level: usize) -> Option<Box<[AtomicU32]>> {
    let len = FIRST << (2 * level);
    let mut heads = Vec::new();
    heads.try_reserve_exact(len).ok()?;
    heads.extend((0..len).map(|bucket| AtomicU32::new(end_of(level, bucket))));
    Some(heads.into_boxed_slice())
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Table {
            levels: [const { SetOnce::new() }; LEVELS],
            current: AtomicUsize::new(0),
            count: Mutex::new(0),
        }
    }

    fn head(&self, level: usize, hash: u64) -> Option<(&AtomicU32, usize)> {
        let heads = self.levels.get(level)?.get()?;
        let bucket = hash as usize & (heads.len() - 1);
        Some((heads.get(bucket)?, bucket))
    }

    /// The slot of the connection `flow`, whose hash is `hash`.
    #[inline]
    pub fn find(&self, links: &impl Links, flow: &Flow, hash: u64) -> Option<u32> {
        loop {
            let level = self.current.load(Ordering::Acquire);
            let (head, bucket) = self.head(level, hash)?;
            let mut at = head.load(Ordering::Acquire);
            while at & END == 0 {
                let link = links.link(at)?;
                if link.is(flow, hash) {
                    return Some(at);
                }
                at = link.next.get(level & 1)?.load(Ordering::Acquire);
            }
            if at == end_of(level, bucket) {
                return None;
            }
        }
    }

    /// Takes in slot `index`, which is not in the table, as the connection `flow`.
    ///
    /// # Errors
    /// [`Exists`] if there is this connection.
    pub fn insert(&self, links: &impl Links, index: u32, flow: &Flow, hash: u64) -> Result<(), Exists> {
        let mut count = self.count.lock();
        if self.levels.first().is_some_and(|first| first.get().is_none())
            && let (Some(first), Some(heads)) = (self.levels.first(), heads(0))
        {
            let _ = first.set(heads);
        }
        if self.find(links, flow, hash).is_some() {
            return Err(Exists);
        }
        self.grow(links, *count);
        let level = self.current.load(Ordering::Relaxed);
        let (Some(link), Some((head, _))) = (links.link(index), self.head(level, hash)) else {
            return Err(Exists);
        };
        link.words.iter().zip(flow.words()).for_each(|(to, word)| to.store(*word, Ordering::Relaxed));
        link.hash.store(hash, Ordering::Relaxed);
        if let Some(next) = link.next.get(level & 1) {
            next.store(head.load(Ordering::Relaxed), Ordering::Release);
        }
        head.store(index, Ordering::Release);
        *count += 1;
        Ok(())
    }

    /// Takes out slot `index`; false if it is not in the table.
    pub fn remove(&self, links: &impl Links, index: u32) -> bool {
        let mut count = self.count.lock();
        let level = self.current.load(Ordering::Relaxed);
        let Some(link) = links.link(index) else { return false };
        let Some((mut at, _)) = self.head(level, link.hash.load(Ordering::Relaxed)) else { return false };
        loop {
            let here = at.load(Ordering::Relaxed);
            if here & END != 0 {
                return false;
            }
            let Some(next) = links.link(here).and_then(|link| link.next.get(level & 1)) else { return false };
            if here == index {
                // The slot's own link stays, for readers that are on it.
                at.store(next.load(Ordering::Relaxed), Ordering::Release);
                *count -= 1;
                return true;
            }
            at = next;
        }
    }

    /// Number of connections.
    pub fn count(&self) -> usize {
        *self.count.lock()
    }

    /// Makes more heads if chains become long; without memory they become longer.
    fn grow(&self, links: &impl Links, count: usize) {
        let level = self.current.load(Ordering::Relaxed);
        let Some(old) = self.levels.get(level).and_then(SetOnce::get) else { return };
        let Some(new) = self.levels.get(level + 1) else { return };
        if count < old.len() {
            return;
        }
        if new.get().is_none()
            && let Some(heads) = heads(level + 1)
        {
            let _ = new.set(heads);
        }
        if new.get().is_none() {
            return;
        }
        for head in old {
            let mut at = head.load(Ordering::Relaxed);
            while at & END == 0 {
                let Some(link) = links.link(at) else { return };
                let hash = link.hash.load(Ordering::Relaxed);
                let Some((head, _)) = self.head(level + 1, hash) else { return };
                let [even, odd] = &link.next;
                let (mine, next) = if level & 1 == 0 { (even, odd) } else { (odd, even) };
                next.store(head.load(Ordering::Relaxed), Ordering::Release);
                head.store(at, Ordering::Release);
                at = mine.load(Ordering::Relaxed);
            }
        }
        self.current.store(level + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::flow::Key;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::atomic::AtomicBool;

    struct Nodes(Vec<Link>);

    impl Links for Nodes {
        fn link(&self, index: u32) -> Option<&Link> {
            self.0.get(index as usize)
        }
    }

    fn nodes(n: usize) -> Nodes {
        Nodes((0..n).map(|_| Link::default()).collect())
    }

    fn flow(n: u64) -> Flow {
        Flow::from_words([0, n / 100, 0, 7, n])
    }

    fn hash(flow: &Flow) -> u64 {
        Key(1, 2).hash(flow.words())
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(ops in prop::collection::vec((any::<bool>(), 0u64..40), 1..300)) {
            let (table, nodes) = (Table::new(), nodes(40));
            let mut model: HashMap<u64, u32> = HashMap::new();
            let mut free: Vec<u32> = (0..40).collect();
            for (insert, n) in ops {
                // Few different hashes: long chains.
                let (flow, hash) = (flow(n), n % 3);
                if insert {
                    if let Some(&slot) = free.last() {
                        let new = table.insert(&nodes, slot, &flow, hash).is_ok();
                        prop_assert_eq!(new, !model.contains_key(&n));
                        if new {
                            model.insert(n, slot);
                            free.pop();
                        }
                    }
                } else if let Some(slot) = model.remove(&n) {
                    prop_assert!(table.remove(&nodes, slot));
                    free.push(slot);
                }
                for n in 0..40 {
                    prop_assert_eq!(table.find(&nodes, &super::tests::flow(n), n % 3), model.get(&n).copied());
                }
                prop_assert_eq!(table.count(), model.len());
            }
        }
    }

    #[test]
    fn grows() {
        let (table, nodes) = (Table::new(), nodes(20_000));
        for n in 0..20_000u32 {
            let flow = flow(n.into());
            assert_eq!(table.insert(&nodes, n, &flow, hash(&flow)), Ok(()));
        }
        for n in 0..20_000u32 {
            let flow = flow(n.into());
            assert_eq!(table.find(&nodes, &flow, hash(&flow)), Some(n));
        }
        assert!(table.current.load(Ordering::Relaxed) >= 3);
        assert!((0..20_000).all(|n| table.remove(&nodes, n)));
        assert!(!table.remove(&nodes, 3) && table.count() == 0);
    }

    /// Who stays is always found while others come, go and move, and the table grows.
    #[test]
    fn readers_miss_nothing() {
        let (table, nodes) = (Table::new(), nodes(6000));
        let stay = 50u32;
        for n in 0..stay {
            let flow = flow(n.into());
            table.insert(&nodes, n, &flow, hash(&flow)).unwrap();
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..40u64 {
                    for slot in stay..(stay + 100 * (round as u32 + 1)) {
                        let flow = flow(u64::from(slot) + round * 10_000);
                        table.insert(&nodes, slot, &flow, hash(&flow)).unwrap();
                    }
                    for slot in stay..(stay + 100 * (round as u32 + 1)) {
                        assert!(table.remove(&nodes, slot));
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        for n in 0..stay {
                            let flow = flow(n.into());
                            assert_eq!(table.find(&nodes, &flow, hash(&flow)), Some(n));
                        }
                    }
                });
            }
        });
    }
}
