//! The queue against a device of the tests' own, obedient or hostile.

use super::*;
use proptest::prelude::*;

const SIZE: u16 = 8;

/// The memory of a queue and the device's side of it.
struct Device {
    descriptors: Vec<[AtomicU64; 2]>,
    available: Vec<AtomicU16>,
    used: Vec<AtomicU32>,
}

impl Device {
    fn new() -> Self {
        let [descriptors, available, used] = layout(SIZE);
        Device {
            descriptors: (0..descriptors / 16).map(|_| Default::default()).collect(),
            available: (0..available / 2).map(|_| Default::default()).collect(),
            used: (0..used / 4).map(|_| Default::default()).collect(),
        }
    }

    fn rings(&self) -> Rings<'_> {
        Rings { descriptors: &self.descriptors, available: &self.available, used: &self.used }
    }

    fn available_index(&self) -> u16 {
        self.available[1].load(Ordering::SeqCst)
    }

    /// The descriptor at position `index` of the available ring.
    fn offered(&self, index: u16) -> (u16, u64, u32, bool) {
        let id = self.available[2 + usize::from(index % SIZE)].load(Ordering::SeqCst);
        let [addr, rest] = &self.descriptors[usize::from(id)];
        let rest = rest.load(Ordering::SeqCst);
        (id, addr.load(Ordering::SeqCst), rest as u32, rest >> 32 & DESC_WRITE != 0)
    }

    fn used_index(&self) -> u16 {
        (self.used[0].load(Ordering::SeqCst) >> 16) as u16
    }

    /// Gives back `id`; returns whether an interrupt is due (section 2.7.7).
    fn give_back(&self, id: u32, len: u32, event_index: bool) -> bool {
        let old = self.used_index();
        let at = 1 + 2 * usize::from(old % SIZE);
        self.used[at].store(id, Ordering::SeqCst);
        self.used[at + 1].store(len, Ordering::SeqCst);
        let new = old.wrapping_add(1);
        let flags = self.used[0].load(Ordering::SeqCst) & 0xffff;
        self.used[0].store(flags | u32::from(new) << 16, Ordering::SeqCst);
        if event_index {
            let event = self.available[2 + usize::from(SIZE)].load(Ordering::SeqCst);
            crossed(event, new, old)
        } else {
            self.available[0].load(Ordering::SeqCst) & AVAIL_NO_INTERRUPT == 0
        }
    }

    fn want_kick_at(&self, index: u16) {
        self.used[1 + 2 * usize::from(SIZE)].store(index.into(), Ordering::SeqCst);
    }
}

fn buffer(addr: u64) -> Buffer {
    Buffer { addr, len: 64, device_writes: true }
}

#[test]
fn buffers_go_round_in_any_order_and_indices_wrap() {
    for event_index in [false, true] {
        let device = Device::new();
        let mut queue = SplitQueue::new(device.rings(), event_index).expect("memory");
        let mut seen = 0u16;
        for round in 0..40_000u64 {
            device.want_kick_at(seen);
            assert_eq!(queue.add(buffer(round * 2), round * 2), Ok(()));
            assert_eq!(queue.add(buffer(round * 2 + 1), round * 2 + 1), Ok(()));
            assert!(queue.publish(), "the device waits for the first of them");
            assert!(!queue.publish(), "nothing new");
            assert_eq!(device.available_index(), seen.wrapping_add(2));
            let [first, second] = [0, 1].map(|i| device.offered(seen.wrapping_add(i)));
            assert_eq!((first.1, first.2, first.3), (round * 2, 64, true));
            assert!(!queue.enable_interrupts());
            assert!(device.give_back(second.0.into(), 10, event_index));
            assert_eq!(queue.pop(), Some(Ok((round * 2 + 1, 10))));
            queue.disable_interrupts();
            assert!(!device.give_back(first.0.into(), 64, event_index));
            assert!(queue.enable_interrupts(), "one came before the wish");
            assert_eq!((queue.pop(), queue.pop()), (Some(Ok((round * 2, 64))), None));
            seen = seen.wrapping_add(2);
        }
    }
}

#[test]
fn a_full_queue_gives_the_buffer_back() {
    let device = Device::new();
    let mut queue = SplitQueue::new(device.rings(), true).expect("memory");
    for n in 0..u64::from(SIZE) {
        assert_eq!(queue.add(buffer(n), n), Ok(()));
    }
    assert_eq!((queue.add(buffer(9), 9), queue.room(), queue.in_flight()), (Err(9), 0, 8));
    assert!(queue.publish());
    // A late interrupt: after six are back.
    assert!(!queue.interrupt_after(5));
    let due = (0..8).map(|n| device.give_back(device.offered(n).0.into(), 0, true)).collect::<Vec<_>>();
    assert_eq!(due, [false, false, false, false, false, true, false, false]);
    assert!(queue.interrupt_after(7) || queue.can_pop());
}

#[test]
fn kicks_are_left_out_when_the_device_does_not_want_them() {
    let device = Device::new();
    let mut queue = SplitQueue::new(device.rings(), false).expect("memory");
    device.used[0].store(USED_NO_NOTIFY, Ordering::SeqCst);
    assert_eq!(queue.add(buffer(1), 1), Ok(()));
    assert!(!queue.publish());
    let device = Device::new();
    let mut queue = SplitQueue::new(device.rings(), true).expect("memory");
    device.want_kick_at(1);
    assert_eq!(queue.add(buffer(1), 1), Ok(()));
    assert!(!queue.publish(), "it wants to know about the second");
    assert_eq!(queue.add(buffer(2), 2), Ok(()));
    assert!(queue.publish());
}

#[test]
fn lies_end_the_queue() {
    let start = |n: u64| {
        let device: &'static Device = std::boxed::Box::leak(std::boxed::Box::new(Device::new()));
        let mut queue = SplitQueue::new(device.rings(), false).expect("memory");
        (0..n).for_each(|n| assert_eq!(queue.add(buffer(n), n), Ok(())));
        assert!(queue.publish());
        (device, queue)
    };
    let (device, mut queue) = start(2);
    device.give_back(77, 1, false);
    assert_eq!((queue.pop(), queue.pop()), (Some(Err(Broken::BadId(77))), None));
    assert_eq!((queue.add(buffer(1), 1), queue.room()), (Err(1), 0));

    let (device, mut queue) = start(2);
    let id = u32::from(device.offered(0).0);
    device.give_back(id, 1, false);
    device.give_back(id, 1, false);
    assert_eq!(queue.pop(), Some(Ok((0, 1))));
    assert_eq!(queue.pop(), Some(Err(Broken::BadId(id))), "the same one twice");

    let (device, mut queue) = start(1);
    device.give_back(device.offered(0).0.into(), 65, false);
    assert_eq!(queue.pop(), Some(Err(Broken::BadLength(65))));

    let (device, mut queue) = start(1);
    device.used[0].store(9 << 16, Ordering::SeqCst);
    assert_eq!(queue.pop(), Some(Err(Broken::BadIndex(9))));
}

#[test]
fn chains_take_and_free_all_their_descriptors() {
    let device = Device::new();
    let mut queue = SplitQueue::new(device.rings(), false).expect("memory");
    let pieces = [1u64, 2, 3].map(|addr| Buffer { addr, len: addr as u32, device_writes: addr == 3 });
    for round in 0..1000u16 {
        assert_eq!((queue.add_chain(&pieces, 1), queue.add_chain(&pieces, 2)), (Ok(()), Ok(())));
        assert_eq!((queue.add_chain(&pieces, 3), queue.room()), (Err(3), 2));
        assert!(queue.publish());
        let head = device.offered(round * 2).0;
        let mut at = usize::from(head);
        for piece in pieces {
            let [addr, rest] = &device.descriptors[at];
            let (addr, rest) = (addr.load(Ordering::SeqCst), rest.load(Ordering::SeqCst));
            assert_eq!(
                (addr, rest as u32, rest >> 33 & 1 != 0),
                (piece.addr, piece.len, piece.device_writes)
            );
            assert_eq!(rest >> 32 & 1 != 0, piece.addr != 3, "more pieces follow");
            at = (rest >> 48) as usize;
        }
        device.give_back(head.into(), 3, false);
        device.give_back(device.offered(round * 2 + 1).0.into(), 0, false);
        assert_eq!((queue.pop(), queue.pop()), (Some(Ok((1, 3))), Some(Ok((2, 0)))));
        assert_eq!(queue.room(), 8);
    }
    assert_eq!(queue.add_chain(&[], 9), Err(9));
}

#[test]
fn sizes_must_fit() {
    let device = Device::new();
    let rings = device.rings();
    let none = |rings| SplitQueue::<()>::new(rings, true).is_none();
    assert!(none(Rings { descriptors: &rings.descriptors[..3], ..rings }));
    assert!(none(Rings { descriptors: &[], ..rings }));
    assert!(none(Rings { used: &rings.used[..17], ..rings }));
    assert!(none(Rings { available: &rings.available[..10], ..rings }));
}

proptest! {
    /// Whatever the device writes, nothing but `Broken` comes of it, and no buffer comes out twice.
    #[test]
    fn random_answers_break_nothing(answers in prop::collection::vec((any::<u16>(), 0u32..10, 0u32..70), 1..40)) {
        let device = Device::new();
        let mut queue = SplitQueue::new(device.rings(), false).expect("memory");
        let mut out = [false; 64];
        let mut next = 0u64;
        for (index, id, len) in answers {
            while next < 64 && queue.add(buffer(next), next).is_ok() {
                next += 1;
            }
            let _ = queue.publish();
            if index % 4 == 0 {
                device.used[0].store(u32::from(index) << 16, Ordering::SeqCst);
            } else {
                device.give_back(id, len, false);
            }
            while let Some(answer) = queue.pop() {
                match answer {
                    Ok((keep, len)) => {
                        prop_assert!(!out[keep as usize] && keep < next && len <= 64);
                        out[keep as usize] = true;
                    }
                    Err(_) => prop_assert_eq!(queue.room(), 0),
                }
            }
        }
    }
}
