//! The buffers of readv(2), writev(2) and their relatives.

use alloc::vec::Vec;
use core::fmt;

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

/// A checked vector of buffers, copied once, so that the program cannot change it under way.
#[derive(Clone, Debug, Default)]
pub struct IoVecs {
    slices: Vec<UserSlice>,
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
        let mut slices = Vec::new();
        slices.try_reserve_exact(count).map_err(|_| IoVecError::NoMemory)?;
        let array = UserPtr::<IoVec>::new(addr);
        let (mut asked, mut total) = (0_usize, 0);
        for index in 0..count as u64 {
            let IoVec { base, len } = array.at(index)?.read(memory)?;
            let len = usize::try_from(len).map_err(|_| IoVecError::Invalid)?;
            asked = asked
                .checked_add(len)
                .filter(|&sum| isize::try_from(sum).is_ok())
                .ok_or(IoVecError::Invalid)?;
            UserSlice::new(base, len).check()?;
            let kept = len.min(MAX_RW_COUNT - total);
            total += kept;
            slices.push(UserSlice::new(base, kept));
        }
        Ok(Self { slices, total })
    }

    /// One buffer: read(2) and write(2) as the vector calls see them.
    ///
    /// # Errors
    /// [`IoVecError::Fault`] if it leaves the program's memory, `NoMemory`.
    pub fn single(buffer: UserSlice) -> Result<Self, IoVecError> {
        buffer.check()?;
        let total = buffer.len.min(MAX_RW_COUNT);
        let mut slices = Vec::new();
        slices.try_reserve_exact(1).map_err(|_| IoVecError::NoMemory)?;
        slices.push(buffer.part(0, total));
        Ok(Self { slices, total })
    }

    /// Bytes in all buffers.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The buffers, in order; some may be empty.
    #[must_use]
    pub fn slices(&self) -> &[UserSlice] {
        &self.slices
    }
}
