//! The buffers of readv(2), writev(2) and their relatives.

use alloc::vec::Vec;
use core::fmt;

use abi::bytes_of_mut;
use abi::structs::IoVec;
pub use abi::{IOV_MAX, MAX_RW_COUNT};

use super::{Fault, UserMemory, UserSlice, check_range};

/// Why a vector of buffers is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IoVecError {
    /// Too many elements, or a length or the sum does not fit ssize_t (EINVAL).
    Invalid,
    /// The array or a buffer is not in the program's memory (EFAULT).
    Fault(Fault),
    /// The kernel has no memory for it (ENOMEM).
    NoMemory,
}

impl From<Fault> for IoVecError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for IoVecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("bad number or length of buffers"),
            Self::Fault(fault) => fault.fmt(f),
            Self::NoMemory => f.write_str("no memory for the list of buffers"),
        }
    }
}

impl core::error::Error for IoVecError {}

/// Set in a length that does not fit ssize_t.
const LEN_SIGN: u64 = 1 << 63;

/// Most vectors have no more elements.
const FEW: usize = 4;

/// A checked vector of buffers, copied once, so that the program cannot change it under way.
#[derive(Clone, Debug)]
pub struct IoVecs {
    few: [UserSlice; FEW],
    /// All of them, if they are more.
    many: Vec<UserSlice>,
    count: usize,
    total: usize,
}

impl IoVecs {
    /// Reads and checks `count` elements at `addr`. Buffers beyond [`MAX_RW_COUNT`] bytes in total are cut.
    ///
    /// # Errors
    /// [`IoVecError`].
    #[inline]
    pub fn load<M: UserMemory + ?Sized>(memory: &M, addr: u64, count: usize) -> Result<Self, IoVecError> {
        let few = [UserSlice::new(0, 0); FEW];
        let mut vectors = IoVecs { few, many: Vec::new(), count, total: 0 };
        vectors.fill(memory, addr)?;
        Ok(vectors)
    }

    /// Reads and checks the elements.
    fn fill<M: UserMemory + ?Sized>(&mut self, memory: &M, addr: u64) -> Result<(), IoVecError> {
        if self.count > IOV_MAX {
            return Err(IoVecError::Invalid);
        }
        if self.count > FEW {
            self.many.try_reserve_exact(self.count).map_err(|_| IoVecError::NoMemory)?;
        }
        let mut piece = [IoVec { base: 0, len: 0 }; FEW];
        let (mut at, mut left, mut asked) = (addr, self.count, 0);
        while left > 0 {
            let some = left.min(FEW);
            let bytes = some * size_of::<IoVec>();
            memory.read(at, bytes_of_mut(&mut piece).get_mut(..bytes).unwrap_or_default())?;
            // What has been read does not wrap.
            at = at.wrapping_add(bytes as u64);
            left -= some;
            for (&IoVec { base, len }, place) in piece.iter().zip(&mut self.few).take(some) {
                // The sum does not wrap: each length fits isize, and so does the sum before it.
                asked += len & !LEN_SIGN;
                if (len | asked) & LEN_SIGN != 0 {
                    return Err(IoVecError::Invalid);
                }
                check_range(base, len)?;
                let kept = (len as usize).min(MAX_RW_COUNT - self.total);
                self.total += kept;
                *place = UserSlice::new(base, kept);
            }
            if self.count > FEW {
                self.many.extend_from_slice(self.few.get(..some).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// One buffer: read(2) and write(2) as the vector calls see them.
    ///
    /// # Errors
    /// [`IoVecError::Fault`] if it leaves the program's memory.
    pub fn single(buffer: UserSlice) -> Result<Self, IoVecError> {
        buffer.check()?;
        let total = buffer.len.min(MAX_RW_COUNT);
        let none = UserSlice::new(0, 0);
        let few = [buffer.part(0, total), none, none, none];
        Ok(IoVecs { few, many: Vec::new(), count: 1, total })
    }

    /// Bytes in all buffers.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The buffers, in order; some may be empty.
    #[must_use]
    pub fn slices(&self) -> &[UserSlice] {
        if self.many.is_empty() { self.few.get(..self.count).unwrap_or_default() } else { &self.many }
    }
}
