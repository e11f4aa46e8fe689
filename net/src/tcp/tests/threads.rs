//! Several threads at once: connections come and go, data is right, and no slot is given to two.

use super::*;
use std::sync::atomic::AtomicBool;

const ROUNDS: u64 = 60;

/// Tries until it is not told to wait.
fn until<T>(mut attempt: impl FnMut() -> Result<T, SocketError>) -> Result<T, SocketError> {
    for _ in 0..10_000_000u64 {
        match attempt() {
            Err(error) if error == WOULD_BLOCK => std::thread::yield_now(),
            done => return done,
        }
    }
    panic!("it takes too long");
}

fn talk(socket: &TcpSocket, say: &[u8], hear: usize) -> Vec<u8> {
    let mut sent = 0;
    while sent < say.len() {
        sent += until(|| send(socket, &say[sent..])).unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < hear {
        let bytes = until(|| receive(socket, 1000)).unwrap();
        assert!(!bytes.is_empty());
        heard.extend(bytes);
    }
    heard
}

#[test]
fn come_and_go() {
    let world = World::new();
    let listener = world.listener(0, "127.0.0.1:80", 100);
    let (host, clock) = (&world.hosts[0], &*world.clock);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The network: packets and time.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let frames = std::mem::take(&mut *host.line.out.lock().unwrap());
                let now = clock.fetch_add(100_000, Ordering::Relaxed);
                for mut frame in frames {
                    frame.offload = Default::default();
                    frame.offload.checksum_valid = true;
                    host.tcp.input(&mut frame, now);
                }
                host.tcp.work(now);
                std::thread::yield_now();
            }
        });
        let clients: Vec<_> = (0..2u64)
            .map(|who| {
                let (listener, tcp) = (&listener, &host.tcp);
                let client = scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let socket = tcp.socket(Family::Inet, ME).unwrap();
                        assert_eq!(connect(&socket, "127.0.0.1:80"), Err(SocketError::InProgress));
                        until(|| if events(&socket).is_empty() { Err(WOULD_BLOCK) } else { Ok(()) }).unwrap();
                        assert_eq!(socket.take_error(), None);
                        let question = (who * ROUNDS + round).to_le_bytes().repeat(1 + (round % 50) as usize);
                        let mut text = (question.len() as u32).to_le_bytes().to_vec();
                        text.extend(&question);
                        assert_eq!(talk(&socket, &text, question.len()), question);
                    }
                });
                let server = scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let (socket, _) = until(|| accept(listener)).unwrap();
                        let head = {
                            let mut head = Vec::new();
                            while head.len() < 4 {
                                head.extend(until(|| receive(&socket, 4 - head.len())).unwrap());
                            }
                            u32::from_le_bytes(head.try_into().unwrap()) as usize
                        };
                        let question = talk(&socket, &[], head);
                        talk(&socket, &question, 0);
                        if round % 2 == 0 {
                            // The other side ends first.
                            assert_eq!(until(|| receive(&socket, 1)), Ok(Vec::new()));
                        }
                    }
                });
                [client, server]
            })
            .collect();
        for thread in clients.into_iter().flatten() {
            let ok = thread.join();
            if let Err(error) = ok {
                done.store(true, Ordering::Relaxed);
                std::panic::resume_unwind(error);
            }
        }
        // What is left takes its time.
        let enough = clock.load(Ordering::Relaxed) + 200 * SECOND;
        while clock.load(Ordering::Relaxed) < enough {
            clock.fetch_add(SECOND, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        done.store(true, Ordering::Relaxed);
    });
    let tcp = &host.tcp;
    assert_eq!((tcp.slots.used(), tcp.memory_used(), tcp.table.count()), (1, 0, 0));
    assert_eq!((tcp.established_count(), tcp.orphan_count()), (0, 0));
}
