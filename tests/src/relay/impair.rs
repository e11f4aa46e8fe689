//! What a bad network does to the frames of one direction. Time is an argument, chance comes from a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Probabilities are in millionths.
pub const PPM: u32 = 1_000_000;
/// Most frames on the way; more are lost, as in any network.
const QUEUE_MAX: usize = 10_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many frames are lost, in millionths.
    pub loss: u32,
    /// How many come twice.
    pub duplicate: u32,
    /// How many come late, behind others.
    pub reorder: u32,
    /// How late these come at most.
    pub hold: Duration,
    /// How long every frame takes.
    pub delay: Duration,
    /// How much longer it takes at most. This alone keeps the order.
    pub jitter: Duration,
    /// When the link goes down, and for how long.
    pub down: Option<(Duration, Duration)>,
    /// Chance leaves ARP and TCP segments with SYN alone.
    pub spare_beginnings: bool,
}

impl Default for Rules {
    /// A network without faults.
    fn default() -> Self {
        Rules {
            loss: 0,
            duplicate: 0,
            reorder: 0,
            hold: Duration::from_millis(20),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            down: None,
            spare_beginnings: false,
        }
    }
}

/// What became of the frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Left the relay, doubles included.
    pub sent: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because the link was down.
    pub down: u64,
    /// Lost because too many were on the way.
    pub overflow: u64,
    /// Sent twice.
    pub doubled: u64,
    /// Held back behind others.
    pub late: u64,
}

/// A frame on the way: when it is due, its number, its bytes. The number keeps the order of what is due at one time.
type Waiting = Reverse<(u64, u64, Vec<u8>)>;

/// One direction of a bad network. Times are nanoseconds since its start.
#[derive(Debug)]
pub struct Impairment {
    rules: Rules,
    random: u64,
    waiting: BinaryHeap<Waiting>,
    number: u64,
    /// When the latest frame is due that keeps its place.
    latest: u64,
    counts: Counts,
}

impl Impairment {
    /// An empty network.
    #[must_use]
    pub fn new(rules: Rules, seed: u64) -> Self {
        Impairment {
            rules,
            random: seed,
            waiting: BinaryHeap::new(),
            number: 0,
            latest: 0,
            counts: Counts::default(),
        }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn chance(&mut self, ppm: u32) -> bool {
        self.random() % u64::from(PPM) < u64::from(ppm)
    }

    /// A time from 0 to `limit`.
    fn up_to(&mut self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        self.random() % limit.saturating_add(1).max(1)
    }

    /// A frame enters. As much chance is used up for every frame, so that what happens to one does not depend on time.
    pub fn push(&mut self, now: u64, frame: Vec<u8>) {
        let rules = self.rules;
        let lost = self.chance(rules.loss);
        let twice = self.chance(rules.duplicate);
        let late = self.chance(rules.reorder);
        let (jitter, hold) = (self.up_to(rules.jitter), self.up_to(rules.hold));
        if self.is_down(now) {
            self.counts.down += 1;
            return;
        }
        let spared = rules.spare_beginnings && begins(&frame);
        let (lost, twice, late) = (lost && !spared, twice && !spared, late && !spared);
        if lost {
            self.counts.lost += 1;
            return;
        }
        let delay = u64::try_from(rules.delay.as_nanos()).unwrap_or(u64::MAX);
        let mut due = now.saturating_add(delay).saturating_add(jitter).max(self.latest);
        if late {
            self.counts.late += 1;
            due = due.saturating_add(hold).saturating_add(1);
        } else {
            self.latest = due;
        }
        if twice {
            self.counts.doubled += 1;
            self.enqueue(due, frame.clone());
        }
        self.enqueue(due, frame);
    }

    fn enqueue(&mut self, due: u64, frame: Vec<u8>) {
        if self.waiting.len() >= QUEUE_MAX {
            self.counts.overflow += 1;
            return;
        }
        self.number += 1;
        self.waiting.push(Reverse((due, self.number, frame)));
    }

    fn is_down(&self, now: u64) -> bool {
        let now = Duration::from_nanos(now);
        self.rules.down.is_some_and(|(from, length)| now >= from && now - from < length)
    }

    /// A frame that leaves by `now`, the earliest first.
    pub fn due(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, _, frame)) = self.waiting.pop()?;
        self.counts.sent += 1;
        Some(frame)
    }

    /// When the next frame leaves.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse((due, _, _))| *due)
    }

    /// What became of the frames.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// Whether a frame asks for a station's address, answers that, or is a TCP segment over IPv4 that begins a connection.
fn begins(frame: &[u8]) -> bool {
    const SYN: u8 = 2;
    let Some((ethernet, packet)) = frame.split_at_checked(14) else { return false };
    let header = packet.first().map_or(0, |byte| usize::from(byte & 15) * 4);
    let syn = packet.get(9) == Some(&6) && packet.get(header + 13).is_some_and(|flags| flags & SYN != 0);
    ethernet.ends_with(&[8, 6]) || ethernet.ends_with(&[8, 0]) && syn
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Sends `frames` frames, one each 100 us, and returns what comes out with its time.
    fn run(rules: Rules, seed: u64, frames: u32) -> (Vec<(u64, u32)>, Counts) {
        let mut network = Impairment::new(rules, seed);
        let mut out = Vec::new();
        for step in 0..u64::from(frames) + 100_000 {
            let now = step * MS / 10;
            if step < u64::from(frames) {
                network.push(now, (step as u32).to_be_bytes().to_vec());
            }
            while let Some(frame) = network.due(now) {
                out.push((now, u32::from_be_bytes(*frame.first_chunk().unwrap())));
            }
        }
        assert_eq!(network.next(), None);
        (out, network.counts())
    }

    fn about(count: u64, wanted: u64) {
        assert!(count.abs_diff(wanted) < wanted / 4, "{count}, wanted about {wanted}");
    }

    #[test]
    fn shares_are_as_asked_for() {
        let rules = Rules { loss: 10_000, duplicate: 20_000, reorder: 50_000, ..Rules::default() };
        let (out, counts) = run(rules, 3, 100_000);
        about(counts.lost, 1000);
        about(counts.doubled, 2000);
        about(counts.late, 5000);
        assert_eq!(counts.sent, out.len() as u64);
        assert_eq!(counts.sent + counts.lost, 100_000 + counts.doubled);
        let overtaken = out.windows(2).filter(|pair| pair[0].1 > pair[1].1).count() as u64;
        about(overtaken, 5000);
    }

    #[test]
    fn beginnings_are_spared() {
        let rules = Rules { loss: PPM, spare_beginnings: true, ..Rules::default() };
        let mut network = Impairment::new(rules, 1);
        let mut frame = vec![0; 54];
        (frame[12], frame[14], frame[23]) = (8, 0x45, 6);
        network.push(0, frame.clone());
        assert_eq!(network.due(0), None);
        frame[47] = 2;
        network.push(0, frame.clone());
        assert_eq!(network.due(0), Some(frame));
        network.push(0, vec![8; 3]);
        assert_eq!(network.counts().lost, 2);
        let arp = [&[0; 12][..], &[8, 6]].concat();
        network.push(0, arp.clone());
        assert_eq!(network.due(0), Some(arp));
    }

    #[test]
    fn the_same_seed_does_the_same() {
        let rules = Rules { loss: 100_000, duplicate: 100_000, reorder: 100_000, ..Rules::default() };
        assert_eq!(run(rules, 9, 5000), run(rules, 9, 5000));
        assert_ne!(run(rules, 9, 5000), run(rules, 10, 5000));
    }

    #[test]
    fn delay_keeps_the_order() {
        let rules =
            Rules { delay: Duration::from_millis(30), jitter: Duration::from_millis(10), ..Rules::default() };
        let (out, counts) = run(rules, 5, 10_000);
        assert_eq!(
            out.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
            (0..10_000).collect::<Vec<_>>()
        );
        assert_eq!((counts.sent, counts.late), (10_000, 0));
        for (time, number) in out {
            let took = time - u64::from(number) * MS / 10;
            assert!((30 * MS..=41 * MS).contains(&took), "{took}");
        }
    }

    #[test]
    fn a_link_that_is_down_carries_nothing() {
        let rules = Rules {
            down: Some((Duration::from_millis(100), Duration::from_millis(300))),
            ..Rules::default()
        };
        let (out, counts) = run(rules, 5, 10_000);
        assert_eq!(counts.down, 3000);
        assert_eq!(out.iter().filter(|(_, number)| (1000..4000).contains(number)).count(), 0);
        assert_eq!(counts.sent, 7000);
    }

    #[test]
    fn everything_or_nothing() {
        let (out, counts) = run(Rules { loss: PPM, ..Rules::default() }, 1, 1000);
        assert_eq!((out.len(), counts.lost), (0, 1000));
        let (out, _) = run(Rules { duplicate: PPM, ..Rules::default() }, 1, 1000);
        assert_eq!(out.len(), 2000);
    }

    #[test]
    fn what_is_on_the_way_is_bounded() {
        let mut network = Impairment::new(Rules { delay: Duration::from_secs(1), ..Rules::default() }, 1);
        (0..QUEUE_MAX as u64 + 10).for_each(|now| network.push(now, vec![0; 60]));
        assert_eq!(network.counts().overflow, 10);
    }
}
