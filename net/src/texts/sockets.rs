//! Sockets for datagrams, one line each.

use super::{number, numbers, padded, put};
use crate::Stack;
use crate::udp::UdpSocket;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use fs::pseudo::Output;

const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const HEADING6: &[u8] = b"  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";

const TCP_HEADING: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const TCP6_HEADING: &[u8] = b"  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/// Where a socket with or without a peer is, as TCP would call it (`TCP_ESTABLISHED`, `TCP_CLOSE`).
const CONNECTED: u8 = 1;
const UNCONNECTED: u8 = 7;

fn end(address: SocketAddr, v6: bool) -> String {
    let port = address.port();
    if !v6 {
        return format!("{:08X}:{port:04X}", number(address.ip()));
    }
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv6Addr::UNSPECIFIED,
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let [a, b, c, d] = numbers(ip);
    format!("{a:08X}{b:08X}{c:08X}{d:08X}:{port:04X}")
}

/// The line of a socket; `sl` is its place.
fn line(sl: usize, socket: &UdpSocket, v6: bool) -> String {
    let nobody: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let peer = socket.peer();
    let state = if peer.is_some() { CONNECTED } else { UNCONNECTED };
    let (queued, dropped) = socket.usage();
    let (uid, node) = socket.owner();
    format!(
        "{sl:5}: {} {} {state:02X} 00000000:{queued:08X} 00:00000000 00000000 {uid:5} {:8} {node} 2 {:016x} {dropped}",
        end(socket.local(), v6),
        end(peer.unwrap_or(SocketAddr::new(nobody, 0)), v6),
        0,
        0,
    )
}

/// `indent` is in front of the heading, where Linux has one more blank for UDP than for others.
fn list(out: &mut Output, sockets: Option<Vec<Arc<UdpSocket>>>, v6: bool, indent: &str) {
    let Some(sockets) = sockets else { return out.give_up() };
    match v6 {
        true => out.extend_from_slice(HEADING6),
        false => padded(out, &format!("{indent}{HEADING}")),
    }
    for socket in sockets.iter().filter(|s| s.is_v6() == v6) {
        let line = line(usize::from(socket.local().port()) % 256, socket, v6);
        match v6 {
            true => put!(out, "{line}\n"),
            false => padded(out, &line),
        }
    }
}

/// `None` without memory for the list.
fn udp_sockets(stack: &Stack) -> Option<Vec<Arc<UdpSocket>>> {
    stack.ip().map_or(Some(Vec::new()), |ip| ip.udp.all().ok())
}

fn ping_sockets(stack: &Stack) -> Option<Vec<Arc<UdpSocket>>> {
    stack.ip().map_or(Some(Vec::new()), |ip| ip.ping.all().ok())
}

/// `/proc/net/tcp`.
pub fn tcp(stack: &Stack, out: &mut Output) {
    match stack.tcp() {
        Some(tcp) => tcp.table_text(false, out),
        None => put!(out, "{TCP_HEADING:<149}\n"),
    }
}

/// `/proc/net/tcp6`.
pub fn tcp6(stack: &Stack, out: &mut Output) {
    match stack.tcp() {
        Some(tcp) => tcp.table_text(true, out),
        None => out.extend_from_slice(TCP6_HEADING),
    }
}

/// `/proc/net/udp`.
pub fn udp(stack: &Stack, out: &mut Output) {
    list(out, udp_sockets(stack), false, " ");
}

/// `/proc/net/udp6`.
pub fn udp6(stack: &Stack, out: &mut Output) {
    list(out, udp_sockets(stack), true, "");
}

/// `/proc/net/icmp`: ping sockets.
pub fn icmp(stack: &Stack, out: &mut Output) {
    list(out, ping_sockets(stack), false, "");
}

/// `/proc/net/icmp6`.
pub fn icmp6(stack: &Stack, out: &mut Output) {
    list(out, ping_sockets(stack), true, "");
}

/// `/proc/net/raw`: nobody gets raw sockets.
pub fn raw(_: &Stack, out: &mut Output) {
    put!(out, "{HEADING}\n");
}

/// `/proc/net/raw6`.
pub fn raw6(_: &Stack, out: &mut Output) {
    out.extend_from_slice(HEADING6);
}

/// `/proc/net/packet`: nor sockets of AF_PACKET.
pub fn packet(_: &Stack, out: &mut Output) {
    out.extend_from_slice(b"sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
}
