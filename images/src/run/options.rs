//! What `nospin run` is asked to do, apart from how the command line spells it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;
use image_format::CommandLine;

use super::net::Wish;
use crate::make::Mapping;

/// How the guest's instructions are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AccelChoice {
    /// KVM where the CPU offers it and it can be used, TCG otherwise.
    #[default]
    Auto,
    /// Hardware virtualisation.
    Kvm,
    /// Emulation.
    Tcg,
}

/// The kind of machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Machine {
    /// A PC with PCI Express.
    #[default]
    Q35,
    /// QEMU's minimal machine, with PCI Express.
    Microvm,
}

/// All options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// An image, or a program of which one is made.
    pub file: PathBuf,
    /// Memory of the VM in MiB.
    pub memory_mib: u64,
    /// Number of CPUs.
    pub cpus: u32,
    /// How instructions are run.
    pub accel: AccelChoice,
    /// The kind of machine.
    pub machine: Machine,
    /// Options for the guest's command line, environment included, and perhaps a program.
    pub options: CommandLine,
    /// The network.
    pub net: Wish,
    /// Whether there is an entropy device.
    pub rng: bool,
    /// Files to add to an image made on the fly.
    pub files: Vec<Mapping>,
    /// Directories to add to an image made on the fly.
    pub dirs: Vec<Mapping>,
    /// Print QEMU's command line instead of running it.
    pub dry_run: bool,
    /// Wait for a debugger on this TCP port of the loopback address.
    pub gdb: Option<u16>,
    /// Arguments for the program.
    pub args: Vec<OsString>,
    /// The kernel for an image made on the fly and for backtraces, instead of the one inside the tool.
    pub kernel: Option<PathBuf>,
    /// The QEMU binary.
    pub qemu: OsString,
}
