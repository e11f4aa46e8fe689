//! What a request costs in packets: a bound that does not depend on the machine. `tests/bench` counts instructions.

use super::*;

/// A request and its response, again and again, between two hosts; packets each, both ways.
fn round_trips(
    world: &mut World,
    pairs: &[(Arc<TcpSocket>, Arc<TcpSocket>)],
    request: usize,
    response: usize,
    count: usize,
) -> f64 {
    let (question, answer) = (vec![1; request], vec![2; response]);
    let mut buffer = vec![0; response.max(request)];
    let before = world.delivered;
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
    (world.delivered - before) as f64 / count as f64
}

/// Moves frames without looking at them.
fn move_frames(world: &mut World) {
    for from in 0..2 {
        let frames = std::mem::take(&mut *world.hosts[from].line.out.lock().unwrap());
        for mut frame in frames {
            world.delivered += 1;
            frame.offload = Default::default();
            frame.offload.checksum_valid = true;
            world.hosts[1 - from].tcp.input(&mut frame, world.now());
        }
    }
}

/// A request and a response of one segment are two packets, acknowledgements included, and larger ones are as many as a card that cuts
/// needs; however many connections there are.
#[test]
fn packets() {
    for (request, response, most) in [(40, 100, 2.0), (100, 1000, 2.0), (100, 16000, 4.0)] {
        for connections in [1, 500] {
            let mut world = World::with(Limits { memory: 1 << 30, time_waits: 10 }, |line| {
                (line.checksum, line.segmentation) = (true, true);
            });
            let listener = world.listener(1, "10.0.0.2:80", 4096);
            let pairs: Vec<_> = (0..connections).map(|_| world.pair_of(&listener, "10.0.0.2:80")).collect();
            // Rings grow, and windows open.
            round_trips(&mut world, &pairs, request, response, connections * 20);
            let packets = round_trips(&mut world, &pairs, request, response, 2000);
            assert!(packets <= most, "{connections} connections, {request} to {response} bytes: {packets}");
        }
    }
}
