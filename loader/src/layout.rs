//! Where a position-independent file goes.
//!
//! Called by the `execve` path between planning and mapping. Randomness is an argument; the same arguments give
//! the same bias. A bias is a multiple of the plan's alignment and is added modulo 2^64.

use core::ops::Range;

use crate::plan::{Kind, Plan};
use crate::{MMAP_MIN_ADDR, PAGE_SIZE, USER_TOP};

/// Largest honoured segment alignment in bytes: 1 GiB.
pub const MAX_ALIGN: u64 = 1 << 30;

/// Lowest base of a position-independent program: two thirds of the user half (Linux: `ELF_ET_DYN_BASE`).
pub const PIE_BASE: u64 = 0x5555_5555_4000;

/// Bits of page-granular randomness above [`PIE_BASE`] (Linux: default of `vm.mmap_rnd_bits` on x86-64).
pub const PIE_RANDOM_BITS: u32 = 28;

/// Load bias of the main program.
///
/// 0 for [`Kind::Exec`]. For [`Kind::Dyn`] the first page goes to [`PIE_BASE`] plus a random number of pages (the
/// low [`PIE_RANDOM_BITS`] bits of `random`), lowered to the plan's alignment. `random` = 0 means no
/// randomisation. `None` when the program is too large for that place.
pub fn program_bias(plan: &Plan, random: u64) -> Option<u64> {
    if plan.kind == Kind::Exec {
        return Some(0);
    }
    let pages = random & ((1 << PIE_RANDOM_BITS) - 1);
    let bias = aligned_bias(plan, PIE_BASE + pages * PAGE_SIZE);
    fits(plan, bias, &(MMAP_MIN_ADDR..USER_TOP)).then_some(bias)
}

/// Load bias that puts a file as high as possible into the free `area`, which the caller takes from its top-down
/// mmap area: for the interpreter. 0 for [`Kind::Exec`] if it lies within the area. `None` when it does not fit.
pub fn top_down_bias(plan: &Plan, area: Range<u64>) -> Option<u64> {
    let bias = match plan.kind {
        Kind::Exec => 0,
        Kind::Dyn => aligned_bias(plan, area.end.checked_sub(plan.span_len())?),
    };
    fits(plan, bias, &area).then_some(bias)
}

/// The bias nearest to `base` from below that is a multiple of the alignment. It is the bias that must be aligned,
/// not the address of the first page, which need not be a multiple of the alignment in the file either.
fn aligned_bias(plan: &Plan, base: u64) -> u64 {
    base.wrapping_sub(plan.span.start) & !(plan.align.saturating_sub(1))
}

fn fits(plan: &Plan, bias: u64, area: &Range<u64>) -> bool {
    let start = plan.span.start.wrapping_add(bias);
    start >= area.start && start.checked_add(plan.span_len()).is_some_and(|end| end <= area.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn dyn_plan(span: Range<u64>, align: u64) -> Plan {
        Plan {
            kind: Kind::Dyn,
            entry: 0,
            phdr_vaddr: None,
            phent: 56,
            phnum: 1,
            segments: Vec::new(),
            span,
            align,
            interp: None,
            stack_executable: None,
            relro: None,
        }
    }

    #[test]
    fn pie_base_is_two_thirds_of_the_user_half() {
        assert_eq!(PIE_BASE, crate::page_floor(USER_TOP / 3 * 2));
    }

    #[test]
    fn pie_goes_to_the_base_plus_random_pages() {
        let plan = dyn_plan(0..0x5000, PAGE_SIZE);
        assert_eq!(program_bias(&plan, 0), Some(PIE_BASE));
        assert_eq!(program_bias(&plan, 7), Some(PIE_BASE + 0x7000));
        assert_eq!(program_bias(&plan, u64::MAX), Some(PIE_BASE + 0xfff_ffff * PAGE_SIZE));
    }

    #[test]
    fn alignment_is_honoured() {
        for align in [PAGE_SIZE, 1 << 16, 1 << 21, MAX_ALIGN] {
            for random in [0, 1, 12345, u64::MAX] {
                let bias = program_bias(&dyn_plan(0x3000..0x9000, align), random).unwrap();
                assert_eq!(bias % align, 0);
                assert!(bias + 0x3000 <= PIE_BASE + 0xfff_ffff * PAGE_SIZE);
                assert!(bias + 0x3000 > PIE_BASE - MAX_ALIGN);
            }
        }
    }

    #[test]
    fn fixed_programs_have_no_bias() {
        let mut plan = dyn_plan(0x40_0000..0x50_0000, PAGE_SIZE);
        plan.kind = Kind::Exec;
        assert_eq!(program_bias(&plan, 99), Some(0));
        assert_eq!(top_down_bias(&plan, 0x10_0000..0x80_0000), Some(0));
        assert_eq!(top_down_bias(&plan, 0x41_0000..0x80_0000), None);
    }

    #[test]
    fn too_large_for_its_place() {
        assert_eq!(program_bias(&dyn_plan(0..0x3000_0000_0000, PAGE_SIZE), 0), None);
        let plan = dyn_plan(0..0x10_0000, PAGE_SIZE);
        assert_eq!(top_down_bias(&plan, 0x20_0000..0x2f_f000), None);
        assert_eq!(top_down_bias(&plan, 0..0x1000), None);
    }

    #[test]
    fn interpreter_ends_at_the_top_of_its_area() {
        let plan = dyn_plan(0..0x3000, PAGE_SIZE);
        assert_eq!(top_down_bias(&plan, 0x1_0000..0x7fff_0000_0000), Some(0x7fff_0000_0000 - 0x3000));
        let plan = dyn_plan(0..0x3000, 1 << 21);
        assert_eq!(top_down_bias(&plan, 0x1_0000..0x7fff_0000_1000), Some(0x7ffe_ffe0_0000));
    }

    #[test]
    fn prelinked_interpreter_moves_down() {
        let plan = dyn_plan(0x7000_0000_0000..0x7000_0000_3000, PAGE_SIZE);
        let bias = top_down_bias(&plan, 0x1_0000..0x10_0000).unwrap();
        assert_eq!(plan.span_at(bias), 0xf_d000..0x10_0000);
    }
}
