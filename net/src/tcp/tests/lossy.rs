//! A line that loses, repeats, delays and reorders packets: all data comes, once and in order, and connections end.

use super::*;

/// One connection from its beginning to its end.
fn survive(seed: u64, faults: Faults, len: usize, change: impl Fn(&mut Line)) -> u64 {
    let mut world = World::with(LIMITS, change);
    world.random = Random(seed);
    world.faults = faults;
    let at = if seed.is_multiple_of(2) { "10.0.0.2:80" } else { "[fd00::2]:80" };
    let listener = world.listener(1, at, 5);
    let client = world.connect(0, at);
    while client.readiness() == PollEvents::empty() {
        world.pass(10_000_000);
    }
    assert_eq!(client.take_error(), None, "seed {seed}");
    // Its last packet may be lost; data brings the other side along.
    let mut server = accept(&listener).ok();
    assert_eq!(send(&client, b"hello"), Ok(5));
    while server.is_none() {
        world.pass(10_000_000);
        server = accept(&listener).ok();
        assert!(world.now() < 1000 * SECOND, "seed {seed}");
    }
    let (server, _) = server.unwrap();
    let mut hello = Vec::new();
    while hello.len() < 5 {
        world.pass(1_000_000);
        hello.extend(receive(&server, 5).unwrap_or_default());
    }
    let time = super::basic::exchange(&mut world, &client, &server, len);
    // Ends: one side waits for the other's.
    shut(&client, Shutdown::Write).unwrap();
    while receive(&server, 1) != Ok(Vec::new()) {
        world.pass(10_000_000);
    }
    drop(server);
    while receive(&client, 1) != Ok(Vec::new()) {
        world.pass(10_000_000);
    }
    drop(client);
    world.pass(300 * SECOND);
    let left = [0, 1].map(|n| (world.hosts[n].tcp.slots.used(), world.hosts[n].tcp.memory_used()));
    assert_eq!(left, [(0, 0), (1, 0)], "seed {seed}");
    time
}

#[test]
fn losses() {
    for seed in 0..6 {
        survive(seed, Faults { loss: 50, delay: 200_000, ..Faults::default() }, 60_000, |_| {});
    }
}

#[test]
fn everything_at_once() {
    for seed in 10..16 {
        let faults = Faults { loss: 30, repeat: 50, reorder: 100, delay: 500_000 };
        survive(seed, faults, 60_000, |line| {
            line.checksum = seed % 3 != 0;
            line.segmentation = seed % 3 == 2;
        });
    }
}

/// Reordering alone slows down little: time-outs are rare.
#[test]
fn reordering() {
    for seed in 20..24 {
        let faults = Faults { reorder: 200, delay: 100_000, ..Faults::default() };
        let time = survive(seed, faults, 500_000, |_| {});
        assert!(time < 10 * SECOND, "{time}");
    }
}

/// A lost packet is sent again after a quarter of a second, if the other side is near; otherwise after one.
#[test]
fn time_to_the_next_attempt() {
    for (delay, least, most) in [(100_000, 250, 260), (40_000_000, 1000, 1100)] {
        let mut world = World::new();
        world.faults.delay = delay;
        let listener = world.listener(1, "10.0.0.2:80", 5);
        let client = world.connect(0, "10.0.0.2:80");
        while client.readiness() == PollEvents::empty() {
            world.pass(1_000_000);
        }
        world.pass(SECOND);
        let (server, _) = accept(&listener).unwrap();
        for (from, to) in [(&client, &server), (&server, &client)] {
            let mut lost = false;
            // The first packet with data does not arrive.
            world.tap = Some(Box::new(move |_, segment, _| {
                let arrives = lost || segment.payload == 0;
                lost |= segment.payload > 0;
                arrives
            }));
            let begun = world.now();
            send(from, b"lost").unwrap();
            while receive(to, 10).is_err() {
                world.pass(1_000_000);
            }
            let took = (world.now() - begun - delay) / 1_000_000;
            assert!((least..=most).contains(&took), "{took} ms");
            world.pass(3 * SECOND);
        }
        assert_eq!([0, 1].map(|n| world.hosts[n].tcp.stats.retransmitted.get()), [1; 2]);
    }
}

/// A router on the way carries less than it did: it says so, and packets become smaller, with the same data. What nobody has sent
/// changes nothing.
#[test]
fn a_narrow_way() {
    for (at, segmentation) in [("10.0.0.2:80", false), ("10.0.0.2:80", true), ("[fd00::2]:80", false)] {
        let mut world =
            World::with(LIMITS, |line| (line.checksum, line.segmentation) = (segmentation, segmentation));
        let (client, server) = world.pair_at(at);
        let tcp = world.hosts[0].tcp.clone();
        let mut told = 0;
        world.tap = Some(Box::new(move |to, segment, packet| {
            if to == 0 || packet.len() <= 1300 {
                return true;
            }
            let (remote, local) = (segment.flow.local(), segment.flow.remote());
            assert!(!tcp.too_large(local, remote, segment.seq.wrapping_add(1 << 20), 1290, SECOND), "forged");
            assert!(tcp.too_large(local, remote, segment.seq, 1300, SECOND));
            told += 1;
            assert!(told < 20, "it does not listen");
            false
        }));
        super::basic::exchange(&mut world, &client, &server, 200_000);
        shut(&client, Shutdown::Write).unwrap();
        world.settle(&[&client, &server]);
        assert_eq!(receive(&server, 1), Ok(Vec::new()));
        assert_eq!(client.with(false, |state| state.unit().unwrap().path_mtu()), Ok(1300));
        assert_eq!(server.with(false, |state| state.unit().unwrap().path_mtu()), Ok(1500));
    }
}

/// A quarter of all packets is lost.
#[test]
fn heavy_losses() {
    for seed in 30..32 {
        survive(seed, Faults { loss: 250, delay: 100_000, ..Faults::default() }, 5000, |_| {});
    }
}

/// Packets that are damaged, or made up, harm nobody.
#[test]
fn damaged_packets() {
    let mut world = World::new();
    let (client, server) = world.pair();
    let mut random = Random(7);
    let tcp = world.hosts[1].tcp.clone();
    for round in 0..20_000u64 {
        let (local, remote) = match random.below(3) {
            0 => (
                "10.0.0.2:80".parse().unwrap(),
                SocketAddr::new("10.0.0.9".parse().unwrap(), random.next() as u16),
            ),
            _ => match (server.local_address().unwrap(), client.local_address().unwrap()) {
                (Address::Ip(local), Address::Ip(remote)) => (local, remote),
                _ => unreachable!(),
            },
        };
        let plain = Plain {
            flow: Flow::new(remote, local),
            seq: random.next() as u32,
            ack: (random.below(4) > 0).then_some(random.next() as u32),
            flag: [0, SYN, segment::FIN, RST][random.below(4) as usize],
            window: random.next() as u16,
            options: Default::default(),
        };
        let frame = segment::build(&plain, false).unwrap();
        let mut bytes = frame.data().to_vec();
        if round % 2 == 0 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
            bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        }
        let len = bytes.len();
        let mut frame = Frame::from_parts(bytes.into(), 0, len, Default::default()).unwrap();
        frame.offload.checksum_valid = round % 4 == 0;
        tcp.input(&mut frame, world.now());
        server.readiness();
        world.hosts[1].line.out.lock().unwrap().clear();
        world.clock.fetch_add(100_000, Ordering::Relaxed);
    }
    // A blind reset must hit the window, which 20,000 tries rarely do: the connection lives.
    if events(&server) == "o" {
        send(&client, b"alive").unwrap();
        world.pass(5 * SECOND);
        assert_eq!(receive(&server, 9).unwrap(), b"alive");
    }
    drop((client, server));
    world.pass(400 * SECOND);
    assert_eq!(tcp.memory_used(), 0);
}
