//! The initial process stack (System V AMD64 ABI, section 3.4.1), as bytes to be copied below its top.
//!
//! From the top downwards, as Linux lays it out: 8 zero bytes, the path given to `execve`, the environment strings,
//! the argument strings (first lowest), the platform's name, 16 random bytes, padding, the auxiliary vector, the
//! environment pointers, the argument pointers, the argument count. Called by the `execve` path, which has the
//! strings in kernel memory already.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::auxv::{AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM};
use crate::error::ExecFailure;

/// Longest single argument, environment string or path in bytes, with its NUL (Linux: `MAX_ARG_STRLEN`).
pub const MAX_ARG_STRLEN: usize = 32 * 4096;

/// What Linux always grants to arguments and environment, in bytes, however small the stack limit (`ARG_MAX`).
pub const ARG_MAX: u64 = 128 * 1024;

/// What Linux never exceeds for arguments and environment, in bytes: three quarters of the default stack limit.
pub const ARGS_CEILING: u64 = 6 << 20;

const WORD: usize = 8;

/// What the stack is made of. Strings are without NUL.
#[derive(Clone, Copy, Debug)]
pub struct StackInput<'a> {
    /// Arguments. An empty list becomes one empty string, as Linux makes it.
    pub args: &'a [&'a [u8]],
    /// Environment strings.
    pub env: &'a [&'a [u8]],
    /// The path given to `execve`.
    pub execfn: &'a [u8],
    /// The platform's name: `x86_64`.
    pub platform: &'a [u8],
    /// Random bytes for the program's own use.
    pub random: [u8; 16],
    /// Auxiliary vector without [`AT_NULL`]; the values of [`AT_RANDOM`], [`AT_PLATFORM`] and [`AT_EXECFN`] are
    /// replaced by the addresses.
    pub auxv: &'a [(u64, u64)],
    /// End of the stack (exclusive); randomised by the caller.
    pub top: u64,
    /// Soft stack limit (`RLIMIT_STACK`) in bytes.
    pub stack_limit: u64,
}

/// The finished stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackImage {
    /// Initial stack pointer: a multiple of 16, the address of the argument count.
    pub sp: u64,
    /// Content from `sp` to the top.
    pub bytes: Vec<u8>,
    /// Addresses of the argument strings (`/proc/self/cmdline`).
    pub args: Range<u64>,
    /// Addresses of the environment strings (`/proc/self/environ`).
    pub env: Range<u64>,
    /// Addresses of the auxiliary vector with its end entry (`/proc/self/auxv`).
    pub auxv: Range<u64>,
}

/// Why no stack can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// One string is longer than [`MAX_ARG_STRLEN`].
    StringTooLong,
    /// All strings and pointers exceed a quarter of the stack limit.
    TooLarge,
    /// A string contains a NUL byte.
    EmbeddedNul,
    /// The top of the stack is lower than the stack is high.
    NoRoom,
    /// No memory for the image.
    NoMemory,
}

impl StackError {
    /// The class of this failure.
    pub fn failure(&self) -> ExecFailure {
        match self {
            Self::StringTooLong | Self::TooLarge => ExecFailure::TooBig,
            Self::EmbeddedNul => ExecFailure::Invalid,
            Self::NoRoom | Self::NoMemory => ExecFailure::NoMemory,
        }
    }
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StringTooLong => "an argument or environment string is longer than 128 KiB",
            Self::TooLarge => "arguments and environment are too large for the stack",
            Self::EmbeddedNul => "an argument or environment string contains a NUL byte",
            Self::NoRoom => "no room for the initial stack",
            Self::NoMemory => "out of memory for the initial stack",
        })
    }
}

impl core::error::Error for StackError {}

/// Bytes that arguments, environment and path may take together, pointers included, under a soft stack limit.
pub fn args_limit(stack_limit: u64) -> u64 {
    (stack_limit / 4).clamp(ARG_MAX, ARGS_CEILING)
}

/// Builds the initial stack.
///
/// Errors: [`StackError`]; the limits are those of `execve(2)`.
pub fn build(input: &StackInput<'_>) -> Result<StackImage, StackError> {
    let args: &[&[u8]] = if input.args.is_empty() { &[b""] } else { input.args };
    check_limits(args, input)?;

    // Strings bottom-up: random bytes, platform, arguments, environment, path, 8 zero bytes. `check_limits` bounds
    // the sum to some MiB, so that sizes fit in usize.
    let strings_len = input.random.len()
        + (input.platform.len() + 1)
        + total(args)
        + total(input.env)
        + (input.execfn.len() + 1)
        + WORD;
    // A caller may pass AT_NULL at the end; the builder writes its own.
    let aux_count = input.auxv.iter().take_while(|(kind, _)| *kind != AT_NULL).count();
    let words = 1 + (args.len() + 1) + (input.env.len() + 1) + 2 * (aux_count + 1);
    let strings_at = input.top.checked_sub(strings_len as u64).ok_or(StackError::NoRoom)?;
    let sp = strings_at.checked_sub((words * WORD) as u64).ok_or(StackError::NoRoom)? & !15;
    let size = usize::try_from(input.top - sp).map_err(|_| StackError::NoRoom)?;

    let mut strings = Writer::new(strings_at, strings_len)?;
    let random_at = strings.bytes(&input.random);
    let platform_at = strings.string(input.platform);
    let args_start = strings.position();
    let arg_addrs = strings.strings(args)?;
    let env_start = strings.position();
    let env_addrs = strings.strings(input.env)?;
    let env_end = strings.position();
    let execfn_at = strings.string(input.execfn);
    strings.bytes(&[0; WORD]);

    let mut image = Writer::new(sp, size)?;
    image.word(args.len() as u64);
    image.pointers(&arg_addrs);
    image.pointers(&env_addrs);
    let auxv_start = image.position();
    for &(kind, value) in input.auxv.iter().take(aux_count) {
        let value = match kind {
            AT_RANDOM => random_at,
            AT_PLATFORM => platform_at,
            AT_EXECFN => execfn_at,
            _ => value,
        };
        image.word(kind);
        image.word(value);
    }
    image.word(AT_NULL);
    image.word(0);
    let auxv_end = image.position();
    image.bytes.resize(size - strings.bytes.len(), 0);
    image.bytes(&strings.bytes);
    Ok(StackImage {
        sp,
        bytes: image.bytes,
        args: args_start..env_start,
        env: env_start..env_end,
        auxv: auxv_start..auxv_end,
    })
}

/// Applies `execve`'s limits to every string and to their sum.
fn check_limits(args: &[&[u8]], input: &StackInput<'_>) -> Result<(), StackError> {
    let mut used = 0_u64;
    for string in args.iter().chain(input.env).chain([&input.execfn, &input.platform]) {
        if string.len() >= MAX_ARG_STRLEN {
            return Err(StackError::StringTooLong);
        }
        if string.contains(&0) {
            return Err(StackError::EmbeddedNul);
        }
        used = used.saturating_add(string.len() as u64 + 1);
    }
    // The platform's name is the kernel's own and does not count.
    used = used.saturating_sub(input.platform.len() as u64 + 1);
    let pointers = (args.len() as u64).saturating_add(input.env.len() as u64).saturating_mul(WORD as u64);
    if used.saturating_add(pointers) > args_limit(input.stack_limit) {
        return Err(StackError::TooLarge);
    }
    Ok(())
}

/// Bytes of strings with their NULs.
fn total(strings: &[&[u8]]) -> usize {
    strings.iter().map(|string| string.len() + 1).sum()
}

/// Bytes being laid out at a known address.
struct Writer {
    start: u64,
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer at address `start` with room for `size` bytes.
    fn new(start: u64, size: usize) -> Result<Self, StackError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| StackError::NoMemory)?;
        Ok(Self { start, bytes })
    }

    /// Address of the next byte. It does not pass the top of the stack, so that it cannot overflow.
    fn position(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    fn bytes(&mut self, bytes: &[u8]) -> u64 {
        let at = self.position();
        self.bytes.extend_from_slice(bytes);
        at
    }

    fn string(&mut self, string: &[u8]) -> u64 {
        let at = self.bytes(string);
        self.bytes.push(0);
        at
    }

    fn strings(&mut self, strings: &[&[u8]]) -> Result<Vec<u64>, StackError> {
        let mut addrs = Vec::new();
        addrs.try_reserve_exact(strings.len()).map_err(|_| StackError::NoMemory)?;
        addrs.extend(strings.iter().map(|string| self.string(string)));
        Ok(addrs)
    }

    fn word(&mut self, word: u64) {
        self.bytes(&word.to_le_bytes());
    }

    fn pointers(&mut self, addrs: &[u64]) {
        for &addr in addrs {
            self.word(addr);
        }
        self.word(0);
    }
}
