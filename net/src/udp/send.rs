//! Sending datagrams.

use super::socket::Protocol;
use super::{HEADER_LEN, UdpSocket};
use crate::frame::Frame;
use crate::ip::input::protocol;
use crate::ip::interface::Cast;
use crate::ip::route::Path;
use crate::ip::send::{Fragmentation, HeaderChoice, TRANSPORT_ROOM};
use crate::ip::wire;
use core::net::{IpAddr, SocketAddr};
use fs::socket::{Address, Control, MessageFlags, SocketError};
use fs::{FsError, Source};

/// Largest payload over IPv4.
pub(super) const MAX_V4: usize = 65507;

/// Where a datagram goes, and how.
pub(super) struct Aim {
    pub path: Path,
    pub choice: HeaderChoice,
    pub port: u16,
}

impl Aim {
    /// Largest payload.
    pub fn most(&self) -> usize {
        MAX_V4 + if self.path.destination.is_ipv6() { 20 } else { 0 }
    }
}

impl UdpSocket {
    pub(super) fn send_message(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        control: &Control,
        flags: MessageFlags,
    ) -> Result<usize, SocketError> {
        if flags.out_of_band {
            return Err(SocketError::NotSupported);
        }
        if self.protocol == Protocol::Udp && (flags.more || self.is_corked()) {
            return self.add(src, to, control, flags.more);
        }
        let aim = self.aim(to, control)?;
        let room = src.remaining();
        if room > aim.most() {
            return Err(SocketError::MessageSize);
        }
        let frame = fill(src, room, self.head())?;
        self.transmit(&aim.path, aim.choice, aim.port, frame)?;
        Ok(room)
    }

    /// Bytes of the own header.
    pub(super) fn head(&self) -> usize {
        if self.protocol == Protocol::Udp { HEADER_LEN } else { 0 }
    }

    /// Finds out where a datagram goes.
    pub(super) fn aim(&self, to: Option<&Address>, control: &Control) -> Result<Aim, SocketError> {
        let values = self.options.values();
        let (target, interface, source, ip) = {
            let mut state = self.state.lock();
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            if state.no_send {
                return Err(SocketError::Shutdown);
            }
            let (target, interface) = match (to, state.peer) {
                (Some(to), _) => self.target(&state, to)?,
                (None, Some(peer)) => self.target(&state, &Address::Ip(peer))?,
                (None, None) => return Err(SocketError::DestinationRequired),
            };
            if target.port() == 0 && self.protocol == Protocol::Udp {
                return Err(FsError::Invalid.into());
            }
            self.enter_anywhere(&mut state)?;
            let source = state.local.map(|local| local.ip());
            (target, interface, source, state.ip.clone())
        };
        let v6 = target.is_ipv6();
        let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast() && ip.is_ipv6() == v6;
        let (interface, source) = match control.packet_info {
            Some(info) => {
                let net = self.layer.net();
                let own = info.local.to_canonical();
                if !own.is_unspecified() && !net.is_local(own) && !ip.free_bind {
                    return Err(FsError::Invalid.into());
                }
                (Some(info.interface).filter(|&i| i != 0).or(interface), Some(own).filter(usable).or(source))
            }
            None => (interface, source),
        };
        let net = self.layer.net();
        let source = source.filter(usable).filter(|&ip| !net.is_broadcast(ip));
        let path = net.path(target.ip(), source, interface)?;
        if path.cast == Cast::Broadcast && !values.broadcast {
            return Err(FsError::Access.into());
        }
        let multicast = path.cast == Cast::Multicast;
        let at = usize::from(v6);
        let unicast = if v6 { ip.hops.unwrap_or(net.hop_limit) } else { ip.ttl.unwrap_or(64) };
        let several = if v6 { ip.multicast_hops } else { ip.multicast_ttl };
        let choice = HeaderChoice {
            traffic_class: control.traffic_class.unwrap_or(if v6 { ip.traffic_class } else { ip.tos }),
            fragmentation: fragmentation(ip.mtu_discover[at]),
            multicast_loop: ip.multicast_loop[at],
            ..HeaderChoice::new(0, control.hop_limit.unwrap_or(if multicast { several } else { unicast }))
        };
        Ok(Aim { path, choice, port: target.port() })
    }

    pub(super) fn transmit(
        &self,
        path: &Path,
        mut choice: HeaderChoice,
        port: u16,
        mut frame: Frame,
    ) -> Result<(), SocketError> {
        let v6 = path.destination.is_ipv6();
        let own = self.local().port();
        let mut pass = self.layer.pass();
        let stats = self.layer.stats.family(v6);
        let len = frame.len();
        let result = match self.protocol {
            Protocol::Ping => {
                let kind = if v6 { 128 } else { 8 };
                if len < 8 || frame.data().get(..2) != Some(&[kind, 0]) {
                    return Err(FsError::Invalid.into());
                }
                wire::put(frame.data_mut(), 4, &own.to_be_bytes());
                stats.icmp.out_echos.inc();
                pass.icmp_send(path.destination, Some(path.source), Some(path.interface), choice, frame);
                Ok(())
            }
            Protocol::Udp => {
                choice.protocol = protocol::UDP;
                let data = frame.data_mut();
                wire::put(data, 0, &own.to_be_bytes());
                wire::put(data, 2, &port.to_be_bytes());
                wire::put(data, 4, &(len as u16).to_be_bytes());
                let head = if v6 { 40 } else { 20 };
                let whole = len + head <= path.mtu.into() && self.known_mtu(path) >= len + head;
                let card = pass.net.interface(path.interface).is_some_and(|i| i.info.checksum);
                let quiet = self.options.values().no_check && !v6;
                match (quiet, card && whole) {
                    (true, _) => {}
                    (false, true) => {
                        let sum = wire::pseudo_sum(path.source, path.destination, protocol::UDP, len);
                        wire::put(frame.data_mut(), 6, &sum.to_be_bytes());
                        frame.offload.partial_checksum = Some((0, 6));
                    }
                    (false, false) => {
                        let sum =
                            wire::transport_checksum(path.source, path.destination, protocol::UDP, data);
                        // 0 is "no checksum".
                        wire::put(data, 6, &(if sum == 0 { u16::MAX } else { sum }).to_be_bytes());
                    }
                }
                let sent = pass.ip_send(path, &choice, frame);
                match sent {
                    Ok(()) => stats.udp.out_datagrams.inc(),
                    Err(error) => {
                        stats.udp.send_buffer_errors.inc();
                        if error == SocketError::MessageSize {
                            let to = SocketAddr::new(path.destination, port);
                            self.too_long(to, self.known_mtu(path) as u16);
                        }
                    }
                }
                sent
            }
        };
        pass.finish();
        result
    }

    fn known_mtu(&self, path: &Path) -> usize {
        self.layer.path_mtus.lock().limit(path.destination, path.mtu, self.layer.env.now_ns()).into()
    }
}

/// A frame with `room` bytes of the program's, behind `head` bytes.
pub(super) fn fill(src: &mut dyn Source, room: usize, head: usize) -> Result<Frame, SocketError> {
    let mut frame = Frame::with_room(TRANSPORT_ROOM, head + room).ok_or(SocketError::NoBuffers)?;
    frame.set_len(head + room);
    let data = frame.data_mut().get_mut(head..).unwrap_or_default();
    if room > 0 && src.take(data)? < room {
        return Err(FsError::Fault.into());
    }
    Ok(frame)
}

/// IP_PMTUDISC_*: 0 never, 1 when it fits, 2 always, 3 always without what routers said, 4 and 5 the interface's only.
fn fragmentation(discover: i32) -> Fragmentation {
    match discover {
        1 => Fragmentation::Here,
        2 | 3 => Fragmentation::Never,
        _ => Fragmentation::Allowed,
    }
}
