//! Processor features and control registers; set up once per CPU at boot.

use core::arch::x86_64::{__cpuid, __cpuid_count};

use abi::regs::UserRegs;
use sync::SetOnce;
use x86_64::instructions::interrupts;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};
use x86_64::registers::model_specific::Msr;
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// IA32_APIC_BASE.
pub const MSR_APIC_BASE: u32 = 0x1b;
/// IA32_FS_BASE: the program's, always.
pub const MSR_FS_BASE: u32 = 0xc000_0100;
/// IA32_GS_BASE: the per-CPU area, always.
pub const MSR_GS_BASE: u32 = 0xc000_0101;
/// IA32_STAR: selectors for `syscall`.
pub const MSR_STAR: u32 = 0xc000_0081;
/// IA32_LSTAR: entry point for `syscall`.
pub const MSR_LSTAR: u32 = 0xc000_0082;
/// IA32_FMASK: flags cleared by `syscall`.
pub const MSR_FMASK: u32 = 0xc000_0084;

/// Registers of one CPUID leaf.
pub use core::arch::x86_64::CpuidResult;

/// CPUID leaf `leaf`, all zero when the processor does not have it.
pub fn cpuid(leaf: u32) -> CpuidResult {
    cpuid_count(leaf, 0)
}

/// CPUID leaf `leaf`, sub-leaf `sub`; all zero when the processor does not have the leaf.
pub fn cpuid_count(leaf: u32, sub: u32) -> CpuidResult {
    let range = leaf & 0xffff_0000;
    let max = __cpuid(range).eax;
    // An unknown range answers with the data of the highest basic leaf, which is no maximum for it.
    if max < leaf || (range != 0 && max & 0xffff_0000 != range) {
        return CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
    __cpuid_count(leaf, sub)
}

/// ECX and EDX of leaf 1, what the processor can do; read once, as each CPUID leaves the virtual machine.
pub fn features() -> (u32, u32) {
    static FEATURES: SetOnce<(u32, u32)> = SetOnce::new();
    if let Some(&known) = FEATURES.get() {
        return known;
    }
    let leaf = cpuid(1);
    // Set by another CPU in between: all have the same.
    let _ = FEATURES.set((leaf.ecx, leaf.edx));
    (leaf.ecx, leaf.edx)
}

/// Whether the processor has 1 GiB pages.
pub fn has_giant_pages() -> bool {
    cpuid(0x8000_0001).edx & (1 << 26) != 0
}

/// AT_HWCAP: EDX of CPUID leaf 1, as Linux hands it to programs.
pub fn hwcap() -> u64 {
    u64::from(features().1)
}

/// Sets the control registers of this CPU as the kernel wants them.
///
/// FSGSBASE stays off so that the program cannot move GS with an instruction, which is also why
/// AT_HWCAP2 does not offer it. AMX is left out of XCR0.
pub fn init() {
    let (leaf1, _) = features();
    // SAFETY: the flags enable features that CPUID lists or that every 64-bit CPU has; paging and
    // write protection are on since boot and stay on.
    unsafe {
        Efer::update(|f| *f |= EferFlags::SYSTEM_CALL_EXTENSIONS | EferFlags::NO_EXECUTE_ENABLE);
        Cr0::update(|f| {
            f.insert(Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::NUMERIC_ERROR | Cr0Flags::WRITE_PROTECT);
            f.remove(Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED);
        });
        Cr4::update(|f| {
            f.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE | Cr4Flags::PAGE_GLOBAL);
            f.set(Cr4Flags::OSXSAVE, leaf1 & (1 << 26) != 0);
            f.remove(Cr4Flags::FSGSBASE);
        });
        if leaf1 & (1 << 26) != 0 {
            XCr0::write(program_vector_state());
        }
        // The state that a Linux program starts with (System V ABI AMD64, table 3.6).
        let mxcsr: u32 = 0x1f80;
        core::arch::asm!("fninit", "ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack));
    }
}

/// The XCR0 components that programs may use: x87, SSE, AVX, AVX-512 where the CPU has them.
fn program_vector_state() -> XCr0Flags {
    let offered = cpuid_count(0xd, 0).eax;
    let avx512 = XCr0Flags::OPMASK | XCr0Flags::ZMM_HI256 | XCr0Flags::HI16_ZMM;
    let mut want = XCr0Flags::X87 | XCr0Flags::SSE;
    for part in [XCr0Flags::AVX, avx512] {
        if u64::from(offered) & part.bits() == part.bits() {
            want |= part;
        }
    }
    want
}

/// Reads a model-specific register that the CPU is known to have.
pub fn rdmsr(msr: u32) -> u64 {
    // SAFETY: callers pass registers that every 64-bit CPU has or whose presence they checked.
    unsafe { Msr::new(msr).read() }
}

/// Writes a model-specific register.
///
/// # Safety
/// The register must exist, and the new value must keep the kernel's assumptions (GS is the per-CPU
/// area, LSTAR the system-call entry).
pub unsafe fn wrmsr(msr: u32, value: u64) {
    // SAFETY: promised by the caller.
    unsafe { Msr::new(msr).write(value) }
}

/// Sets the program's FS base; `base` must be canonical.
pub fn set_fs_base(base: u64) {
    // SAFETY: the kernel keeps nothing behind FS; the caller checked that the address is canonical.
    unsafe { Msr::new(MSR_FS_BASE).write(base) }
}

/// The program's FS base.
pub fn fs_base() -> u64 {
    rdmsr(MSR_FS_BASE)
}

/// Turns interrupts on, halts until one arrived, returns with interrupts off.
///
/// The caller masked interrupts and found nothing to do: `sti` takes effect after the `hlt` began, so
/// an interrupt in between ends the halt.
pub fn wait_for_interrupt() {
    interrupts::enable_and_hlt();
    interrupts::disable();
}

/// Runs `f` with interrupts masked.
pub fn without_interrupts<R>(f: impl FnOnce() -> R) -> R {
    interrupts::without_interrupts(f)
}

/// Runs `f` with interrupts masked. Returns whether they were on before.
pub fn without_interrupts_was_on(f: impl FnOnce()) -> bool {
    let on = interrupts_enabled();
    without_interrupts(f);
    on
}

/// Whether interrupts are on.
pub fn interrupts_enabled() -> bool {
    interrupts::are_enabled()
}

/// Masks interrupts.
pub fn disable_interrupts() {
    interrupts::disable();
}

/// Unmasks interrupts.
pub fn enable_interrupts() {
    interrupts::enable();
}

/// Stops this CPU for good.
pub fn halt_forever() -> ! {
    loop {
        interrupts::disable();
        x86_64::instructions::hlt();
    }
}

/// Ends the machine when nothing else did: an exception without a handler resets a PC.
pub fn triple_fault() -> ! {
    let none = x86_64::structures::DescriptorTablePointer { limit: 0, base: x86_64::VirtAddr::zero() };
    // SAFETY: the machine is given up; the empty table makes the next exception a shutdown.
    unsafe {
        x86_64::instructions::tables::lidt(&none);
        core::arch::asm!("int3");
    }
    halt_forever()
}

/// 64 random bits of the processor (RDSEED, else RDRAND), if it has either and it answers.
pub fn hardware_random() -> Option<u64> {
    let seed = cpuid_count(7, 0).ebx & (1 << 18) != 0;
    let rand = features().0 & (1 << 30) != 0;
    let mut value: u64;
    let mut ok: u8;
    // The architecture allows a few failures in a row; ten tries are Intel's recommendation.
    for _ in 0..10 {
        if seed {
            // SAFETY: CPUID lists RDSEED; it writes the two outputs only.
            unsafe { core::arch::asm!("rdseed {}", "setc {}", out(reg) value, out(reg_byte) ok) };
        } else if rand {
            // SAFETY: CPUID lists RDRAND; it writes the two outputs only.
            unsafe { core::arch::asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) ok) };
        } else {
            return None;
        }
        if ok != 0 {
            return Some(value);
        }
    }
    None
}

/// The time-stamp counter.
pub fn rdtsc() -> u64 {
    // SAFETY: every 64-bit CPU has RDTSC and CR4.TSD is clear.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The registers of the caller, as far as the compiler has left them alone, for a report.
#[inline(always)]
pub fn registers() -> UserRegs {
    let mut regs = UserRegs::default();
    // SAFETY: writes exactly the fields of `regs`; RDI holds its address and is shown as such.
    unsafe {
        core::arch::asm!(
            "mov [rdi], r15",
            "mov [rdi + 8], r14",
            "mov [rdi + 16], r13",
            "mov [rdi + 24], r12",
            "mov [rdi + 32], rbp",
            "mov [rdi + 40], rbx",
            "mov [rdi + 48], r11",
            "mov [rdi + 56], r10",
            "mov [rdi + 64], r9",
            "mov [rdi + 72], r8",
            "mov [rdi + 80], rax",
            "mov [rdi + 88], rcx",
            "mov [rdi + 96], rdx",
            "mov [rdi + 104], rsi",
            "mov [rdi + 112], rdi",
            "lea rax, [rip]",
            "mov [rdi + 128], rax",
            "mov [rdi + 136], cs",
            "pushfq",
            "pop rax",
            "mov [rdi + 144], rax",
            "mov [rdi + 152], rsp",
            "mov [rdi + 160], ss",
            in("rdi") &raw mut regs,
            out("rax") _,
        );
    }
    regs
}

/// Bytes of the vector state that XCR0 enables, in the standard format; 512 without XSAVE.
pub fn vector_state_size() -> u64 {
    let size = cpuid_count(0xd, 0).ebx;
    u64::from(size.max(512))
}

/// XCR0: the components of the vector state. Only where CR4.OSXSAVE is set.
pub fn vector_features() -> u64 {
    XCr0::read().bits()
}

/// Why the last debug exception came (DR6); the register is cleared, as the processor never does.
pub fn take_debug_status() -> u32 {
    let status: u64;
    // The bits that are always set.
    let none: u64 = 0xffff_0ff0;
    // SAFETY: DR6 is a status register that only this function uses.
    unsafe {
        core::arch::asm!("mov {}, dr6", "mov dr6, {}", out(reg) status, in(reg) none, options(nostack, preserves_flags));
    }
    status as u32
}

/// What CPUID says about the processor; the frequency is not among it.
pub fn info() -> task::CpuInfo {
    let (zero, one, seven) = (cpuid(0), cpuid(1), cpuid_count(7, 0));
    let highest = cpuid(0x8000_0000).eax;
    let extended = |leaf: u32| (highest >= leaf).then(|| cpuid(leaf));
    let mut vendor = [0; 12];
    for (bytes, word) in vendor.chunks_exact_mut(4).zip([zero.ebx, zero.edx, zero.ecx]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut name = [0; 48];
    for (part, leaf) in name.chunks_exact_mut(16).zip(0x8000_0002..) {
        let Some(words) = extended(leaf) else { break };
        for (bytes, word) in part.chunks_exact_mut(4).zip([words.eax, words.ebx, words.ecx, words.edx]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }
    let (base, model) = (one.eax >> 8 & 15, one.eax >> 4 & 15);
    let more = extended(0x8000_0001);
    let sizes = extended(0x8000_0008).map_or(0x3024, |words| words.eax);
    task::CpuInfo {
        vendor,
        name,
        family: if base == 15 { base + (one.eax >> 20 & 255) } else { base },
        model: if matches!(base, 6 | 15) { model | (one.eax >> 16 & 15) << 4 } else { model },
        stepping: one.eax & 15,
        highest_leaf: zero.eax,
        features: [
            one.edx,
            more.map_or(0, |words| words.edx),
            one.ecx,
            more.map_or(0, |words| words.ecx),
            seven.ebx,
            seven.ecx,
            seven.edx,
        ],
        khz: 0,
        physical_bits: sizes & 255,
        virtual_bits: sizes >> 8 & 255,
    }
}
