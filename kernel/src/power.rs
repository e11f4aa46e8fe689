//! The end of the machine: the status goes out on the second channel, then the machine is turned off by
//! whatever works: QEMU's exit device, ACPI, reset.

use core::sync::atomic::{AtomicBool, Ordering};

use image_format::channel::{EXIT_PORT, Record};
use kerncore::acpi::Fadt;
use sync::SetOnce;
use task::ExitStatus;

use crate::arch::pio::{inb, outb, outl, outw};
use crate::arch::{cpu, paging};
use crate::boot::acpi;
use crate::drivers::{debugcon, serial};
use crate::logging;
use crate::mem::frames;

/// What isa-debug-exit gets when the kernel failed.
const EXIT_FAILED: u32 = 0x7f;
/// `SLP_EN` of a PM1 control register; the type is in bits 10 to 12.
const PM1_SLEEP: u16 = 1 << 13;
/// `SLP_EN` of a sleep control register; the type is in bits 2 to 4.
const REDUCED_SLEEP: u8 = 1 << 5;

static FADT: SetOnce<Fadt> = SetOnce::new();

/// Remembers how ACPI turns this machine off.
pub fn init(fadt: Fadt) {
    // Set once at boot; a second table would be the same one.
    let _ = FADT.set(fadt);
}

/// Ends the machine with the program's status.
pub fn exit(status: ExitStatus) -> ! {
    let code = status.shell_status();
    match status {
        ExitStatus::Code(code) => logging::record(&Record::Exit(code)),
        ExitStatus::Signal(signal) => logging::record(&Record::Signal(signal.raw())),
    }
    if code != 0 && !debugcon::present() {
        logging::line(format_args!("nospin: exit status {code}"));
    }
    turn_off(u32::from(code & 0x7f))
}

/// Ends the machine because the kernel cannot go on; the reason has been reported.
pub fn fail() -> ! {
    logging::record(&Record::Panic);
    turn_off(EXIT_FAILED)
}

fn turn_off(exit_code: u32) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    cpu::disable_interrupts();
    serial::flush();
    // The exit device answers reads with 0, an absent port with all ones.
    if inb(EXIT_PORT) == 0 {
        outl(EXIT_PORT, exit_code);
    }
    // A fault on the way through ACPI comes back here, and then goes on behind it.
    if !ENDING.swap(true, Ordering::Relaxed)
        && let Some(fadt) = FADT.get()
    {
        acpi_off(fadt);
    }
    outb(0xcf9, 0x06); // reset control register of a PC chipset
    outb(0x64, 0xfe); // keyboard controller: pulse the reset line
    cpu::triple_fault()
}

fn acpi_off(fadt: &Fadt) {
    let Some(sleep_type) = acpi::s5_sleep_type(fadt.dsdt) else { return };
    if fadt.pm1a_control != 0 {
        outw(fadt.pm1a_control, PM1_SLEEP | u16::from(sleep_type & 7) << 10);
    } else if let Some(register) = fadt.sleep_control
        && let Ok(at) = paging::map_device(register, 1, &mut frames::table_frame)
    {
        paging::write_device(at, REDUCED_SLEEP | (sleep_type & 7) << 2);
    }
}
