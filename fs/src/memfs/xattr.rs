//! Extended attributes (xattr(7)) of the nodes of a [`MemFs`]. Called by its [`FileSystem`](crate::FileSystem).
//!
//! Invariant: the state's `attribute_bytes` is what all attributes of nodes in memory count for, and is bounded.

use super::inode::Inode;
use super::{MemFs, State};
use crate::FsError;
use crate::copy_of;
use crate::node::{NodeId, SetMode};
use alloc::{collections::BTreeMap, vec::Vec};

/// Attributes by name.
pub(super) type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// What an attribute counts for beside its name and value, in bytes.
const OVERHEAD: u64 = 128;
/// The part of a file system's space that attributes may take.
const SHARE: u64 = 8;

fn cost(name: &[u8], value: &[u8]) -> u64 {
    name.len() as u64 + value.len() as u64 + OVERHEAD
}

/// What the attributes of a node count for.
pub(super) fn bytes_of(inode: &Inode) -> u64 {
    inode.attributes.iter().map(|(name, value)| cost(name, value)).sum()
}

impl MemFs {
    pub(super) fn attribute(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>, FsError> {
        let state = self.state();
        copy_of(state.inodes.get(&node).and_then(|inode| inode.attributes.get(name)).ok_or(FsError::NoData)?)
    }

    pub(super) fn attribute_names(&self, node: NodeId, emit: &mut dyn FnMut(&[u8])) {
        if let Some(inode) = self.state().inodes.get(&node) {
            inode.attributes.keys().for_each(|name| emit(name));
        }
    }

    /// Sets an attribute, or with `None` removes it.
    pub(super) fn change_attribute(
        &self,
        node: NodeId,
        name: &[u8],
        value: Option<&[u8]>,
        mode: SetMode,
    ) -> Result<(), FsError> {
        let now = self.clock.now_ns();
        let state = &mut *self.state();
        let limit = state.budget.limit.saturating_mul(super::PAGE) / SHARE;
        self.own(state, node)?;
        let State { inodes, attribute_bytes, .. } = state;
        let inode = inodes.get_mut(&node).ok_or(FsError::NotFound)?;
        let old = inode.attributes.get(name);
        match (mode, old) {
            (SetMode::Create | SetMode::Neither, Some(_)) => return Err(FsError::Exists),
            (SetMode::Replace | SetMode::Neither, None) => return Err(FsError::NoData),
            _ => {}
        }
        let before = old.map_or(0, |value| cost(name, value));
        let left = attribute_bytes.saturating_sub(before);
        match value {
            Some(value) => {
                let after = left.saturating_add(cost(name, value));
                if after > limit {
                    return Err(FsError::NoSpace);
                }
                inode.attributes.insert(copy_of(name)?, copy_of(value)?);
                *attribute_bytes = after;
            }
            None => {
                inode.attributes.remove(name);
                *attribute_bytes = left;
            }
        }
        inode.ctime = now;
        Ok(())
    }
}
