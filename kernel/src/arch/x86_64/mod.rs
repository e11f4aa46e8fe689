//! x86-64: entry and exit of the kernel, descriptor tables, page tables, interrupt controllers.
//!
//! The only folder with assembly. The rest of the kernel calls in through the functions of these
//! modules; they call out to [`crate::init`] at boot and to the trap and system-call handlers.
#![allow(unsafe_code)] // talks to the processor: registers, descriptor tables, page tables, ports

pub mod ap;
pub mod apic;
pub mod boot;
pub mod cpu;
pub mod gdt;
pub mod idt;
pub mod ioapic;
pub mod ipi;
pub mod kvmclock;
pub mod layout;
pub mod messages;
pub mod paging;
pub mod percpu;
pub mod pio;
pub mod shootdown;
pub mod switch;
pub mod symbols;
pub mod syscall_entry;
pub mod timer;
pub mod trap;
pub mod tsc;
pub mod usercopy;
pub mod usertables;
pub mod vdso;
pub mod vectors;
