//! The network of a VM: what `-p` and `--net` ask for, and what comes of it.
//!
//! [`Wish`] is what the user said, [`prepare`] turns it into a [`Network`]: the options for QEMU and for the guest,
//! what had to be made on the host ([`ports`], [`tap`]), and who is told what the guest serves ([`services`]). Called by
//! [`run`](fn@super::run) after the image is there and before QEMU starts.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use image_format::CommandLine;
use image_format::channel::Protocol;

use super::options::Machine;

pub mod forward;
pub mod ports;
pub mod services;
pub mod tap;
#[cfg(test)]
mod tests;

pub use forward::Forward;
use services::Services;

/// The guest in QEMU's user networking, with the length of its network's prefix.
pub const USER_GUEST: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 0, 2, 15), 24);
/// The gateway there, which is this host.
pub const USER_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The name server there, which asks this host's.
pub const USER_DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// The card's Ethernet address in user networking. Fixed, for nobody else is in that network: a run is like the last.
/// Locally administered, as bit 1 of the first byte says.
const USER_MAC: [u8; 6] = [0x02, b'n', b'o', b's', b'p', b'n'];

/// The kinds of network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// QEMU itself stands for the network; needs no privileges.
    User,
    /// No card.
    None,
    /// A tap device of the host, perhaps of this name.
    Tap(Option<String>),
    /// What QEMU's option `-netdev` takes, without the id.
    Qemu(String),
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.split_once(':')) {
            ("user", _) => Ok(Self::User),
            ("none", _) => Ok(Self::None),
            ("tap", _) => Ok(Self::Tap(None)),
            (_, Some(("tap", name))) => tap::check_name(name).map(|()| Self::Tap(Some(name.to_owned()))),
            (_, Some(("qemu", spec))) if !spec.is_empty() => Ok(Self::Qemu(spec.to_owned())),
            _ => Err("expected user, none, tap, tap:NAME or qemu:NETDEV".to_owned()),
        }
    }
}

/// What the user wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The kind; without one it is user networking if there is something to forward, none otherwise.
    pub kind: Option<Kind>,
    /// Ports to forward to the guest.
    pub forwards: Vec<Forward>,
}

/// The card and what it is attached to, for QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The value of `-netdev`, without the id.
    pub netdev: String,
    /// Ethernet address.
    pub mac: [u8; 6],
    /// Pairs of queues.
    pub queues: u32,
}

/// A network that is ready for QEMU.
#[derive(Debug, Default)]
pub struct Network {
    /// The card, if there is one.
    pub card: Option<Card>,
    /// What the guest has to be told.
    pub options: Vec<(String, Vec<u8>)>,
    /// Where the guest's services are reached.
    pub services: Services,
    /// Lines for the user.
    pub notes: Vec<String>,
    /// Commands that make what is needed, and those that remove it, for a dry run.
    pub script: (Vec<String>, Vec<String>),
    /// Host ports, held until QEMU takes them.
    pub ports: ports::Reserved,
    /// The device that was made, removed when dropped.
    pub tap: Option<tap::Made>,
}

/// Why there is no such network.
#[derive(Debug)]
pub enum NetError {
    /// `-p` with a network that has no forwarding.
    Forwarding(Kind),
    /// Two of `-p` want the same port of the host.
    Twice(Forward),
    /// A port of the host cannot be had.
    Port(Forward, io::Error),
    /// `ip=` names an address that user networking does not have.
    OutsideUser(Ipv4Addr),
    /// The command `ip` is missing.
    NoIpCommand,
    /// The driver for tap devices is missing or closed to this user.
    Tun(io::Error),
    /// Making a device is not permitted; its name.
    NotPermitted(String),
    /// There is a device of that name, and it is no tap device.
    NotTap(String),
    /// Another program has the tap device of that name.
    TapInUse(String),
    /// All of 10.99.0.0/16 is taken.
    NoFreeNetwork,
    /// A command failed: the command, and what it said.
    Command(String, String),
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwarding(Kind::None) => f.write_str("-p needs a network, and --net none is none"),
            Self::Forwarding(Kind::Tap(_)) => f.write_str(
                "-p forwards ports of this host in user networking; with --net tap the guest has an address of \
                 its own, to which clients connect: leave -p out",
            ),
            Self::Forwarding(_) => f.write_str("-p forwards ports in user networking only (--net user)"),
            Self::Twice(forward) => {
                write!(f, "two of -p want {} ({}) of this host", forward.host, forward.protocol)
            }
            Self::Port(forward, error) => ports::explain(forward, error, f),
            Self::OutsideUser(address) => write!(
                f,
                "ip={address}: in user networking the guest is in 10.0.2.0/24 and neither {USER_GATEWAY} nor \
                 {USER_DNS}; leave ip= out to get {}/{}",
                USER_GUEST.0, USER_GUEST.1
            ),
            Self::NoIpCommand => f.write_str(
                "--net tap uses the command ip, which is not there; install it (Debian: apt-get install iproute2)",
            ),
            Self::Tun(error) if error.kind() == io::ErrorKind::NotFound => f.write_str(
                "--net tap needs /dev/net/tun, which is not there: load the driver (modprobe tun), or give the \
                 device to the container you are in (--device /dev/net/tun)",
            ),
            Self::Tun(error) => {
                write!(f, "--net tap cannot open /dev/net/tun: {}", crate::make::reason(error))
            }
            Self::NotPermitted(name) => write!(
                f,
                "--net tap makes a network device, which takes root or the capability CAP_NET_ADMIN, and this \
                 process has neither: run it with sudo, or make the device once with\n\
                 nospin:   sudo ip tuntap add dev {name} mode tap user $(id -un)\n\
                 nospin:   sudo ip addr add 10.99.0.1/24 dev {name}\n\
                 nospin:   sudo ip link set dev {name} up\n\
                 nospin: and use it without privileges: --net tap:{name}"
            ),
            Self::NotTap(name) => write!(f, "the device {name} is there, but it is no tap device"),
            Self::TapInUse(name) => write!(
                f,
                "the device {name} is in use by another program, perhaps a VM that runs already; choose another name, or --net tap without one"
            ),
            Self::NoFreeNetwork => {
                f.write_str("no network of 10.99.0.0 to 10.99.255.0 is free for --net tap: see ip addr, ip route")
            }
            Self::Command(command, said) => write!(f, "{command}: {said}"),
        }
    }
}

impl std::error::Error for NetError {}

/// The guest's addresses, as `ip=ADDRESS/LENGTH[,ADDRESS/LENGTH]` gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub v4: Option<(Ipv4Addr, u8)>,
    pub v6: Option<Ipv6Addr>,
}

impl Addresses {
    /// The addresses of a command line; `None` without the option. What is no address is the guest's to complain of.
    fn of(line: &CommandLine) -> Option<Self> {
        let value = String::from_utf8_lossy(line.get("ip")?).into_owned();
        let mut addresses = Self::default();
        for (address, len) in value.split(',').filter_map(|part| part.split_once('/')) {
            if let (Ok(address), Ok(len @ 0..=32)) = (address.parse(), len.parse()) {
                addresses.v4 = Some((address, len));
            } else if let Ok(address) = address.parse() {
                addresses.v6 = Some(address);
            }
        }
        Some(addresses)
    }
}

/// Whether two addresses are in one network.
pub(crate) fn same_network(a: Ipv4Addr, b: Ipv4Addr, len: u8) -> bool {
    (a.to_bits() ^ b.to_bits()).checked_shr(32 - u32::from(len.min(32))).unwrap_or(0) == 0
}

/// Makes the network ready. `line` is the guest's whole command line. A dry run makes nothing.
///
/// # Errors
/// What is missing or in the way.
pub fn prepare(
    wish: &Wish,
    line: &CommandLine,
    machine: Machine,
    cpus: u32,
    dry_run: bool,
) -> Result<Network, NetError> {
    let kind = wish.kind.clone().unwrap_or(if wish.forwards.is_empty() { Kind::None } else { Kind::User });
    if kind != Kind::User && !wish.forwards.is_empty() {
        return Err(NetError::Forwarding(kind));
    }
    let given = Addresses::of(line);
    match kind {
        Kind::None => Ok(Network::default()),
        Kind::User => user(wish, given, line, dry_run),
        Kind::Tap(name) => {
            // On microvm all queues of a card share one interrupt: more of them gain nothing.
            let queues = if machine == Machine::Microvm { 1 } else { cpus };
            tap::prepare(name.as_deref(), given, line, queues, dry_run)
        }
        Kind::Qemu(spec) => {
            let addresses = given.unwrap_or_default();
            Ok(Network {
                card: Some(Card { mac: stable_mac(&spec), netdev: spec, queues: 1 }),
                services: Services::direct(addresses.v4.map(|(address, _)| address), addresses.v6),
                ..Network::default()
            })
        }
    }
}

fn user(
    wish: &Wish,
    given: Option<Addresses>,
    line: &CommandLine,
    dry_run: bool,
) -> Result<Network, NetError> {
    // Without a static address it is the one that QEMU's DHCP server gives to the first who asks.
    let guest = given.and_then(|given| given.v4).map_or(USER_GUEST.0, |(address, _)| address);
    let theirs = [USER_GATEWAY, USER_DNS].contains(&guest);
    if theirs || !same_network(guest, USER_GUEST.0, USER_GUEST.1) {
        return Err(NetError::OutsideUser(guest));
    }
    let mut forwards = wish.forwards.clone();
    forward::check(&forwards)?;
    let ports = if dry_run { ports::Reserved::default() } else { ports::Reserved::of(&mut forwards)? };
    let mut netdev = "user".to_owned();
    for forward in &forwards {
        let Forward { protocol, host, guest: port } = forward;
        netdev.push_str(&format!(",hostfwd={protocol}:{}:{}-{guest}:{port}", host.ip(), host.port()));
    }
    let options = [
        ("ip", format!("{}/{}", USER_GUEST.0, USER_GUEST.1)),
        ("gw", USER_GATEWAY.to_string()),
        ("dns", USER_DNS.to_string()),
    ];
    Ok(Network {
        card: Some(Card { netdev, mac: USER_MAC, queues: 1 }),
        options: unless_given(options, given.is_some(), line),
        services: Services::forwarded(guest, forwards),
        ports,
        ..Network::default()
    })
}

/// The options that the user has not given. An address of the user's own means that he knows about the rest.
pub(crate) fn unless_given(
    options: impl IntoIterator<Item = (&'static str, String)>,
    address_given: bool,
    line: &CommandLine,
) -> Vec<(String, Vec<u8>)> {
    let missing = |key: &str| !address_given && line.get(key).is_none();
    options
        .into_iter()
        .filter(|(key, _)| missing(key))
        .map(|(key, value)| (key.to_owned(), value.into_bytes()))
        .collect()
}

/// A locally administered Ethernet address for a card on a network with others: the same in each run, so that
/// neighbours and DHCP servers know the guest again, and another one for each device and host.
pub(crate) fn stable_mac(device: &str) -> [u8; 6] {
    let host = std::fs::read("/etc/machine-id").unwrap_or_default();
    // FNV-1a (RFC 9923): it has to stay the same with any compiler.
    let hash = host.iter().chain(device.as_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let [a, b, c, d, ..] = (hash ^ hash >> 32).to_le_bytes();
    [0x02, b'n', a, b, c, d]
}

/// Spelling of the kinds for the command line's help.
pub const KINDS: &str = "user|none|tap[:NAME]|qemu:NETDEV";

/// The protocol's name behind a port, for people.
pub(crate) fn at(address: impl fmt::Display, protocol: Protocol) -> String {
    format!("{address} ({protocol})")
}
