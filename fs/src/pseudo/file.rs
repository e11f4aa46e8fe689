//! [`PseudoFile`]: an open file of a [`PseudoFs`].
//!
//! The text is made by a read at position 0 and kept for the reads that continue, so that a program that reads in pieces sees
//! one state, and one that seeks back sees a new one.

use super::{Output, PseudoFs};
use crate::file::seek_in;
use crate::{File, FileSystem, FsError, Metadata, NodeId, NodeRef, Offset, SeekFrom, Sink, Source};
use abi::OpenFlags;
use alloc::{sync::Arc, vec::Vec};
use sync::Mutex;

/// Most bytes that one write hands over: a page, as on Linux.
const MAX_WRITE: usize = 4096;

pub(super) struct PseudoFile {
    fs: Arc<PseudoFs>,
    node: NodeRef,
    text: Mutex<Option<Arc<Vec<u8>>>>,
}

impl PseudoFile {
    pub(super) fn new(fs: Arc<PseudoFs>, id: NodeId) -> Self {
        let node = NodeRef { fs: fs.clone(), id };
        PseudoFile { fs, node, text: Mutex::new(None) }
    }

    fn text(&self, fresh: bool) -> Result<Arc<Vec<u8>>, FsError> {
        if !fresh && let Some(text) = &*self.text.lock() {
            return Ok(text.clone());
        }
        let mut out = Output::new();
        self.fs.text(self.node.id, &mut out)?;
        let text = Arc::new(out.finish()?);
        *self.text.lock() = Some(text.clone());
        Ok(text)
    }
}

impl File for PseudoFile {
    fn metadata(&self) -> Result<Metadata, FsError> {
        self.fs.metadata(self.node.id)
    }

    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        let text = self.text(at.0 == 0)?;
        let start = usize::try_from(at.0).unwrap_or(usize::MAX);
        match text.get(start..) {
            Some(rest) if !rest.is_empty() => dst.put(rest.get(..dst.remaining()).unwrap_or(rest)),
            _ => Ok(0),
        }
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        let mut bytes = Vec::new();
        let most = src.remaining().min(MAX_WRITE);
        bytes.try_reserve_exact(most).map_err(|_| FsError::NoMemory)?;
        bytes.resize(most, 0);
        let len = src.take(&mut bytes)?;
        bytes.truncate(len);
        self.fs.take(self.node.id, &bytes)?;
        Ok(len)
    }

    fn seek(&self, to: SeekFrom, position: u64) -> Result<u64, FsError> {
        match to {
            SeekFrom::Start(_) | SeekFrom::Current(_) => seek_in(0, to, position),
            _ => Err(FsError::Invalid),
        }
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(&self.node)
    }
}
