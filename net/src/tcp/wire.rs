//! [`Wire`]: the device of a unit's engine, one packet in, a list of packets out.
//!
//! Used by [`Unit`](super::unit::Unit) only. Packets that leave get their checksums here, and their numbers are noted: what the engine
//! keeps to itself is seen in what it sends. Those of arriving packets were verified before.

use super::segment::{self, ACK, FIN, HEADER_LEN, PSH, RST, SYN};
use crate::frame::{Frame, Frames, HEADROOM};
use core::num::{NonZeroU16, NonZeroUsize};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

/// Kind of the option for the window's shift.
const SCALE: u8 = 3;
/// Room for a packet without data: headers and all options.
pub const SMALL: usize = 128;
/// Largest packet that is given to a card to be cut: with the lower headers it stays below 64 KiB.
pub const LARGEST: usize = 65535 - HEADROOM;

/// What this side has sent last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// The next sequence number.
    pub next: u32,
    /// The last acknowledgement.
    pub ack: u32,
}

/// What a unit has counted; taken away by [`Unit::take_counts`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Packets sent.
    pub sent: u64,
    /// Packets with data that was sent before.
    pub retransmitted: u64,
    /// Resets sent.
    pub resets: u64,
    /// Packets not sent for want of memory.
    pub no_memory: u64,
}

/// The engine's device, as long as no packet comes: a list of packets that leave.
pub struct Wire {
    /// Packets that leave.
    pub output: Frames,
    /// Largest IP packet.
    pub mtu: u16,
    /// Largest IP packet that the way to the other side carries, as far as routers said. The engine does not know.
    pub path: u16,
    /// Checksums are completed below.
    pub partial: bool,
    /// Packets are cut below.
    pub segmentation: bool,
    /// TOS or traffic class.
    pub traffic_class: u8,
    /// Bytes that the next packet may need.
    pub expect: usize,
    /// Packets are looked at but not sent.
    pub muted: bool,
    /// Something was sent.
    pub begun: bool,
    /// The first sequence number.
    pub first: u32,
    /// What was sent last.
    pub sent: Sent,
    /// The end of the other side's window.
    pub edge: u32,
    /// What happened.
    pub counts: Counts,
    /// Bytes that came since the last acknowledgement left.
    pub unacked: usize,
    /// Shifts of the window: the engine's, which is that of its ring, and the one that the other side was told.
    pub shifts: (u8, u8),
    /// The last packet with data repeated some.
    pub repeated: bool,
}

/// A packet that the engine takes.
pub struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// A [`Wire`] with a packet that comes.
pub struct Ingress<'a> {
    /// Where answers leave.
    pub wire: &'a mut Wire,
    /// The packet that the engine takes next.
    pub packet: Option<&'a [u8]>,
}

impl Device for Ingress<'_> {
    type RxToken<'b>
        = Received<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Sending<'b>
    where
        Self: 'b;

    #[inline]
    fn receive(&mut self, _timestamp: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let packet = self.packet.take()?;
        // Answers have no data: at most headers and options.
        Some((Received(packet), Sending { wire: self.wire, frame: None, size: None }))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Sending<'_>> {
        self.wire.transmit(timestamp)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.wire.capabilities()
    }
}

pub struct Sending<'a> {
    wire: &'a mut Wire,
    frame: Option<Frame>,
    size: Option<NonZeroU16>,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let frame = self.frame.or_else(|| Frame::with_room(HEADROOM, len));
        if let Some(mut frame) = frame
            && frame.set_len(len)
        {
            let result = f(frame.data_mut());
            self.wire.send(frame, self.size);
            return result;
        }
        // Data is only sent where memory was got before, so this has room.
        self.wire.counts.no_memory += 1;
        let mut small = [0; SMALL];
        match small.get_mut(..len) {
            Some(room) => f(room),
            None => f(&mut alloc::vec![0; len]),
        }
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.size = meta.segmentation_offload_size;
    }
}

impl Device for Wire {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _timestamp: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        None
    }

    fn transmit(&mut self, _timestamp: Instant) -> Option<Sending<'_>> {
        match Frame::with_room(HEADROOM, self.expect) {
            Some(frame) => Some(Sending { wire: self, frame: Some(frame), size: None }),
            None => {
                self.counts.no_memory += 1;
                None
            }
        }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu.into();
        capabilities.checksum = ChecksumCapabilities::ignored();
        if self.segmentation {
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(LARGEST);
        }
        capabilities
    }
}

fn put(packet: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = packet.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

impl Wire {
    fn send(&mut self, mut frame: Frame, size: Option<NonZeroU16>) {
        let packet = frame.data_mut();
        let v4 = packet.first().is_some_and(|byte| byte >> 4 == 4);
        let at = if v4 { 20 } else { 40 };
        let class = self.traffic_class;
        if class != 0
            && let [a, b, ..] = packet
        {
            if v4 {
                *b = class;
            } else {
                (*a, *b) = (6 << 4 | class >> 4, *b & 15 | class << 4);
            }
        }
        if self.shifts.0 != self.shifts.1 {
            self.scale_window(packet, at);
        }
        self.note(packet, at);
        if self.muted {
            return;
        }
        let mut size = size.map(NonZeroU16::get);
        if self.path < self.mtu {
            let header = frame.data().get(at + 12).map_or(HEADER_LEN, |byte| usize::from(byte >> 4) * 4);
            let most = self.path.saturating_sub((at + header) as u16).max(1);
            if frame.len() > self.path.into() && !self.segmentation {
                return self.send_in_pieces(&frame, at, at + header, most.into());
            }
            // The card cuts it.
            size = if frame.len() > self.path.into() {
                Some(size.map_or(most, |size| size.min(most)))
            } else {
                None
            };
        }
        self.push(frame, at, size);
    }

    fn push(&mut self, mut frame: Frame, at: usize, size: Option<u16>) {
        self.counts.sent += 1;
        segment::fill_checksums(&mut frame, at, self.partial);
        frame.offload.segment_size = size;
        if self.output.reserve_one() {
            self.output.push_back(frame);
        } else {
            self.counts.no_memory += 1;
        }
    }

    /// Sends a segment as several ones with up to `size` bytes of its data.
    fn send_in_pieces(&mut self, frame: &Frame, at: usize, headers: usize, size: usize) {
        let Some((head, data)) = frame.data().split_at_checked(headers) else { return };
        let seq = head.get(at + 4..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
        for (n, part) in data.chunks(size).enumerate() {
            let begin = n * size;
            let Some(mut piece) = Frame::with_room(HEADROOM, headers + part.len()) else {
                return self.counts.no_memory += 1;
            };
            if !piece.set_len(headers + part.len()) {
                return;
            }
            let len = piece.len();
            let packet = piece.data_mut();
            let (to_head, to_data) = packet.split_at_mut(headers);
            to_head.copy_from_slice(head);
            to_data.copy_from_slice(part);
            let (place, length) = if at == 20 { (2, len) } else { (4, len - at) };
            put(packet, place, &(length as u16).to_be_bytes());
            put(packet, at + 4, &seq.wrapping_add(begin as u32).to_be_bytes());
            if begin + part.len() < data.len()
                && let Some(flags) = packet.get_mut(at + 13)
            {
                *flags &= !(FIN | PSH);
            }
            self.push(piece, at, None);
        }
    }

    /// Notes the numbers of a packet that leaves, whose TCP header begins at `at`.
    ///
    /// An acknowledgement gets the highest sequence number that was sent (RFC 9293, 3.10.7.4: SND.NXT). The engine, while it repeats
    /// what was lost, gives it a lower one, which the other side may have to drop together with what it acknowledges; two sides that
    /// do so get nowhere. Nor may the number lie behind the window: there is the byte that asks whether a closed window has opened, and
    /// whoever does not read would take no acknowledgement of what he sends.
    fn note(&mut self, packet: &mut [u8], at: usize) {
        let len = packet.len();
        let Some(header) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<HEADER_LEN>()) else {
            return;
        };
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (seq, ack, flags) = (word(4), word(8), header[13]);
        let data = len.saturating_sub(at + usize::from(header[12] >> 4) * 4) as u32;
        if !self.begun {
            (self.begun, self.first, self.sent.next) = (true, seq, seq);
        }
        let highest = if segment::after(self.sent.next, self.edge) { self.edge } else { self.sent.next };
        if data == 0 && flags & (SYN | FIN | RST) == 0 && segment::after(highest, seq) {
            [header[4], header[5], header[6], header[7]] = highest.to_be_bytes();
        }
        self.repeated = data > 1 && segment::after(self.sent.next, seq);
        self.counts.retransmitted += u64::from(self.repeated);
        self.counts.resets += u64::from(flags & RST != 0);
        let end = seq.wrapping_add(data) + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        if segment::after(end, self.sent.next) {
            self.sent.next = end;
        }
        if flags & ACK != 0 {
            (self.sent.ack, self.unacked) = (ack, 0);
        }
    }

    /// Turns the engine's window into what the other side was told to expect: a small ring has no shift, but may grow.
    fn scale_window(&self, packet: &mut [u8], at: usize) {
        let (engine, told) = self.shifts;
        let Some(header) = packet.get_mut(at..) else { return };
        if header.get(13).is_some_and(|flags| flags & SYN != 0) {
            // Options: maximum segment size, then the shift.
            let mut options = header.get_mut(HEADER_LEN..).unwrap_or_default();
            while let [kind, rest @ ..] = options {
                let len = match (*kind, &mut *rest) {
                    (0, _) => return,
                    (1, _) => 0,
                    (SCALE, [_, shift, ..]) => return *shift = told,
                    (_, [len, ..]) => usize::from(*len).saturating_sub(1).max(1),
                    (_, []) => return,
                };
                options = rest.get_mut(len..).unwrap_or_default();
            }
        } else if let Some(field) = header.get_mut(14..16) {
            let window = u64::from((&*field).try_into().map_or(0, u16::from_be_bytes)) << engine >> told;
            field.copy_from_slice(&u16::try_from(window).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
}
