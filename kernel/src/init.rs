//! The boot sequence, from the first Rust code to the program's first instruction.

use image_format::cmdline::CommandLine;
use kerncore::memmap::MemoryMap;

use crate::arch::paging::OutOfTables;
use crate::arch::{ap, apic, boot, ioapic, paging, percpu, tsc, vectors};
use crate::boot::image::Image;
use crate::boot::{acpi, options, pvh};
use crate::drivers::{serial, virtio};
use crate::mem::early::EarlyFrames;
use crate::mem::{frames, heap, stacks};
use crate::{logging, power, program, selftest, threads};

/// The legacy BIOS area and everything below it: start info, firmware tables.
const LOW_MEMORY: u64 = 0x10_0000;

/// Runs on the boot processor with interrupts masked. `start_info` is a physical address.
pub fn kernel_main(start_info: u64) -> ! {
    serial::init();
    logging::init();
    match boot_machine(start_info) {
        Ok(never) => match never {},
        Err(message) => {
            log::error!("{message}");
            power::fail()
        }
    }
}

/// Why booting failed, in a sentence for the user. The heap may not exist yet, so the parts are static.
enum BootError {
    Text(&'static str),
    StartInfo(pvh::StartInfoError),
    Image(crate::boot::image::ImageError),
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::StartInfo(error) => error.fmt(f),
            Self::Image(error) => error.fmt(f),
        }
    }
}

impl From<OutOfTables> for BootError {
    fn from(_: OutOfTables) -> Self {
        Self::Text("not enough memory for the kernel's page tables and stacks")
    }
}

fn boot_machine(start_info: u64) -> Result<core::convert::Infallible, BootError> {
    let info = pvh::read(start_info).map_err(BootError::StartInfo)?;
    let map = info.memory_map();
    let image = Image::find(&map).map_err(BootError::Image)?;
    init_memory(&map, &image)?;
    stacks::init()?;

    let line = options::command_line(image.command_line(&map), &info.command_line());
    options::apply(&line);
    let platform = acpi::read(info.rsdp);
    log::info!("{} MiB of memory, {} CPUs found", map.total() >> 20, platform.cpus.len().max(1));
    init_devices(&platform)?;
    if !threads::init(platform.cpus.len().max(1)) {
        return Err(BootError::Text("not enough memory for the scheduler"));
    }
    threads::make_idle(percpu::current(), boot::early_stack());
    ap::start(&platform.cpus, &map);

    let (archive, archive_at) = image.root(&map);
    let booted = Booted { line, archive, archive_at };
    if threads::spawn(move || first_thread(&booted)).is_err() {
        return Err(BootError::Text("not enough memory for the first thread"));
    }
    // What booted has nothing to do any more, and waits for work.
    threads::run_idle()
}

/// What the first thread needs from the boot sequence.
struct Booted {
    line: CommandLine,
    archive: &'static [u8],
    archive_at: u64,
}

/// The first thread: becomes the program.
fn first_thread(booted: &Booted) {
    // Without it, calls are refused as long as memory is short.
    let _ = heap::refill();
    selftest::run(&booted.line);
    program::start(&booted.line, booted.archive, booted.archive_at)
}

/// Builds the kernel's page tables and hands the free memory to the frame allocator.
fn init_memory(map: &MemoryMap, image: &Image) -> Result<(), BootError> {
    let taken = image.occupied();
    let first = map.free(taken.clone()).next().ok_or(BootError::Text("not enough memory"))?;
    let mut early = EarlyFrames::new(first.start, first.end);
    let low = core::iter::once((0, LOW_MEMORY));
    let ram = map.ram().filter(|range| range.end > LOW_MEMORY);
    let ram = low.chain(ram.map(|range| (range.start.max(LOW_MEMORY), range.end)));
    paging::init(ram, &mut || early.take())?;
    let taken = taken.start.min(first.start)..early.position().max(taken.end);
    for range in map.free(taken) {
        if let Err(error) = frames::add_region(range.clone()) {
            log::warn!("memory at {:#x} not used: {error}", range.start);
        }
    }
    Ok(())
}

/// Interrupt controllers, clock, console input.
fn init_devices(platform: &acpi::Platform) -> Result<(), BootError> {
    if let Some(fadt) = platform.fadt {
        power::init(fadt);
    }
    vectors::init();
    tsc::init(platform.fadt.map(|fadt| fadt.pm_timer).filter(|&port| port != 0));
    apic::init(|at| paging::map_device(at, 4096, &mut frames::table_frame))?;
    match platform.io_apic {
        Some(at) => {
            ioapic::init(paging::map_device(at, 4096, &mut frames::table_frame)?);
            if let Some((at, first)) = platform.second_io_apic {
                ioapic::init_second(paging::map_device(at, 4096, &mut frames::table_frame)?, first);
            }
            if !serial::enable_input(platform) {
                log::warn!("the console's interrupt cannot be routed: no input");
            }
        }
        None => log::warn!("no I/O APIC: no console input"),
    }
    virtio::probe(platform);
    Ok(())
}
