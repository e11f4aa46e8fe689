//! [`Values`]: what the options of a socket are set to.

use abi::net as raw;

/// Bytes of an interface's name with its NUL.
pub(super) const NAME_MAX: usize = 16;

/// How arrival times are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// Not at all.
    #[default]
    Off,
    /// SO_TIMESTAMP: microseconds.
    Micros,
    /// SO_TIMESTAMPNS: nanoseconds.
    Nanos,
}

/// The values of the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Values {
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// SO_KEEPALIVE.
    pub keep_alive: bool,
    /// SO_BROADCAST.
    pub broadcast: bool,
    /// SO_DONTROUTE.
    pub dont_route: bool,
    /// SO_OOBINLINE.
    pub oob_inline: bool,
    /// SO_NO_CHECK.
    pub no_check: bool,
    /// SO_DEBUG.
    pub debug: bool,
    /// SO_LINGER: seconds, `None` if it is off.
    pub linger: Option<i32>,
    /// The seconds of a linger that is off, which getsockopt(2) shows all the same.
    pub(super) linger_off: i32,
    /// SO_RCVBUF as getsockopt(2) shows it, bytes.
    pub receive_buffer: u32,
    /// SO_SNDBUF as getsockopt(2) shows it, bytes.
    pub send_buffer: u32,
    /// Whether the program has set SO_RCVBUF, SO_SNDBUF.
    pub buffers_set: (bool, bool),
    /// SO_RCVLOWAT, at least 1.
    pub receive_low_water: i32,
    /// SO_RCVTIMEO, nanoseconds; `None` for ever.
    pub receive_timeout: Option<u64>,
    /// SO_SNDTIMEO, nanoseconds; `None` for ever.
    pub send_timeout: Option<u64>,
    /// SO_PASSCRED.
    pub pass_credentials: bool,
    /// SO_TIMESTAMP, SO_TIMESTAMPNS.
    pub timestamps: Timestamps,
    /// SO_RXQ_OVFL.
    pub tell_dropped: bool,
    /// SO_PRIORITY.
    pub priority: i32,
    /// SO_MARK.
    pub mark: u32,
    /// SO_INCOMING_CPU; -1 for none.
    pub incoming_cpu: i32,
    /// SO_BUSY_POLL, microseconds.
    pub busy_poll: i32,
    /// SO_MAX_PACING_RATE, bytes per second.
    pub pacing: u64,
    /// SO_SELECT_ERR_QUEUE.
    pub select_errors: bool,
    /// SO_BINDTOIFINDEX: number of the interface, 0 for any.
    pub interface: u32,
    /// SO_BINDTODEVICE: its name.
    pub(super) device: [u8; NAME_MAX],
}

impl Values {
    pub(super) fn new(receive_buffer: u32, send_buffer: u32) -> Self {
        Values {
            reuse_address: false,
            reuse_port: false,
            keep_alive: false,
            broadcast: false,
            dont_route: false,
            oob_inline: false,
            no_check: false,
            debug: false,
            linger: None,
            linger_off: 0,
            receive_buffer,
            send_buffer,
            buffers_set: (false, false),
            receive_low_water: 1,
            receive_timeout: None,
            send_timeout: None,
            pass_credentials: false,
            timestamps: Timestamps::Off,
            tell_dropped: false,
            priority: 0,
            mark: 0,
            incoming_cpu: -1,
            busy_poll: 0,
            pacing: u64::MAX,
            select_errors: false,
            interface: 0,
            device: [0; NAME_MAX],
        }
    }

    /// The name of the interface that it is bound to, without NUL; empty for none.
    pub fn device(&self) -> &[u8] {
        self.device.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// The place of an option that is on or off.
    pub(super) fn flag(&mut self, name: u32) -> Option<&mut bool> {
        Some(match name {
            raw::SO_DEBUG => &mut self.debug,
            raw::SO_REUSEADDR => &mut self.reuse_address,
            raw::SO_REUSEPORT => &mut self.reuse_port,
            raw::SO_KEEPALIVE => &mut self.keep_alive,
            raw::SO_BROADCAST => &mut self.broadcast,
            raw::SO_DONTROUTE => &mut self.dont_route,
            raw::SO_OOBINLINE => &mut self.oob_inline,
            raw::SO_NO_CHECK => &mut self.no_check,
            raw::SO_PASSCRED => &mut self.pass_credentials,
            raw::SO_RXQ_OVFL => &mut self.tell_dropped,
            raw::SO_SELECT_ERR_QUEUE => &mut self.select_errors,
            _ => return None,
        })
    }
}
