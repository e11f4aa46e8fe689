//! Typed views of program memory: a structure at an address, a run of bytes.

use core::fmt;
use core::marker::PhantomData;

use abi::Pod;

use super::{Fault, UserMemory, check_range, read_all, write_all};

/// The address of a `T` in program memory, as the program gave it. No alignment is demanded.
pub struct UserPtr<T> {
    addr: u64,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for UserPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPtr<T> {}

impl<T> fmt::Debug for UserPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.addr)
    }
}

impl<T: Pod> UserPtr<T> {
    /// A view of the argument of a system call. Nothing is checked before it is used.
    #[must_use]
    pub const fn new(addr: u64) -> Self {
        Self { addr, kind: PhantomData }
    }

    /// The address.
    #[must_use]
    pub const fn addr(self) -> u64 {
        self.addr
    }

    /// Whether the program passed NULL.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.addr == 0
    }

    /// The pointer, or `None` if it is NULL: for optional arguments.
    #[must_use]
    pub const fn non_null(self) -> Option<Self> {
        if self.is_null() { None } else { Some(self) }
    }

    /// The address of element `index` of the array that starts here.
    ///
    /// # Errors
    /// [`Fault`] if it is beyond the address space.
    #[inline]
    pub fn at(self, index: u64) -> Result<Self, Fault> {
        let offset = index.checked_mul(size_of::<T>() as u64);
        match offset.and_then(|o| self.addr.checked_add(o)) {
            Some(addr) => Ok(Self::new(addr)),
            None => Err(Fault { addr: u64::MAX, done: 0 }),
        }
    }

    /// Reads the value.
    ///
    /// # Errors
    /// [`Fault`].
    #[inline]
    pub fn read<M: UserMemory + ?Sized>(self, memory: &M) -> Result<T, Fault> {
        let mut value = abi::zeroed();
        read_all(memory, self.addr, abi::bytes_of_mut(&mut value))?;
        Ok(value)
    }

    /// Stores the value.
    ///
    /// # Errors
    /// [`Fault`].
    #[inline]
    pub fn write<M: UserMemory + ?Sized>(self, memory: &M, value: &T) -> Result<(), Fault> {
        write_all(memory, self.addr, abi::bytes_of(value))
    }
}

/// A buffer in program memory, as the program gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserSlice {
    /// First address.
    pub addr: u64,
    /// Length in bytes.
    pub len: usize,
}

impl UserSlice {
    /// A view of the arguments of a system call. Nothing is checked before it is used.
    #[must_use]
    pub const fn new(addr: u64, len: usize) -> Self {
        Self { addr, len }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Checks the range without touching it, as Linux does before it starts a transfer.
    ///
    /// # Errors
    /// [`Fault`] if it leaves the program's half of the address space.
    pub fn check(&self) -> Result<(), Fault> {
        check_range(self.addr, self.len as u64)
    }

    /// The part from `offset` on, at most `len` bytes; empty past the end.
    #[must_use]
    pub fn part(&self, offset: usize, len: usize) -> Self {
        let offset = offset.min(self.len);
        Self { addr: self.addr.saturating_add(offset as u64), len: len.min(self.len - offset) }
    }

    /// Copies from the buffer at `offset`. The bytes must be inside the buffer.
    ///
    /// # Errors
    /// [`Fault`], also where `dst` reaches past the buffer.
    pub fn read_at<M: UserMemory + ?Sized>(
        &self,
        memory: &M,
        offset: usize,
        dst: &mut [u8],
    ) -> Result<(), Fault> {
        memory.read(self.start_of(offset, dst.len())?, dst)
    }

    /// Copies to the buffer at `offset`. The bytes must fit.
    ///
    /// # Errors
    /// [`Fault`], also where `src` reaches past the buffer.
    pub fn write_at<M: UserMemory + ?Sized>(
        &self,
        memory: &M,
        offset: usize,
        src: &[u8],
    ) -> Result<(), Fault> {
        memory.write(self.start_of(offset, src.len())?, src)
    }

    /// Stores `len` zeros at `offset`. They must fit.
    ///
    /// # Errors
    /// [`Fault`], also where they reach past the buffer.
    pub fn zero_at<M: UserMemory + ?Sized>(
        &self,
        memory: &M,
        offset: usize,
        len: usize,
    ) -> Result<(), Fault> {
        memory.zero(self.start_of(offset, len)?, len)
    }

    fn start_of(&self, offset: usize, len: usize) -> Result<u64, Fault> {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.len);
        match self.addr.checked_add(offset as u64) {
            Some(addr) if fits => Ok(addr),
            _ => Err(Fault { addr: self.addr.saturating_add(self.len as u64), done: 0 }),
        }
    }
}
