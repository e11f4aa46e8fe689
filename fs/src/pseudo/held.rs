//! A node for a file that is open and has no place in any tree, so that `/proc/self/fd/N` and `/dev/stdin` can be looked at
//! and opened again.

use crate::{DirEntry, File, FileSystem, FsError, Metadata, NodeId, NodeKind, NodeRef};
use abi::OpenFlags;
use alloc::{sync::Arc, vec::Vec};

/// The file system of one such file.
struct Held(Arc<dyn File>);

/// A node whose opening asks the file for another description of itself.
pub fn held_node(file: Arc<dyn File>) -> NodeRef {
    NodeRef { fs: Arc::new(Held(file)), id: 0 }
}

impl FileSystem for Held {
    fn device(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.dev)
    }

    fn root(&self) -> NodeId {
        0
    }

    fn metadata(&self, _node: NodeId) -> Result<Metadata, FsError> {
        self.0.metadata()
    }

    fn kind(&self, _node: NodeId) -> Result<NodeKind, FsError> {
        // Whatever it is, this file system opens it.
        Ok(NodeKind::Regular)
    }

    fn lookup(&self, _dir: NodeId, _name: &[u8]) -> Result<NodeId, FsError> {
        Err(FsError::NotDirectory)
    }

    fn parent(&self, _dir: NodeId) -> Result<NodeId, FsError> {
        Err(FsError::NotDirectory)
    }

    fn read_link(&self, _node: NodeId, _out: &mut Vec<u8>) -> Result<(), FsError> {
        Err(FsError::Invalid)
    }

    fn read_dir(
        &self,
        _dir: NodeId,
        _skip: u64,
        _emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        Err(FsError::NotDirectory)
    }

    fn open(self: Arc<Self>, _node: NodeId, flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        self.0.clone().reopen(flags)
    }

    fn is_read_only(&self) -> bool {
        false
    }
}
