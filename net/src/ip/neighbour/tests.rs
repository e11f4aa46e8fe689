//! Tests of the table of neighbours.

use super::*;
use core::net::Ipv4Addr;

const SECOND: u64 = 1_000_000_000;
const MAC: Mac = [2, 0, 0, 0, 0, 9];

fn key(n: u32) -> Key {
    (2, Ipv4Addr::from_bits(0x0a00_0000 + n).into())
}

fn frame(tag: u8) -> Frame {
    Frame::from_parts(Box::new([tag]), 0, 1, Default::default()).expect("in bounds")
}

fn answer() -> Claim {
    Claim { solicited: true, overrides: true, ..Claim::default() }
}

#[test]
fn asks_once_queues_a_few_and_delivers_in_order() {
    let mut table = Neighbours::new();
    assert!(matches!(table.resolve(key(1), frame(0), 0), Resolution::Queued { ask: true, dropped: false }));
    for tag in 1..=MAX_QUEUED as u8 {
        let Resolution::Queued { ask: false, dropped } = table.resolve(key(1), frame(tag), 0) else {
            panic!("queued without a second question")
        };
        assert_eq!(dropped, usize::from(tag) == MAX_QUEUED);
    }
    let waited = table.learn(key(1), MAC, answer(), SECOND);
    assert_eq!(
        waited.iter().map(|f| f.data()[0]).collect::<Vec<_>>(),
        (1..=MAX_QUEUED as u8).collect::<Vec<_>>()
    );
    assert!(matches!(table.resolve(key(1), frame(9), SECOND), Resolution::Send(MAC, _)));
    assert!(
        table.learn(key(2), MAC, answer(), 0).is_empty() && table.known(key(2)).is_none(),
        "nobody asked"
    );
}

#[test]
fn silence_ends_in_failure_and_is_asked_again_later() {
    let mut table = Neighbours::new();
    table.resolve(key(1), frame(7), 0);
    let (mut asked, mut now) = (0, 0);
    loop {
        now = table.next_deadline().expect("a question is open").max(now);
        match table.work(now).pop() {
            Some(Due::Ask(k)) => {
                assert_eq!(k, key(1));
                asked += 1;
            }
            Some(Due::Failed(frames)) => {
                assert_eq!((frames.len(), asked), (1, MAX_PROBES - 1));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(table.resolve(key(1), frame(0), now), Resolution::Unreachable(_)));
    let later = now + FAILED;
    assert!(matches!(table.resolve(key(1), frame(0), later), Resolution::Queued { ask: true, .. }));
}

#[test]
fn stale_entries_are_used_and_probed() {
    let mut table = Neighbours::new();
    table.resolve(key(1), frame(0), 0);
    table.learn(key(1), MAC, answer(), 0);
    assert!(table.work(REACHABLE).is_empty());
    assert!(matches!(table.resolve(key(1), frame(0), REACHABLE), Resolution::Send(MAC, _)));
    let due = table.work(REACHABLE + DELAY);
    assert!(matches!(due.as_slice(), [Due::Probe(_, MAC)]), "{due:?}");
    table.learn(key(1), MAC, answer(), REACHABLE + DELAY);
    assert_eq!(table.known(key(1)), Some(MAC));
    // Someone else claims the address without being asked and without right: nobody is believed.
    table.learn(key(1), [4; 6], Claim::default(), REACHABLE + DELAY);
    assert_eq!(table.known(key(1)), None);
    assert!(matches!(table.resolve(key(1), frame(0), REACHABLE + DELAY), Resolution::Send(MAC, _)));
}

#[test]
fn a_scan_does_not_push_out_who_is_known() {
    let mut table = Neighbours::new();
    for n in 0..MAX_ENTRIES as u32 - MAX_INCOMPLETE as u32 {
        table.learn(key(n), MAC, Claim { create: true, ..answer() }, u64::from(n));
    }
    let mut refused = 0;
    for n in 5000..7000 {
        refused += usize::from(matches!(table.resolve(key(n), frame(0), 10_000), Resolution::NoRoom));
    }
    assert_eq!(refused, 2000 - MAX_INCOMPLETE);
    assert_eq!(table.entries.len(), MAX_ENTRIES);
    for n in 10_000..12_000 {
        table.learn(key(n), MAC, Claim { create: true, ..answer() }, 20_000);
    }
    assert_eq!(table.entries.len(), MAX_ENTRIES);
    let mut now = 0;
    while let Some(next) = table.next_deadline() {
        now = next.max(now);
        table.work(now);
    }
    assert_eq!(table.incomplete, 0);
    assert!(matches!(table.resolve(key(5000), frame(0), now), Resolution::Queued { ask: true, .. }));
}
