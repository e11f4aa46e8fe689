//! DHCP messages (RFC 2131, RFC 2132).

use crate::ip::address::{Mac, Prefix, mask_len};
use crate::ip::wire;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// Bytes in front of the options.
const FIXED: usize = 240;
/// Messages are filled to this, as some relays want.
const LEAST: usize = 300;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Name servers or routers that are kept.
const MAX_SERVERS: usize = 3;

/// Kinds of messages (option 53).
pub mod kind {
    /// Who can give an address?
    pub const DISCOVER: u8 = 1;
    /// I can.
    pub const OFFER: u8 = 2;
    /// Then give it to me.
    pub const REQUEST: u8 = 3;
    /// It is yours.
    pub const ACK: u8 = 5;
    /// No.
    pub const NAK: u8 = 6;
}

/// What a client asks.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Kind of the message.
    pub kind: u8,
    /// Number of the conversation.
    pub xid: u32,
    /// Seconds since it began.
    pub seconds: u16,
    /// The client.
    pub mac: Mac,
    /// Its address, if it has one.
    pub own: Ipv4Addr,
    /// The address that it wants.
    pub wanted: Option<Ipv4Addr>,
    /// The server that it has chosen.
    pub server: Option<Ipv4Addr>,
}

impl Ask {
    /// As bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = alloc::vec![0; FIXED];
        wire::put(&mut out, 0, &[1, 1, 6, 0]);
        wire::put(&mut out, 4, &self.xid.to_be_bytes());
        wire::put(&mut out, 8, &self.seconds.to_be_bytes());
        // Without an address, answers have to come to everybody.
        wire::put(&mut out, 10, &[if self.own.is_unspecified() { 0x80 } else { 0 }, 0]);
        wire::put(&mut out, 12, &self.own.octets());
        wire::put(&mut out, 28, &self.mac);
        wire::put(&mut out, 236, &COOKIE);
        let mut option = |code: u8, data: &[u8]| {
            out.extend_from_slice(&[code, data.len() as u8]);
            out.extend_from_slice(data);
        };
        option(53, &[self.kind]);
        let [a, b, c, d, e, f] = self.mac;
        option(61, &[1, a, b, c, d, e, f]);
        if let Some(wanted) = self.wanted {
            option(50, &wanted.octets());
        }
        if let Some(server) = self.server {
            option(54, &server.octets());
        }
        // Mask, routers, name servers, host name, domain, broadcast address, lease, renewal, rebinding, MTU.
        option(55, &[1, 3, 6, 12, 15, 28, 51, 58, 59, 26]);
        option(57, &1500u16.to_be_bytes());
        out.push(255);
        out.resize(out.len().max(LEAST), 0);
        out
    }
}

/// What a server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Kind of the message.
    pub kind: u8,
    /// Number of the conversation.
    pub xid: u32,
    /// The address and its network.
    pub address: Option<Prefix>,
    /// The server.
    pub server: Option<Ipv4Addr>,
    /// Routers.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Search domain.
    pub domain: Option<String>,
    /// The client's name.
    pub hostname: Option<String>,
    /// Seconds of the lease.
    pub lease: Option<u32>,
    /// Seconds after which the server is asked to prolong it.
    pub renewal: Option<u32>,
    /// Seconds after which any server is.
    pub rebinding: Option<u32>,
    /// The link's MTU.
    pub mtu: Option<u16>,
}

/// A name in letters that a resolver's configuration can hold.
fn name(data: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(data).ok()?.trim_end_matches('\0');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.len() <= 253 && text.chars().all(fits)).then(|| text.into())
}

fn addresses(data: &[u8]) -> Vec<Ipv4Addr> {
    data.as_chunks::<4>().0.iter().take(MAX_SERVERS).map(|&a| Ipv4Addr::from(a)).collect()
}

impl Answer {
    /// An answer to the client `mac`; `None` if it is none.
    pub fn parse(data: &[u8], mac: Mac) -> Option<Self> {
        let fits =
            data.first() == Some(&2) && wire::mac(data, 28)? == mac && wire::bytes(data, 236)? == COOKIE;
        if !fits {
            return None;
        }
        let mut out = Answer { xid: wire::be32(data, 4)?, ..Answer::default() };
        let (mut mask, mut overload) = (None, 0);
        let mut area = |options: &[u8], out: &mut Answer| out.options(options, &mut mask, &mut overload);
        area(data.get(FIXED..)?, &mut out)?;
        // Options may go on in the fields for the file and the server's name (option 52).
        let more = core::mem::take(&mut overload);
        let mut area = |options: &[u8], out: &mut Answer| out.options(options, &mut mask, &mut overload);
        if more & 1 != 0 {
            area(data.get(108..236)?, &mut out)?;
        }
        if more & 2 != 0 {
            area(data.get(44..108)?, &mut out)?;
        }
        let own = wire::ipv4(data, 16)?;
        if !own.is_unspecified() && !own.is_multicast() && !own.is_loopback() && !own.is_broadcast() {
            // Without a mask, the class of the address says it (RFC 950).
            let class = if own.octets()[0] < 128 {
                8
            } else if own.octets()[0] < 192 {
                16
            } else {
                24
            };
            out.address = Prefix::new(own.into(), mask.and_then(mask_len).unwrap_or(class));
        }
        (out.kind != 0).then_some(out)
    }

    fn options(&mut self, data: &[u8], mask: &mut Option<Ipv4Addr>, overload: &mut u8) -> Option<()> {
        let mut at = 0;
        loop {
            let code = match data.get(at) {
                None | Some(255) => return Some(()),
                Some(0) => {
                    at += 1;
                    continue;
                }
                Some(&code) => code,
            };
            let len = usize::from(*data.get(at + 1)?);
            let value = data.get(at + 2..at + 2 + len)?;
            match code {
                53 => self.kind = *value.first()?,
                1 => *mask = wire::ipv4(value, 0),
                3 => self.routers = addresses(value),
                6 => self.dns = addresses(value),
                12 => self.hostname = name(value),
                15 => self.domain = name(value),
                26 => self.mtu = wire::be16(value, 0),
                51 => self.lease = wire::be32(value, 0),
                52 => *overload = *value.first()?,
                54 => self.server = wire::ipv4(value, 0),
                58 => self.renewal = wire::be32(value, 0),
                59 => self.rebinding = wire::be32(value, 0),
                _ => {}
            }
            at += 2 + len;
        }
    }
}
