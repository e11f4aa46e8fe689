//! [`Syscall`], the shape of every call, and [`RawArgs`], the registers its arguments are decoded from.

use crate::strace::ArgKind;
use crate::{CallResult, Context};
use mm::user::{UserPtr, UserSlice};

/// A system call with decoded arguments.
pub trait Syscall: Sized {
    /// Its number.
    const NR: u32;
    /// What its arguments are, for strace.
    const ARGS: &'static [ArgKind];
    /// Whether it replaces or copies all registers, and so is to run with all of them.
    const ALL_REGISTERS: bool = false;

    /// Turns raw arguments into typed ones. Fails for values that can be seen to be wrong without looking at any state.
    fn decode(args: &RawArgs) -> CallResult<Self>;

    /// Does the work. The value is what the program gets.
    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64>;
}

/// The six arguments as they are in the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawArgs(pub [u64; 6]);

impl RawArgs {
    /// Argument `N` as the whole register.
    #[inline(always)]
    pub const fn long<const N: usize>(&self) -> u64 {
        const { assert!(N < 6, "a call has six arguments") };
        self.0[N]
    }

    /// Argument `N` as a C `int`.
    #[inline(always)]
    pub const fn int<const N: usize>(&self) -> i32 {
        self.long::<N>() as i32
    }

    /// Argument `N` as a C `unsigned int`.
    #[inline(always)]
    pub const fn uint<const N: usize>(&self) -> u32 {
        self.long::<N>() as u32
    }

    /// Argument `N` as a size.
    #[inline(always)]
    pub const fn size<const N: usize>(&self) -> usize {
        self.long::<N>() as usize
    }

    /// Argument `N` as a pointer.
    #[inline(always)]
    pub const fn ptr<const N: usize, T: abi::Pod>(&self) -> UserPtr<T> {
        UserPtr::new(self.long::<N>())
    }

    /// Arguments `N` and `LEN` as a buffer.
    #[inline(always)]
    pub const fn buffer<const N: usize, const LEN: usize>(&self) -> UserSlice {
        UserSlice::new(self.long::<N>(), self.size::<LEN>())
    }
}
