//! Which libraries will the dynamic linker load for a program, and from where?
//!
//! Neither `ldd` nor the program is run: the search is that of ld.so(8) for glibc ([`glibc`]) or of musl's
//! linker ([`musl`]), over the files of this host. Libraries are visited breadth first, as the linker does,
//! and a name that an object loaded earlier answers to (by the name it was asked for, or by its DT_SONAME)
//! is not searched again. Called by [`make`](crate::make).

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::elf::{self, ElfError, Linking};

pub mod cache;
pub mod conf;
pub mod glibc;
pub mod musl;
mod tokens;

/// Where on this host the search looks, apart from what the objects themselves name.
#[derive(Clone, Debug)]
pub struct System {
    /// The cache that ldconfig(8) writes.
    pub cache: PathBuf,
    /// The configuration of ldconfig(8), for hosts without a cache.
    pub conf: PathBuf,
    /// glibc's default directories.
    pub default_dirs: Vec<PathBuf>,
    /// The directories of the environment's LD_LIBRARY_PATH in the guest.
    pub library_path: Option<Vec<u8>>,
    /// The environment's LD_PRELOAD in the guest.
    pub preload: Option<Vec<u8>>,
}

impl Default for System {
    fn default() -> Self {
        let default_dirs = [
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib64",
            "/usr/lib64",
            "/lib",
            "/usr/lib",
        ];
        Self {
            cache: "/etc/ld.so.cache".into(),
            conf: "/etc/ld.so.conf".into(),
            default_dirs: default_dirs.map(PathBuf::from).to_vec(),
            library_path: None,
            preload: None,
        }
    }
}

/// What a program needs beside itself. All paths are absolute and as the linker will ask for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// The program interpreter, that is the dynamic linker.
    pub interpreter: Option<PathBuf>,
    /// The libraries in the order in which they are loaded.
    pub libraries: Vec<PathBuf>,
    /// Files that the linker reads to find them: its cache, its list of directories.
    pub linker_files: Vec<PathBuf>,
    /// Contents for the linker's cache, where this host has none but the libraries were found by its
    /// configuration.
    pub made_cache: Option<Vec<u8>>,
}

/// Why the dependencies of a program could not be collected.
#[derive(Debug)]
pub enum LinkError {
    /// A library, or the interpreter, is nowhere to be found.
    Missing {
        /// As the object names it.
        name: String,
        /// The object that needs it.
        needed_by: PathBuf,
    },
    /// A file could not be read.
    Read(PathBuf, io::Error),
    /// A file found by the search is not a library.
    Elf(PathBuf, ElfError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name, needed_by } => {
                write!(f, "{name} not found, needed by {}", needed_by.display())
            }
            Self::Read(path, error) => write!(f, "{}: {}", path.display(), crate::make::reason(error)),
            Self::Elf(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for LinkError {}

/// A program or library that is loaded.
#[derive(Debug)]
struct Object {
    /// As the linker asks for it.
    path: PathBuf,
    /// What `$ORIGIN` stands for.
    origin: PathBuf,
    linking: Linking,
    /// The names that it answers to.
    names: Vec<Vec<u8>>,
    /// Index of the object that asked for it first; none for the program.
    loader: Option<usize>,
}

/// The objects loaded so far; the program is the first.
type Objects = [Object];

/// A directory of the search, or a whole file name (from the cache).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Candidate {
    Dir(PathBuf),
    File(PathBuf),
}

/// The rules of one dynamic linker.
trait Rules {
    /// Where to look for `name`, needed by the object with index `loader`, in the order of the search.
    fn candidates(&mut self, objects: &Objects, loader: usize, name: &[u8]) -> Vec<Candidate>;

    /// The linker itself answers to `name`.
    fn is_linker(&self, name: &[u8]) -> bool;

    /// The dynamic string tokens of `path` replaced, for one object.
    fn expand(&self, path: &[u8], origin: &Path) -> Vec<PathBuf>;

    /// Takes notice of the place where a library was found.
    fn found(&mut self, path: &Path);

    /// The files that the guest's linker needs for the same results.
    fn finish(self: Box<Self>, out: &mut Dependencies);
}

/// Collects what the program at `path` (absolute) with the given `linking` needs.
///
/// # Errors
/// A library that is missing, unreadable or no library.
pub fn resolve(path: &Path, linking: &Linking, system: &System) -> Result<Dependencies, LinkError> {
    let mut out = Dependencies::default();
    let Some(interpreter) = &linking.interpreter else { return Ok(out) };
    let interpreter = PathBuf::from(OsStr::from_bytes(interpreter));
    let is_musl = interpreter.file_name().is_some_and(|name| name.as_bytes().starts_with(b"ld-musl"));
    let missing =
        |name: &Path| LinkError::Missing { name: name.display().to_string(), needed_by: path.to_owned() };
    if !interpreter.is_absolute() {
        return Err(missing(&interpreter));
    }
    let linker = match probe(&interpreter)? {
        Probe::Library(linking) => linking,
        Probe::Absent | Probe::Unsuitable => return Err(missing(&interpreter)),
    };
    let mut rules: Box<dyn Rules> = if is_musl {
        Box::new(musl::Musl::new(system, &interpreter))
    } else {
        Box::new(glibc::Glibc::new(system)?)
    };

    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let program = Object {
        path: path.to_owned(),
        origin: canonical.parent().unwrap_or(Path::new("/")).to_owned(),
        linking: linking.clone(),
        names: Vec::new(),
        loader: None,
    };
    let mut search =
        Search { objects: vec![program], linker_names: names(&interpreter, &linker), rules: &mut *rules };
    search.run(system.preload.as_deref())?;
    out.libraries = search.objects.into_iter().skip(1).map(|object| object.path).collect();
    rules.finish(&mut out);
    out.interpreter = Some(interpreter);
    Ok(out)
}

fn names(path: &Path, linking: &Linking) -> Vec<Vec<u8>> {
    let mut names = vec![path.as_os_str().as_bytes().to_vec()];
    names.extend(linking.soname.clone());
    names
}

/// The walk over all objects.
struct Search<'a> {
    objects: Vec<Object>,
    linker_names: Vec<Vec<u8>>,
    rules: &'a mut dyn Rules,
}

impl Search<'_> {
    fn run(&mut self, preload: Option<&[u8]>) -> Result<(), LinkError> {
        // ld.so(8): preloaded objects come before all others; blanks or colons separate them.
        let preload = preload.unwrap_or_default().split(|&byte| byte == b' ' || byte == b':');
        let mut queue: VecDeque<(usize, Vec<u8>)> =
            preload.filter(|name| !name.is_empty()).map(|name| (0, name.to_vec())).collect();
        let mut next = 0;
        loop {
            while let Some((loader, name)) = queue.pop_front() {
                self.load(loader, &name)?;
            }
            let Some(object) = self.objects.get(next) else { return Ok(()) };
            queue.extend(object.linking.needed.iter().map(|name| (next, name.clone())));
            next += 1;
        }
    }

    /// Makes sure that `name`, needed by object `loader`, is loaded.
    fn load(&mut self, loader: usize, name: &[u8]) -> Result<(), LinkError> {
        let is_name = |names: &[Vec<u8>]| names.iter().any(|other| other == name);
        if is_name(&self.linker_names) || self.rules.is_linker(name) {
            return Ok(());
        }
        if let Some(object) = self.objects.iter().find(|object| is_name(&object.names)) {
            // Found again by the name of before; nothing to add.
            debug_assert!(object.loader.is_some());
            return Ok(());
        }
        let Some(needer) = self.objects.get(loader) else { return Ok(()) };
        let paths: Vec<PathBuf> = if name.contains(&b'/') {
            let paths = self.rules.expand(name, &needer.origin);
            // The guest's program starts in the root directory.
            paths.into_iter().map(|path| Path::new("/").join(path)).collect()
        } else {
            let file = Path::new(OsStr::from_bytes(name));
            let candidates = self.rules.candidates(&self.objects, loader, name);
            candidates
                .into_iter()
                .map(|candidate| match candidate {
                    Candidate::Dir(dir) => dir.join(file),
                    Candidate::File(path) => path,
                })
                .collect()
        };
        let mut unreadable = None;
        for path in paths {
            match probe(&path) {
                Ok(Probe::Library(linking)) => {
                    self.add(loader, name, path, linking);
                    return Ok(());
                }
                Ok(Probe::Absent | Probe::Unsuitable) => (),
                // The linker goes on after a file that it may not read; if it is the only one, say so.
                Err(error @ LinkError::Read(..)) => unreadable = unreadable.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let needed_by = self.objects.get(loader).map(|object| object.path.clone()).unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        Err(unreadable.unwrap_or(LinkError::Missing { name, needed_by }))
    }

    fn add(&mut self, loader: usize, name: &[u8], path: PathBuf, linking: Linking) {
        self.rules.found(&path);
        let known = self.objects.iter_mut().find(|object| object.path == path);
        if let Some(object) = known {
            object.names.push(name.to_vec());
            return;
        }
        let mut names = names(&path, &linking);
        names.push(name.to_vec());
        let origin = path.parent().unwrap_or(Path::new("/")).to_owned();
        self.objects.push(Object { path, origin, linking, names, loader: Some(loader) });
    }
}

/// What is at a path.
enum Probe {
    Library(Linking),
    /// Nothing, or nothing that can be a file.
    Absent,
    /// A library of another class or machine, which the linker passes over.
    Unsuitable,
}

fn probe(path: &Path) -> Result<Probe, LinkError> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => (),
        Ok(_) => return Ok(Probe::Absent),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(LinkError::Read(path.to_owned(), error));
        }
        Err(_) => return Ok(Probe::Absent),
    }
    let bytes = std::fs::read(path).map_err(|error| LinkError::Read(path.to_owned(), error))?;
    match elf::check_library(&bytes) {
        Ok(linking) => Ok(Probe::Library(linking)),
        Err(ElfError::Not64Bit | ElfError::Machine(_) | ElfError::BigEndian) => Ok(Probe::Unsuitable),
        Err(error) => Err(LinkError::Elf(path.to_owned(), error)),
    }
}

/// The parts of a list like LD_LIBRARY_PATH that are not empty.
fn split_list(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b':' || byte == b';').filter(|part| !part.is_empty())
}
