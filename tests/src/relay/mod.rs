//! A bad network between two machines: frames are lost, doubled, delayed and put out of order by chance, from a seed.
//!
//! An [`End`] is a connection to QEMU's netdevs `socket`, `stream` or `dgram`, or to a peer in this process. [`Relay`] moves frames
//! between two of them through an [`Impairment`] for each direction. Used by network cases and by the program `netrelay`.
//! With the same seed the same frames of a direction are hit, counted by their order; times are those of the real clock.

mod end;
mod impair;

pub use end::{End, FrameReader, FrameWriter};
pub use impair::{Counts, Impairment, PPM, Rules};

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A relay at work, until one of its ends closes.
#[derive(Debug)]
pub struct Relay {
    directions: [Direction; 2],
}

#[derive(Debug)]
struct Direction {
    counts: Arc<Mutex<Counts>>,
    thread: JoinHandle<()>,
}

impl Relay {
    /// Begins to move frames between `a` and `b`.
    ///
    /// # Errors
    /// The ends cannot be used in both directions.
    pub fn start(a: End, b: End, rules: &Rules, seed: u64) -> io::Result<Self> {
        let (from_a, to_a) = a.split()?;
        let (from_b, to_b) = b.split()?;
        let start = Instant::now();
        // Directions differ, or what is lost one way would be lost the other way too.
        let there = Direction::start(from_a, to_b, Impairment::new(*rules, seed), start);
        let back = Direction::start(from_b, to_a, Impairment::new(*rules, !seed), start);
        Ok(Relay { directions: [there, back] })
    }

    /// What became of the frames so far, from `a` to `b` and back.
    #[must_use]
    pub fn counts(&self) -> [Counts; 2] {
        [0, 1].map(|n: usize| *self.directions[n].counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until both directions have ended.
    #[must_use]
    pub fn wait(self) -> [Counts; 2] {
        self.directions.map(|direction| {
            // A thread that panicked has said so.
            let _ = direction.thread.join();
            *direction.counts.lock().unwrap_or_else(PoisonError::into_inner)
        })
    }
}

impl Direction {
    fn start(mut from: FrameReader, to: FrameWriter, impairment: Impairment, start: Instant) -> Self {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let (sender, frames) = channel();
        thread::spawn(move || {
            // Ends when the end closes or breaks, or when nobody takes the frames any more.
            while let Ok(Some(frame)) = from.next() {
                if sender.send(frame).is_err() {
                    break;
                }
            }
        });
        let shared = Arc::clone(&counts);
        let thread = thread::spawn(move || shape(&frames, to, impairment, start, &shared));
        Direction { counts, thread }
    }
}

/// Frames go in as they come, and out as they are due; the last ones also when no more come.
fn shape(
    frames: &Receiver<Vec<u8>>,
    mut to: FrameWriter,
    mut impairment: Impairment,
    start: Instant,
    counts: &Mutex<Counts>,
) {
    const IDLE: Duration = Duration::from_secs(3600);
    let now = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut open = true;
    loop {
        while let Some(frame) = impairment.due(now()) {
            if to.send(&frame).is_err() {
                return;
            }
        }
        *counts.lock().unwrap_or_else(PoisonError::into_inner) = impairment.counts();
        let wait = match impairment.next() {
            Some(due) => Duration::from_nanos(due.saturating_sub(now())),
            None if !open => break,
            None => IDLE,
        };
        if !open {
            thread::sleep(wait);
            continue;
        }
        match frames.recv_timeout(wait) {
            Ok(frame) => impairment.push(now(), frame),
            Err(RecvTimeoutError::Timeout) => (),
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
    }
    to.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixDatagram;

    /// Two connected streams.
    fn pair() -> (End, End) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (End::Stream(client), End::Stream(listener.accept().unwrap().0))
    }

    fn numbered(number: u32) -> Vec<u8> {
        let mut frame = number.to_be_bytes().to_vec();
        frame.resize(60 + number as usize % 1455, number as u8);
        frame
    }

    fn number(frame: &[u8]) -> u32 {
        u32::from_be_bytes(*frame.first_chunk().unwrap())
    }

    /// Sends numbered frames through a relay, and returns the numbers that come out, and the counts.
    fn through(rules: &Rules, seed: u64, frames: u32) -> (Vec<u32>, Counts) {
        let ((mine, a), (b, theirs)) = (pair(), pair());
        let relay = Relay::start(a, b, rules, seed).unwrap();
        let (_keep, mut out) = mine.split().unwrap();
        let (mut into, _other) = theirs.split().unwrap();
        let sender = thread::spawn(move || {
            (0..frames).for_each(|number| out.send(&numbered(number)).unwrap());
            out.close();
        });
        let mut got = Vec::new();
        while let Some(frame) = into.next().unwrap() {
            assert_eq!(frame, numbered(number(&frame)));
            got.push(number(&frame));
        }
        sender.join().unwrap();
        (got, relay.counts()[0])
    }

    #[test]
    fn a_good_network_changes_nothing() {
        let (got, counts) = through(&Rules::default(), 1, 2000);
        assert_eq!(got, (0..2000).collect::<Vec<_>>());
        assert_eq!((counts.sent, counts.lost, counts.doubled, counts.late), (2000, 0, 0, 0));
    }

    #[test]
    fn a_seed_decides_what_is_hit() {
        let rules = Rules { loss: 100_000, duplicate: 50_000, reorder: 100_000, ..Rules::default() };
        let sorted = |seed| {
            let mut got = through(&rules, seed, 2000).0;
            assert!(!got.is_sorted());
            got.sort_unstable();
            got
        };
        let first = sorted(7);
        assert_eq!(first, sorted(7));
        assert_ne!(first, sorted(8));
    }

    #[test]
    fn datagrams_are_frames() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let peer = UnixDatagram::bind(path("peer")).unwrap();
        let a = End::datagram(&path("relay"), &path("peer")).unwrap();
        let (b, other) = pair();
        let _relay = Relay::start(a, b, &Rules::default(), 1).unwrap();
        let (mut from, mut to) = other.split().unwrap();
        peer.send_to(&numbered(5), path("relay")).unwrap();
        assert_eq!(from.next().unwrap().unwrap(), numbered(5));
        to.send(&numbered(6)).unwrap();
        let mut buffer = vec![0; 2000];
        let len = peer.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], numbered(6));
    }

    #[test]
    fn a_stream_that_makes_no_sense_ends() {
        use std::io::Write as _;
        let ((mut mine, a), (b, theirs)) = (pair(), pair());
        let relay = Relay::start(a, b, &Rules::default(), 1).unwrap();
        let End::Stream(stream) = &mut mine else { unreachable!("a pair of streams") };
        stream.write_all(&u32::MAX.to_be_bytes()).unwrap();
        let (mut from, to) = theirs.split().unwrap();
        assert_eq!(from.next().unwrap(), None);
        to.close();
        assert_eq!(relay.wait()[0].sent, 0);
    }
}
