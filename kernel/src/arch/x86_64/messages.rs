//! Interrupt vectors that devices raise by writing a message (MSI), given out one by one.
//!
//! Used by drivers at boot. A vector belongs to its handler for good; the message goes to the CPU that asked.

use core::sync::atomic::{AtomicU8, Ordering};

use sync::SetOnce;

use super::apic;

/// First vector for messages.
const BASE: u8 = 0x60;
const COUNT: usize = 0x80;
/// Where messages are written to: the local APICs' window, with the APIC id in bits 12..20 (Intel SDM volume 3, section 11.11).
const WINDOW: u64 = 0xfee0_0000;

/// Handles an interrupt: acknowledges the device, marks and wakes. Gets the argument that it was connected with; runs with
/// interrupts masked.
pub type MessageHandler = fn(usize);

static HANDLERS: [SetOnce<(MessageHandler, usize)>; COUNT] = [const { SetOnce::new() }; COUNT];
static NEXT: AtomicU8 = AtomicU8::new(0);

/// A vector that calls `handler` with `argument`; `None` if all are given out.
pub fn vector(handler: MessageHandler, argument: usize) -> Option<u8> {
    let next = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_add(1)).ok()?;
    let slot = HANDLERS.get(usize::from(next))?;
    slot.set((handler, argument)).ok()?;
    Some(BASE + next)
}

/// Address and data of a message that calls `handler` with `argument` on the running CPU; `None` without a vector, or if
/// messages cannot name the CPU.
pub fn message(handler: MessageHandler, argument: usize) -> Option<(u64, u32)> {
    let target = u8::try_from(apic::id()).ok()?;
    let vector = vector(handler, argument)?;
    Some((WINDOW | u64::from(target) << 12, vector.into()))
}

fn find(vector: u8) -> Option<&'static (MessageHandler, usize)> {
    HANDLERS.get(usize::from(vector.checked_sub(BASE)?)).and_then(SetOnce::get)
}

/// Whether `vector` has a handler.
pub fn has(vector: u8) -> bool {
    find(vector).is_some()
}

/// Runs the handler of `vector`; false if it has none.
pub fn handle(vector: u8) -> bool {
    match find(vector) {
        Some((handler, argument)) => {
            handler(*argument);
            true
        }
        None => false,
    }
}
