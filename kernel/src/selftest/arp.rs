//! `test=arp`: asks for the gateway's Ethernet address again and again, by frames of all sizes, and says how many answers and
//! interrupts came. It tries the card's driver without a network stack above it.

use core::fmt;
use core::net::Ipv4Addr;
use core::sync::atomic::Ordering;

use image_format::cmdline::CommandLine;
use net::device::NetworkCard;
use net::frame::{Frame, Frames};

use crate::arch::tsc;
use crate::drivers::virtio::net::{self as virtio, VirtioNet};
use crate::{logging, threads};

/// Requests in all, and how many are sent before the answers are waited for.
const REQUESTS: usize = 600;
const BURST: usize = 20;
/// How long the answers to a burst may take.
const PATIENCE_NS: u64 = 2_000_000_000;
const PAUSE_NS: u64 = 1_000_000;

/// Ethernet header and ARP packet for IPv4 (RFC 826).
const ARP_LEN: usize = 42;
/// The largest frame, with an MTU of 1500.
const FRAME_MAX: usize = 1514;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// Why nothing was sent.
enum ArpError {
    Card,
    Address(&'static str),
    Memory,
}

impl fmt::Display for ArpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Card => f.write_str("there is no network card"),
            Self::Address(key) => write!(f, "there is no IPv4 address in {key}="),
            Self::Memory => f.write_str("no memory for frames"),
        }
    }
}

/// Asks and counts. Needs `ip=` and `gw=` on the command line.
pub fn run(line: &CommandLine) {
    match ask(line) {
        Ok((replies, interrupts)) => logging::line(format_args!(
            "nospin: arp: {REQUESTS} requests, {replies} replies, {interrupts} interrupts"
        )),
        Err(error) => log::error!("test=arp: {error}"),
    }
}

fn ask(line: &CommandLine) -> Result<(usize, u32), ArpError> {
    let own = address(line, "ip")?;
    let gateway = address(line, "gw")?;
    let card = virtio::cards().into_iter().next().ok_or(ArpError::Card)?;
    let before = virtio::INTERRUPTS.load(Ordering::Relaxed);
    let mut replies = 0;
    for first in (0..REQUESTS).step_by(BURST) {
        let mut frames = Frames::new();
        for number in first..first + BURST {
            // Sizes that are spread over the whole range, odd ones too.
            let len = ARP_LEN + number * 89 % (FRAME_MAX - ARP_LEN + 1);
            frames.push_back(request(card, own, gateway, len).ok_or(ArpError::Memory)?);
        }
        replies += exchange(card, &mut frames, gateway);
    }
    Ok((replies, virtio::INTERRUPTS.load(Ordering::Relaxed).wrapping_sub(before)))
}

/// The address in an option, without the length of its prefix.
fn address(line: &CommandLine, key: &'static str) -> Result<Ipv4Addr, ArpError> {
    let text = line.get(key).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or_default();
    let address = text.split(['/', ',']).next().unwrap_or_default();
    address.parse().map_err(|_| ArpError::Address(key))
}

/// Sends a burst and takes the answers to it, for a while.
fn exchange(card: &VirtioNet, frames: &mut Frames, gateway: Ipv4Addr) -> usize {
    let mac = card.info().mac;
    let wanted = frames.len();
    let mut replies = 0;
    let deadline = tsc::monotonic_ns().saturating_add(PATIENCE_NS);
    while replies < wanted && tsc::monotonic_ns() < deadline {
        card.transmit(0, frames);
        let mut more = false;
        for queue in 0..card.info().queues {
            card.receive(queue, wanted, &mut |frame| {
                replies += usize::from(is_reply(frame.data(), mac, gateway));
            });
            more |= card.set_interrupts(queue, true);
        }
        if !more && replies < wanted {
            threads::park(Some(tsc::monotonic_ns().saturating_add(PAUSE_NS)));
        }
    }
    replies
}

/// A broadcast request of `len` bytes; what is behind the packet is padding.
fn request(card: &VirtioNet, own: Ipv4Addr, gateway: Ipv4Addr, len: usize) -> Option<Frame> {
    let mac = card.info().mac;
    let mut frame = Frame::with_room(net::frame::HEADROOM, len)?;
    frame.set_len(len).then_some(())?;
    let parts: [&[u8]; 9] = [
        &[0xff; 6],
        &mac,
        &[8, 6],             // EtherType
        &[0, 1, 8, 0, 6, 4], // Ethernet, IPv4, lengths of their addresses
        &[0, REQUEST],
        &mac,
        &own.octets(),
        &[0; 6],
        &gateway.octets(),
    ];
    let bytes = frame.data_mut();
    bytes.fill(0x5a);
    for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    Some(frame)
}

/// Whether the gateway answers to us.
fn is_reply(frame: &[u8], mac: [u8; 6], gateway: Ipv4Addr) -> bool {
    frame.get(..6) == Some(&mac)
        && frame.get(12..14) == Some(&[8, 6])
        && frame.get(20..22) == Some(&[0, REPLY])
        && frame.get(28..32) == Some(&gateway.octets())
}
