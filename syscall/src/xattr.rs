//! Extended attributes (xattr(7)), called by the xattr family of calls.
//!
//! The file systems here keep none: reading, setting and removing one answers EOPNOTSUPP, as a Linux file system without
//! them does, and the list of names is empty.

use crate::prelude::*;
use crate::{CallError, files};
use abi::{AT_FDCWD, AtFlags};
use alloc::vec::Vec;
use fs::vfs::Follow;
use mm::user::CStrError;

/// Longest name of an attribute with its NUL (XATTR_NAME_MAX is 255).
const NAME_MAX: usize = 256;

/// The file that a call is about.
pub enum Of {
    /// The one at an address of a path.
    Path(u64, Follow),
    /// That of a descriptor.
    Open(i32),
}

fn check(ctx: &Context<'_>, of: Of) -> CallResult<()> {
    match of {
        Of::Path(path, follow) => files::node(ctx, AT_FDCWD, path, AtFlags::empty(), follow).map(|_| ()),
        Of::Open(fd) if ctx.file(fd)?.is_path_only() => Err(Errno::EBADF.into()),
        Of::Open(_) => Ok(()),
    }
}

/// Reads, sets or removes the attribute whose name is at `name`.
pub fn one(ctx: &Context<'_>, of: Of, name: u64) -> CallResult<u64> {
    let mut text = Vec::new();
    match ctx.memory().read_cstr(name, NAME_MAX, &mut text) {
        Err(CStrError::TooLong) => return Err(Errno::ERANGE.into()),
        result => result.map_err(CallError::from)?,
    }
    if text.is_empty() {
        return Err(Errno::ERANGE.into());
    }
    check(ctx, of)?;
    Err(Errno::EOPNOTSUPP.into())
}

/// Lists the names of all attributes: the length of the list.
pub fn names(ctx: &Context<'_>, of: Of) -> CallResult<u64> {
    check(ctx, of)?;
    Ok(0)
}
