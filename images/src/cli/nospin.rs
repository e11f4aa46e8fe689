//! `nospin`: runs programs and images.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use image_format::CommandLine;

use crate::interrupt;
use crate::make::Mapping;
use crate::run::net::{self, Forward, Wish};
use crate::run::options::{AccelChoice, Machine};
use crate::run::{self, Options, STATUS_FAILED};

/// Runs Linux programs in a virtual machine of their own.
#[derive(Debug, Parser)]
#[command(name = "nospin", version)]
pub struct Cli {
    #[command(subcommand)]
    command: SubCommand,
}

#[derive(Debug, Subcommand)]
enum SubCommand {
    /// Boots an image, or a program of which an image is made on the fly
    ///
    /// The exit status is the program's, or 128 and the number of the signal that killed it; 125 if the VM could
    /// not be started, 253 if it ended without a word, 254 if its kernel panicked.
    Run(RunArgs),
}

#[derive(Args, Debug)]
struct RunArgs {
    /// An image made by mkimage, or an ELF file for x86-64 Linux
    #[arg(value_name = "IMAGE|ELF")]
    image: PathBuf,
    /// Memory in MiB
    #[arg(short, long, value_name = "MiB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    memory: u64,
    /// Number of CPUs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    smp: u32,
    /// Sets a variable in the program's environment
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = OsStringValueParser::new().try_map(super::variable))]
    env: Vec<(String, Vec<u8>)>,
    /// How the guest's instructions are run
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    /// The kind of machine
    #[arg(long, value_enum, default_value_t)]
    machine: Machine,
    /// Forwards a port of this host to the guest; the host's address is 127.0.0.1 unless given, its port 0 is any
    #[arg(short, long = "publish", value_name = "[ADDR:]HOST:GUEST[/udp]")]
    publish: Vec<Forward>,
    /// The guest's network: user networking of QEMU's (the default with -p), none (the default without), a tap device
    /// that is made for the run or is there already, or one of QEMU's netdevs
    #[arg(long, value_name = net::KINDS)]
    net: Option<net::Kind>,
    /// Gives the guest an entropy device, for CPUs without random numbers of their own
    #[arg(long)]
    rng: bool,
    /// Adds options to the guest's command line
    #[arg(long, value_name = "KEY=VALUE ...", value_parser = OsStringValueParser::new().try_map(super::options))]
    append: Vec<CommandLine>,
    /// Adds a file to an image made on the fly
    #[arg(long, value_name = "HOST:GUEST", value_parser = OsStringValueParser::new().try_map(super::mapping))]
    file: Vec<Mapping>,
    /// Adds a directory to an image made on the fly
    #[arg(long, value_name = "HOST:GUEST", value_parser = OsStringValueParser::new().try_map(super::mapping))]
    dir: Vec<Mapping>,
    /// Prints QEMU's command line and starts nothing
    #[arg(long)]
    dry_run: bool,
    /// Waits for a debugger on this port of 127.0.0.1
    #[arg(long, value_name = "PORT")]
    gdb: Option<u16>,
    /// Uses this kernel instead of the one that is built in
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// The QEMU binary
    #[arg(long, value_name = "PATH", default_value = "qemu-system-x86_64")]
    qemu: OsString,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARG")]
    args: Vec<OsString>,
}

/// Runs `nospin` with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if shown { ExitCode::SUCCESS } else { ExitCode::from(STATUS_FAILED) };
        }
    };
    let SubCommand::Run(args) = cli.command;
    let result = interrupt::install().map_err(run::RunError::Start).and_then(|()| run::run(&options(args)));
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("nospin: {error}");
            ExitCode::from(STATUS_FAILED)
        }
    }
}

fn options(args: RunArgs) -> Options {
    Options {
        options: super::joined(&args.append, &args.env),
        file: args.image,
        memory_mib: args.memory,
        cpus: args.smp,
        accel: args.accel,
        machine: args.machine,
        net: Wish { kind: args.net, forwards: args.publish },
        rng: args.rng,
        files: args.file,
        dirs: args.dir,
        dry_run: args.dry_run,
        gdb: args.gdb,
        args: args.args,
        kernel: args.kernel,
        qemu: args.qemu,
    }
}
