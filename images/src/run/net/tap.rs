//! Tap devices: `--net tap[:NAME]`.
//!
//! A device that is there is used as it is and left alone. Otherwise one is made by iproute2's `ip`, given an address out of
//! 10.99.0.0/16, and removed when the run ends, however it ends short of SIGKILL: see
//! [`interrupt::Made`](crate::interrupt::Made). The address next to the host's is the guest's.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use image_format::CommandLine;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use super::services::Services;
use super::{Addresses, Card, NetError, Network, same_network, stable_mac, unless_given};
use crate::interrupt;

/// Longest name of an interface (IFNAMSIZ less the NUL).
const NAME_MAX: usize = 15;
/// Length of the prefix of the networks that are made here.
const PREFIX: u8 = 24;
/// Most queues of a tap device.
const QUEUES_MAX: u32 = 256;
/// The capability to change the network (linux/capability.h).
const CAP_NET_ADMIN: u32 = 12;

/// A device that was made here; removed when dropped.
pub type Made = interrupt::Made;

/// An address and the length of its network's prefix.
type Net = (Ipv4Addr, u8);

/// Whether this can name a device, and stand in QEMU's options as it is.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let fits = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain);
    if fits && !name.starts_with(['-', '.']) {
        return Ok(());
    }
    Err(format!("{name:?} is no name for a device: 1 to {NAME_MAX} letters, digits and _ . -"))
}

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub name: String,
    pub host: Net,
    pub multi_queue: bool,
}

impl Plan {
    /// The commands, as arguments of `ip`: the first makes the device, the others what it needs.
    pub fn setup(&self) -> [Vec<String>; 3] {
        let Self { name, host: (address, len), multi_queue } = self;
        let words = |line: String| line.split(' ').map(str::to_owned).collect();
        let many = if *multi_queue { " multi_queue" } else { "" };
        [
            words(format!("tuntap add dev {name} mode tap{many}")),
            words(format!("addr add {address}/{len} dev {name}")),
            words(format!("link set dev {name} up")),
        ]
    }

    fn removal(&self) -> String {
        format!("ip link del dev {}", self.name)
    }
}

/// Finds or makes the device and its addresses.
///
/// # Errors
/// What is missing, not permitted, or went wrong.
pub(super) fn prepare(
    name: Option<&str>,
    given: Option<Addresses>,
    line: &CommandLine,
    queues: u32,
    dry_run: bool,
) -> Result<Network, NetError> {
    let queues = queues.clamp(1, QUEUES_MAX);
    // Held until the device has its address, so that two runs do not choose the same network.
    let _lock = if dry_run { None } else { lock() };
    let devices = Devices::read()?;
    if let Some(name) = name.filter(|name| devices.has(name)) {
        return existing(name, &devices, given, line, queues);
    }
    let plan = devices.plan(name, given.and_then(|given| given.v4), gateway(line), queues > 1)?;
    let tap = if dry_run { None } else { Some(make(&plan)?) };
    let mut network = network(&plan.name, Some(plan.host), given, line, queues);
    network.script.0 = plan.setup().iter().map(|words| format!("ip {}", words.join(" "))).collect();
    network.script.1 = vec![plan.removal()];
    network.tap = tap;
    Ok(network)
}

fn gateway(line: &CommandLine) -> Option<Ipv4Addr> {
    std::str::from_utf8(line.get("gw")?).ok()?.parse().ok()
}

fn existing(
    name: &str,
    devices: &Devices,
    given: Option<Addresses>,
    line: &CommandLine,
    queues: u32,
) -> Result<Network, NetError> {
    let many = devices.tap_queues(name).ok_or_else(|| NetError::NotTap(name.to_owned()))?;
    if devices.is_open(name) {
        return Err(NetError::TapInUse(name.to_owned()));
    }
    // QEMU has to open the device as it was made: with several queues exactly if it can have several.
    let queues = if many { queues.max(2) } else { 1 };
    Ok(network(name, devices.address(name), given, line, queues))
}

/// The guest's side of the device `name`, whose address on this host is `host`.
fn network(
    name: &str,
    host: Option<Net>,
    given: Option<Addresses>,
    line: &CommandLine,
    queues: u32,
) -> Network {
    let guest = match given {
        Some(given) => given.v4,
        None => host.and_then(|(address, len)| Some((neighbour(address, len)?, len))),
    };
    let options = match (guest, host) {
        (Some((guest, len)), Some((host, _))) => {
            vec![("ip", format!("{guest}/{len}")), ("gw", host.to_string())]
        }
        _ => Vec::new(),
    };
    let here = host.map_or_else(String::new, |(address, _)| format!("; this host is {address} there"));
    let note = match guest {
        Some((guest, _)) => format!("the guest is {guest} on {name}{here}"),
        None => format!("the guest asks for an address by DHCP on {name}{here}"),
    };
    let many = if queues > 1 { format!(",queues={queues}") } else { String::new() };
    Network {
        card: Some(Card {
            netdev: format!("tap,ifname={name},script=no,downscript=no{many}"),
            mac: stable_mac(name),
            queues,
        }),
        options: unless_given(options, given.is_some(), line),
        services: Services::direct(guest.map(|(address, _)| address), given.and_then(|given| given.v6)),
        notes: vec![note],
        ..Network::default()
    }
}

/// An address beside this one in its network, neither the network's own nor its broadcast address.
fn neighbour(address: Ipv4Addr, len: u8) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let hosts = u32::MAX.checked_shr(len.into()).unwrap_or(0);
    if hosts <= 1 {
        return (hosts == 1).then(|| Ipv4Addr::from_bits(bits ^ 1)); // RFC 3021
    }
    let usable = |bits: &u32| bits & hosts != 0 && bits & hosts != hosts;
    [bits.checked_add(1), bits.checked_sub(1)].into_iter().flatten().find(usable).map(Ipv4Addr::from_bits)
}

/// What `ip` says of the host's devices, addresses and routes.
struct Devices {
    links: Value,
    addresses: Value,
    routes: Value,
}

impl Devices {
    fn read() -> Result<Self, NetError> {
        let read = |words: &[&str]| {
            let text = ip(words)?;
            // Nothing at all is an empty list.
            Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
        };
        Ok(Self {
            links: read(&["-d", "-j", "link", "show"])?,
            addresses: read(&["-j", "-4", "addr", "show"])?,
            routes: read(&["-j", "-4", "route", "show"])?,
        })
    }

    fn link(&self, name: &str) -> Option<&Value> {
        each(&self.links).find(|link| link["ifname"] == name)
    }

    fn has(&self, name: &str) -> bool {
        self.link(name).is_some()
    }

    /// Whether a program has a tap device open: then it has a carrier. One that is down does not tell.
    fn is_open(&self, name: &str) -> bool {
        let flags = self.link(name).and_then(|link| link["flags"].as_array());
        flags.is_some_and(|flags| flags.iter().any(|flag| flag == "LOWER_UP"))
    }

    /// Whether a tap device has several queues; `None` for other devices.
    fn tap_queues(&self, name: &str) -> Option<bool> {
        let info = &self.link(name)?["linkinfo"];
        let tap = info["info_kind"] == "tun" && info["info_data"]["type"] == "tap";
        tap.then(|| info["info_data"]["multi_queue"] == true)
    }

    fn all_addresses(&self) -> impl Iterator<Item = (&str, Net)> {
        each(&self.addresses).flat_map(|link| {
            let name = link["ifname"].as_str().unwrap_or_default();
            each(&link["addr_info"]).filter_map(move |info| {
                let address = info["local"].as_str()?.parse().ok()?;
                Some((name, (address, u8::try_from(info["prefixlen"].as_u64()?).ok()?)))
            })
        })
    }

    /// The first address of a device.
    fn address(&self, name: &str) -> Option<Net> {
        self.all_addresses().find(|(device, _)| *device == name).map(|(_, net)| net)
    }

    /// Whether nobody on this host has to do with this network.
    fn is_free(&self, net: Net) -> bool {
        let overlaps = |(address, len): Net| same_network(address, net.0, len.min(net.1));
        let route = |route: &Value| {
            let (address, len) = match route["dst"].as_str()?.split_once('/') {
                Some((address, len)) => (address, len.parse().ok()?),
                None => (route["dst"].as_str()?, 32),
            };
            Some((address.parse().ok()?, len))
        };
        // A route as wide as the default route is in nobody's way.
        let mut routes = each(&self.routes).filter_map(route).filter(|(_, len)| *len >= 8);
        !self.all_addresses().any(|(_, other)| overlaps(other)) && !routes.any(overlaps)
    }

    /// What to make: with the user's addresses, or with the first network that is free.
    fn plan(
        &self,
        name: Option<&str>,
        guest: Option<Net>,
        gateway: Option<Ipv4Addr>,
        multi_queue: bool,
    ) -> Result<Plan, NetError> {
        let number = |number: u8| {
            let host = (Ipv4Addr::new(10, 99, number, 1), PREFIX);
            let own = format!("nospin{number}");
            (!self.has(&own) && self.is_free(host)).then_some((own, host))
        };
        let (own, free) = (0..=u8::MAX).find_map(number).ok_or(NetError::NoFreeNetwork)?;
        let wished = guest.and_then(|(guest, len)| {
            let gateway = gateway.filter(|gateway| *gateway != guest && same_network(*gateway, guest, len));
            Some((gateway.or_else(|| neighbour(guest, len))?, len))
        });
        let name = name.map_or(own, str::to_owned);
        Ok(Plan { name, host: wished.unwrap_or(free), multi_queue })
    }
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Serialises the runs that choose a network. Nothing worse than a clash of addresses comes of doing without it, so
/// it is not waited for long.
fn lock() -> Option<File> {
    let file = File::open("/dev/net/tun").ok()?;
    for _ in 0..50 {
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Some(file);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

fn make(plan: &Plan) -> Result<Made, NetError> {
    may_make(&plan.name)?;
    let [add, rest @ ..] = plan.setup();
    let run = |words: &[String]| ip(&words.iter().map(String::as_str).collect::<Vec<_>>()).map(|_| ());
    let made = Made::new(&plan.name, remove, || run(&add))?;
    rest.iter().try_for_each(|words| run(words))?;
    Ok(made)
}

/// Checks what is needed to make a device, to say exactly what is missing.
fn may_make(name: &str) -> Result<(), NetError> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !passes_on_net_admin(&status) {
        return Err(NetError::NotPermitted(name.to_owned()));
    }
    let tun = OpenOptions::new().read(true).write(true).open(Path::new("/dev/net/tun"));
    tun.map(|_| ()).map_err(NetError::Tun)
}

/// Whether a command that this process runs has CAP_NET_ADMIN, by /proc/PID/status. capabilities(7): a child of root gets
/// the bounding set, others get the ambient set.
fn passes_on_net_admin(status: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let root = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)) == Some("0");
    let set = field(if root { "CapBnd:" } else { "CapAmb:" });
    set.and_then(|set| u64::from_str_radix(set, 16).ok()).is_some_and(|set| set >> CAP_NET_ADMIN & 1 != 0)
}

/// Removes a device. Nobody is left to be told of a failure.
fn remove(name: &str) {
    let _ = ip(&["link", "del", "dev", name]);
}

/// Runs `ip` and gives what it prints.
fn ip(words: &[&str]) -> Result<String, NetError> {
    let mut command = Command::new("ip");
    command.args(words).stdin(Stdio::null());
    // Of its own, so that Ctrl-C does not end it halfway.
    command.process_group(0);
    let failed = |said: String| NetError::Command(format!("ip {}", words.join(" ")), said);
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NetError::NoIpCommand,
        _ => failed(crate::make::reason(&error)),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")))
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
