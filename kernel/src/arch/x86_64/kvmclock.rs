//! The clock that KVM keeps in memory for its guests, asked once at boot: how fast the time-stamp counter runs, and what time it is.
//!
//! The counter itself is the clock then; so this is used only if the hypervisor promises that it is stable.

use core::sync::atomic::{AtomicU32, Ordering};

use kerncore::pvclock::{self, Scale, TIME_WORDS, WALL_WORDS};

use super::cpu;
use super::layout::KERNEL_BASE;

/// CPUID leaves: the hypervisor's name and its features.
const NAME: u32 = 0x4000_0000;
const FEATURES: u32 = 0x4000_0001;
/// Features: the two registers; counters that agree.
const HAS_CLOCK: u32 = 1 << 3;
const IS_STABLE: u32 = 1 << 24;
/// The registers take physical addresses.
const WALL_CLOCK: u32 = 0x4b56_4d00;
const SYSTEM_TIME: u32 = 0x4b56_4d01;
/// Bit of the second one: keep it up to date.
const ENABLE: u64 = 1;
/// The hypervisor fills the structures before the guest goes on, so one look suffices; an update may fall into it.
const LOOKS: usize = 16;

/// Words that the hypervisor writes.
#[repr(C, align(64))]
struct Shared<const N: usize>([AtomicU32; N]);

static TIME: Shared<TIME_WORDS> = Shared([const { AtomicU32::new(0) }; TIME_WORDS]);
static WALL: Shared<WALL_WORDS> = Shared([const { AtomicU32::new(0) }; WALL_WORDS]);

impl<const N: usize> Shared<N> {
    fn physical(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64 - KERNEL_BASE
    }

    /// The words as they were at one moment.
    fn read(&self) -> Option<[u32; N]> {
        let words =
            || core::array::from_fn(|index| self.0.get(index).map_or(0, |word| word.load(Ordering::Acquire)));
        (0..LOOKS).find_map(|_| {
            let (first, second): ([u32; N], [u32; N]) = (words(), words());
            (first == second).then_some(first)
        })
    }
}

/// What the hypervisor says, if it is KVM and its clock is stable.
pub struct KvmClock {
    scale: Scale,
    start_ns: Option<u64>,
}

impl KvmClock {
    /// Asks. On the CPU that boots.
    pub fn ask() -> Option<Self> {
        let name = cpu::cpuid(NAME);
        let is_kvm = [name.ebx, name.ecx, name.edx] == [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];
        if !is_kvm || name.eax != 0 && name.eax < FEATURES {
            return None;
        }
        let wanted = HAS_CLOCK | IS_STABLE;
        if cpu::cpuid(FEATURES).eax & wanted != wanted {
            return None;
        }
        // SAFETY: the features say that both registers exist. What the hypervisor writes behind the addresses are words that are
        // there for that, atomics, for ever.
        unsafe {
            cpu::wrmsr(SYSTEM_TIME, TIME.physical() | ENABLE);
            cpu::wrmsr(WALL_CLOCK, WALL.physical());
        }
        let (time, wall) = (TIME.read(), WALL.read());
        // What it has said is enough.
        // SAFETY: as above; 0 ends the updates.
        unsafe { cpu::wrmsr(SYSTEM_TIME, 0) };
        let scale = Scale::of(time?).filter(|scale| scale.stable)?;
        Some(KvmClock { scale, start_ns: wall.and_then(pvclock::start_ns) })
    }

    /// The frequency of the time-stamp counter, kHz.
    pub fn khz(&self) -> u64 {
        self.scale.khz()
    }

    /// The time when the counter shows `tsc`, nanoseconds since 1970.
    pub fn wall_ns_at(&self, tsc: u64) -> Option<u64> {
        self.start_ns?.checked_add(self.scale.ns_at(tsc))
    }
}
