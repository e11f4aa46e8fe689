//! What a request costs: printed, and bounded where a bound does not depend on the machine.

use super::*;
use std::time::Instant;

/// A request and its response, again and again, between two hosts; nanoseconds each, for both sides and the line.
fn round_trips(
    world: &mut World,
    pairs: &[(Arc<TcpSocket>, Arc<TcpSocket>)],
    request: usize,
    response: usize,
    count: usize,
) -> f64 {
    let (question, answer) = (vec![1; request], vec![2; response]);
    let mut buffer = vec![0; response.max(request)];
    let begun = Instant::now();
    for n in 0..count {
        let (client, server) = &pairs[n % pairs.len()];
        assert_eq!(send(client, &question), Ok(request));
        move_frames(world);
        assert!(server.readiness().contains(PollEvents::IN));
        assert_eq!(
            Socket::receive(&**server, &mut SliceSink::new(&mut buffer), MessageFlags::default())
                .unwrap()
                .bytes,
            request
        );
        assert_eq!(send(server, &answer), Ok(response));
        move_frames(world);
        assert!(client.readiness().contains(PollEvents::IN));
        let mut got = 0;
        while got < response {
            got += Socket::receive(&**client, &mut SliceSink::new(&mut buffer), MessageFlags::default())
                .unwrap()
                .bytes;
            move_frames(world);
            server.readiness();
            move_frames(world);
        }
        world.clock.fetch_add(1000, Ordering::Relaxed);
    }
    begun.elapsed().as_nanos() as f64 / count as f64
}

/// Moves frames without looking at them.
fn move_frames(world: &mut World) {
    for from in 0..2 {
        let frames = std::mem::take(&mut *world.hosts[from].line.out.lock().unwrap());
        for mut frame in frames {
            world.delivered += 1;
            frame.offload = Default::default();
            frame.offload.checksum_valid = true;
            world.hosts[1 - from].tcp.input(frame, world.now());
        }
    }
}

#[test]
#[ignore = "prints times"]
fn costs() {
    for (request, response) in [(40, 100), (100, 1000), (100, 16000)] {
        for connections in [1, 1000, 10_000] {
            let mut world = World::with(Limits { memory: 8 << 30, time_waits: 10 }, |line| {
                (line.checksum, line.segmentation) = (true, true);
            });
            let listener = world.listener(1, "10.0.0.2:80", 4096);
            let pairs: Vec<_> = (0..connections).map(|_| world.pair_of(&listener, "10.0.0.2:80")).collect();
            round_trips(&mut world, &pairs, request, response, connections * 2);
            let before = world.delivered;
            let count = 50_000;
            let ns = round_trips(&mut world, &pairs, request, response, count);
            let packets = (world.delivered - before) as f64 / count as f64;
            println!(
                "cost: {connections:6} connections, {request} to {response} bytes: {ns:.0} ns for both sides, {packets:.2} packets"
            );
        }
    }
}
