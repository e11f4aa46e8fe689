//! QEMU's command line for a VM.
//!
//! Options are those that QEMU 7.2 and later share; see qemu-system-x86_64(1). No default devices, no
//! configuration of the user's: what the guest sees is what stands here.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use image_format::channel::{CHANNEL_PORT, EXIT_PORT};

use super::accel::Accel;
use super::net::Card;
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
    /// The network card.
    pub card: Option<Card>,
    /// Whether there is an entropy device.
    pub rng: bool,
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
        if (self.card.is_some() || self.rng) && self.machine == Machine::Microvm {
            // Without it these devices have the interface from before the standard.
            add(&["-global", "virtio-mmio.force-legacy=false"]);
        }
        if let Some(card) = &self.card {
            add(&["-netdev", &with_id(&card.netdev), "-device", &self.card_device(card)]);
        }
        if self.rng {
            let device = self.bus_name("virtio-rng");
            add(&["-object", "rng-builtin,id=rng0", "-device", &format!("{device},rng=rng0")]);
        }
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

    /// The name of a virtio device on this machine.
    fn bus_name(&self, device: &str) -> String {
        match self.machine {
            // Nobody boots from the network, so the card's firmware does not have to run.
            Machine::Q35 if device == "virtio-net" => format!("{device}-pci,disable-legacy=on,romfile="),
            Machine::Q35 => format!("{device}-pci,disable-legacy=on"),
            Machine::Microvm => format!("{device}-device"),
        }
    }

    fn card_device(&self, card: &Card) -> String {
        let mac = card.mac.map(|byte| format!("{byte:02x}")).join(":");
        let mut device = format!("{},netdev=net0,mac={mac}", self.bus_name("virtio-net"));
        if card.queues > 1 {
            device.push_str(",mq=on");
            if self.machine == Machine::Q35 {
                // One for each queue of a pair, one for the configuration, one for the control queue.
                device.push_str(&format!(",vectors={}", 2 * card.queues + 2));
            }
        }
        device
    }
}

/// The value of `-netdev` with its id, which comes behind the kind.
fn with_id(netdev: &str) -> String {
    match netdev.split_once(',') {
        Some((kind, rest)) => format!("{kind},id=net0,{rest}"),
        None => format!("{netdev},id=net0"),
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
            card: None,
            rng: false,
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

    #[test]
    fn devices_are_attached_as_the_machine_has_it() {
        let card = Card { netdev: "user".into(), mac: [2, 0xab, 0, 0, 0, 1], queues: 1 };
        let vm = Vm { card: Some(card), rng: true, ..vm() };
        let device = "virtio-net-pci,disable-legacy=on,romfile=,netdev=net0,mac=02:ab:00:00:00:01";
        assert!(has(&vm, &["-netdev", "user,id=net0", "-device", device]), "{:?}", vm.command());
        let device = "virtio-rng-pci,disable-legacy=on,rng=rng0";
        assert!(has(&vm, &["-object", "rng-builtin,id=rng0", "-device", device]));
        assert!(!vm.command().contains(&"-global".into()));
        let vm = Vm { machine: Machine::Microvm, ..vm };
        assert!(has(&vm, &["-global", "virtio-mmio.force-legacy=false"]));
        assert!(has(&vm, &["-device", "virtio-net-device,netdev=net0,mac=02:ab:00:00:00:01"]));
        assert!(has(&vm, &["-device", "virtio-rng-device,rng=rng0"]));
    }

    #[test]
    fn a_card_with_several_queues_has_an_interrupt_for_each() {
        let card = Card { netdev: "tap,ifname=t0,queues=4".into(), mac: [2; 6], queues: 4 };
        let vm = Vm { card: Some(card), ..vm() };
        assert!(has(&vm, &["-netdev", "tap,id=net0,ifname=t0,queues=4"]));
        let device =
            "virtio-net-pci,disable-legacy=on,romfile=,netdev=net0,mac=02:02:02:02:02:02,mq=on,vectors=10";
        assert!(has(&vm, &["-device", device]), "{:?}", vm.command());
    }
}
