//! QEMU's command line for a VM.
//!
//! Options are those that QEMU 7.2 and later share; see qemu-system-x86_64(1). No default devices, no
//! configuration of the user's: what the guest sees is what stands here.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use image_format::channel::{CHANNEL_PORT, EXIT_PORT};

use super::accel::Accel;
use super::options::Machine;

/// The other end of one of the guest's character devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chardev {
    /// QEMU's own standard input and output.
    Stdio,
    /// A file, output only.
    File(PathBuf),
    /// A connected stream socket that QEMU inherits under this number.
    Socket(RawFd),
}

/// A VM, as far as QEMU has to know it.
#[derive(Clone, Debug)]
pub struct Vm {
    /// The QEMU binary.
    pub program: OsString,
    /// The kind of machine.
    pub machine: Machine,
    /// How instructions are run.
    pub accel: Accel,
    /// Number of CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The image.
    pub image: PathBuf,
    /// The command line that goes over the one in the image.
    pub append: String,
    /// The first serial port.
    pub console: Chardev,
    /// The second channel.
    pub channel: Chardev,
    /// Wait for a debugger on this TCP port.
    pub gdb: Option<u16>,
}

impl Vm {
    /// The whole command, binary first.
    #[must_use]
    pub fn command(&self) -> Vec<OsString> {
        let mut words = vec![self.program.clone()];
        let mut add = |parts: &[&str]| words.extend(parts.iter().map(OsString::from));
        add(&["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        add(match self.machine {
            Machine::Q35 => &["-machine", "q35"],
            Machine::Microvm => &["-machine", "microvm,acpi=on,pcie=on,pic=on,pit=on,rtc=on,isa-serial=on"],
        });
        add(match self.accel {
            Accel::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Accel::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max"],
        });
        add(&["-smp", &self.cpus.to_string(), "-m", &self.memory_mib.to_string()]);
        add(&["-chardev", &chardev("console", &self.console), "-serial", "chardev:console"]);
        let channel = format!("isa-debugcon,iobase={CHANNEL_PORT:#x},chardev=channel");
        add(&["-chardev", &chardev("channel", &self.channel), "-device", &channel]);
        add(&["-device", &format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=0x04")]);
        if let Some(port) = self.gdb {
            add(&["-gdb", &format!("tcp:127.0.0.1:{port}"), "-S"]);
        }
        add(&["-kernel"]);
        words.push(self.image.clone().into_os_string());
        if !self.append.is_empty() {
            words.extend(["-append".into(), OsString::from(&self.append)]);
        }
        words
    }
}

fn chardev(id: &str, chardev: &Chardev) -> String {
    match chardev {
        Chardev::Stdio => format!("stdio,id={id}"),
        // In QEMU's option syntax a comma in a value is written twice.
        Chardev::File(path) => format!("file,id={id},path={}", path.display().to_string().replace(',', ",,")),
        Chardev::Socket(fd) => format!("socket,id={id},fd={fd}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm() -> Vm {
        Vm {
            program: "qemu-system-x86_64".into(),
            machine: Machine::Q35,
            accel: Accel::Tcg,
            cpus: 2,
            memory_mib: 64,
            image: "a,b.img".into(),
            append: "-- /bin/x \"a b\"".into(),
            console: Chardev::Socket(7),
            channel: Chardev::File("/tmp/a,b".into()),
            gdb: None,
        }
    }

    fn has(vm: &Vm, words: &[&str]) -> bool {
        vm.command().windows(words.len()).any(|part| part == words)
    }

    #[test]
    fn one_word_for_each_option_value() {
        let vm = vm();
        assert!(has(&vm, &["-smp", "2", "-m", "64"]));
        assert!(has(&vm, &["-kernel", "a,b.img", "-append", "-- /bin/x \"a b\""]));
        assert!(has(&vm, &["-chardev", "socket,id=console,fd=7", "-serial", "chardev:console"]));
        assert!(has(&vm, &["-chardev", "file,id=channel,path=/tmp/a,,b"]));
        assert!(has(&vm, &["-device", "isa-debugcon,iobase=0xe9,chardev=channel"]));
        assert!(has(&vm, &["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]));
        assert!(has(&vm, &["-accel", "tcg,thread=multi", "-cpu", "max"]));
        assert!(!vm.command().contains(&"-gdb".into()));
    }

    #[test]
    fn other_choices() {
        let vm = Vm {
            accel: Accel::Kvm,
            machine: Machine::Microvm,
            gdb: Some(1234),
            append: String::new(),
            ..vm()
        };
        assert!(has(&vm, &["-accel", "kvm", "-cpu", "host"]));
        assert!(has(&vm, &["-gdb", "tcp:127.0.0.1:1234", "-S"]));
        assert!(vm.command().iter().any(|word| word.to_string_lossy().starts_with("microvm,")));
        assert!(!vm.command().contains(&"-append".into()));
    }
}
