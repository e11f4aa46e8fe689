//! The buffers of readv(2), writev(2) and their relatives.

use alloc::vec::Vec;
use core::fmt;

use abi::bytes_of_mut;
use abi::structs::IoVec;
pub use abi::{IOV_MAX, MAX_RW_COUNT};

use super::{Fault, UserMemory, UserPtr, UserSlice};

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
    pub fn load<M: UserMemory + ?Sized>(memory: &M, addr: u64, count: usize) -> Result<Self, IoVecError> {
        if count > IOV_MAX {
            return Err(IoVecError::Invalid);
        }
        let mut vectors = Self::with_room(count)?;
        let array = UserPtr::<IoVec>::new(addr);
        let mut piece = [IoVec { base: 0, len: 0 }; FEW];
        let (mut asked, mut total) = (0_usize, 0);
        for index in 0..count {
            if index % FEW == 0 {
                let bytes = (count - index).min(FEW) * size_of::<IoVec>();
                let piece = bytes_of_mut(&mut piece).get_mut(..bytes).unwrap_or_default();
                memory.read(array.at(index as u64)?.addr(), piece)?;
            }
            let Some(&IoVec { base, len }) = piece.get(index % FEW) else { break };
            let len = usize::try_from(len).map_err(|_| IoVecError::Invalid)?;
            asked = asked
                .checked_add(len)
                .filter(|&sum| isize::try_from(sum).is_ok())
                .ok_or(IoVecError::Invalid)?;
            UserSlice::new(base, len).check()?;
            let kept = len.min(MAX_RW_COUNT - total);
            total += kept;
            vectors.push(UserSlice::new(base, kept));
        }
        vectors.total = total;
        Ok(vectors)
    }

    /// None yet, with room for `count`.
    fn with_room(count: usize) -> Result<Self, IoVecError> {
        let mut many = Vec::new();
        if count > FEW {
            many.try_reserve_exact(count).map_err(|_| IoVecError::NoMemory)?;
        }
        Ok(Self { few: [UserSlice::new(0, 0); FEW], many, count: 0, total: 0 })
    }

    fn push(&mut self, slice: UserSlice) {
        if self.many.capacity() > 0 {
            self.many.push(slice);
        } else if let Some(place) = self.few.get_mut(self.count) {
            *place = slice;
        }
        self.count += 1;
    }

    /// One buffer: read(2) and write(2) as the vector calls see them.
    ///
    /// # Errors
    /// [`IoVecError::Fault`] if it leaves the program's memory, `NoMemory`.
    pub fn single(buffer: UserSlice) -> Result<Self, IoVecError> {
        buffer.check()?;
        let total = buffer.len.min(MAX_RW_COUNT);
        let mut vectors = Self::with_room(1)?;
        vectors.push(buffer.part(0, total));
        vectors.total = total;
        Ok(vectors)
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
