//! connect(2): choosing addresses and the port, beginning, and what a second call is told.
//!
//! An attempt is begun under the state's lock and proceeds by itself; as with all sockets, waiting is the caller's business.

use super::Tcp;
use super::flow::Flow;
use super::ports::{self, Hold, Place};
use super::socket::TcpSocket;
use super::state::{DEFAULT_MSS, NEVER, Phase, State};
use super::unit::{Setup, Unit, window_shift};
use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use fs::socket::{Address, Caller, SocketError};

impl TcpSocket {
    pub(super) fn connect_to(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        let _ = caller;
        if *address == Address::Unspecified {
            return self.dissolve();
        }
        let remote = self.own_family(address)?;
        let answer = self.with(false, |state| match &state.phase {
            Phase::Listening(_) => Some(Err(SocketError::IsConnected)),
            Phase::Open(_) if state.connecting => Some(Err(SocketError::Already)),
            Phase::Open(_) | Phase::Ended if state.error.is_some() => {
                state.unannounced = false;
                state.error.take().map(Err)
            }
            Phase::Open(_) | Phase::Ended if core::mem::take(&mut state.unannounced) => Some(Ok(())),
            Phase::Open(_) => Some(Err(SocketError::IsConnected)),
            // After a failed attempt, or a connection that was reset, there may be another.
            Phase::Ended if state.ends.is_some() && !state.aborted => Some(Err(SocketError::IsConnected)),
            Phase::Idle | Phase::Ended => None,
        })?;
        if let Some(answer) = answer {
            return answer;
        }
        self.begin(remote)?;
        Err(SocketError::InProgress)
    }

    /// Begins to connect.
    fn begin(&self, remote: SocketAddr) -> Result<(), SocketError> {
        let slot = self.slot()?;
        let tcp = &*self.tcp;
        let mut ip = remote.ip().to_canonical();
        if ip.is_unspecified() {
            ip = if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        }
        if ip.is_multicast() || remote.port() == 0 {
            return Err(if remote.port() == 0 {
                SocketError::Refused
            } else {
                SocketError::NetworkUnreachable
            });
        }
        let remote = SocketAddr::new(ip, remote.port());
        let (bound, settings) = self.with(false, |state| (state.bound, state.settings))?;
        let source = match bound.map(|(place, _)| place) {
            Some(Place::V4(own)) if ip.is_ipv4() => Some(IpAddr::V4(own)),
            Some(Place::V6(own, _)) if ip.is_ipv6() || own.is_unspecified() => Some(IpAddr::V6(own)),
            None => None,
            Some(_) => return Err(SocketError::NetworkUnreachable),
        };
        if settings.v6_only && ip.is_ipv4() && self.is_v6() {
            return Err(SocketError::NetworkUnreachable);
        }
        let source = source.filter(|own| !own.is_unspecified());
        let interface = Some(settings.interface).filter(|&number| number != 0);
        let route = tcp.output.route(ip, source, interface)?;
        let (receive, send, most) = tcp.first_rings((settings.receive_buffer, settings.send_buffer));
        if !tcp.charge(receive + send) {
            return Err(SocketError::NoBuffers);
        }
        let flow = self.claim(route.source, remote, bound.map(|(_, port)| port), receive);
        let made = flow.and_then(|(flow, hold)| {
            let now = self.now();
            let setup = Setup {
                flow,
                isn: tcp.initial_number(&flow, now),
                mtu: Tcp::packet_limit(route.mtu, &flow, &settings),
                receive_ring: receive,
                shift: window_shift(most),
                send_ring: send,
                partial: route.checksum,
                segmentation: route.segmentation_v4,
                local: route.local,
                quick: false,
            };
            let unit = Unit::connect(&setup, now).map(Box::new);
            let unit = unit.ok_or(SocketError::NoBuffers).inspect_err(|_| self.unclaim(hold))?;
            Ok((unit, flow, hold))
        });
        let (unit, flow, hold) = made.inspect_err(|_| tcp.uncharge(receive + send))?;
        slot.hint.set(0);
        tcp.stats.active_opens.inc();
        self.with(false, |state| {
            let kept = State {
                phase: Phase::Open(unit),
                used: true,
                owned: true,
                bound: state.bound,
                hold: Some(hold),
                ends: Some((flow.local(), flow.remote())),
                connecting: true,
                unannounced: true,
                remote_mss: DEFAULT_MSS,
                last_input: self.now(),
                waiting_since: NEVER,
                charged: receive + send,
                settings: state.settings,
                uid: state.uid,
                ino: state.ino,
                v6: state.v6,
                ..State::default()
            };
            *state = kept;
            state.apply_settings();
        })
    }

    /// Takes a flow for this socket, choosing the port if it has none.
    fn claim(
        &self,
        source: IpAddr,
        remote: SocketAddr,
        port: Option<u16>,
        ring: usize,
    ) -> Result<(Flow, Hold), SocketError> {
        let (tcp, slot) = (&*self.tcp, self.slot()?);
        let reuse = self.options.values().reuse_address;
        tcp.empty_inbox(slot, ring);
        let take = |port: u16| {
            let flow = Flow::new(SocketAddr::new(source, port), remote);
            let hash = tcp.hash(&flow);
            let free = !tcp.time_wait.lock().contains(&flow, hash);
            let hold = Hold { port, reuse };
            if !free || tcp.table.insert(&tcp.slots, self.index, &flow, hash).is_err() {
                return None;
            }
            if tcp.ports.lock().hold(hold).is_err() {
                tcp.table.remove(&tcp.slots, self.index);
                return None;
            }
            Some((flow, hold))
        };
        let taken = match port {
            Some(port) => take(port),
            None => ports::candidates(tcp.random())
                .filter(|&port| tcp.ports.lock().may_share(port))
                .find_map(take),
        };
        taken.ok_or(SocketError::AddressNotAvailable)
    }

    fn unclaim(&self, hold: Hold) {
        self.tcp.table.remove(&self.tcp.slots, self.index);
        self.tcp.ports.lock().release(hold);
    }

    /// connect(2) to no address: resets the connection, and the socket is as new.
    fn dissolve(&self) -> Result<(), SocketError> {
        self.tcp.stop_listening(self.index, self.slot()?, self.now());
        self.with(true, |state| {
            self.tcp.abort(state, None);
            state.owned = true;
        })?;
        self.with(true, |state| {
            if matches!(state.phase, Phase::Ended | Phase::Open(_)) && state.hold.is_none() {
                self.tcp.uncharge(core::mem::take(&mut state.charged));
                *state = State {
                    used: true,
                    owned: true,
                    bound: state.bound,
                    waiting_since: NEVER,
                    remote_mss: DEFAULT_MSS,
                    settings: state.settings,
                    uid: state.uid,
                    ino: state.ino,
                    v6: state.v6,
                    ..State::default()
                };
            }
        })
    }
}
