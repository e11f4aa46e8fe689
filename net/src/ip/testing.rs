//! Fakes for tests: a card whose other end the test holds, and an environment with a clock that the test sets.

use crate::device::{CardInfo, Environment, Lost, NetworkCard};
use crate::frame::{Frame, Frames, HEADROOM};
use crate::ip::address::Mac;
use crate::ip::{Config, IpLayer};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A card on a virtual wire.
pub struct FakeCard {
    info: CardInfo,
    sent: Mutex<VecDeque<Vec<u8>>>,
    incoming: Mutex<VecDeque<Frame>>,
    /// Frames that `transmit` takes at most.
    room: AtomicU64,
    unplugged: AtomicBool,
}

impl FakeCard {
    /// A card with a MAC that ends in `number`.
    pub fn new(number: u8) -> Self {
        let info = CardInfo { mac: [2, 0, 0, 0, 0, number], mtu: 1500, queues: 1, ..CardInfo::default() };
        FakeCard {
            info,
            sent: Mutex::default(),
            incoming: Mutex::default(),
            room: AtomicU64::new(u64::MAX),
            unplugged: AtomicBool::new(false),
        }
    }

    /// Puts a frame on the wire.
    pub fn arrive(&self, data: &[u8]) {
        let mut frame = Frame::with_room(HEADROOM, data.len()).expect("memory");
        frame.set_len(data.len());
        frame.data_mut().copy_from_slice(data);
        self.incoming.lock().expect("no panic").push_back(frame);
    }

    /// Takes all that was sent.
    pub fn take(&self) -> Vec<Vec<u8>> {
        self.sent.lock().expect("no panic").drain(..).collect()
    }

    /// Takes the link away, or gives it back.
    pub fn unplug(&self, off: bool) {
        self.unplugged.store(off, Ordering::Relaxed);
    }

    /// How many frames the card still takes.
    pub fn set_room(&self, room: u64) {
        self.room.store(room, Ordering::Relaxed);
    }
}

impl NetworkCard for FakeCard {
    fn info(&self) -> CardInfo {
        self.info
    }

    fn link_up(&self) -> bool {
        !self.unplugged.load(Ordering::Relaxed)
    }

    fn lost(&self) -> Lost {
        Lost { no_memory: 70, malformed: 5 }
    }

    fn transmit(&self, _queue: u16, frames: &mut Frames) {
        while self.room.load(Ordering::Relaxed) > 0 {
            let Some(frame) = frames.pop_front() else { return };
            self.room.fetch_sub(1, Ordering::Relaxed);
            self.sent.lock().expect("no panic").push_back(frame.data().to_vec());
        }
    }

    fn receive(&self, _queue: u16, budget: usize, frame: &mut dyn FnMut(&mut Frame)) -> usize {
        let mut incoming = self.incoming.lock().expect("no panic");
        let count = budget.min(incoming.len());
        incoming.drain(..count).for_each(|mut taken| frame(&mut taken));
        count
    }

    fn set_interrupts(&self, _queue: u16, _on: bool) -> bool {
        false
    }
}

/// An environment.
pub struct FakeEnvironment {
    now: AtomicU64,
    random: AtomicU64,
    /// When the stack wants to be called.
    pub wake: AtomicU64,
}

impl Environment for FakeEnvironment {
    fn now_ns(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn wall_ns(&self) -> Option<u64> {
        Some(1_700_000_000_000_000_000 + self.now_ns())
    }

    fn random(&self, buf: &mut [u8]) {
        for byte in buf {
            let x = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (x >> 56) as u8;
        }
    }

    fn cpu(&self) -> u32 {
        0
    }

    fn wake_at(&self, deadline: u64) {
        self.wake.fetch_min(deadline, Ordering::Relaxed);
    }
}

/// A stack with one card, and the other end of the wire.
pub struct Bench {
    /// The stack.
    pub layer: Arc<IpLayer>,
    /// The card.
    pub card: Arc<FakeCard>,
    /// The environment.
    pub env: Arc<FakeEnvironment>,
}

/// One second.
pub const SECOND: u64 = 1_000_000_000;

impl Bench {
    /// Configured by options as on the command line.
    pub fn new(ip: Option<&str>, gw: Option<&str>) -> Self {
        Self::numbered(1, ip, gw)
    }

    /// With the card of that number.
    pub fn numbered(number: u8, ip: Option<&str>, gw: Option<&str>) -> Self {
        let card = Arc::new(FakeCard::new(number));
        let env = Arc::new(FakeEnvironment {
            now: AtomicU64::new(SECOND),
            random: AtomicU64::new(1),
            wake: AtomicU64::new(u64::MAX),
        });
        let config = Config::parse(ip, gw, None).expect("valid options");
        let layer = IpLayer::new(env.clone(), vec![card.clone()], &config);
        Bench { layer, card, env }
    }

    /// The card's address.
    pub fn mac(&self) -> Mac {
        self.card.info.mac
    }

    /// Lets a frame arrive, and gives what the stack sends.
    pub fn exchange(&self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.card.arrive(frame);
        self.poll()
    }

    /// Lets the stack look at the card, and gives what it sends.
    pub fn poll(&self) -> Vec<Vec<u8>> {
        self.layer.poll(self.env.now_ns(), 0, usize::MAX);
        self.card.take()
    }

    /// The time.
    pub fn now(&self) -> u64 {
        self.env.now_ns()
    }

    /// Lets time pass up to `seconds` later, with all wake-ups; gives what was sent.
    pub fn pass(&self, seconds: u64) -> Vec<Vec<u8>> {
        let mut sent = self.card.take();
        self.each_wake(seconds * SECOND, || {
            sent.extend(self.card.take());
            assert!(sent.len() < 10_000, "no storm");
        });
        sent
    }

    /// Lets `ns` pass, with all wake-ups; what was sent stays at the card.
    pub fn advance(&self, ns: u64) {
        self.each_wake(ns, || ());
    }

    fn each_wake(&self, ns: u64, mut woken: impl FnMut()) {
        let end = self.env.now_ns() + ns;
        loop {
            let next = self.env.wake.load(Ordering::Relaxed);
            if next > end {
                break;
            }
            self.env.wake.store(u64::MAX, Ordering::Relaxed);
            self.env.now.fetch_max(next, Ordering::Relaxed);
            if let Some(next) = self.layer.work(self.env.now_ns()) {
                self.env.wake.fetch_min(next, Ordering::Relaxed);
            }
            woken();
        }
        self.env.now.store(end, Ordering::Relaxed);
    }
}
