//! The first serial port, a 16550A: the program's console.
//!
//! Input is interrupt-driven: the handler moves bytes into a ring, and stops listening while the ring is
//! full, so that the sender is held back and nothing is lost. Output waits for the device only.

use core::sync::atomic::{AtomicBool, Ordering};

use fs::console::ConsoleDevice;
use image_format::channel::Record;
use sync::spsc::Ring;

use crate::arch::pio::{inb, out_bytes, outb};
use crate::arch::{apic, ioapic};
use crate::boot::acpi::Platform;
use crate::{logging, program};

const PORT: u16 = 0x3f8;
const ISA_IRQ: u8 = 4;

const DATA: u16 = PORT;
const IER: u16 = PORT + 1;
const FCR: u16 = PORT + 2;
const LCR: u16 = PORT + 3;
const MCR: u16 = PORT + 4;
const LSR: u16 = PORT + 5;

const IER_RECEIVED: u8 = 1;
const LSR_DATA: u8 = 1 << 0;
const LSR_FIFO_EMPTY: u8 = 1 << 5;
const LSR_IDLE: u8 = 1 << 6;
/// What an absent port answers.
const ABSENT: u8 = 0xff;
/// Bytes that the transmit FIFO takes when it is empty.
const FIFO: usize = 16;

const INPUT_LEN: usize = 4096;
static INPUT: Ring<INPUT_LEN> = Ring::new();
/// The handler found the ring full and turned the receive interrupt off.
static HELD_BACK: AtomicBool = AtomicBool::new(false);

/// Sets the line to 8N1 with FIFOs. Interrupts stay off.
pub fn init() {
    outb(IER, 0);
    outb(LCR, 0x80); // access to the divisor
    outb(DATA, 1); // 115200 bit/s: decides how soon the port reports fewer bytes than the trigger
    outb(IER, 0);
    outb(LCR, 0x03);
    outb(FCR, 0xc7); // enable, clear both FIFOs, report 14 bytes, or fewer after four byte times
    outb(MCR, 0x0b); // DTR, RTS, OUT2 (the interrupt line's gate)
}

/// Takes input from now on. Returns false when the interrupt cannot be routed.
pub fn enable_input(platform: &Platform) -> bool {
    let Some((line, trigger)) = platform.isa_irq(ISA_IRQ) else { return false };
    if !apic::set_handler(line, on_interrupt) || !ioapic::enable(line, trigger) {
        return false;
    }
    outb(IER, IER_RECEIVED);
    logging::record(&Record::Input);
    true
}

/// Moves what has arrived into the ring. In the interrupt handler only, which one CPU runs: the ring has one producer.
fn on_interrupt() {
    loop {
        let status = inb(LSR);
        if status == ABSENT || status & LSR_DATA == 0 {
            return;
        }
        if INPUT.len() >= INPUT_LEN {
            outb(IER, 0);
            HELD_BACK.store(true, Ordering::Release);
            // The reader may have made room before it could see that: it looks once more.
            program::input_arrived();
            return;
        }
        INPUT.push(inb(DATA));
        program::input_arrived();
    }
}

/// Listens again after the reader made room: what is in the port makes it interrupt.
fn resume_input() {
    if HELD_BACK.swap(false, Ordering::Acquire) {
        outb(IER, IER_RECEIVED);
    }
}

/// Sends `bytes` as they are.
pub fn write(bytes: &[u8]) {
    for chunk in bytes.chunks(FIFO) {
        wait_for(LSR_FIFO_EMPTY);
        out_bytes(DATA, chunk);
    }
}

/// Waits until the last byte has left the port.
pub fn flush() {
    wait_for(LSR_IDLE);
}

/// Waits for the device to report `status`; an absent one reports everything.
fn wait_for(status: u8) {
    while inb(LSR) & status == 0 {}
}

/// The console's device for the program's standard streams.
pub struct SerialConsole;

impl ConsoleDevice for SerialConsole {
    fn write(&self, bytes: &[u8]) {
        write(bytes);
    }

    fn read(&self, buf: &mut [u8]) -> usize {
        let count = INPUT.pop_slice(buf);
        if HELD_BACK.load(Ordering::Relaxed) {
            resume_input();
        }
        count
    }
}
