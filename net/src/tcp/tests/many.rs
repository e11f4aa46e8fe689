//! Many connections: each is small while it is idle, and the others cost nothing.

use super::*;
use crate::tcp::state::State;
use crate::tcp::unit::Unit;

#[test]
fn ten_thousand() {
    let limits = Limits { memory: 256 << 20, time_waits: 1000 };
    let mut world = World::with(limits, |_| {});
    let listener = world.listener(1, "10.0.0.2:80", 4096);
    let pairs: Vec<_> = (0..10_000).map(|_| world.pair_of(&listener, "10.0.0.2:80")).collect();
    let tcp = world.hosts[1].tcp.clone();
    assert_eq!((tcp.slots.used(), tcp.established_count(), tcp.table.count()), (10_001, 10_000, 10_000));
    // Rings, engine and slot of an idle connection.
    let fixed = size_of::<Unit>() + size_of::<Slot>();
    let each = tcp.memory_used() / 10_000 + fixed;
    assert!(each < 20_000, "{each} bytes for each connection, {fixed} of them without rings");
    assert!(size_of::<Unit>() < 2200 && size_of::<State>() < 600, "{fixed}");
    // Nothing is due: idle connections do not wake anybody.
    world.pass(3 * SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.work(world.now())), [None, None]);
    // Whoever says something is served with two packets, whatever the others do.
    let before = world.delivered;
    for (client, server) in pairs.iter().step_by(100) {
        send(client, b"question").unwrap();
        world.pump();
        assert_eq!(receive(server, 100).unwrap(), b"question");
        send(server, b"answer").unwrap();
        world.pump();
        assert_eq!(receive(client, 100).unwrap(), b"answer");
    }
    assert_eq!(world.delivered - before, 200);
    // Closing all: the server has bounded records only.
    for (client, server) in pairs {
        drop(server);
        world.settle(&[&client]);
        drop(client);
    }
    world.pump();
    assert_eq!((tcp.slots.used(), tcp.memory_used(), tcp.established_count()), (1, 0, 0));
    assert_eq!(tcp.time_wait.lock().count(), 1000);
    assert_eq!(tcp.extended.time_wait_overflows.get(), 9000);
    world.pass(70 * SECOND);
    assert_eq!(tcp.time_wait.lock().count(), 0);
}

/// When memory is short, connections are refused, and the others go on.
#[test]
fn memory_is_bounded() {
    let limits = Limits { memory: 100_000, time_waits: 10 };
    let mut world = World::with(limits, |_| {});
    let listener = world.listener(1, "10.0.0.2:80", 100);
    let mut pairs = Vec::new();
    let mut refused = 0;
    for _ in 0..50 {
        let client = world.socket(0, Family::Inet);
        match connect(&client, "10.0.0.2:80") {
            Err(SocketError::InProgress) => {
                world.settle(&[&client]);
                pairs.push((client, accept(&listener).unwrap().0));
            }
            error => {
                assert_eq!(error, Err(SocketError::NoBuffers));
                refused += 1;
            }
        }
    }
    assert!(pairs.len() > 10 && refused > 10, "{} {refused}", pairs.len());
    assert!(world.hosts[0].tcp.extended.memory_pressures.get() >= refused);
    assert!([0, 1].map(|n| world.hosts[n].tcp.memory_used()) <= [100_000; 2]);
    for (client, server) in &pairs {
        super::basic::exchange(&mut world, client, server, 5000);
    }
    drop(pairs);
    world.pass(300 * SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.memory_used()), [0; 2]);
}

/// Two connected sockets on a line where packets take their time.
fn slow_pair(world: &mut World, listener: &TcpSocket) -> (Arc<TcpSocket>, Arc<TcpSocket>) {
    let client = world.connect(0, "10.0.0.2:80");
    world.pass(1_000_000);
    client.readiness();
    world.pass(1_000_000);
    (client, accept(listener).unwrap().0)
}

/// A busy connection gets larger rings, and only that one.
#[test]
fn rings_grow() {
    let mut world = World::new();
    world.faults.delay = 50_000;
    let listener = world.listener(1, "10.0.0.2:80", 10);
    let (busy, idle) = (slow_pair(&mut world, &listener), slow_pair(&mut world, &listener));
    let rings = |socket: &TcpSocket| socket.with(false, |state| state.unit().unwrap().rings()).unwrap();
    let first = [rings(&busy.1), rings(&idle.1)];
    assert!(first.iter().all(|&(receive, send)| receive <= 16 << 10 && send <= 4096));
    // Small things change nothing.
    for _ in 0..10 {
        send(&busy.0, b"question").unwrap();
        world.pass(100_000_000);
        receive(&busy.1, 100).unwrap();
    }
    assert_eq!(rings(&busy.1), first[0]);
    super::basic::exchange(&mut world, &busy.0, &busy.1, 3_000_000);
    let (receive_ring, send_ring) = rings(&busy.1);
    assert!(receive_ring >= 128 << 10 && send_ring >= 64 << 10, "{receive_ring} {send_ring}");
    assert_eq!(rings(&idle.1), first[1]);
    assert_eq!(
        world.hosts[0].tcp.stats.retransmitted.get() + world.hosts[1].tcp.stats.retransmitted.get(),
        0
    );
}

/// A large response begins with ten segments (RFC 6928), and goes on as acknowledgements come.
#[test]
fn a_response_begins_with_ten_segments() {
    // The other side's window must not be smaller.
    let mut world = World::with(Limits { memory: 1 << 30, ..LIMITS }, |_| {});
    world.faults.delay = 40_000_000;
    let listener = world.listener(1, "10.0.0.2:80", 10);
    let client = world.connect(0, "10.0.0.2:80");
    world.pass(SECOND);
    client.readiness();
    world.pass(SECOND);
    let (server, _) = accept(&listener).unwrap();
    send(&client, b"question").unwrap();
    world.pass(SECOND);
    receive(&server, 100).unwrap();
    let before = world.delivered;
    assert!(send(&server, &[1; 60_000]).unwrap() > 15_000);
    world.pass(41_000_000);
    let first = world.delivered - before;
    assert!((10..=12).contains(&first), "{first}");
    world.pass(SECOND);
    let mut got = 0;
    while let Ok(bytes) = receive(&client, 60_000) {
        assert!(bytes.iter().all(|&byte| byte == 1));
        got += bytes.len();
        world.pass(100_000_000);
    }
    assert!(got > 15_000 && world.hosts[1].tcp.stats.retransmitted.get() == 0, "{got}");
}

/// What a window allows is not dropped before the socket is looked at, also when the window has grown.
#[test]
fn a_window_that_is_filled_at_once() {
    let mut world = World::new();
    world.faults.delay = 50_000;
    let listener = world.listener(1, "10.0.0.2:80", 10);
    let (client, server) = slow_pair(&mut world, &listener);
    super::basic::exchange(&mut world, &client, &server, 3_000_000);
    world.pass(SECOND);
    let now = world.now();
    let grow = |state: &mut State| state.unit().is_some_and(|unit| unit.renew(RING, RING, now));
    assert_eq!([server.with(false, grow), client.with(false, grow)], [Ok(true); 2]);
    world.pass(SECOND);
    let limit = server.slot().unwrap().inbox_limit.load(Ordering::Relaxed);
    assert!(limit >= 2 * RING, "{limit}");
    super::basic::exchange(&mut world, &client, &server, 3_000_000);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.extended.backlog_drops.get()), [0; 2]);
}
