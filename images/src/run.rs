//! `nospin run`: boots an image in QEMU and stands between it and the terminal.
//!
//! The order of things: [`options`] say what is wanted, [`prepare`](fn@prepare) finds or makes the image,
//! [`net`] makes the network, [`qemu`] turns all into a command line, [`relay`] moves the bytes while the machine runs, [`second`] reads
//! the second channel (with [`symbols`] for backtraces), and the outcome becomes the exit status.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, stdin, stdout};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use image_format::CommandLine;

use crate::image::{FileKind, Image, ImageError};
use crate::interrupt::Temporary;
use crate::kernel::{Kernel, KernelError};
use crate::make::{self, MakeError, Request};
use crate::progress::Progress;

pub mod accel;
pub mod net;
pub mod options;
pub mod qemu;
pub mod relay;
pub mod second;
pub mod shell;
pub mod symbols;

pub use options::Options;
use qemu::{Chardev, Vm};

/// Exit status when `nospin` itself fails.
pub const STATUS_FAILED: u8 = 125;
/// Exit status when the VM ended without saying how the program ended.
pub const STATUS_LOST: u8 = 253;
/// Exit status when the guest's kernel panicked.
pub const STATUS_PANIC: u8 = 254;
/// Exit status when nobody reads the output any more: 128 + SIGPIPE.
pub const STATUS_PIPE: u8 = 141;

/// The longest command line that QEMU's PVH loader hands over without cutting it, NUL not counted.
pub const APPEND_MAX: usize = 4095;

/// Why the VM was not started.
#[derive(Debug)]
pub enum RunError {
    /// The image cannot be used.
    Image(PathBuf, ImageError),
    /// No image could be made of the program.
    Make(MakeError),
    /// There is no kernel to make an image with.
    Kernel(KernelError),
    /// No network as asked for.
    Net(net::NetError),
    /// No accelerator as asked for.
    Accel(accel::AccelError),
    /// The image does not fit into the memory of the VM (image, MiB given, MiB needed at least).
    Memory(PathBuf, u64, u64),
    /// The guest's command line is too long for QEMU (bytes).
    CommandLine(usize),
    /// A program was named, but the image holds none that could be given the arguments.
    NoProgram(PathBuf),
    /// QEMU is not installed.
    NoQemu(String),
    /// QEMU could not be started, or the plumbing around it failed.
    Start(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Make(error) => error.fmt(f),
            Self::Kernel(error) => error.fmt(f),
            Self::Net(error) => error.fmt(f),
            Self::Accel(error) => error.fmt(f),
            Self::Memory(path, given, needed) => write!(
                f,
                "{}: does not fit into {given} MiB of memory; it takes {needed} MiB before the program starts (-m)",
                path.display()
            ),
            Self::CommandLine(len) => write!(
                f,
                "the guest's command line has {len} bytes, {APPEND_MAX} can be passed to an image; \
                 build an image that holds these arguments"
            ),
            Self::NoProgram(path) => {
                write!(f, "{}: the image names no program to give arguments to", path.display())
            }
            Self::NoQemu(name) => {
                write!(f, "{name} not found; install it (Debian: apt-get install qemu-system-x86)")
            }
            Self::Start(error) => write!(f, "cannot run QEMU: {}", make::reason(error)),
        }
    }
}

impl std::error::Error for RunError {}

/// An image that is ready to boot.
struct Prepared {
    path: PathBuf,
    /// Its contents; none for a dry run of a program.
    image: Option<Box<Image>>,
    /// What goes over the command line that is baked in.
    over: CommandLine,
    /// Removes a temporary image in the end.
    _temporary: Option<(tempfile::TempDir, Temporary)>,
}

/// Boots what the options name and returns the exit status to end with.
///
/// # Errors
/// Whatever keeps the VM from being started.
pub fn run(options: &Options) -> Result<u8, RunError> {
    let accel = accel::choose(options.accel).map_err(RunError::Accel)?;
    let prepared = prepare(options)?;
    if let Some(image) = &prepared.image {
        let memory = options.memory_mib.saturating_mul(1 << 20);
        if image.memory_end > memory {
            let needed = image.memory_end.div_ceil(1 << 20);
            return Err(RunError::Memory(options.file.clone(), options.memory_mib, needed));
        }
    }
    let over = &prepared.over;
    let whole = match &prepared.image {
        Some(image) => image.cmdline.clone().overlay(over.clone()),
        None => over.clone(),
    };
    let mut network = net::prepare(&options.net, &whole, options.machine, options.cpus, options.dry_run)
        .map_err(RunError::Net)?;
    let mut line = over.clone();
    line.options.append(&mut network.options);
    let mut vm = Vm {
        program: options.qemu.clone(),
        machine: options.machine,
        accel,
        cpus: options.cpus,
        memory_mib: options.memory_mib,
        image: prepared.path.clone(),
        append: line.render(),
        console: Chardev::Stdio,
        channel: Chardev::File("/dev/stderr".into()),
        card: network.card.take(),
        rng: options.rng,
        gdb: options.gdb,
    };
    if options.dry_run {
        check_append(&vm.append)?;
        let (before, after) = &network.script;
        before.iter().for_each(|line| println!("{line}"));
        println!("{}", shell::quote_all(&vm.command()));
        after.iter().for_each(|line| println!("{line}"));
        if prepared.image.is_none() {
            eprintln!("nospin: make the image first: mkimage --elf {}", options.file.display());
        }
        return Ok(0);
    }
    // Who asks for a terminal on a line gets it, without the framing that standard files need.
    let is_line = whole.get("console").is_some_and(|console| console != b"host");
    if !is_line {
        line.options.extend(terminal_options());
    }
    if line.get("clock").is_none() {
        // The machine's clock has whole seconds.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        line.options.push(("clock".to_owned(), text.into_bytes()));
    }
    vm.append = line.render();
    check_append(&vm.append)?;
    network.notes.iter().for_each(|note| eprintln!("nospin: {note}"));
    let image = prepared.image.map(|image| *image);
    // The device stays until QEMU has ended.
    let _tap = network.tap;
    relay::run(vm, image, options.kernel.as_deref(), network.services, network.ports, is_line)
}

fn check_append(append: &str) -> Result<(), RunError> {
    if append.len() > APPEND_MAX { Err(RunError::CommandLine(append.len())) } else { Ok(()) }
}

/// What the guest has to know of the terminal on this side.
fn terminal_options() -> Vec<(String, Vec<u8>)> {
    let mut options = vec![("console".to_owned(), b"host".to_vec())];
    let (input, output) = (stdin().is_terminal(), stdout().is_terminal());
    let names: Vec<_> =
        [(input, "in"), (output, "out")].iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if !names.is_empty() {
        options.push(("tty".to_owned(), names.join(",").into_bytes()));
    }
    if let (true, Ok(size)) = (output, rustix::termios::tcgetwinsize(stdout()))
        && size.ws_row > 0
        && size.ws_col > 0
    {
        options.push(("winsize".to_owned(), format!("{}x{}", size.ws_row, size.ws_col).into_bytes()));
    }
    options
}

/// Finds the image, or makes one of the program.
fn prepare(options: &Options) -> Result<Prepared, RunError> {
    let file = &options.file;
    match Image::detect(file).map_err(|error| RunError::Image(file.clone(), error))? {
        FileKind::Image(image) => {
            let over = overlay(options, &image, file)?;
            Ok(Prepared { path: file.clone(), image: Some(image), over, _temporary: None })
        }
        FileKind::Other => make_image(options),
    }
}

/// The command line for an image: options, and arguments for the program that the image names.
fn overlay(options: &Options, image: &Image, file: &Path) -> Result<CommandLine, RunError> {
    let mut over = options.options.clone();
    if !options.args.is_empty() {
        let program = over
            .program
            .take()
            .or_else(|| image.cmdline.program.clone())
            .and_then(|words| words.into_iter().next());
        let program = program.ok_or_else(|| RunError::NoProgram(file.to_owned()))?;
        let args = options.args.iter().map(|arg| arg.as_bytes().to_vec());
        over.program = Some(std::iter::once(program).chain(args).collect());
    }
    Ok(over)
}

fn make_image(options: &Options) -> Result<Prepared, RunError> {
    let mut baked = options.options.clone();
    let over = CommandLine { options: Vec::new(), program: baked.program.take() };
    let request = Request {
        program: options.file.clone(),
        args: options.args.clone(),
        options: baked,
        files: options.files.clone(),
        dirs: options.dirs.clone(),
    };
    let mut name = options.file.file_name().unwrap_or_default().to_os_string();
    name.push(".img");
    if options.dry_run {
        // As it will be: the image that mkimage makes by default.
        let over = CommandLine { program: over.program, ..request.options };
        let over = with_args(over, &options.args, &options.file);
        return Ok(Prepared { path: PathBuf::from(name), image: None, over, _temporary: None });
    }
    let kernel = Kernel::load(options.kernel.as_deref()).map_err(RunError::Kernel)?;
    let dir = tempfile::Builder::new().prefix("nospin.").tempdir().map_err(RunError::Start)?;
    let path = dir.path().join(name);
    let guard = Temporary::new(dir.path());
    make::make(&request, &path, &kernel, &Progress::Quiet).map_err(RunError::Make)?;
    let image = Image::open(&path).map_err(|error| RunError::Image(path.clone(), error))?;
    Ok(Prepared { path, image: Some(Box::new(image)), over, _temporary: Some((dir, guard)) })
}

/// `line` with the program at `file` and its arguments, if it has some and no program yet.
fn with_args(mut line: CommandLine, args: &[OsString], file: &Path) -> CommandLine {
    if !args.is_empty() && line.program.is_none() {
        let program = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let args = args.iter().map(|arg| arg.as_bytes().to_vec());
        line.program = Some(std::iter::once(program.as_os_str().as_bytes().to_vec()).chain(args).collect());
    }
    line
}
