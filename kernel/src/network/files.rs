//! What the configuration puts into files: name servers into `/etc/resolv.conf`, the machine's name into `/etc/hosts` and
//! `/etc/hostname`.

use abi::OpenFlags;
use abi::general as raw;
use alloc::string::String;
use alloc::vec::Vec;

use fs::access::Subject;
use fs::{FsError, NewNode, Sink as _, SliceSink, SliceSource, Source as _, Vfs};
use net::Stack;

const RESOLV_CONF: &[u8] = b"/etc/resolv.conf";
const HOSTS: &[u8] = b"/etc/hosts";
const HOSTNAME: &[u8] = b"/etc/hostname";
/// Longer files are left as they are.
const HOSTS_MAX: u64 = 64 * 1024;
/// What a file of hosts begins with, if there is none.
const LOCALHOST: &[u8] = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Writes the files as far as the stack knows what belongs there; what the image has stays otherwise. `name` is the machine's.
pub fn write(stack: &Stack, vfs: &Vfs, name: &[u8]) {
    let complain = |path: &[u8], result: Result<(), FsError>| {
        if let Err(error) = result {
            log::warn!("{}: {error}", path.escape_ascii());
        }
    };
    let text: String = stack.resolv_conf();
    if !text.is_empty() {
        complain(RESOLV_CONF, put(vfs, RESOLV_CONF, OpenFlags::TRUNC, text.as_bytes()));
    }
    let named = name_host(vfs, name);
    // An image without /etc wants no files there.
    if named != Err(FsError::NotFound) {
        complain(HOSTS, named);
        match put(vfs, HOSTNAME, OpenFlags::EXCL, &[name, b"\n"].concat()) {
            Err(FsError::Exists) => {}
            result => complain(HOSTNAME, result),
        }
    }
}

/// Gives the machine's name an address.
fn name_host(vfs: &Vfs, name: &[u8]) -> Result<(), FsError> {
    match put(vfs, HOSTS, OpenFlags::EXCL, LOCALHOST) {
        Ok(()) | Err(FsError::Exists) => {}
        Err(error) => return Err(error),
    }
    let new = NewNode::of_mode(raw::S_IFREG);
    let file = vfs.view(Subject::ROOT).open(vfs.root(), HOSTS, OpenFlags::empty(), &new)?;
    let size = file.file().metadata()?.size;
    if size > HOSTS_MAX {
        return Ok(());
    }
    let mut text = Vec::new();
    text.try_reserve_exact(size as usize).map_err(|_| FsError::NoMemory)?;
    text.resize(size as usize, 0);
    let mut sink = SliceSink::new(&mut text);
    while sink.remaining() > 0 {
        if file.read(&mut sink)? == 0 {
            break;
        }
    }
    match kerncore::hosts::missing_line(&text, name) {
        Some(line) => put(vfs, HOSTS, OpenFlags::APPEND, &line),
        None => Ok(()),
    }
}

/// Writes to a file, which `how` opens: a new one, the end of one, or all of one.
fn put(vfs: &Vfs, path: &[u8], how: OpenFlags, text: &[u8]) -> Result<(), FsError> {
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT | how;
    let new = NewNode::of_mode(raw::S_IFREG | 0o644);
    let view = vfs.view(Subject::ROOT);
    let file = view.open(vfs.root(), path, flags, &new)?;
    let mut source = SliceSource::new(text);
    while source.remaining() > 0 {
        if file.write(&mut source)? == 0 {
            return Err(FsError::NoSpace);
        }
    }
    Ok(())
}
