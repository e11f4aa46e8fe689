//! The search of musl's dynamic linker.
//!
//! LD_LIBRARY_PATH, then DT_RUNPATH or DT_RPATH (the same to musl) of the object and of those that loaded
//! it, then the directories in /etc/ld-musl-ARCH.path, or without that file /lib, /usr/local/lib, /usr/lib.
//! The linker is the C library at the same time, and answers to the names of its parts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Candidate, Dependencies, Objects, Rules, System, split_list};

/// Libraries that are part of musl's libc: `libc.so`, `libm.so.6`, ...
const PARTS: [&[u8]; 7] = [b"c.", b"pthread.", b"rt.", b"m.", b"dl.", b"util.", b"xnet."];
const DEFAULT_DIRS: [&str; 3] = ["/lib", "/usr/local/lib", "/usr/lib"];

#[derive(Debug)]
pub(super) struct Musl {
    library_path: Option<Vec<u8>>,
    dirs: Vec<PathBuf>,
    /// The file that `dirs` come from.
    path_file: Option<PathBuf>,
}

impl Musl {
    /// `interpreter` is the path of the linker: it looks for its list relative to the parent of its directory.
    pub(super) fn new(system: &System, interpreter: &Path) -> Self {
        let prefix = interpreter.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let stem = interpreter.file_name().map(OsStr::as_bytes).unwrap_or_default();
        let stem = stem.split(|&byte| byte == b'.').next().unwrap_or_default();
        let file = prefix.join("etc").join(OsStr::from_bytes(&[stem, b".path"].concat()));
        let (dirs, path_file) = match std::fs::read(&file) {
            Ok(text) => {
                let parts = text.split(|byte| matches!(byte, b':' | b'\n')).filter(|part| !part.is_empty());
                (parts.map(|part| PathBuf::from(OsStr::from_bytes(part))).collect(), Some(file))
            }
            Err(_) => (DEFAULT_DIRS.map(PathBuf::from).to_vec(), None),
        };
        Self { library_path: system.library_path.clone(), dirs, path_file }
    }
}

impl Rules for Musl {
    fn candidates(&mut self, objects: &Objects, loader: usize, _name: &[u8]) -> Vec<Candidate> {
        let mut dirs: Vec<PathBuf> = Vec::new();
        let plain = |part: &[u8]| PathBuf::from(OsStr::from_bytes(part));
        dirs.extend(split_list(self.library_path.as_deref().unwrap_or_default()).map(plain));
        let mut next = Some(loader);
        while let Some(object) = next.and_then(|index| objects.get(index)) {
            let list = object.linking.runpath.as_ref().or(object.linking.rpath.as_ref());
            for part in split_list(list.map(Vec::as_slice).unwrap_or_default()) {
                dirs.extend(self.expand(part, &object.origin));
            }
            next = object.loader;
        }
        dirs.extend(self.dirs.iter().cloned());
        dirs.into_iter().filter(|dir| dir.is_absolute()).map(Candidate::Dir).collect()
    }

    fn is_linker(&self, name: &[u8]) -> bool {
        let rest = name.strip_prefix(b"lib").unwrap_or_default();
        PARTS.iter().any(|part| rest.starts_with(part))
    }

    fn expand(&self, path: &[u8], origin: &Path) -> Vec<PathBuf> {
        // musl knows $ORIGIN alone.
        let origin = origin.as_os_str().as_bytes();
        let mut out = Vec::new();
        let mut rest = path;
        while let Some((&first, after)) = rest.split_first() {
            let token = rest.strip_prefix(b"$ORIGIN").or_else(|| rest.strip_prefix(b"${ORIGIN}"));
            if let Some(behind) = token {
                out.extend_from_slice(origin);
                rest = behind;
            } else {
                out.push(first);
                rest = after;
            }
        }
        vec![PathBuf::from(OsStr::from_bytes(&out))]
    }

    fn found(&mut self, _path: &Path) {}

    fn finish(self: Box<Self>, out: &mut Dependencies) {
        out.linker_files.extend(self.path_file);
    }
}
