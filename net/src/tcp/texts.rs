//! Texts of `/proc/net/tcp`, `/proc/net/tcp6` and TCP's parts of `snmp`, `netstat` and `sockstat` (proc(5)).
//!
//! Called by the file system of processes. Sockets are looked at one after the other, so a text is not one moment's picture.

use super::Tcp;
use super::info::{self, state_number};
use super::ports::Place;
use super::state::{Phase, State};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use fs::pseudo::Output;

/// A line of the table.
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    queues: (usize, usize),
    uid: u32,
    ino: u64,
}

fn hex(address: SocketAddr, v6: bool) -> String {
    let mut text = String::new();
    let port = address.port();
    // Words of the address in the machine's byte order.
    let words = |bytes: &[u8], text: &mut String| {
        for word in bytes.chunks_exact(4) {
            let word = word.try_into().map_or(0, u32::from_ne_bytes);
            let _ = write!(text, "{word:08X}");
        }
    };
    match address.ip() {
        IpAddr::V4(ip) if !v6 => words(&ip.octets(), &mut text),
        IpAddr::V4(ip) => words(&ip.to_ipv6_mapped().octets(), &mut text),
        IpAddr::V6(ip) => words(&ip.octets(), &mut text),
    }
    let _ = write!(text, ":{port:04X}");
    text
}

impl Tcp {
    /// `/proc/net/tcp`, or `/proc/net/tcp6`.
    pub fn table_text(&self, v6: bool, text: &mut Output) {
        let _ = text.write_str(if v6 {
            "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        } else {
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n"
        });
        let Some(rows) = self.rows(v6) else { return text.give_up() };
        for (number, row) in rows.into_iter().enumerate() {
            let Row { state, uid, ino, queues: (send, receive), .. } = row;
            let (local, remote) = (hex(row.local, v6), hex(row.remote, v6));
            let mut line = String::new();
            let _ = write!(
                line,
                "{number:4}: {local} {remote} {state:02X} {send:08X}:{receive:08X} 00:00000000 00000000 {uid:5}        0 {ino} 1 0000000000000000 100 0 0 10 0"
            );
            let _ = if v6 { writeln!(text, "{line}") } else { writeln!(text, "{line:<149}") };
        }
    }

    fn rows(&self, v6: bool) -> Option<Vec<Row>> {
        let (mut rows, mut all) = (Vec::new(), true);
        for index in self.slots.numbers() {
            let Some(slot) = self.slots.get(index) else { continue };
            let row = row_of(&slot.state.lock(), v6);
            if let Some(row) = row {
                rows.try_reserve(1).ok()?;
                rows.push(row);
            }
        }
        let mut add = |local: SocketAddr, remote: SocketAddr, state| {
            if local.is_ipv6() != v6 {
                return;
            }
            match rows.try_reserve(1) {
                Ok(()) => rows.push(Row { local, remote, state, queues: (0, 0), uid: 0, ino: 0 }),
                Err(_) => all = false,
            }
        };
        self.syn.lock().each(&mut |half| add(half.flow.local(), half.flow.remote(), info::SYN_RECEIVED));
        self.time_wait.lock().each(0, &mut |flow, _| add(flow.local(), flow.remote(), info::TIME_WAIT));
        all.then_some(rows)
    }

    /// The lines `Tcp:` of `/proc/net/snmp`.
    pub fn snmp_text(&self) -> String {
        let (mut names, mut values) = (
            String::from("Tcp: RtoAlgorithm RtoMin RtoMax MaxConn"),
            // Van Jacobson's algorithm; the limits are the engine's, milliseconds; no fixed limit of connections.
            String::from("Tcp: 4 250 60000 -1"),
        );
        let current = self.established_count();
        self.stats.each(&mut |name, value| {
            // CurrEstab has its place among the counters.
            if name == "InSegs" {
                let _ = (write!(names, " CurrEstab"), write!(values, " {current}"));
            }
            let _ = (write!(names, " {name}"), write!(values, " {value}"));
        });
        names + "\n" + &values + "\n"
    }

    /// The lines `TcpExt:` of `/proc/net/netstat`.
    pub fn netstat_text(&self) -> String {
        let (mut names, mut values) = (String::from("TcpExt:"), String::from("TcpExt:"));
        self.extended.each(&mut |name, value| {
            let _ = (write!(names, " {name}"), write!(values, " {value}"));
        });
        names + "\n" + &values + "\n"
    }

    /// The line `TCP:` of `/proc/net/sockstat`, or `TCP6:` of `sockstat6`.
    pub fn sockstat_text(&self, v6: bool) -> String {
        let mut text = String::new();
        if v6 {
            let _ = writeln!(text, "TCP6: inuse {}", self.rows(true).map_or(0, |rows| rows.len()));
            return text;
        }
        let (used, pages) = (self.slots.used(), self.memory_used().div_ceil(4096));
        let (orphans, waiting) = (self.orphan_count(), self.time_wait.lock().count());
        let _ = writeln!(text, "TCP: inuse {used} orphan {orphans} tw {waiting} alloc {used} mem {pages}");
        text
    }
}

fn row_of(state: &State, v6: bool) -> Option<Row> {
    let (mut local, mut remote) = (None, None);
    let mut queues = (0, 0);
    match &state.phase {
        Phase::Listening(listener) => {
            let (place, port) = state.bound?;
            let ip: IpAddr = match place {
                Place::V4(ip) => ip.into(),
                Place::V6(ip, _) => ip.into(),
            };
            local = Some(SocketAddr::new(ip, port));
            queues = (0, listener.queue.len());
        }
        Phase::Open(unit) if !state.detached => {
            let (own, other) = state.ends?;
            (local, remote) = (Some(own), Some(other));
            queues = (unit.unacknowledged(), unit.receivable());
        }
        _ => {}
    }
    let local = local?;
    if state.v6 != v6 {
        return None;
    }
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let remote = remote.unwrap_or(SocketAddr::new(any, 0));
    Some(Row { local, remote, state: state_number(state), queues, uid: state.uid, ino: state.ino })
}
