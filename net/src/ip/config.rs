//! [`Config`]: addresses from the command line, and the text of `/etc/resolv.conf`.
//!
//! Called at boot with the values of `ip=`, `gw=` and `dns=`. A card without options asks DHCP and listens to routers.

use crate::ip::address::Prefix;
use alloc::{format, string::String, vec::Vec};
use core::fmt;
use core::net::IpAddr;

/// Largest number of addresses or name servers in one option.
const MAX_ITEMS: usize = 8;

/// What the options say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Ask DHCP for an IPv4 address.
    pub dhcp: bool,
    /// Fixed addresses.
    pub addresses: Vec<Prefix>,
    /// Routers for everything else, at most one of each family is used.
    pub gateways: Vec<IpAddr>,
    /// Name servers; if there are any, those that DHCP and routers tell are not used.
    pub dns: Vec<IpAddr>,
    /// Bytes of memory that the machine has; 0 if nobody knows. Buffers of connections take a part of it at most.
    pub memory: usize,
}

/// An option that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Which option.
    pub option: &'static str,
    /// The part of it.
    pub text: String,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=: \"{}\" is not {}", self.option, self.text, self.expected)
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// From the values of the options. Without `ip` it is DHCP; `ip=none` leaves a card with its link-local address.
    pub fn parse(ip: Option<&str>, gw: Option<&str>, dns: Option<&str>) -> Result<Self, ConfigError> {
        let mut config = Config::default();
        match ip {
            None => config.dhcp = true,
            Some("none" | "off") => {}
            Some(list) => {
                for item in list.split(',').take(MAX_ITEMS) {
                    match item {
                        "dhcp" => config.dhcp = true,
                        item => config.addresses.push(prefix(item)?),
                    }
                }
            }
        }
        config.gateways = addresses("gw", gw)?;
        config.dns = addresses("dns", dns)?;
        Ok(config)
    }
}

/// `ADDR/LEN`; without a length a host of its own (/32 or /128).
fn prefix(text: &str) -> Result<Prefix, ConfigError> {
    let wrong = || ConfigError {
        option: "ip",
        text: text.into(),
        expected: "an address with a length (10.0.0.2/24) or dhcp",
    };
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len.parse::<u8>().map_err(|_| wrong())?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
        return Err(wrong());
    }
    Prefix::new(address, len.unwrap_or(crate::ip::address::bits(address))).ok_or_else(wrong)
}

fn addresses(option: &'static str, list: Option<&str>) -> Result<Vec<IpAddr>, ConfigError> {
    let parse = |item: &str| {
        item.parse().map_err(|_| ConfigError { option, text: item.into(), expected: "an IP address" })
    };
    list.into_iter().flat_map(|list| list.split(',').take(MAX_ITEMS)).map(parse).collect()
}

/// The text of `/etc/resolv.conf` for name servers and a search domain (resolv.conf(5)).
pub fn resolv_conf(servers: &[IpAddr], domain: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(domain) = domain {
        text += &format!("search {domain}\n");
    }
    // The resolver of glibc uses three.
    for server in servers.iter().take(3) {
        text += &format!("nameserver {server}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        assert_eq!(Config::parse(None, None, None), Ok(Config { dhcp: true, ..Config::default() }));
        let config =
            Config::parse(Some("10.0.2.15/24,fd00::2/64"), Some("10.0.2.2,fd00::1"), Some("10.0.2.3"));
        let config = config.expect("valid");
        assert_eq!((config.dhcp, config.addresses.len(), config.addresses[1].len), (false, 2, 64));
        assert_eq!((config.gateways.len(), config.dns.len()), (2, 1));
        assert_eq!(Config::parse(Some("10.0.0.1"), None, None).expect("valid").addresses[0].len, 32);
        assert_eq!(Config::parse(Some("none"), None, None), Ok(Config::default()));
        for wrong in
            ["10.0.0.1/33", "10.0.0/8", "10.0.0.1/", "", "224.0.0.1/8", "fd00::1/129", "127.0.0.1/8", "x"]
        {
            assert!(Config::parse(Some(wrong), None, None).is_err(), "{wrong}");
        }
        let error = Config::parse(None, Some("router"), None).expect_err("no address");
        assert_eq!(error.to_string(), "gw=: \"router\" is not an IP address");
    }

    #[test]
    fn resolver() {
        let servers: Vec<IpAddr> =
            ["10.0.2.3", "fd00::1", "1.1.1.1", "8.8.8.8"].map(|s| s.parse().expect("ip")).into();
        let text = "search lan\nnameserver 10.0.2.3\nnameserver fd00::1\nnameserver 1.1.1.1\n";
        assert_eq!(resolv_conf(&servers, Some("lan")), text);
        assert_eq!(resolv_conf(&[], None), "");
    }
}
