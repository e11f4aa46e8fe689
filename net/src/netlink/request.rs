//! What a program asks.

use super::dump::{self, Filter};
use super::message::{Answers, HEADER, MULTI};
use crate::ip::IpLayer;
use crate::ip::wire;
use abi::Errno;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Types of requests (`RTM_*`).
const GET_LINK: u16 = 18;
const GET_ADDRESS: u16 = 22;
const GET_ROUTE: u16 = 26;
const GET_NEIGHBOUR: u16 = 30;
/// The first of all types; every fourth one asks, the others change.
const FIRST: u16 = 16;
const GET: u16 = 2;
/// One more than the last type that Linux has.
const END: u16 = 124;

/// Flags (`NLM_F_*`).
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;

/// A request.
struct Request<'a> {
    kind: u16,
    flags: u16,
    /// Behind the header.
    body: &'a [u8],
    whole: &'a [u8],
}

/// Answers all requests in a datagram from the socket `port`; with `strict`, filters in requests count.
pub fn answer(layer: &IpLayer, data: &[u8], port: u32, strict: bool) -> Option<Vec<Vec<u8>>> {
    let mut rest = data;
    let mut datagrams = Vec::new();
    while let (Some(len), true) = (wire::bytes(rest, 0).map(u32::from_ne_bytes), rest.len() >= HEADER) {
        let len = len as usize;
        let Some(whole) = rest.get(..len).filter(|whole| whole.len() >= HEADER) else { break };
        let number = |at| wire::bytes(whole, at).map_or(0, u16::from_ne_bytes);
        let sequence = wire::bytes(whole, 8).map_or(0, u32::from_ne_bytes);
        let request = Request {
            kind: number(4),
            flags: number(6),
            body: whole.get(HEADER..).unwrap_or_default(),
            whole,
        };
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        if request.flags & REQUEST == 0 || request.kind < FIRST {
            continue;
        }
        let mut answers = Answers::new(sequence, port);
        match perform(layer, &request, strict, &mut answers) {
            Ok(()) if request.flags & DUMP == DUMP => answers.done(),
            Ok(()) if request.flags & ACKNOWLEDGE != 0 => answers.error(0, whole),
            Ok(()) => {}
            Err(errno) => answers.error(errno.raw(), request.whole),
        }
        if answers.short || datagrams.try_reserve(answers.datagrams.len()).is_err() {
            return None;
        }
        datagrams.append(&mut answers.datagrams);
    }
    Some(datagrams)
}

fn perform(layer: &IpLayer, request: &Request<'_>, strict: bool, answers: &mut Answers) -> Result<(), Errno> {
    let Request { kind, body, .. } = *request;
    if kind >= END {
        return Err(Errno::EOPNOTSUPP);
    }
    if (kind - FIRST) % 4 != GET {
        return Err(Errno::EPERM);
    }
    let family = body.first().copied().ok_or(Errno::EINVAL)?;
    let dump = request.flags & DUMP == DUMP;
    let net = layer.net();
    let index_at = |at: usize| wire::bytes(body, at).map_or(0, u32::from_ne_bytes);
    let filter = |at: usize| Filter { family, interface: if strict { index_at(at) } else { 0 } };
    match (kind, dump) {
        (GET_LINK, true) => net.interfaces.iter().for_each(|interface| dump::link(answers, interface, MULTI)),
        (GET_LINK, false) => {
            let name = attribute(body, 16, 3).map(|name| name.split(|&b| b == 0).next().unwrap_or_default());
            let found = match (index_at(4), name) {
                (0, Some(name)) => net.named(name),
                (index, _) => net.interface(index),
            };
            dump::link(answers, found.ok_or(Errno::ENODEV)?, 0);
        }
        (GET_ADDRESS, true) => dump::addresses(answers, &net, filter(4), layer.env.now_ns(), MULTI),
        (GET_ROUTE, true) => dump::routes(answers, &net, Filter { family, interface: 0 }, MULTI),
        (GET_ROUTE, false) => {
            let to = attribute(body, 12, 1).and_then(|bytes| address(family, bytes)).ok_or(Errno::EINVAL)?;
            dump::route_to(answers, &net, to).ok_or(Errno::ENETUNREACH)?;
        }
        (GET_NEIGHBOUR, true) => dump::neighbours(answers, layer, filter(4), MULTI),
        _ => return Err(Errno::EOPNOTSUPP),
    }
    Ok(())
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        2 => wire::bytes::<4>(bytes, 0).map(|bytes| Ipv4Addr::from(bytes).into()),
        10 => wire::bytes::<16>(bytes, 0).map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// An attribute behind the fixed fields, which are `fixed` bytes.
fn attribute(body: &[u8], fixed: usize, wanted: u16) -> Option<&[u8]> {
    let mut rest = body.get(fixed..)?;
    loop {
        let len = usize::from(u16::from_ne_bytes(wire::bytes(rest, 0)?));
        let kind = u16::from_ne_bytes(wire::bytes(rest, 2)?);
        let value = rest.get(4..len)?;
        if kind & 0x3fff == wanted {
            return Some(value);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}
