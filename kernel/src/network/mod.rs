//! The network's wiring: the machine's cards, clock and random numbers for [`net::Stack`], and the threads that run it.
//!
//! [`start`] is called once, before the program, [`leave`] behind it. A thread for each pair of queues takes frames ([`receive`]); one more does what time
//! brings ([`timer`]). Interrupts only wake them.

mod end;
mod files;
mod receive;
mod timer;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use image_format::channel::{Protocol, Record};
use image_format::cmdline::CommandLine;
use net::Stack;
use net::device::{Environment, NetworkCard, Transport};
use net::ip::Config;
use sync::SetOnce;
use sync::thread::Handle;
use task::Platform;

pub use self::end::leave;
pub use self::files::write as write_files;
use crate::arch::tsc;
use crate::drivers::virtio::net::cards;
use crate::platform::MACHINE;
use crate::{logging, threads};

/// How long the program waits for the machine's addresses. A lease may take some seconds; without it the program runs as well.
const PATIENCE_NS: u64 = 10_000_000_000;

/// The stack's surroundings.
struct Machine;

impl Environment for Machine {
    fn now_ns(&self) -> u64 {
        tsc::monotonic_ns()
    }

    fn wall_ns(&self) -> Option<u64> {
        Some(MACHINE.realtime_ns())
    }

    fn random(&self, buf: &mut [u8]) {
        MACHINE.random(buf);
    }

    fn cpu(&self) -> u32 {
        MACHINE.current_cpu()
    }

    fn wake_at(&self, deadline: u64) {
        timer::set(deadline);
    }

    fn keep_deadlines(&self) -> bool {
        timer::start()
    }

    fn listening(&self, transport: Transport, local: SocketAddr) {
        let protocol = match transport {
            Transport::Tcp => Protocol::Tcp,
            Transport::Udp => Protocol::Udp,
        };
        logging::record(&Record::Listen { protocol, address: local.ip(), port: local.port() });
    }
}

/// Makes the stack, with the addresses of the command line, and its threads. Returns when the addresses are in use, or after a while.
pub fn start(line: &CommandLine) -> Arc<Stack> {
    let cards = cards();
    let queues = cards.iter().map(|card| card.info().queues).max().unwrap_or(0);
    let cards: Vec<_> = cards.into_iter().map(|card| Arc::new(card) as Arc<dyn NetworkCard>).collect();
    let config = Config { memory: MACHINE.memory().total as usize, ..config(line) };
    let stack = Arc::new(Stack::new(Arc::new(Machine), cards, &config));
    timer::serve(&stack);
    if queues > 0 && !(receive::start(&stack, queues) && timer::start()) {
        log::error!("no memory for the network's threads: the network does not work");
        return stack;
    }
    wait_for_addresses(&stack);
    stack
}

/// What the options say; an empty one says nothing, and a mistake in one costs all of them.
fn config(line: &CommandLine) -> Config {
    let given = |key| line.get(key).filter(|value| !value.is_empty());
    let text = |key| given(key).map(|value| core::str::from_utf8(value).unwrap_or("\u{fffd}"));
    Config::parse(text("ip"), text("gw"), text("dns")).unwrap_or_else(|error| {
        log::error!("{error}: the network card gets no address");
        Config::default()
    })
}

/// Who waits for the addresses.
static WAITING: SetOnce<Handle> = SetOnce::new();

fn wait_for_addresses(stack: &Stack) {
    if stack.is_configured() {
        return;
    }
    let deadline = tsc::monotonic_ns().saturating_add(PATIENCE_NS);
    // Set once: the machine starts once.
    let _ = WAITING.set(sync::thread::current());
    while !stack.is_configured() {
        if tsc::monotonic_ns() >= deadline {
            return log::warn!("the network has no address yet; the program starts without");
        }
        threads::park(Some(deadline));
    }
}

/// The stack has worked: whoever waits for its addresses, or for what was sent to arrive, looks again.
fn worked() {
    if let Some(waiting) = WAITING.get() {
        waiting.unpark();
    }
    end::worked();
}
