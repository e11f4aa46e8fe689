//! What the network's configuration puts into files: `/etc/resolv.conf`.

use abi::OpenFlags;
use abi::general as raw;
use alloc::string::String;

use fs::access::Subject;
use fs::{FsError, NewNode, SliceSource, Source as _, Vfs};
use net::Stack;

const RESOLV_CONF: &[u8] = b"/etc/resolv.conf";

/// Writes the files as far as the stack knows what belongs there; what the image has stays otherwise.
pub fn write(stack: &Stack, vfs: &Vfs) {
    let text: String = stack.resolv_conf();
    if text.is_empty() {
        return;
    }
    if let Err(error) = replace(vfs, RESOLV_CONF, text.as_bytes()) {
        log::warn!("{}: {error}", RESOLV_CONF.escape_ascii());
    }
}

fn replace(vfs: &Vfs, path: &[u8], text: &[u8]) -> Result<(), FsError> {
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
    let new = NewNode::of_mode(raw::S_IFREG | 0o644);
    let view = vfs.view(Subject::ROOT);
    // Only the directory may be missing.
    let file = view.open(vfs.root(), path, flags, &new)?;
    let mut source = SliceSource::new(text);
    while source.remaining() > 0 {
        if file.write(&mut source)? == 0 {
            return Err(FsError::NoSpace);
        }
    }
    Ok(())
}
