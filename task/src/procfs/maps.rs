//! `maps`, `smaps` and `statm`: the memory of a process, area by area.

use super::put;
use crate::Process;
use fs::device::DeviceNumber;
use fs::pseudo::Output;
use mm::addr::PAGE_SIZE;
use mm::space::{AddressSpace, Usage};
use mm::vma::{Backing, Prot, Vma, VmaFlags};

/// Column at which an area's name begins.
const NAME_COLUMN: usize = 73;
const KB: u64 = 1024;
const PAGE_KB: u64 = PAGE_SIZE / KB;

/// `/proc/PID/maps`.
pub fn maps(process: &Process, out: &mut Output) {
    for vma in process.space().vmas() {
        line(vma, out);
    }
}

fn line(vma: &Vma, out: &mut Output) {
    let start = out.len();
    let bit = |bit: Prot, c: char| if vma.prot.contains(bit) { c } else { '-' };
    let (device, inode) = match &vma.backing {
        Backing::File(file) => file.store.identity(),
        _ => (0, 0),
    };
    let device = DeviceNumber(device);
    put!(
        out,
        "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {inode} ",
        vma.start,
        vma.end,
        bit(Prot::READ, 'r'),
        bit(Prot::WRITE, 'w'),
        bit(Prot::EXEC, 'x'),
        if vma.flags.contains(VmaFlags::SHARED) { 's' } else { 'p' },
        vma.file_offset(),
        device.major(),
        device.minor()
    );
    let label = vma.label();
    if !label.is_empty() {
        out.fill_to(start + NAME_COLUMN, b' ');
        // A newline would begin another area (proc(5)).
        for &byte in label {
            if byte == b'\n' { out.extend_from_slice(b"\\012") } else { out.push(byte) }
        }
    }
    out.push(b'\n');
}

/// `/proc/PID/smaps`.
pub fn smaps(process: &Process, out: &mut Output) {
    let space = process.space();
    for vma in space.vmas() {
        line(vma, out);
        let usage = space.usage(vma);
        put!(out, "Size:           {:8} kB\n", vma.len() / KB);
        put!(out, "KernelPageSize: {PAGE_KB:8} kB\nMMUPageSize:    {PAGE_KB:8} kB\n");
        amounts(usage, out);
        put!(out, "THPeligible:           0\n");
        flags(vma, out);
    }
}

/// `/proc/PID/smaps_rollup`: the sums.
pub fn smaps_rollup(process: &Process, out: &mut Output) {
    let space = process.space();
    let (first, last) = (space.vmas().next(), space.vmas().next_back());
    let (Some(first), Some(last)) = (first, last) else { return };
    let start = out.len();
    put!(out, "{:08x}-{:08x} ---p 00000000 00:00 0 ", first.start, last.end);
    out.fill_to(start + NAME_COLUMN, b' ');
    put!(out, "[rollup]\n");
    amounts(total(&space), out);
}

fn total(space: &AddressSpace) -> Usage {
    space.vmas().fold(Usage::default(), |sum, vma| {
        let usage = space.usage(vma);
        Usage { present: sum.present + usage.present, file: sum.file + usage.file }
    })
}

/// What an area uses. Nothing is shared with anybody, so all of it is private, and what is no file's is dirty.
fn amounts(usage: Usage, out: &mut Output) {
    let (all, clean) = (usage.present * PAGE_KB, usage.file * PAGE_KB);
    let own = all - clean;
    let rows = [
        ("Rss", all),
        ("Pss", all),
        ("Pss_Dirty", own),
        ("Shared_Clean", 0),
        ("Shared_Dirty", 0),
        ("Private_Clean", clean),
        ("Private_Dirty", own),
        ("Referenced", all),
        ("Anonymous", own),
        ("LazyFree", 0),
        ("AnonHugePages", 0),
        ("ShmemPmdMapped", 0),
        ("FilePmdMapped", 0),
        ("Shared_Hugetlb", 0),
        ("Private_Hugetlb", 0),
        ("Swap", 0),
        ("SwapPss", 0),
        ("Locked", 0),
    ];
    for (name, kb) in rows {
        put!(out, "{:<16}{kb:8} kB\n", alloc::format!("{name}:"));
    }
}

fn flags(vma: &Vma, out: &mut Output) {
    put!(out, "VmFlags: ");
    let may = |bit: Prot, name: &'static str| vma.prot.contains(bit).then_some(name);
    let own = |bit: VmaFlags, name: &'static str| vma.flags.contains(bit).then_some(name);
    let names = [
        may(Prot::READ, "rd"),
        may(Prot::WRITE, "wr"),
        may(Prot::EXEC, "ex"),
        // Every mapping is private: any protection may be asked for.
        Some("mr"),
        Some("mw"),
        Some("me"),
        own(VmaFlags::GROWSDOWN, "gd"),
        own(VmaFlags::NORESERVE, "nr"),
        vma.is_data().then_some("ac"),
    ];
    for name in names.into_iter().flatten() {
        put!(out, "{name} ");
    }
    out.push(b'\n');
}

/// Sizes of a process's memory, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Mapped.
    pub total: u64,
    /// The most that was mapped.
    pub peak_total: u64,
    /// Present.
    pub resident: u64,
    /// The most that was present.
    pub peak_resident: u64,
    /// Present pages of files.
    pub file: u64,
    /// Code of the program.
    pub text: u64,
    /// Code of everything else.
    pub library: u64,
    /// Private and writable, without stacks.
    pub data: u64,
    /// Stacks.
    pub stack: u64,
    /// Code of the program as addresses: first, and one past the last.
    pub code: (u64, u64),
    /// The program's initialised data as addresses.
    pub variables: (u64, u64),
}

/// Adds up the areas of a process.
pub fn sizes(process: &Process) -> Sizes {
    let image = process.image();
    let own = image.files.first().map_or(0..0, |file| file.span.clone());
    let space = process.space();
    let mut sizes = Sizes {
        total: space.mapped_bytes() / PAGE_SIZE,
        peak_total: space.peak_mapped_bytes() / PAGE_SIZE,
        resident: space.resident_pages(),
        peak_resident: space.peak_resident_pages(),
        file: total(&space).file,
        ..Sizes::default()
    };
    for vma in space.vmas() {
        let pages = vma.len() / PAGE_SIZE;
        let inside = own.contains(&vma.start);
        let spread = |range: &mut (u64, u64)| {
            *range = (if range.1 == 0 { vma.start } else { range.0.min(vma.start) }, vma.end);
        };
        if vma.flags.contains(VmaFlags::GROWSDOWN) {
            sizes.stack += pages;
        } else if vma.is_data() {
            sizes.data += pages;
        } else if vma.prot.contains(Prot::EXEC) {
            *(if inside { &mut sizes.text } else { &mut sizes.library }) += pages;
        }
        if inside && vma.prot.contains(Prot::EXEC) {
            spread(&mut sizes.code);
        } else if inside && vma.is_data() && matches!(vma.backing, Backing::File(_)) {
            spread(&mut sizes.variables);
        }
    }
    sizes
}

/// `/proc/PID/statm`, in pages.
pub fn statm(process: &Process, out: &mut Output) {
    let s = sizes(process);
    put!(out, "{} {} {} {} 0 {} 0\n", s.total, s.resident, s.file, s.text, s.data + s.stack);
}
