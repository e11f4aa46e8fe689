//! The initial stack, read back by a reader that shares nothing with the builder.

use std::ops::Range;

use loader::auxv::{AT_EXECFN, AT_PAGESZ, AT_PLATFORM, AT_RANDOM};
use loader::stack::{ARG_MAX, ARGS_CEILING, MAX_ARG_STRLEN, args_limit, build};
use loader::{AuxInput, ExecFailure, StackError, StackImage, StackInput};
use proptest::prelude::*;

/// A stack as the start code of a libc reads it.
#[derive(Debug)]
pub struct Parsed {
    pub args: Vec<(u64, Vec<u8>)>,
    pub env: Vec<(u64, Vec<u8>)>,
    pub auxv: Vec<(u64, u64)>,
    /// Addresses of the auxiliary vector with its end entry.
    pub auxv_at: Range<u64>,
}

/// Memory at an address.
pub struct Memory<'a> {
    pub start: u64,
    pub bytes: &'a [u8],
}

impl Memory<'_> {
    pub fn word(&self, at: u64) -> u64 {
        let at = (at - self.start) as usize;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    pub fn string(&self, at: u64) -> Vec<u8> {
        self.bytes[(at - self.start) as usize..].iter().copied().take_while(|&byte| byte != 0).collect()
    }

    pub fn slice(&self, range: Range<u64>) -> &[u8] {
        &self.bytes[(range.start - self.start) as usize..(range.end - self.start) as usize]
    }

    fn strings(&self, at: &mut u64) -> Vec<(u64, Vec<u8>)> {
        let mut strings = Vec::new();
        loop {
            let pointer = self.word(*at);
            *at += 8;
            if pointer == 0 {
                return strings;
            }
            strings.push((pointer, self.string(pointer)));
        }
    }

    /// Reads argument count, arguments, environment and auxiliary vector from `start` upwards.
    pub fn parse(&self) -> Parsed {
        let mut at = self.start + 8;
        let args = self.strings(&mut at);
        assert_eq!(self.word(self.start), args.len() as u64);
        let env = self.strings(&mut at);
        let auxv_start = at;
        let mut auxv = Vec::new();
        while self.word(at) != 0 {
            auxv.push((self.word(at), self.word(at + 8)));
            at += 16;
        }
        Parsed { args, env, auxv, auxv_at: auxv_start..at + 16 }
    }
}

impl Parsed {
    pub fn aux(&self, kind: u64) -> Option<u64> {
        self.auxv.iter().find(|(have, _)| *have == kind).map(|(_, value)| *value)
    }
}

const TOP: u64 = 0x7ffd_1234_5000;

fn input<'a>(args: &'a [&'a [u8]], env: &'a [&'a [u8]], auxv: &'a [(u64, u64)]) -> StackInput<'a> {
    StackInput {
        args,
        env,
        execfn: b"/bin/prog",
        platform: b"x86_64",
        random: *b"0123456789abcdef",
        auxv,
        top: TOP,
        stack_limit: 8 << 20,
    }
}

/// Everything that must hold for a stack built from `input`.
fn verify(input: &StackInput<'_>, image: &StackImage) {
    let args: &[&[u8]] = if input.args.is_empty() { &[b""] } else { input.args };
    assert_eq!(image.sp % 16, 0);
    assert_eq!(image.sp + image.bytes.len() as u64, input.top);
    let memory = Memory { start: image.sp, bytes: &image.bytes };
    let parsed = memory.parse();
    assert!(parsed.args.iter().map(|(_, s)| s.as_slice()).eq(args.iter().copied()));
    assert!(parsed.env.iter().map(|(_, s)| s.as_slice()).eq(input.env.iter().copied()));
    let joined =
        |strings: &[&[u8]]| strings.iter().flat_map(|s| s.iter().copied().chain([0])).collect::<Vec<u8>>();
    assert_eq!(memory.slice(image.args.clone()), joined(args));
    assert_eq!(memory.slice(image.env.clone()), joined(input.env));
    assert_eq!(image.auxv, parsed.auxv_at);
    assert_eq!(parsed.auxv.len(), input.auxv.len());
    for (&(kind, value), &(wanted_kind, wanted)) in parsed.auxv.iter().zip(input.auxv) {
        assert_eq!(kind, wanted_kind);
        match kind {
            AT_RANDOM => assert_eq!(memory.slice(value..value + 16), input.random),
            AT_PLATFORM => assert_eq!(memory.string(value), input.platform),
            AT_EXECFN => assert_eq!(memory.string(value), input.execfn),
            _ => assert_eq!(value, wanted),
        }
    }
    assert_eq!(memory.word(input.top - 8), 0);
}

#[test]
fn typical_stack() {
    let auxv = [(AT_PAGESZ, 4096), (AT_RANDOM, 0), (AT_EXECFN, 0), (AT_PLATFORM, 0)];
    let args: [&[u8]; 3] = [b"prog", b"", b"--flag=value"];
    let env: [&[u8]; 2] = [b"HOME=/", b"TERM=linux"];
    let input = input(&args, &env, &auxv);
    let image = build(&input).unwrap();
    verify(&input, &image);
    assert_eq!(image.args.end, image.env.start);
    assert_eq!(image.args.end - image.args.start, 4 + 1 + 1 + 12 + 1);
}

#[test]
fn no_arguments_become_one_empty_argument() {
    let input = input(&[], &[], &[]);
    let image = build(&input).unwrap();
    verify(&input, &image);
    assert_eq!(Memory { start: image.sp, bytes: &image.bytes }.parse().args.len(), 1);
}

#[test]
fn an_end_entry_of_the_caller_ends_the_vector() {
    let with_end = [(AT_PAGESZ, 4096), (0, 0), (AT_RANDOM, 0)];
    assert_eq!(build(&input(&[], &[], &with_end)), build(&input(&[], &[], &with_end[..1])));
}

#[test]
fn limits() {
    let longest = vec![b'x'; MAX_ARG_STRLEN - 1];
    let too_long = vec![b'x'; MAX_ARG_STRLEN];
    assert!(build(&input(&[&longest], &[], &[])).is_ok());
    assert_eq!(build(&input(&[&too_long], &[], &[])), Err(StackError::StringTooLong));
    assert_eq!(build(&input(&[], &[&too_long], &[])), Err(StackError::StringTooLong));
    assert_eq!(build(&input(&[b"a\0b"], &[], &[])), Err(StackError::EmbeddedNul));
    assert_eq!(build(&StackInput { top: 89, ..input(&[], &[], &[]) }), Err(StackError::NoRoom));
    assert_eq!(build(&StackInput { top: 0, ..input(&[], &[], &[]) }), Err(StackError::NoRoom));
    assert_eq!(StackError::TooLarge.failure(), ExecFailure::TooBig);

    assert_eq!(args_limit(0), ARG_MAX);
    assert_eq!(args_limit(8 << 20), 2 << 20);
    assert_eq!(args_limit(u64::MAX), ARGS_CEILING);
}

#[test]
fn sum_of_all_strings_is_limited_to_the_byte() {
    let part = vec![b'x'; 0xffff];
    // The path takes 10 bytes, a pointer 8.
    let exact = vec![b'x'; 0x10000 - 10 - 3 * 8 - 1];
    let over = vec![b'x'; 0x10000 - 10 - 3 * 8];
    let limited =
        |args: &[&[u8]]| build(&StackInput { stack_limit: 0, ..input(args, &[b""], &[]) }).map(|_| ());
    assert_eq!(limited(&[&part, &exact[1..]]), Ok(()));
    assert_eq!(limited(&[&part, &over]), Err(StackError::TooLarge));
    assert_eq!(limited(&[&part, &exact]), Err(StackError::TooLarge));
}

#[test]
fn auxiliary_vector_of_a_program() {
    let file = crate::build::Image::default().bytes();
    let plan = loader::plan(&file.as_slice()).unwrap();
    let entries =
        AuxInput { secure: true, uid: 7, ..AuxInput::for_program(&plan, 0, Some(0x1000)) }.entries();
    let value = |kind| entries.iter().find(|(have, _)| *have == kind).map(|(_, value)| *value);
    assert_eq!((value(3), value(4), value(5)), (Some(0x40_0040), Some(56), Some(2)));
    assert_eq!((value(7), value(9), value(11), value(23)), (Some(0x1000), Some(0x40_0800), Some(7), Some(1)));
    assert_eq!((value(6), value(17), value(33), value(51)), (Some(4096), Some(100), None, None));
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8..=255, 0..60)
}

proptest! {
    #[test]
    fn any_stack_reads_back(
        args in prop::collection::vec(string(), 0..12),
        env in prop::collection::vec(string(), 0..12),
        execfn in string(),
        auxv in prop::collection::vec((1_u64..60, any::<u64>()), 0..25),
        top in 0x10_0000_u64..0x7fff_ffff_f000,
        random in any::<[u8; 16]>(),
    ) {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let env: Vec<&[u8]> = env.iter().map(Vec::as_slice).collect();
        let input = StackInput { execfn: &execfn, top, random, ..input(&args, &env, &auxv) };
        verify(&input, &build(&input).unwrap());
    }

    #[test]
    fn any_limits_never_panic(
        lens in prop::collection::vec(0_usize..140_000, 0..20),
        top in prop_oneof![any::<u64>(), 0_u64..3_000_000],
        stack_limit in prop_oneof![any::<u64>(), 0_u64..10_000_000],
    ) {
        let longest = vec![b'x'; 140_000];
        let args: Vec<&[u8]> = lens.iter().map(|&len| &longest[..len]).collect();
        let input = StackInput { top, stack_limit, ..input(&args, &[], &[]) };
        if let Ok(image) = build(&input) {
            verify(&input, &image);
            prop_assert!(image.bytes.len() as u64 <= args_limit(stack_limit) + 4096);
        }
    }
}
