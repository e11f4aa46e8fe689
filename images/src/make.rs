//! Making an image: the steps from a request to the finished file.
//!
//! Called by `mkimage`, and by `nospin run` for a program. The output appears under its name only when it is
//! complete: it is written to a temporary file in the same directory and renamed.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use image_format::CommandLine;
use loader::script;
use tempfile::NamedTempFile;

use crate::archive::{self, ArchiveError};
use crate::elf::{self, ElfError, Linking};
use crate::etc;
use crate::interrupt::Temporary;
use crate::kernel::Kernel;
use crate::ldso::{self, Dependencies, LinkError, System};
use crate::progress::Progress;
use crate::pvh::{self, PvhError, Sizes};
use crate::summary::Summary;
use crate::tree::{self, Tree, TreeError, host};

/// Something of this host and its path in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Path on this host.
    pub host: PathBuf,
    /// Path in the guest.
    pub guest: Vec<u8>,
}

/// What an image is to hold.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Options of the guest's command line, environment included; no program.
    pub options: CommandLine,
    /// Files to add.
    pub files: Vec<Mapping>,
    /// Directories to add.
    pub dirs: Vec<Mapping>,
}

/// Why no image was made.
#[derive(Debug)]
pub enum MakeError {
    /// The program could not be read.
    ReadProgram(PathBuf, io::Error),
    /// The program is none.
    Program(PathBuf, ElfError),
    /// The interpreter of a script (script, interpreter) is not there.
    Interpreter(PathBuf, PathBuf),
    /// Its libraries could not be collected.
    Link(LinkError),
    /// Something could not be put into the image.
    Tree(TreeError),
    /// The output could not be written (path, error).
    Output(PathBuf, io::Error),
    /// The output is something that must not be replaced.
    OutputKind(PathBuf, &'static str),
    /// A source could not be read while the archive was written, or the image is too large.
    Image(PvhError),
    /// The program's path or an argument cannot be passed on.
    Argument(&'static str),
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadProgram(path, error) | Self::Output(path, error) => {
                write!(f, "{}: {}", path.display(), reason(error))
            }
            Self::Program(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Interpreter(script, interpreter) => {
                write!(f, "{}: its interpreter {} cannot be read", script.display(), interpreter.display())
            }
            Self::Link(error) => error.fmt(f),
            Self::Tree(error) => error.fmt(f),
            Self::OutputKind(path, kind) => write!(f, "{}: {kind}", path.display()),
            Self::Image(error) => error.fmt(f),
            Self::Argument(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for MakeError {}

/// An I/O error in the words of strerror(3), without the number that `Display` adds.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The program's path as given, absolute and without `.` and `..`. Symbolic links stay, for a program may look at the
/// name by which it was called; only a `..` makes the directories before it be resolved.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if !path.components().any(|part| part == Component::ParentDir) {
        return Ok(path.components().collect());
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let dir = path.parent().unwrap_or(Path::new("/")).canonicalize()?;
    Ok(dir.join(name))
}

/// What is known about the program once it was looked at.
#[derive(Debug)]
struct Program {
    /// As it was given: an ELF file or a script.
    path: PathBuf,
    /// The interpreters between a script and its ELF file, that one included; empty for an ELF file.
    interpreters: Vec<PathBuf>,
    linking: Linking,
}

impl Program {
    fn read(path: &Path) -> Result<Self, MakeError> {
        let read_error = |error| MakeError::ReadProgram(path.to_owned(), error);
        let mut bytes = read_program(path)?;
        let absolute = absolute(path).map_err(read_error)?;
        let mut interpreters: Vec<PathBuf> = Vec::new();
        while let Some(line) = script::parse(&bytes) {
            let here = interpreters.last().map_or(path, PathBuf::as_path);
            let bad = || MakeError::Program(here.to_owned(), ElfError::Script);
            let line = line.map_err(|_| bad())?;
            if interpreters.len() == script::NESTING_MAX {
                return Err(bad());
            }
            // The guest's program starts in the root directory.
            let next = Path::new("/").join(OsStr::from_bytes(line.interpreter));
            bytes = read_program(&next).map_err(|_| MakeError::Interpreter(here.to_owned(), next.clone()))?;
            interpreters.push(next);
        }
        let elf = interpreters.last().map_or(path, PathBuf::as_path);
        let linking =
            elf::check_program(&bytes).map_err(|error| MakeError::Program(elf.to_owned(), error))?;
        Ok(Self { path: absolute, interpreters, linking })
    }

    /// The ELF file that runs.
    fn elf(&self) -> &Path {
        self.interpreters.last().unwrap_or(&self.path)
    }
}

fn read_program(path: &Path) -> Result<Vec<u8>, MakeError> {
    let read_error = |error| MakeError::ReadProgram(path.to_owned(), error);
    let meta = fs::metadata(path).map_err(read_error)?;
    if !meta.is_file() {
        let kind = if meta.is_dir() { "Is a directory" } else { "not a regular file" };
        return Err(read_error(io::Error::other(kind)));
    }
    fs::read(path).map_err(read_error)
}

/// The tree for a program with its dependencies and everything that was asked for.
fn collect(
    program: &Program,
    dependencies: &Dependencies,
    request: &Request,
    progress: &Progress,
) -> Result<Tree, TreeError> {
    let mut tree = Tree::default();
    host::add_path(&mut tree, &program.path)?;
    for path in &program.interpreters {
        host::add_path(&mut tree, path)?;
    }
    let linked =
        dependencies.interpreter.iter().chain(&dependencies.libraries).chain(&dependencies.linker_files);
    for path in linked {
        host::add_path(&mut tree, path)?;
    }
    if let Some(cache) = &dependencies.made_cache {
        tree.insert(b"etc/ld.so.cache", etc::made(cache.clone()))?;
    }
    etc::add(&mut tree)?;
    for Mapping { host, guest } in &request.dirs {
        let guest = tree::guest_path(guest)?;
        for socket in host::copy_dir(&mut tree, host, &guest)? {
            progress.warn(&format!("{}: a socket, left out", socket.display()));
        }
    }
    for Mapping { host, guest } in &request.files {
        let mut guest = guest.clone();
        if guest.ends_with(b"/") {
            guest.extend_from_slice(host.file_name().unwrap_or_default().as_bytes());
        }
        host::copy(&mut tree, host, &tree::guest_path(&guest)?)?;
    }
    Ok(tree)
}

/// The command line to be baked in.
fn command_line(request: &Request, program: &Path) -> Result<CommandLine, MakeError> {
    let args = request.args.iter().map(|arg| arg.as_bytes().to_vec());
    let words: Vec<_> = std::iter::once(program.as_os_str().as_bytes().to_vec()).chain(args).collect();
    if words.iter().any(|word| word.contains(&0)) {
        return Err(MakeError::Argument("an argument holds a NUL byte"));
    }
    Ok(CommandLine { program: Some(words), ..request.options.clone() })
}

/// Makes the image that `request` describes and writes it to `output`.
///
/// # Errors
/// Whatever stands in the way; no file is left behind then, and an older one stays as it was.
pub fn make(
    request: &Request,
    output: &Path,
    kernel: &Kernel,
    progress: &Progress,
) -> Result<Summary, MakeError> {
    progress.step(&format!("reading {}", request.program.display()));
    let program = Program::read(&request.program)?;
    check_output(output, &program.path)?;
    let find =
        |name: &str| request.options.env().find(|(key, _)| *key == name).map(|(_, value)| value.to_vec());
    let system =
        System { library_path: find("LD_LIBRARY_PATH"), preload: find("LD_PRELOAD"), ..System::default() };
    let dependencies = ldso::resolve(program.elf(), &program.linking, &system).map_err(MakeError::Link)?;
    let tree = collect(&program, &dependencies, request, progress).map_err(MakeError::Tree)?;
    let cmdline = command_line(request, &program.path)?.render();

    let counts = archive::count(&tree);
    progress.step(&format!("writing {}", output.display()));
    progress.total(counts.bytes);
    let sizes = write(output, kernel, cmdline.as_bytes(), &tree, progress);
    progress.finish();
    Ok(Summary {
        output: output.to_owned(),
        program: program.path,
        interpreter: dependencies.interpreter,
        libraries: dependencies.libraries,
        counts,
        sizes: sizes?,
        kernel: kernel.build_id,
        cmdline,
    })
}

/// Refuses to replace what is not an ordinary file, and the program itself.
fn check_output(output: &Path, program: &Path) -> Result<(), MakeError> {
    let Ok(there) = fs::metadata(output) else { return Ok(()) };
    let kind = |what| Err(MakeError::OutputKind(output.to_owned(), what));
    if there.is_dir() {
        return kind("is a directory");
    }
    if !there.is_file() {
        return kind("is not a regular file and will not be replaced");
    }
    let same = fs::metadata(program).is_ok_and(|meta| (meta.dev(), meta.ino()) == (there.dev(), there.ino()));
    if same { kind("is the program itself and will not be replaced") } else { Ok(()) }
}

fn write(
    output: &Path,
    kernel: &Kernel,
    cmdline: &[u8],
    tree: &Tree,
    progress: &Progress,
) -> Result<Sizes, MakeError> {
    let failed = |error| MakeError::Output(output.to_owned(), error);
    let dir = match output.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut prefix = OsString::from(".");
    prefix.push(output.file_name().unwrap_or(OsStr::new("image")));
    prefix.push(".");
    // The error of creating a temporary file names that file; the user knows the output's name.
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(fs::Permissions::from_mode(0o666)) // less the umask: 0644 for most
        .tempfile_in(dir)
        .map_err(|error| failed(error.raw_os_error().map_or(error, io::Error::from_raw_os_error)))?;
    let guard = Temporary::new(file.path());
    let sizes = pvh::write(file.as_file_mut(), kernel, cmdline, tree, &mut |bytes| progress.advance(bytes));
    let sizes = sizes.map_err(|error| match error {
        PvhError::Write(error) | PvhError::Archive(ArchiveError::Write(error)) => failed(error),
        error => MakeError::Image(error),
    })?;
    persist(file, output).map_err(failed)?;
    drop(guard);
    Ok(sizes)
}

fn persist(file: NamedTempFile, output: &Path) -> io::Result<()> {
    file.persist(output).map(|_| ()).map_err(|error| error.error)
}
