//! Threads that take frames from the cards, one for each pair of queues.
//!
//! While frames come, a thread takes them in bursts with the cards' interrupts off; when none are left it turns them on, looks once more
//! and sleeps. The scheduler shares the CPU between it and the program.

use alloc::sync::Arc;
use alloc::vec::Vec;

use net::Stack;
use net::device::NetworkCard;
use sync::SetOnce;
use sync::thread::Handle;

use crate::arch::tsc;
use crate::drivers::virtio::net as virtio;
use crate::threads;

/// Frames of each card in one burst.
const BURST: usize = 64;

/// The threads, by their queue's number.
static THREADS: SetOnce<Vec<Handle>> = SetOnce::new();

/// Starts the threads for `queues` pairs of queues; false without memory for them.
pub fn start(stack: &Arc<Stack>, queues: u16) -> bool {
    let mut started = Vec::new();
    for queue in 0..queues {
        let stack = stack.clone();
        match threads::spawn_service(move || run(&stack, queue)) {
            Ok(thread) => started.push(thread),
            Err(_) => return false,
        }
    }
    // Set once: the stack is made once.
    let _ = THREADS.set(started);
    virtio::set_waker(wake);
    // What came before there was a waker.
    (0..usize::from(queues)).for_each(wake);
    true
}

/// A card's interrupt: a pair of queues has something.
fn wake(queue: usize) {
    if let Some(thread) = THREADS.get().and_then(|threads| threads.get(queue)) {
        thread.unpark();
    }
}

fn run(stack: &Stack, queue: u16) {
    let cards = virtio::cards();
    loop {
        let frames = stack.poll(tsc::monotonic_ns(), queue.into(), BURST);
        super::worked();
        if frames > 0 {
            // More may come while these are dealt with; nobody needs to be told.
            set_interrupts(&cards, queue, false);
            continue;
        }
        if !set_interrupts(&cards, queue, true) {
            threads::park(None);
        }
    }
}

/// Whether any card has got frames meanwhile.
fn set_interrupts(cards: &[&'static virtio::VirtioNet], queue: u16, on: bool) -> bool {
    cards.iter().fold(false, |more, card| {
        let queue = queue % card.info().queues.max(1);
        card.set_interrupts(queue, on) || more
    })
}
