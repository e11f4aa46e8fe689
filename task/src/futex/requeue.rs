//! Operations on two futexes: FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP.

use super::bucket::{Bucket, Kind};
use super::{FutexError, FutexTable, Wakes, Word};
use mm::user::{Paging, UserMemory};

/// What FUTEX_WAKE_OP does to the second word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Stores the argument.
    Set,
    /// Adds it.
    Add,
    /// Sets its bits.
    Or,
    /// Clears its bits.
    AndNot,
    /// Flips its bits.
    Xor,
}

/// How FUTEX_WAKE_OP compares the second word's old value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less, signed.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
}

/// The operation and comparison of FUTEX_WAKE_OP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeOp {
    /// What is done.
    pub operation: Operation,
    /// With what.
    pub argument: u32,
    /// How the old value is compared.
    pub comparison: Comparison,
    /// With what.
    pub compared: i32,
}

impl WakeOp {
    /// Decodes futex(2)'s last argument: operation (4 bits), comparison (4), two signed arguments of 12 bits. `None` for
    /// operations that do not exist.
    pub fn decode(bits: u32) -> Option<Self> {
        let signed = |value: u32| ((value << 20) as i32) >> 20;
        let argument = signed(bits >> 12 & 0xfff);
        let shifted = bits >> 28 & 8 != 0;
        Some(WakeOp {
            operation: match bits >> 28 & 7 {
                0 => Operation::Set,
                1 => Operation::Add,
                2 => Operation::Or,
                3 => Operation::AndNot,
                4 => Operation::Xor,
                _ => return None,
            },
            argument: if shifted { 1 << (argument as u32 & 31) } else { argument as u32 },
            comparison: match bits >> 24 & 0xf {
                0 => Comparison::Equal,
                1 => Comparison::NotEqual,
                2 => Comparison::Less,
                3 => Comparison::LessEqual,
                4 => Comparison::Greater,
                5 => Comparison::GreaterEqual,
                _ => return None,
            },
            compared: signed(bits & 0xfff),
        })
    }

    fn apply(&self, old: u32) -> u32 {
        match self.operation {
            Operation::Set => self.argument,
            Operation::Add => old.wrapping_add(self.argument),
            Operation::Or => old | self.argument,
            Operation::AndNot => old & !self.argument,
            Operation::Xor => old ^ self.argument,
        }
    }

    fn holds(&self, old: u32) -> bool {
        let old = old as i32;
        match self.comparison {
            Comparison::Equal => old == self.compared,
            Comparison::NotEqual => old != self.compared,
            Comparison::Less => old < self.compared,
            Comparison::LessEqual => old <= self.compared,
            Comparison::Greater => old > self.compared,
            Comparison::GreaterEqual => old >= self.compared,
        }
    }

    /// Changes the word without paging; gives the old value, `None` if its page is not there.
    fn change(&self, memory: &dyn UserMemory, addr: u64) -> Option<u32> {
        let mut old = memory.load(addr, Paging::Forbidden).ok()?;
        loop {
            let was = memory.compare_exchange(addr, old, self.apply(old), Paging::Forbidden).ok()?;
            if was == old {
                return Some(old);
            }
            // The program changed it: progress was made there.
            old = was;
        }
    }
}

impl FutexTable {
    /// Wakes up to `wake` waiters of `from` and moves up to `count` others to `to`, if `expected` is what `from` holds. Returns
    /// how many were woken and how many moved.
    ///
    /// # Errors
    /// `Changed`, `Fault`, `NoMemory`; `Invalid` if one of them waits for a lock.
    pub fn requeue(
        &self,
        from: Word<'_>,
        to: Word<'_>,
        (wake, count): (usize, usize),
        expected: Option<u32>,
        memory: &dyn UserMemory,
    ) -> Result<(usize, usize), FutexError> {
        let mut wakes = Wakes::new();
        let result = loop {
            let (mut first, mut second) = self.lock_both(from.key, to.key);
            if let Some(expected) = expected {
                match memory.load(from.addr, Paging::Forbidden) {
                    Ok(word) if word != expected => break Err(FutexError::Changed),
                    Ok(_) => {}
                    Err(_) => {
                        drop((first, second));
                        memory.load(from.addr, Paging::Allowed).map_err(|_| FutexError::Fault)?;
                        continue;
                    }
                }
            }
            let woken = match first.wake(from.key, wake, u32::MAX, &mut wakes) {
                Ok(woken) => woken,
                Err(error) => break Err(error),
            };
            let number = self.number(to.key);
            break move_plain(&mut first, second.as_deref_mut(), from, to, count, number)
                .map(|moved| (woken, moved));
        };
        wakes.unpark();
        result
    }

    /// Changes the word of `second` as `op` says, wakes up to `count` waiters of `first` and, if the old value compares, up to
    /// `count2` of `second`; returns how many.
    ///
    /// # Errors
    /// `Fault`; `Invalid` if one of them waits for a lock.
    pub fn wake_op(
        &self,
        first: Word<'_>,
        second: Word<'_>,
        (count, count2): (usize, usize),
        op: WakeOp,
        memory: &dyn UserMemory,
    ) -> Result<usize, FutexError> {
        let mut wakes = Wakes::new();
        let result = loop {
            let (mut one, mut two) = self.lock_both(first.key, second.key);
            let Some(old) = op.change(memory, second.addr) else {
                drop((one, two));
                // An exchange of a value with itself changes nothing and needs a page that can be written.
                memory.compare_exchange(second.addr, 0, 0, Paging::Allowed).map_err(|_| FutexError::Fault)?;
                continue;
            };
            break one.wake(first.key, count, u32::MAX, &mut wakes).and_then(|woken| {
                if !op.holds(old) {
                    return Ok(woken);
                }
                let two = two.as_deref_mut().unwrap_or(&mut one);
                Ok(woken + two.wake(second.key, count2, u32::MAX, &mut wakes)?)
            });
        };
        wakes.unpark();
        result
    }
}

/// Gives up to `count` entries of `from` the key of `to`, whose bucket is `second`, or `first` itself.
fn move_plain(
    first: &mut Bucket,
    mut second: Option<&mut Bucket>,
    from: Word<'_>,
    to: Word<'_>,
    count: usize,
    number: usize,
) -> Result<usize, FutexError> {
    let mut moved = 0;
    let mut at = 0;
    while moved < count
        && let Some(entry) = first.entries.get_mut(at)
    {
        if entry.key != *from.key {
            at += 1;
            continue;
        }
        if !matches!(entry.kind, Kind::Plain(_)) {
            return if moved == 0 { Err(FutexError::Invalid) } else { Ok(moved) };
        }
        if let Some(second) = &mut second {
            second.entries.try_reserve(1).map_err(|_| FutexError::NoMemory)?;
        }
        entry.key = to.key.clone();
        entry.addr = to.addr;
        moved += 1;
        match &mut second {
            None => at += 1,
            Some(second) => {
                if let Some(entry) = first.entries.remove(at) {
                    second.push(entry, number)?;
                }
            }
        }
    }
    Ok(moved)
}
