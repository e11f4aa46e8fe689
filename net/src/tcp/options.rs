//! Options of TCP sockets: levels IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, and what of SOL_SOCKET concerns the flow of data (tcp(7),
//! ip(7), ipv6(7)).
//!
//! Called by getsockopt(2) and setsockopt(2). What is stored but has no effect is not offered: an option that this stack cannot
//! honour is refused, but those that only allow more than what is done anyhow.

use super::run::flush_corked;
use super::socket::TcpSocket;
use super::state::{DEFAULT_MSS, Phase, Settings, State};
use crate::options::{SOL_SOCKET, int_of};
use abi::net as raw;
use fs::FsError;
use fs::socket::{Caller, OptionValue, SocketError};

/// Level of IP.
const SOL_IP: i32 = 0;
/// Level of TCP.
const SOL_TCP: i32 = 6;
/// Level of IPv6.
const SOL_IPV6: i32 = 41;

const IP_TOS: i32 = 1;
const IP_TTL: i32 = 2;
const IP_MTU_DISCOVER: i32 = 10;
const IP_RECVERR: i32 = 11;
const IP_MTU: i32 = 14;
const IP_BIND_ADDRESS_NO_PORT: i32 = 24;
const IPV6_UNICAST_HOPS: i32 = 16;
const IPV6_MTU_DISCOVER: i32 = 23;
const IPV6_MTU: i32 = 24;
const IPV6_RECVERR: i32 = 25;
const IPV6_V6ONLY: i32 = 26;
const IPV6_TCLASS: i32 = 67;

/// The only congestion control that is offered.
const CONGESTION: &[u8] = b"reno";
/// Default hop limit.
const HOPS: i32 = 64;

/// Seconds that TCP_DEFER_ACCEPT becomes: Linux counts repetitions of the SYN-ACK, after 1, 2, 4 seconds and so on.
fn deferral(seconds: i32) -> u32 {
    let (mut period, mut timeout) = (0, 1);
    for _ in 0..255 {
        if seconds <= period {
            break;
        }
        period += timeout;
        timeout = (2 * timeout).min(120);
    }
    period as u32
}

fn range(value: i32, least: i32, most: i32) -> Result<u32, SocketError> {
    if (least..=most).contains(&value) { Ok(value as u32) } else { Err(FsError::Invalid.into()) }
}

/// An option of IP may be one byte long.
fn byte_or_int(value: &[u8]) -> Result<i32, SocketError> {
    match value {
        [byte] => Ok(i32::from(*byte)),
        _ => int_of(value),
    }
}

impl TcpSocket {
    /// getsockopt(2).
    pub(super) fn get_option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        match level {
            SOL_SOCKET => self.get_socket_option(name),
            SOL_TCP => self.get_tcp_option(name),
            SOL_IP | SOL_IPV6 => self.get_ip_option(level, name),
            _ => Err(SocketError::NotSupported),
        }
    }

    fn get_socket_option(&self, name: i32) -> Result<OptionValue, SocketError> {
        match name as u32 {
            raw::SO_ACCEPTCONN => {
                let listens = self.with(false, |state| matches!(state.phase, Phase::Listening(_)))?;
                Ok(OptionValue::Int(listens.into()))
            }
            raw::SO_PEERCRED => {
                // Nobody: process 0, user and group -1.
                Ok(OptionValue::Bytes(abi::bytes_of(&[0u32, u32::MAX, u32::MAX]).to_vec()))
            }
            _ => self.options.get(name),
        }
    }

    fn get_tcp_option(&self, name: i32) -> Result<OptionValue, SocketError> {
        let settings = self.with(false, |state| state.settings)?;
        let value = match name as u32 {
            raw::TCP_NODELAY => settings.no_delay.into(),
            raw::TCP_MAXSEG => self.with(false, shown_mss)?,
            raw::TCP_CORK => settings.cork.into(),
            raw::TCP_KEEPIDLE => settings.keep_idle as i32,
            raw::TCP_KEEPINTVL => settings.keep_interval as i32,
            raw::TCP_KEEPCNT => settings.keep_count as i32,
            raw::TCP_SYNCNT => settings.syn_count.into(),
            raw::TCP_LINGER2 => settings.linger2,
            raw::TCP_DEFER_ACCEPT => settings.defer_accept as i32,
            raw::TCP_QUICKACK => settings.quick_ack.into(),
            raw::TCP_USER_TIMEOUT => settings.user_timeout as i32,
            raw::TCP_INFO => return self.info(),
            raw::TCP_CONGESTION => {
                let mut name = [0; 16];
                name.iter_mut().zip(CONGESTION).for_each(|(to, from)| *to = *from);
                return Ok(OptionValue::Bytes(name.to_vec()));
            }
            _ => return Err(SocketError::NoOption),
        };
        Ok(OptionValue::Int(value))
    }

    fn get_ip_option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        if level == SOL_IPV6 && !self.is_v6() {
            return Err(SocketError::NotSupported);
        }
        let settings = self.with(false, |state| state.settings)?;
        let hops = if settings.hop_limit == 0 { HOPS } else { settings.hop_limit.into() };
        let value = match (level, name) {
            (SOL_IP, IP_TOS) | (SOL_IPV6, IPV6_TCLASS) => settings.traffic_class.into(),
            (SOL_IP, IP_TTL) | (SOL_IPV6, IPV6_UNICAST_HOPS) => hops,
            // The path's MTU is wanted, and packets are not fragmented (IP_PMTUDISC_WANT).
            (SOL_IP, IP_MTU_DISCOVER) | (SOL_IPV6, IPV6_MTU_DISCOVER) => 1,
            (SOL_IP, IP_RECVERR) | (SOL_IPV6, IPV6_RECVERR) => 0,
            (SOL_IP, IP_BIND_ADDRESS_NO_PORT) => 0,
            (SOL_IP, IP_MTU) | (SOL_IPV6, IPV6_MTU) => {
                let mtu = self.with(false, |state| state.unit().map(|unit| unit.path_mtu()))?;
                mtu.ok_or(SocketError::NotConnected)?.into()
            }
            (SOL_IPV6, IPV6_V6ONLY) => settings.v6_only.into(),
            _ => return Err(SocketError::NoOption),
        };
        Ok(OptionValue::Int(value))
    }

    /// setsockopt(2) at level SOL_SOCKET.
    pub(super) fn set_socket_option(
        &self,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
    ) -> Result<(), SocketError> {
        self.options.set(name, value, caller, &|name| self.tcp.output.interface(name))?;
        let values = self.options.values();
        let reuse = matches!(name as u32, raw::SO_REUSEADDR | raw::SO_REUSEPORT);
        let (socket, tcp) = (self.id(), &self.tcp);
        self.with(true, |state| {
            let settings = &mut state.settings;
            settings.keep_alive = values.keep_alive;
            settings.low_water = usize::try_from(values.receive_low_water).unwrap_or(1).max(1);
            settings.reuse_address = values.reuse_address;
            settings.receive_buffer = values.buffers_set.0.then_some(values.receive_buffer / 2);
            settings.send_buffer = values.buffers_set.1.then_some(values.send_buffer / 2);
            settings.interface = values.interface;
            if !settings.keep_alive
                && core::mem::take(&mut state.probing)
                && let Some(unit) = state.unit()
            {
                unit.set_probing(None);
            }
            if reuse && let Some((_, port)) = state.bound {
                tcp.ports.lock().change(socket, port, |binder| {
                    (binder.reuse_address, binder.reuse_port) = (values.reuse_address, values.reuse_port);
                });
            }
        })
    }

    /// setsockopt(2) at the other levels.
    pub(super) fn set_other_option(&self, level: i32, name: i32, value: &[u8]) -> Result<(), SocketError> {
        match level {
            SOL_TCP => match name as u32 {
                raw::TCP_CONGESTION => {
                    let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
                    if name == CONGESTION { Ok(()) } else { Err(FsError::NotFound.into()) }
                }
                raw::TCP_ULP => Err(FsError::NotFound.into()),
                name => {
                    let value = int_of(value)?;
                    self.change(|settings| set_tcp(settings, name, value))
                }
            },
            SOL_IPV6 if !self.is_v6() => Err(SocketError::NoOption),
            SOL_IP | SOL_IPV6 => self.set_ip_option(level, name, byte_or_int(value)?),
            _ => Err(SocketError::NoOption),
        }
    }

    /// Changes the settings, and brings the engine into line.
    fn change(
        &self,
        change: impl FnOnce(&mut Settings) -> Result<(), SocketError>,
    ) -> Result<(), SocketError> {
        self.with(true, |state| {
            let before = state.settings;
            change(&mut state.settings)?;
            if !state.settings.cork && before.cork || state.settings.no_delay && !before.no_delay {
                flush_corked(state);
            }
            state.apply_settings();
            Ok(())
        })?
    }

    fn set_ip_option(&self, level: i32, name: i32, value: i32) -> Result<(), SocketError> {
        match (level, name) {
            // The bits for congestion notification are not the program's (RFC 3168).
            (SOL_IP, IP_TOS) => self.change(|s| {
                s.traffic_class = value as u8 & !3;
                Ok(())
            }),
            (SOL_IPV6, IPV6_TCLASS) => self.change(|s| {
                s.traffic_class = if value == -1 { 0 } else { range(value, 0, 255)? as u8 & !3 };
                Ok(())
            }),
            (SOL_IP, IP_TTL) | (SOL_IPV6, IPV6_UNICAST_HOPS) => self.change(|s| {
                s.hop_limit = if value == -1 { 0 } else { range(value, 1, 255)? as u8 };
                Ok(())
            }),
            (SOL_IP, IP_MTU_DISCOVER) | (SOL_IPV6, IPV6_MTU_DISCOVER) => range(value, 0, 5).map(drop),
            (SOL_IP, IP_RECVERR) | (SOL_IPV6, IPV6_RECVERR) if value == 0 => Ok(()),
            // Ports of connections are chosen late anyhow.
            (SOL_IP, IP_BIND_ADDRESS_NO_PORT) => Ok(()),
            (SOL_IPV6, IPV6_V6ONLY) => self.with(false, |state| {
                if state.bound.is_some() || state.ends.is_some() {
                    return Err(FsError::Invalid.into());
                }
                state.settings.v6_only = value != 0;
                Ok(())
            })?,
            _ => Err(SocketError::NoOption),
        }
    }
}

fn set_tcp(settings: &mut Settings, name: u32, value: i32) -> Result<(), SocketError> {
    let on = value != 0;
    match name {
        raw::TCP_NODELAY => settings.no_delay = on,
        raw::TCP_CORK => settings.cork = on,
        raw::TCP_QUICKACK => settings.quick_ack = on,
        raw::TCP_MAXSEG => {
            settings.max_segment = if value == 0 { 0 } else { range(value, 88, 32767)? as u16 };
        }
        raw::TCP_KEEPIDLE => settings.keep_idle = range(value, 1, 32767)?,
        raw::TCP_KEEPINTVL => settings.keep_interval = range(value, 1, 32767)?,
        raw::TCP_KEEPCNT => settings.keep_count = range(value, 1, 127)?,
        raw::TCP_SYNCNT => settings.syn_count = range(value, 1, 127)? as u8,
        raw::TCP_LINGER2 => {
            settings.linger2 = match value {
                ..0 => -1,
                0 => 60,
                _ => value.min(120),
            };
        }
        raw::TCP_DEFER_ACCEPT => settings.defer_accept = deferral(value),
        raw::TCP_USER_TIMEOUT => settings.user_timeout = range(value, 0, i32::MAX)?,
        _ => return Err(SocketError::NoOption),
    }
    Ok(())
}

/// TCP_MAXSEG: of the connection, or what was asked for.
fn shown_mss(state: &mut State) -> i32 {
    let (asked, remote) = (state.settings.max_segment, state.remote_mss);
    match state.unit() {
        Some(unit) => remote.min(unit.mss().min(u16::MAX.into()) as u16).into(),
        None if asked != 0 => asked.into(),
        None => DEFAULT_MSS.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::deferral;

    #[test]
    fn deferrals_are_rounded_up_as_on_linux() {
        let got: Vec<u32> = [-1, 0, 1, 2, 3, 4, 7, 8, 100, 127, 128].map(deferral).to_vec();
        assert_eq!(got, [0, 0, 1, 3, 3, 7, 7, 15, 127, 127, 247]);
    }
}
