//! AF_NETLINK with NETLINK_ROUTE (netlink(7), rtnetlink(7)): programs ask for interfaces, addresses, routes and neighbours.
//!
//! A request is answered in the call that sends it; the answers wait in the socket. Nothing can be changed by a program, and
//! nothing is told unasked: groups may be joined, and stay silent. glibc's `getifaddrs` and ip(8) work by this.

mod dump;
mod message;
mod request;
mod socket;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::Mutex;

pub use socket::NetlinkSocket;

/// The protocol.
pub const ROUTE: i32 = 0;

/// Numbers that sockets have, which are called ports.
#[derive(Default)]
pub struct Ports {
    used: Mutex<Vec<u32>>,
}

impl Ports {
    /// None in use.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes `wanted`; false if it is in use or there is no memory.
    fn take(&self, wanted: u32) -> bool {
        let mut used = self.used.lock();
        let free = !used.contains(&wanted) && used.try_reserve(1).is_ok();
        if free {
            used.push(wanted);
        }
        free
    }

    /// Takes `wanted` or another one; 0 without memory.
    fn take_any(&self, wanted: u32) -> u32 {
        if wanted != 0 && self.take(wanted) {
            return wanted;
        }
        // As Linux: numbers that no process has.
        (1..=u32::MAX / 2)
            .map(|n| u32::MAX - 4096 - n)
            .take(1 << 16)
            .find(|&port| self.take(port))
            .unwrap_or(0)
    }

    fn release(&self, port: u32) {
        self.used.lock().retain(|&used| used != port);
    }
}
