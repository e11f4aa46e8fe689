//! Extended attributes (xattr(7)), called by the xattr family of calls: arguments, and who may do what.

use crate::prelude::*;
use crate::{CallError, files};
use abi::{AT_FDCWD, AtFlags, general as raw};
use alloc::vec::Vec;
use fs::access::Want;
use fs::vfs::Follow;
use fs::{NodeKind, NodeRef, Place, SetMode};
use mm::user::CStrError;
use task::credentials::CAP_SYS_ADMIN;

/// Longest name of an attribute with its NUL (XATTR_NAME_MAX is 255).
const NAME_MAX: usize = 256;
/// Largest value (XATTR_SIZE_MAX), and longest list of names (XATTR_LIST_MAX).
const SIZE_MAX: usize = 65536;
const STICKY: u32 = 0o1000;

/// Flags of setxattr(2), for strace.
pub const FLAGS: Names = names![XATTR_CREATE, XATTR_REPLACE];

/// The file that a call is about.
pub enum Of {
    /// The one at an address of a path.
    Path(u64, Follow),
    /// That of a descriptor.
    Open(i32),
}

/// Its place; `None` for an open file without a node in a file system.
fn place(ctx: &Context<'_>, of: Of) -> CallResult<Option<Place>> {
    match of {
        Of::Path(path, follow) => files::place(ctx, AT_FDCWD, path, AtFlags::empty(), follow).map(Some),
        Of::Open(fd) => {
            let file = ctx.file(fd)?;
            if file.is_path_only() {
                return Err(Errno::EBADF.into());
            }
            let unnamed = || file.file().node().map(|node| Place { node: node.clone(), entry: None });
            Ok(file.place().cloned().or_else(unnamed))
        }
    }
}

fn place_or_none(ctx: &Context<'_>, of: Of) -> CallResult<Place> {
    Ok(place(ctx, of)?.ok_or(Errno::EOPNOTSUPP)?)
}

fn name(ctx: &Context<'_>, at: u64) -> CallResult<Vec<u8>> {
    let mut name = Vec::new();
    match ctx.memory().read_cstr(at, NAME_MAX, &mut name) {
        Err(CStrError::TooLong) => return Err(Errno::ERANGE.into()),
        result => result.map_err(CallError::from)?,
    }
    if name.is_empty() { Err(Errno::ERANGE.into()) } else { Ok(name) }
}

/// Whether an attribute may be read or, with `write`, changed, and whether there are attributes of its kind.
fn check(ctx: &Context<'_>, node: &NodeRef, name: &[u8], write: bool) -> CallResult<()> {
    if write && node.fs.is_read_only() {
        return Err(Errno::EROFS.into());
    }
    // What may not be seen is not there.
    let refused = if write { Errno::EPERM } else { Errno::ENODATA };
    let admin = ctx.process.capable(CAP_SYS_ADMIN);
    let kinds: [&[u8]; 3] = [b"security.", b"trusted.", b"user."];
    let kind = kinds.into_iter().find(|kind| name.starts_with(kind));
    match kind {
        Some(b"security.") if write && !admin => return Err(Errno::EPERM.into()),
        Some(b"security.") => {}
        Some(b"trusted.") if !admin => return Err(refused.into()),
        Some(b"trusted.") => {}
        None if name.starts_with(b"system.") => {}
        _ => check_user(ctx, node, kind.is_some().then_some(refused), write)?,
    }
    let kind = kind.ok_or(Errno::EOPNOTSUPP)?;
    if name.len() == kind.len() { Err(Errno::EINVAL.into()) } else { Ok(()) }
}

/// Attributes of the user's own are for files with permissions that mean something (xattr(7)); `refused` is for others.
fn check_user(ctx: &Context<'_>, node: &NodeRef, refused: Option<Errno>, write: bool) -> CallResult<()> {
    let who = ctx.process.credentials().subject();
    if let Some(refused) = refused {
        let kind = node.kind()?;
        if !matches!(kind, NodeKind::Regular | NodeKind::Directory) {
            return Err(refused.into());
        }
        if write && kind == NodeKind::Directory {
            let metadata = node.metadata()?;
            if metadata.mode & STICKY != 0 && !who.owns(&metadata) {
                return Err(Errno::EPERM.into());
            }
        }
    }
    Ok(who.check(node, if write { Want::WRITE } else { Want::READ })?)
}

/// Stores what a call gives, if it fits; with size 0 only tells how long it is.
fn give(ctx: &Context<'_>, bytes: &[u8], buffer: u64, size: usize) -> CallResult<u64> {
    if size > 0 {
        if size < bytes.len() {
            return Err(Errno::ERANGE.into());
        }
        ctx.memory().write(buffer, bytes)?;
    }
    Ok(bytes.len() as u64)
}

/// getxattr(2).
pub fn get(ctx: &Context<'_>, of: Of, at: u64, buffer: u64, size: usize) -> CallResult<u64> {
    let name = name(ctx, at)?;
    let node = place_or_none(ctx, of)?.node;
    check(ctx, &node, &name, false)?;
    give(ctx, &node.fs.xattr(node.id, &name)?, buffer, size)
}

/// A value to set: its address, its size, and what is done if there is one already.
pub struct Value {
    /// Address.
    pub at: u64,
    /// Bytes.
    pub size: usize,
    /// XATTR_CREATE or XATTR_REPLACE.
    pub flags: u32,
}

/// setxattr(2).
pub fn set(ctx: &Context<'_>, of: Of, at: u64, value: &Value) -> CallResult<u64> {
    if value.flags & !(raw::XATTR_CREATE | raw::XATTR_REPLACE) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let name = name(ctx, at)?;
    if value.size > SIZE_MAX {
        return Err(Errno::E2BIG.into());
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(value.size).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(value.size, 0);
    ctx.memory().read(value.at, &mut bytes)?;
    let place = place_or_none(ctx, of)?;
    check(ctx, &place.node, &name, true)?;
    let mode = match value.flags {
        0 => SetMode::Either,
        raw::XATTR_REPLACE => SetMode::Replace,
        raw::XATTR_CREATE => SetMode::Create,
        _ => SetMode::Neither,
    };
    place.node.fs.set_xattr(place.node.id, &name, &bytes, mode)?;
    ctx.process.vfs.watches().happened((&place).into(), raw::IN_ATTRIB);
    Ok(0)
}

/// removexattr(2).
pub fn remove(ctx: &Context<'_>, of: Of, at: u64) -> CallResult<u64> {
    let name = name(ctx, at)?;
    let place = place_or_none(ctx, of)?;
    check(ctx, &place.node, &name, true)?;
    place.node.fs.remove_xattr(place.node.id, &name)?;
    ctx.process.vfs.watches().happened((&place).into(), raw::IN_ATTRIB);
    Ok(0)
}

/// listxattr(2): the names with their NULs. Those of trusted attributes are for whoever may read them.
pub fn list(ctx: &Context<'_>, of: Of, buffer: u64, size: usize) -> CallResult<u64> {
    let Some(Place { node, .. }) = place(ctx, of)? else { return Ok(0) };
    let trusted = ctx.process.capable(CAP_SYS_ADMIN);
    let mut names = Vec::new();
    let mut whole = true;
    node.fs.xattr_names(node.id, &mut |name| {
        if name.starts_with(b"trusted.") && !trusted || !whole {
            return;
        }
        whole = names.len() + name.len() < SIZE_MAX && names.try_reserve(name.len() + 1).is_ok();
        if whole {
            names.extend_from_slice(name);
            names.push(0);
        }
    });
    if !whole {
        return Err(Errno::E2BIG.into());
    }
    give(ctx, &names, buffer, size)
}
