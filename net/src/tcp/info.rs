//! TCP_INFO: what is known of a connection (tcp(7)).
//!
//! Called by getsockopt(2). Fields that the engine keeps to itself (round-trip times, windows, the congestion window) stay zero.

use super::socket::TcpSocket;
use super::state::{Phase, State};
use abi::net::tcp_info;
use core::mem::{offset_of, size_of};
use fs::socket::{OptionValue, SocketError};
use smoltcp::socket::tcp::State as Engine;

/// Number of a listening socket's state.
pub const LISTEN: u8 = 10;
/// Number of the state of a socket without a connection.
pub const CLOSED: u8 = 7;
/// Number of TIME-WAIT.
pub const TIME_WAIT: u8 = 6;
/// Number of SYN-RECEIVED.
pub const SYN_RECEIVED: u8 = 3;

/// The number of a socket's state, as in `/proc/net/tcp`.
pub fn state_number(state: &State) -> u8 {
    let Phase::Open(unit) = &state.phase else {
        return if matches!(state.phase, Phase::Listening(_)) { LISTEN } else { CLOSED };
    };
    match unit.state() {
        Engine::Established => 1,
        Engine::SynSent => 2,
        Engine::SynReceived => SYN_RECEIVED,
        Engine::FinWait1 => 4,
        Engine::FinWait2 => 5,
        Engine::TimeWait => TIME_WAIT,
        Engine::Closed | Engine::Listen => CLOSED,
        Engine::CloseWait => 8,
        Engine::LastAck => 9,
        Engine::Closing => 11,
    }
}

struct Info([u8; size_of::<tcp_info>()]);

impl Info {
    fn byte(&mut self, at: usize, value: u8) {
        if let Some(to) = self.0.get_mut(at) {
            *to = value;
        }
    }

    fn word(&mut self, at: usize, value: u64) {
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        if let Some(to) = self.0.get_mut(at..at + 4) {
            to.copy_from_slice(&value.to_ne_bytes());
        }
    }
}

impl TcpSocket {
    /// The structure.
    pub(super) fn info(&self) -> Result<OptionValue, SocketError> {
        let now = self.now();
        let mut info = Info([0; size_of::<tcp_info>()]);
        self.with(false, |state| {
            info.byte(offset_of!(tcp_info, tcpi_state), state_number(state));
            info.word(offset_of!(tcp_info, tcpi_reordering), 3);
            let (remote_mss, last_input) = (u64::from(state.remote_mss), state.last_input);
            info.word(offset_of!(tcp_info, tcpi_snd_mss), remote_mss);
            if let Phase::Listening(listener) = &state.phase {
                // As on Linux: the accept queue and its bound.
                info.word(offset_of!(tcp_info, tcpi_unacked), listener.queue.len() as u64);
                info.word(offset_of!(tcp_info, tcpi_sacked), listener.backlog as u64);
            }
            let probing = state.probing;
            let Some(unit) = state.unit() else { return };
            let (mss, waiting) = (unit.mss() as u64, unit.unacknowledged() as u64);
            let sending = remote_mss.min(mss).max(1);
            info.byte(offset_of!(tcp_info, tcpi_probes), probing.into());
            info.word(offset_of!(tcp_info, tcpi_snd_mss), sending);
            info.word(offset_of!(tcp_info, tcpi_rcv_mss), mss);
            info.word(offset_of!(tcp_info, tcpi_advmss), mss);
            info.word(offset_of!(tcp_info, tcpi_pmtu), unit.path_mtu().into());
            info.word(offset_of!(tcp_info, tcpi_unacked), waiting.div_ceil(sending));
            info.word(offset_of!(tcp_info, tcpi_rcv_space), unit.rings().0 as u64);
            info.word(offset_of!(tcp_info, tcpi_last_data_recv), now.saturating_sub(last_input) / 1_000_000);
            info.word(offset_of!(tcp_info, tcpi_last_ack_recv), now.saturating_sub(last_input) / 1_000_000);
        })?;
        Ok(OptionValue::Bytes(info.0.to_vec()))
    }
}
