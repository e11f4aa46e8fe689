//! The end of the program as those see it who are connected with it.
//!
//! On Linux the kernel goes on when a process ends: what was sent arrives, and the other sides are told that no more will come. Here the
//! machine ends with its program, so it waits for that first. Called once, by the thread that ends the process.

use net::Stack;
use sync::SetOnce;
use sync::thread::Handle;
use task::{Process, Thread};

use crate::arch::tsc;
use crate::threads;

/// How long the end is put off while nobody acknowledges anything: some repetitions on a bad line.
const PATIENCE_NS: u64 = 5_000_000_000;
/// How long it is put off while a card takes no frames.
const CARD_PATIENCE_NS: u64 = 200_000_000;

/// Who waits for what was sent to arrive.
static ENDING: SetOnce<Handle> = SetOnce::new();

/// The stack has worked, or a card's interrupt has come.
pub fn worked() {
    if let Some(ending) = ENDING.get() {
        ending.unpark();
    }
}

/// Ends all connections of a process that `thread` ends, and waits until what was sent on them has arrived, or nobody acknowledges
/// anything any more.
pub fn leave(process: &Process, thread: &Thread) {
    let stack = process.network();
    // Set once: one thread ends the process.
    let _ = ENDING.set(sync::thread::current());
    leave_connections(&stack, process, thread);
    let Some(ip) = stack.ip() else { return };
    // The machine's end does not wait for its devices: a last datagram would be lost.
    let mut deadline = None;
    while !ip.sent_all() {
        let now = tsc::monotonic_ns();
        let until = *deadline.get_or_insert(now.saturating_add(CARD_PATIENCE_NS));
        if now >= until {
            return;
        }
        threads::park(Some(until));
    }
}

fn leave_connections(stack: &Stack, process: &Process, thread: &Thread) {
    let Some(tcp) = stack.tcp().filter(|tcp| tcp.has_connections()) else { return };
    process.stop_others(thread);
    let mut since = tsc::monotonic_ns();
    let mut leaving = tcp.leave_all(since);
    let mut rest = leaving.rest();
    while !leaving.is_over() {
        if tsc::monotonic_ns() >= since.saturating_add(PATIENCE_NS) {
            let before = core::mem::replace(&mut rest, leaving.rest());
            if rest == before {
                let (connections, bytes) = rest;
                log::warn!("{connections} connections end without an answer to the last {bytes} bytes");
                return;
            }
            since = tsc::monotonic_ns();
        }
        threads::park(Some(since.saturating_add(PATIENCE_NS)));
    }
}
