//! What nearly every call file uses.

pub(crate) use crate::context::checked;
pub(crate) use crate::strace::{ArgKind, Names, names};
pub(crate) use crate::{CallResult, Context, RawArgs, Syscall};
pub(crate) use abi::{Errno, nr};
pub(crate) use mm::user::{CStrBuffer, UserPtr, UserSlice};
