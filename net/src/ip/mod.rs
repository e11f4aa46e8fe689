//! The IP layer: everything between network cards and transport protocols.
//!
//! [`IpLayer`] is made once by the kernel, over the cards that there are. Frames come in through its `poll`, time through its `work`;
//! sockets reach it through [`Pass`](layer::Pass). TCP hooks in with [`Segments`], and sends through
//! [`IpOutput`](crate::output::IpOutput).

pub mod address;
mod arp;
mod autoconf;
mod config;
mod dhcp;
mod ether;
mod fragment;
mod groups;
pub(crate) mod icmp;
pub(crate) mod input;
pub mod interface;
pub mod ioctl;
pub(crate) mod layer;
mod loopback;
mod nd;
pub(crate) mod neighbour;
mod pathmtu;
pub(crate) mod ping;
pub mod route;
pub(crate) mod send;
pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
pub(crate) mod tests;
mod transport;
pub(crate) mod trouble;
pub(crate) mod wire;

pub use config::{Config, ConfigError, resolv_conf};
pub use input::{Arrival, Segments};
pub use layer::IpLayer;
pub use trouble::ErrorReport;
