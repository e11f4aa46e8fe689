//! What the guest serves, as clients on this side see it. The reader of the second channel asks here which lines to show.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use image_format::channel::Protocol;

use super::{Forward, at};

/// Most lines that are shown of one run: a guest can listen as often as it likes.
const MAX_SHOWN: usize = 1000;

/// Where the guest's services are reached.
#[derive(Debug, Default)]
pub struct Services {
    reach: Reach,
    shown: HashSet<String>,
}

#[derive(Debug, Default)]
enum Reach {
    /// There is no network.
    #[default]
    Nowhere,
    /// At ports of this host.
    Forwarded { guest: Ipv4Addr, forwards: Vec<Forward> },
    /// At the guest's own addresses, as far as they are known here.
    Direct { v4: Option<Ipv4Addr>, v6: Option<Ipv6Addr> },
}

impl Services {
    /// Reached at ports of this host.
    #[must_use]
    pub fn forwarded(guest: Ipv4Addr, forwards: Vec<Forward>) -> Self {
        Self { reach: Reach::Forwarded { guest, forwards }, shown: HashSet::new() }
    }

    /// Reached at the guest's own addresses.
    #[must_use]
    pub fn direct(v4: Option<Ipv4Addr>, v6: Option<Ipv6Addr>) -> Self {
        Self { reach: Reach::Direct { v4, v6 }, shown: HashSet::new() }
    }

    /// A socket in the guest begins to serve: the lines that the user has not seen yet.
    pub fn listening(&mut self, protocol: Protocol, address: IpAddr, port: u16) -> Vec<String> {
        let places = self.places(protocol, address, port);
        let mut lines = Vec::new();
        for place in places {
            if self.shown.len() < MAX_SHOWN && self.shown.insert(place.clone()) {
                lines.push(format!("nospin: serving on {place}"));
            }
        }
        if lines.is_empty()
            && let Some(line) = self.unreachable(protocol, address, port)
            && self.shown.len() < MAX_SHOWN
            && self.shown.insert(line.clone())
        {
            lines.push(line);
        }
        lines
    }

    /// Why nobody on this side reaches a service for which there are forwarded ports.
    fn unreachable(&self, protocol: Protocol, address: IpAddr, port: u16) -> Option<String> {
        let Reach::Forwarded { forwards, .. } = &self.reach else { return None };
        let leads = forwards.iter().any(|forward| forward.protocol == protocol && forward.guest == port);
        // Programs take datagrams at many ports for purposes of their own.
        if !address.is_ipv4() || forwards.is_empty() || (!leads && protocol == Protocol::Udp) {
            return None;
        }
        let service = at(format_args!("port {port}"), protocol);
        match (leads, address.is_loopback()) {
            (true, true) => Some(format!(
                "nospin: the program serves {service} on {address} only, within the guest, where -p does not lead"
            )),
            (false, false) => Some(format!("nospin: the program serves {service}, to which no -p leads")),
            _ => None,
        }
    }

    fn places(&self, protocol: Protocol, address: IpAddr, port: u16) -> Vec<String> {
        if address.is_loopback() {
            return Vec::new(); // within the guest
        }
        match &self.reach {
            Reach::Nowhere => Vec::new(),
            Reach::Forwarded { guest, forwards } => {
                let reached = address.is_ipv4() && (address.is_unspecified() || address == *guest);
                let leads =
                    |forward: &&Forward| reached && forward.protocol == protocol && forward.guest == port;
                forwards.iter().filter(leads).map(|forward| at(forward.host, protocol)).collect()
            }
            Reach::Direct { v4, v6 } => {
                let known = match address {
                    _ if !address.is_unspecified() => Some(address),
                    IpAddr::V4(_) => v4.map(IpAddr::V4),
                    IpAddr::V6(_) => v6.map(IpAddr::V6),
                };
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                vec![known.map_or_else(
                    || at(format_args!("port {port} of the guest's {family} address"), protocol),
                    |address| at(std::net::SocketAddr::new(address, port), protocol),
                )]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

    #[test]
    fn a_forwarded_port_is_named_as_clients_reach_it_and_once() {
        let forwards = ["8080:80", "0.0.0.0:81:80", "5353:53/udp"].map(|text| text.parse().unwrap());
        let guest = Ipv4Addr::new(10, 0, 2, 15);
        let mut services = Services::forwarded(guest, forwards.to_vec());
        assert_eq!(
            services.listening(Protocol::Tcp, ANY, 80),
            ["nospin: serving on 127.0.0.1:8080 (tcp)", "nospin: serving on 0.0.0.0:81 (tcp)"]
        );
        assert_eq!(services.listening(Protocol::Tcp, guest.into(), 80), [""; 0]);
        assert_eq!(services.listening(Protocol::Udp, ANY, 80), [""; 0]);
        assert_eq!(services.listening(Protocol::Tcp, Ipv4Addr::LOCALHOST.into(), 99), [""; 0]);
        let line = "nospin: the program serves port 53 (tcp), to which no -p leads";
        assert_eq!(services.listening(Protocol::Tcp, ANY, 53), [line]);
        assert_eq!(services.listening(Protocol::Tcp, guest.into(), 53), [""; 0], "once");
        assert_eq!(
            services.listening(Protocol::Udp, Ipv4Addr::LOCALHOST.into(), 53),
            [
                "nospin: the program serves port 53 (udp) on 127.0.0.1 only, within the guest, where -p does not lead"
            ]
        );
        assert_eq!(services.listening(Protocol::Udp, ANY6, 53), [""; 0]);
        assert_eq!(services.listening(Protocol::Udp, Ipv4Addr::new(10, 9, 9, 9).into(), 53), [""; 0]);
        assert_eq!(
            services.listening(Protocol::Udp, guest.into(), 53),
            ["nospin: serving on 127.0.0.1:5353 (udp)"]
        );
    }

    #[test]
    fn a_guest_with_addresses_is_named_by_them() {
        let mut services = Services::direct(Some(Ipv4Addr::new(10, 99, 0, 2)), None);
        assert_eq!(
            services.listening(Protocol::Tcp, ANY, 11211),
            ["nospin: serving on 10.99.0.2:11211 (tcp)"]
        );
        assert_eq!(
            services.listening(Protocol::Tcp, ANY6, 11211),
            ["nospin: serving on port 11211 of the guest's IPv6 address (tcp)"]
        );
        assert_eq!(
            services.listening(Protocol::Udp, "fd00::5".parse().unwrap(), 53),
            ["nospin: serving on [fd00::5]:53 (udp)"]
        );
        assert_eq!(services.listening(Protocol::Tcp, Ipv6Addr::LOCALHOST.into(), 1), [""; 0]);
        assert_eq!(Services::default().listening(Protocol::Tcp, ANY, 80), [""; 0]);
    }

    #[test]
    fn a_guest_that_listens_everywhere_fills_no_memory() {
        let mut services = Services::direct(None, None);
        let lines =
            (0..=u16::MAX).map(|port| services.listening(Protocol::Tcp, ANY, port).len()).sum::<usize>();
        assert_eq!(lines, MAX_SHOWN);
    }
}
