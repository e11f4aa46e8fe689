//! `mkimage`: makes images, and looks into them.

use std::ffi::OsString;
use std::io::{self, Write as _, stdout};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};
use image_format::CommandLine;

use crate::image::Image;
use crate::inspect;
use crate::interrupt;
use crate::kernel::Kernel;
use crate::make::{self, Mapping, Request};
use crate::progress::Progress;

/// Makes a bootable image of a Linux program.
///
/// The image holds the kernel, the program with its libraries, and a command line; QEMU boots it with -kernel.
#[derive(Debug, Parser)]
#[command(name = "mkimage", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<SubCommand>,
    #[command(flatten)]
    make: Option<MakeArgs>,
}

#[derive(Debug, Subcommand)]
enum SubCommand {
    /// Shows what is in an image
    Inspect {
        /// The image
        image: PathBuf,
        #[command(subcommand)]
        what: Option<Inspect>,
    },
}

#[derive(Debug, Subcommand)]
enum Inspect {
    /// Lists the files
    Ls,
    /// Writes a file to standard output
    Cat {
        /// Path in the image
        path: OsString,
    },
    /// Prints the command line that is baked in
    Cmdline,
}

#[derive(Args, Debug)]
struct MakeArgs {
    /// The program, an ELF file for x86-64 Linux
    #[arg(long, value_name = "PATH")]
    elf: PathBuf,
    /// The image to write [default: the program's name with .img, in the current directory]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Sets a variable in the program's environment
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = OsStringValueParser::new().try_map(super::variable))]
    env: Vec<(String, Vec<u8>)>,
    /// Adds a file
    #[arg(long, value_name = "HOST:GUEST", value_parser = OsStringValueParser::new().try_map(super::mapping))]
    file: Vec<Mapping>,
    /// Adds a directory with everything in it
    #[arg(long, value_name = "HOST:GUEST", value_parser = OsStringValueParser::new().try_map(super::mapping))]
    dir: Vec<Mapping>,
    /// Adds options to the guest's command line
    #[arg(long, value_name = "KEY=VALUE ...", value_parser = OsStringValueParser::new().try_map(options_only))]
    append: Vec<CommandLine>,
    /// Prints the summary as a JSON object
    #[arg(long)]
    json: bool,
    /// Uses this kernel instead of the one that is built in
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARG")]
    args: Vec<OsString>,
}

fn options_only(text: OsString) -> Result<CommandLine, String> {
    let line = super::options(text)?;
    if line.program.is_some() {
        return Err("the program's arguments go behind -- on mkimage's own command line".to_owned());
    }
    Ok(line)
}

/// Runs `mkimage` with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse(); // ends with status 2 on wrong usage
    let result = match (cli.command, cli.make) {
        (Some(SubCommand::Inspect { image, what }), _) => inspect_image(&image, what.as_ref()),
        (None, Some(args)) => make_image(args),
        (None, None) => Err("nothing to do; see mkimage --help".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mkimage: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make_image(args: MakeArgs) -> Result<(), String> {
    interrupt::install().map_err(|error| error.to_string())?;
    let output = args.output.unwrap_or_else(|| {
        let mut name = args.elf.file_name().unwrap_or_default().to_os_string();
        name.push(".img");
        PathBuf::from(name)
    });
    let request = Request {
        program: args.elf,
        args: args.args,
        options: super::joined(&args.append, &args.env),
        files: args.file,
        dirs: args.dir,
    };
    let kernel = Kernel::load(args.kernel.as_deref()).map_err(|error| error.to_string())?;
    let summary =
        make::make(&request, &output, &kernel, &Progress::new()).map_err(|error| error.to_string())?;
    let text = if args.json { summary.json().to_string() } else { summary.to_string() };
    print_all(|out| writeln!(out, "{text}"))
}

fn inspect_image(path: &std::path::Path, what: Option<&Inspect>) -> Result<(), String> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let image = Image::open(path).map_err(|error| at(&error))?;
    match what {
        None => print_all(|out| inspect::summary(&image, path, out)),
        Some(Inspect::Ls) => print_all(|out| inspect::list(&image, out)),
        Some(Inspect::Cmdline) => print_all(|out| {
            out.write_all(image.cmdline_bytes())?;
            writeln!(out)
        }),
        Some(Inspect::Cat { path: wanted }) => {
            let root = image.root();
            let contents = inspect::contents(&root, wanted.as_bytes());
            let contents = contents.map_err(|why| at(&format!("{}: {why}", wanted.display())))?;
            print_all(|out| out.write_all(contents))
        }
    }
}

/// Writes to standard output. That nobody reads on is no error.
fn print_all(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<(), String> {
    let mut out = io::BufWriter::new(stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("standard output: {}", make::reason(&error))),
    }
}
