//! The report on a program that a signal kills: what happened, registers, mappings, stack, backtrace.
//!
//! Pure formatting over what the program's memory and mappings say; nothing is trusted and nothing is allocated, because the
//! program may be broken in any way and memory may be exhausted. Lines go to [`Platform::message`], frame lines in the form
//! that `nospin` extends with function names (`image_format::channel::Frame`).

use crate::exec::ProgramImage;
use crate::fault::Cause;
use crate::platform::Platform;
use crate::{Process, Thread};
use abi::UserRegs;
use core::fmt;
use image_format::channel::Frame;
use mm::addr::{USER_END, VirtAddr};
use mm::space::AddressSpace;
use mm::user::UserMemory;
use mm::vma::{Prot, Vma};

/// Most frames of a backtrace.
pub const MAX_FRAMES: usize = 32;
/// Words of the stack that are shown.
const STACK_WORDS: u64 = 16;
/// Bytes of code that are shown at RIP.
const CODE_BYTES: usize = 16;

/// Prints the first line of a report: who was killed, by what.
pub fn headline(platform: &dyn Platform, process: &Process, thread: &Thread, cause: &Cause) {
    platform.message(format_args!(
        "program {} (pid {}, thread {}) killed by {}: {cause}",
        process.image().path.escape_ascii(),
        process.pid,
        thread.tid,
        cause.signal(),
    ));
}

/// Prints the report.
pub fn print(platform: &dyn Platform, process: &Process, thread: &Thread, regs: &UserRegs, cause: &Cause) {
    headline(platform, process, thread, cause);
    let say = &mut |line: fmt::Arguments<'_>| platform.message(line);
    let image = process.image();
    registers(regs, say);
    {
        let space = process.space();
        if let Cause::Page { addr, .. } = *cause {
            place(&space, "address", addr, say);
        }
        place(&space, "rip", regs.rip, say);
        place(&space, "rsp", regs.rsp, say);
    }
    // From here on memory is read, which may fault pages in: the lock on the address space is free.
    let memory = platform.user_memory();
    code(memory, regs.rip, say);
    stack(memory, regs.rsp, say);
    backtrace(memory, process, &image, regs, say);
}

type Say<'a> = &'a mut dyn FnMut(fmt::Arguments<'_>);

/// All general registers.
pub fn registers(regs: &UserRegs, say: Say<'_>) {
    say(format_args!("  rip {:016x}  rsp {:016x}  rflags {:08x}", regs.rip, regs.rsp, regs.rflags));
    let rows = [
        [("rax", regs.rax), ("rbx", regs.rbx), ("rcx", regs.rcx), ("rdx", regs.rdx)],
        [("rsi", regs.rsi), ("rdi", regs.rdi), ("rbp", regs.rbp), ("r8 ", regs.r8)],
        [("r9 ", regs.r9), ("r10", regs.r10), ("r11", regs.r11), ("r12", regs.r12)],
    ];
    for [a, b, c, d] in rows {
        say(format_args!(
            "  {} {:016x}  {} {:016x}  {} {:016x}  {} {:016x}",
            a.0, a.1, b.0, b.1, c.0, c.1, d.0, d.1
        ));
    }
    say(format_args!("  r13 {:016x}  r14 {:016x}  r15 {:016x}", regs.r13, regs.r14, regs.r15));
}

/// A mapping as one reads it in /proc/PID/maps.
struct Mapping<'a>(&'a Vma);

impl fmt::Display for Mapping<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |prot, letter| if self.0.prot.contains(prot) { letter } else { '-' };
        let (r, w, x) = (flag(Prot::READ, 'r'), flag(Prot::WRITE, 'w'), flag(Prot::EXEC, 'x'));
        write!(f, "{:#x}-{:#x} {r}{w}{x}p", self.0.start, self.0.end)?;
        let label = self.0.label();
        if label.is_empty() { f.write_str(" anonymous") } else { write!(f, " {}", label.escape_ascii()) }
    }
}

/// The mapping that an address lies in, or its neighbours.
fn place(space: &AddressSpace, what: &str, addr: u64, say: Say<'_>) {
    let at = VirtAddr(addr);
    if let Some(vma) = space.find(at) {
        return say(format_args!("  {what} {addr:#x} is in {}", Mapping(vma)));
    }
    if addr >= USER_END {
        return say(format_args!("  {what} {addr:#x} is outside the program's half of the address space"));
    }
    match space.neighbours(at) {
        (Some(below), Some(above)) => say(format_args!(
            "  {what} {addr:#x} is in no mapping; below: {}, above: {}",
            Mapping(below),
            Mapping(above)
        )),
        (Some(below), None) => {
            say(format_args!("  {what} {addr:#x} is above all mappings; last: {}", Mapping(below)))
        }
        (None, Some(above)) => {
            say(format_args!("  {what} {addr:#x} is below all mappings; first: {}", Mapping(above)))
        }
        (None, None) => say(format_args!("  {what} {addr:#x}: nothing is mapped")),
    }
}

/// Bytes in hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

fn code(memory: &dyn UserMemory, rip: u64, say: Say<'_>) {
    let mut bytes = [0; CODE_BYTES];
    let readable = match memory.read(rip, &mut bytes) {
        Ok(()) => CODE_BYTES,
        Err(fault) => fault.done.min(CODE_BYTES),
    };
    match bytes.get(..readable) {
        Some(bytes) if readable > 0 => say(format_args!("  code:{}", Hex(bytes))),
        _ => say(format_args!("  code: not readable")),
    }
}

fn word(memory: &dyn UserMemory, addr: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read(addr, &mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

fn stack(memory: &dyn UserMemory, rsp: u64, say: Say<'_>) {
    for row in 0..STACK_WORDS / 4 {
        let base = rsp.wrapping_add(row * 32);
        let words = [0, 8, 16, 24].map(|offset| word(memory, base.wrapping_add(offset)));
        match words {
            [Some(a), Some(b), Some(c), Some(d)] => {
                say(format_args!("  stack {base:#x}: {a:016x} {b:016x} {c:016x} {d:016x}"));
            }
            _ => return say(format_args!("  stack {base:#x}: not readable")),
        }
    }
}

/// Return addresses along the chain of frame pointers. It ends at the first pointer that does not go up the stack, so it is
/// short for code without frame pointers and never endless.
fn backtrace(
    memory: &dyn UserMemory,
    process: &Process,
    image: &ProgramImage,
    regs: &UserRegs,
    say: Say<'_>,
) {
    frame(process, image, regs.rip, say);
    let mut rbp = regs.rbp;
    let mut floor = regs.rsp;
    for _ in 0..MAX_FRAMES {
        if rbp < floor || !rbp.is_multiple_of(8) {
            return;
        }
        let (Some(next), Some(ret)) = (word(memory, rbp), word(memory, rbp.wrapping_add(8))) else { return };
        if ret == 0 || ret >= USER_END {
            return;
        }
        frame(process, image, ret, say);
        floor = rbp.wrapping_add(16);
        rbp = next;
    }
}

fn frame(process: &Process, image: &ProgramImage, address: u64, say: Say<'_>) {
    let space = process.space();
    say(format_args!("{}", Frame { address, place: file_place(&space, image, address) }));
}

/// The file an address belongs to, and the address as the file counts it.
fn file_place<'a>(space: &'a AddressSpace, image: &'a ProgramImage, address: u64) -> Option<(&'a str, u64)> {
    let printable = |path: &'a [u8]| {
        core::str::from_utf8(path).ok().filter(|path| !path.is_empty() && !path.chars().any(char::is_control))
    };
    if let Some(file) = image.files.iter().find(|file| file.span.contains(&address)) {
        return Some((printable(&file.path)?, address.wrapping_sub(file.bias)));
    }
    let vma = space.find(VirtAddr(address))?;
    if !vma.label().starts_with(b"/") {
        return None;
    }
    // A library: its load base is where its first byte is mapped.
    let first = space.vmas().find(|other| other.label() == vma.label())?;
    let base = first.start.wrapping_sub(first.file_offset());
    Some((printable(vma.label())?, address.wrapping_sub(base)))
}

#[cfg(test)]
mod tests;
