//! ARP for IPv4 over Ethernet (RFC 826), with its input and output.
//!
//! Called by the stack for frames of the type, and by output to ask. Learns only from what makes sense: a sender with a
//! station's address that asks us, or answers us.

use crate::frame::{Frame, HEADROOM};
use crate::ip::address::{BROADCAST_MAC, Mac, is_station};
use crate::ip::ether;
use crate::ip::interface::Interface;
use crate::ip::layer::Pass;
use crate::ip::neighbour::Claim;
use crate::ip::wire;
use core::net::{IpAddr, Ipv4Addr};

/// Bytes of a packet.
pub const LEN: usize = 28;

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// A question, or an answer.
    pub request: bool,
    /// The sender's.
    pub sender_mac: Mac,
    /// The sender's; unspecified in a probe (RFC 5227).
    pub sender: Ipv4Addr,
    /// The target's; meaningless in a question.
    pub target_mac: Mac,
    /// The target's.
    pub target: Ipv4Addr,
}

impl Packet {
    /// A packet; `None` if it is not about IPv4 on Ethernet.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let head: [u8; 8] = wire::bytes(data, 0)?;
        let request = match head {
            [0, 1, 8, 0, 6, 4, 0, 1] => true,
            [0, 1, 8, 0, 6, 4, 0, 2] => false,
            _ => return None,
        };
        Some(Packet {
            request,
            sender_mac: wire::mac(data, 8)?,
            sender: wire::ipv4(data, 14)?,
            target_mac: wire::mac(data, 18)?,
            target: wire::ipv4(data, 24)?,
        })
    }

    /// As bytes.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut data = [0; LEN];
        let parts: [(usize, &[u8]); 5] = [
            (0, &[0, 1, 8, 0, 6, 4, 0, if self.request { 1 } else { 2 }]),
            (8, &self.sender_mac),
            (14, &self.sender.octets()),
            (18, &self.target_mac),
            (24, &self.target.octets()),
        ];
        for (at, part) in parts {
            wire::put(&mut data, at, part);
        }
        data
    }
}

impl Pass<'_> {
    /// A packet that came on an interface.
    pub fn arp_input(&mut self, out: &Interface, frame: &Frame) {
        let valid = |p: &Packet| {
            is_station(p.sender_mac)
                && !p.sender.is_multicast()
                && !p.sender.is_broadcast()
                && !p.sender.is_loopback()
        };
        let Some(packet) = Packet::parse(frame.data()).filter(valid) else {
            return self.layer.stats.drops.arp_invalid.inc();
        };
        let own = |ip: Ipv4Addr| out.usable(false).any(|a| a.ip() == IpAddr::V4(ip));
        if own(packet.sender) {
            // Somebody else uses an address of this host.
            self.layer.stats.drops.arp_foreign.inc();
            return;
        }
        let for_us = own(packet.target);
        if !packet.sender.is_unspecified() {
            let answers = !packet.request && for_us && packet.target_mac == out.mac;
            let claim =
                Claim { solicited: answers, overrides: true, router: None, create: packet.request && for_us };
            self.learned((out.index, packet.sender.into()), packet.sender_mac, claim);
        }
        if packet.request && for_us {
            let answer = Packet {
                request: false,
                sender_mac: out.mac,
                sender: packet.target,
                target_mac: packet.sender_mac,
                target: packet.sender,
            };
            self.arp_send(out, packet.sender_mac, answer);
        }
    }

    /// Asks who has `target`; `to` is a station that had it, or everybody.
    pub fn arp_ask(&mut self, out: &Interface, target: Ipv4Addr, to: Option<Mac>) {
        let near = out.usable(false).find(|a| a.prefix.contains(target.into()));
        let source = near.or_else(|| out.usable(false).next()).map(|a| a.ip());
        let Some(IpAddr::V4(sender)) = source else { return };
        let ask = Packet { request: true, sender_mac: out.mac, sender, target_mac: [0; 6], target };
        self.arp_send(out, to.unwrap_or(BROADCAST_MAC), ask);
    }

    /// Tells everybody that this host has `address` (a gratuitous request).
    pub fn arp_announce(&mut self, out: &Interface, address: Ipv4Addr) {
        let packet = Packet {
            request: true,
            sender_mac: out.mac,
            sender: address,
            target_mac: [0; 6],
            target: address,
        };
        self.arp_send(out, BROADCAST_MAC, packet);
    }

    fn arp_send(&mut self, out: &Interface, to: Mac, packet: Packet) {
        let Some(mut frame) = Frame::with_room(HEADROOM, LEN) else {
            return self.layer.stats.drops.no_memory.inc();
        };
        if frame.set_len(LEN) && wire::put(frame.data_mut(), 0, &packet.to_bytes()) {
            self.link_send(out.index, out.mac, to, ether::ARP, frame);
        }
    }
}
