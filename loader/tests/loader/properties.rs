//! Property tests over generated headers: nothing panics, valid layouts are accepted, and what is accepted maps as
//! its headers say.

use proptest::prelude::*;

use crate::build::{Image, PT_GNU_STACK, PT_INTERP, PT_LOAD, Phdr};
use crate::check::check;

/// Numbers near the borders that matter, and a few of every magnitude.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..0x5000,
        2 => (0_u32..64, -2_i64..3).prop_map(|(bit, delta)| (1_u64 << bit).wrapping_add_signed(delta)),
        2 => (0_u64..16).prop_map(|page| page * 0x1000),
        2 => (0_u64..0x8000).prop_map(|at| 0x40_0000 + at),
        1 => (0_u64..0x3000).prop_map(|at| 0x7fff_ffff_e000 + at),
        1 => any::<u64>(),
    ]
}

fn wild_phdr() -> impl Strategy<Value = Phdr> {
    let kind =
        prop_oneof![8 => Just(PT_LOAD), 1 => Just(PT_INTERP), 1 => Just(PT_GNU_STACK), 1 => any::<u32>()];
    (kind, 0_u32..8, number(), number(), number(), number(), number()).prop_map(
        |(kind, flags, offset, vaddr, filesz, memsz, align)| Phdr {
            kind,
            flags,
            offset,
            vaddr,
            filesz,
            memsz,
            align,
        },
    )
}

/// A step of a valid layout: gap before, file bytes, further memory, rights, alignment exponent.
fn step() -> impl Strategy<Value = (u64, u64, u64, u32, u32)> {
    (
        0_u64..0x3000,
        0_u64..0x2800,
        prop_oneof![Just(0_u64), 1_u64..0x5000, 1_u64..1 << 40],
        0_u32..8,
        0_u32..22,
    )
}

/// Lays the steps out one behind the other, in memory and in the file.
fn valid(base: u64, dynamic: bool, steps: &[(u64, u64, u64, u32, u32)]) -> Image {
    let (mut vaddr, mut len) = (base, 64 + 56 * steps.len() as u64);
    let mut phdrs = Vec::new();
    for &(gap, filesz, more, flags, align) in steps {
        vaddr += gap;
        let memsz = (filesz + more).max(1);
        // The next file offset that is congruent to the address.
        let offset = len + (vaddr.wrapping_sub(len) & 0xfff);
        phdrs.push(Phdr { kind: PT_LOAD, flags, offset, vaddr, filesz, memsz, align: 1 << align });
        len = offset + filesz;
        vaddr += memsz;
    }
    let kind = if dynamic { 3 } else { 2 };
    Image { kind, phdrs, len: len as usize, ..Image::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn wild_headers_never_panic(
        phdrs in prop::collection::vec(wild_phdr(), 0..6),
        dynamic in any::<bool>(),
        entry in number(),
        phoff in prop_oneof![20 => Just(64_u64), 1 => number()],
    ) {
        let kind = if dynamic { 3 } else { 2 };
        check(&Image { kind, phdrs, entry, phoff, ..Image::default() }.bytes());
    }

    #[test]
    fn random_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..400), keep in 0_usize..64) {
        let mut bytes = Image::default().bytes();
        bytes.truncate(keep);
        bytes.extend(tail);
        check(&bytes);
    }

    #[test]
    fn valid_layouts_are_accepted(
        base in prop_oneof![0x10000_u64..0x80_0000, 0x10000_u64..0x7000_0000_0000],
        dynamic in any::<bool>(),
        steps in prop::collection::vec(step(), 1..7),
    ) {
        prop_assert!(check(&valid(base, dynamic, &steps).bytes()));
    }
}
