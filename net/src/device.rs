//! What the network wants from the kernel: cards and an environment.
//!
//! Implemented by the kernel's drivers, by the loopback and by fakes in tests.

use crate::frame::{Frame, Frames};
use core::net::SocketAddr;

/// What a card can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardInfo {
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Largest IP packet that it carries without segmentation, bytes.
    pub mtu: u16,
    /// It completes partial checksums of TCP and UDP.
    pub checksum: bool,
    /// It cuts TCP segments over IPv4.
    pub segmentation_v4: bool,
    /// Pairs of queues; each may be used by a CPU of its own.
    pub queues: u16,
}

/// Frames that came to a card and got no further, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// There was no memory for them.
    pub no_memory: u64,
    /// They made no sense.
    pub malformed: u64,
}

/// A network card for Ethernet frames.
///
/// Queues are numbered from 0. A queue that somebody else is using at this moment is not waited for: `transmit` queues behind it,
/// `receive` gives nothing (the other one takes the frames).
pub trait NetworkCard: Send + Sync {
    /// What it can do; does not change.
    fn info(&self) -> CardInfo;

    /// Whether there is a link.
    fn link_up(&self) -> bool;

    /// Sends frames, as many from the front as there is room for; the device is told once at the end. The rest stays.
    fn transmit(&self, queue: u16, frames: &mut Frames);

    /// Gives up to `budget` frames that have come to `frame`, which may keep them ([`Frame::keep`]), and gives the device new buffers;
    /// returns how many. Meanwhile the queue is the caller's.
    fn receive(&self, queue: u16, budget: usize, frame: &mut dyn FnMut(&mut Frame)) -> usize;

    /// Whether the device interrupts when frames come. Returns true if frames have come meanwhile, which no interrupt will tell.
    fn set_interrupts(&self, queue: u16, on: bool) -> bool;

    /// Frames that were lost in the driver.
    fn lost(&self) -> Lost {
        Lost::default()
    }

    /// Whether the device has taken all frames. If not, an interrupt tells when it has.
    fn sent_all(&self) -> bool {
        true
    }
}

impl<T: NetworkCard + ?Sized> NetworkCard for &'static T {
    fn info(&self) -> CardInfo {
        (**self).info()
    }

    fn link_up(&self) -> bool {
        (**self).link_up()
    }

    fn transmit(&self, queue: u16, frames: &mut Frames) {
        (**self).transmit(queue, frames);
    }

    fn receive(&self, queue: u16, budget: usize, frame: &mut dyn FnMut(&mut Frame)) -> usize {
        (**self).receive(queue, budget, frame)
    }

    fn set_interrupts(&self, queue: u16, on: bool) -> bool {
        (**self).set_interrupts(queue, on)
    }

    fn lost(&self) -> Lost {
        (**self).lost()
    }

    fn sent_all(&self) -> bool {
        (**self).sent_all()
    }
}

/// What a socket that serves speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// tcp(7).
    Tcp,
    /// udp(7).
    Udp,
}

/// The stack's surroundings.
pub trait Environment: Send + Sync {
    /// Monotonic time, nanoseconds.
    fn now_ns(&self) -> u64;

    /// Nanoseconds since 1970; `None` where nobody knows the date.
    fn wall_ns(&self) -> Option<u64> {
        None
    }

    /// Fills `buf` with unpredictable bytes.
    fn random(&self, buf: &mut [u8]);

    /// The running CPU, which chooses a queue.
    fn cpu(&self) -> u32;

    /// The stack wants to be polled at `deadline` at the latest (monotonic nanoseconds); replaces a later one.
    fn wake_at(&self, deadline: u64);

    /// Deadlines matter from now on: called before every socket of IP is made. False without memory for what keeps them; the socket is
    /// refused then.
    fn keep_deadlines(&self) -> bool {
        true
    }

    /// A socket takes connections or datagrams at `local` from now on. An IPv6 socket that takes IPv4 as well is told twice.
    fn listening(&self, _transport: Transport, _local: SocketAddr) {}
}
