//! The search of glibc's dynamic linker, ld.so(8), section DESCRIPTION.

use std::io;
use std::path::{Path, PathBuf};

use super::cache::Cache;
use super::{Candidate, Dependencies, LinkError, Object, Objects, Rules, System, conf, split_list, tokens};

/// glibc's rules, with this host's cache or the directories of its configuration.
#[derive(Debug)]
pub(super) struct Glibc {
    system: System,
    cache: Option<Cache>,
    /// Directories of ld.so.conf, only where there is no cache.
    configured: Vec<PathBuf>,
    /// A library was found where the cache says.
    cache_used: bool,
    /// Libraries found in `configured` (name, path).
    by_configuration: Vec<(Vec<u8>, PathBuf)>,
}

impl Glibc {
    /// Reads the cache.
    ///
    /// # Errors
    /// A cache that is there and cannot be read.
    pub(super) fn new(system: &System) -> Result<Self, LinkError> {
        let cache = match std::fs::read(&system.cache) {
            Ok(bytes) => Cache::parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(LinkError::Read(system.cache.clone(), error)),
        };
        let configured = if cache.is_some() { Vec::new() } else { conf::directories(&system.conf) };
        Ok(Self {
            system: system.clone(),
            cache,
            configured,
            cache_used: false,
            by_configuration: Vec::new(),
        })
    }

    fn list(&self, list: Option<&[u8]>, object: &Object) -> impl Iterator<Item = Candidate> {
        let parts: Vec<_> = split_list(list.unwrap_or_default())
            .flat_map(|part| self.expand(part, &object.origin))
            .filter(|dir| dir.is_absolute())
            .map(Candidate::Dir)
            .collect();
        parts.into_iter()
    }

    /// DT_RPATH of the object, of the object that loaded it, and so on up to the program. It counts only where
    /// there is no DT_RUNPATH, and not at all if the object that needs the library has one.
    fn rpaths(&self, objects: &Objects, loader: usize) -> Vec<Candidate> {
        let mut out = Vec::new();
        let mut next = Some(loader);
        let needer_has_runpath = objects.get(loader).is_some_and(|object| object.linking.runpath.is_some());
        while let Some(object) = next.filter(|_| !needer_has_runpath).and_then(|index| objects.get(index)) {
            if object.linking.runpath.is_none() {
                out.extend(self.list(object.linking.rpath.as_deref(), object));
            }
            // A loader comes before what it loads, so this ends at the program.
            next = object.loader;
        }
        out
    }

    fn is_default(&self, path: &Path) -> bool {
        path.parent().is_some_and(|dir| self.system.default_dirs.iter().any(|default| default == dir))
    }
}

impl Rules for Glibc {
    fn candidates(&mut self, objects: &Objects, loader: usize, name: &[u8]) -> Vec<Candidate> {
        let Some(object) = objects.get(loader) else { return Vec::new() };
        let mut out = self.rpaths(objects, loader);
        out.extend(self.list(self.system.library_path.as_deref(), object));
        out.extend(self.list(object.linking.runpath.as_deref(), object));
        let no_defaults = object.linking.no_default_dirs;
        if let Some(cache) = &self.cache {
            let cached = cache.lookup(name).filter(|path| !no_defaults || !self.is_default(path));
            out.extend(cached.map(|path| Candidate::File(path.to_owned())));
        }
        out.extend(self.configured.iter().cloned().map(Candidate::Dir));
        if !no_defaults {
            out.extend(self.system.default_dirs.iter().cloned().map(Candidate::Dir));
        }
        out
    }

    fn is_linker(&self, _name: &[u8]) -> bool {
        false // known by its DT_SONAME
    }

    fn expand(&self, path: &[u8], origin: &Path) -> Vec<PathBuf> {
        tokens::expand(path, origin)
    }

    fn found(&mut self, path: &Path) {
        use std::os::unix::ffi::OsStrExt as _;
        let Some(name) = path.file_name() else { return };
        let name = name.as_bytes();
        if let Some(cache) = &self.cache {
            self.cache_used |= cache.lookup(name).any(|cached| cached == path);
        }
        if path.parent().is_some_and(|dir| self.configured.iter().any(|configured| configured == dir)) {
            self.by_configuration.push((name.to_vec(), path.to_owned()));
        }
    }

    fn finish(self: Box<Self>, out: &mut Dependencies) {
        if self.cache_used {
            out.linker_files.push(self.system.cache);
        } else if !self.by_configuration.is_empty() {
            out.made_cache = Some(Cache::make(&self.by_configuration));
        }
    }
}
