//! Texts of the files in `/proc/net` (proc(5)).
//!
//! Called through [`Stack`] by whoever builds `/proc`. Locks are held for taking copies only. Without an IP layer the files have their
//! headings and nothing else.

mod counters;
mod links;
mod sockets;
#[cfg(test)]
mod tests;

use crate::Stack;
use core::net::{IpAddr, Ipv6Addr};
use fs::pseudo::Output;

/// Makes a text.
pub type Text = fn(&Stack, &mut Output);

/// All files.
pub const FILES: &[(&str, Text)] = &[
    ("arp", links::arp),
    ("dev", links::dev),
    ("icmp", sockets::icmp),
    ("icmp6", sockets::icmp6),
    ("if_inet6", links::if_inet6),
    ("igmp", links::igmp),
    ("igmp6", links::igmp6),
    ("ipv6_route", links::ipv6_route),
    ("netstat", counters::netstat),
    ("packet", sockets::packet),
    ("raw", sockets::raw),
    ("raw6", sockets::raw6),
    ("route", links::route),
    ("snmp", counters::snmp),
    ("snmp6", counters::snmp6),
    ("sockstat", counters::sockstat),
    ("sockstat6", counters::sockstat6),
    ("tcp", sockets::tcp),
    ("tcp6", sockets::tcp6),
    ("udp", sockets::udp),
    ("udp6", sockets::udp6),
    ("unix", unix),
];

/// Appends formatted text. It does not fail: what does not fit shows at the end of the text.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        use core::fmt::Write as _;
        let _ = $out.write_fmt(format_args!($($arg)*));
    }};
}
use put;

fn unix(stack: &Stack, out: &mut Output) {
    stack.unix().text(out);
}

/// Appends a line and fills it with blanks, so that lines of a file are equally long.
fn padded(out: &mut Output, line: &str) {
    put!(out, "{line:<127}\n");
}

/// An IPv4 address as a number in the machine's byte order, as Linux prints it. 0 for others.
fn number(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(ip) => u32::from_ne_bytes(ip.octets()),
        IpAddr::V6(_) => 0,
    }
}

/// An IPv6 address as four such numbers.
fn numbers(ip: Ipv6Addr) -> [u32; 4] {
    let mut numbers = [0; 4];
    for (number, octets) in numbers.iter_mut().zip(ip.octets().as_chunks().0) {
        *number = u32::from_ne_bytes(*octets);
    }
    numbers
}
