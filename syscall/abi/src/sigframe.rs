//! The signal frame of Linux on x86-64: what lies on the stack when a handler begins, and what rt_sigreturn reads back.
//!
//! Built and read by `task::signal::frame`; programs, C libraries and debuggers look into it (sigaction(2), ucontext.h).
//! Invariant: sizes and offsets are those of Linux; the tests compare them.

use crate::structs::{SigInfo, StackT};

/// Registers of the interrupted program (`struct sigcontext_64`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the registers' own names
pub struct SigContext {
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    pub rflags: u64,
    pub cs: u16,
    pub gs: u16,
    pub fs: u16,
    pub ss: u16,
    /// Error code of the last exception.
    pub err: u64,
    /// Its vector.
    pub trapno: u64,
    /// The blocked signals, as in [`UContext::sigmask`].
    pub oldmask: u64,
    /// Address of the last page fault.
    pub cr2: u64,
    /// Address of the vector state, 0 for none.
    pub fpstate: u64,
    /// Zero.
    pub reserved: [u64; 8],
}

/// `struct ucontext` of the kernel: its signal set has 64 bits, the C libraries' a thousand.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UContext {
    /// `UC_*`.
    pub flags: u64,
    /// 0.
    pub link: u64,
    /// The alternate stack as it was.
    pub stack: StackT,
    /// Registers.
    pub mcontext: SigContext,
    /// The signals that are blocked again after the handler.
    pub sigmask: u64,
}

/// `struct rt_sigframe`: RSP points to it at the handler's first instruction.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtSigFrame {
    /// Return address of the handler: the restorer.
    pub pretcode: u64,
    /// The handler's third argument points here.
    pub uc: UContext,
    /// And the second here.
    pub info: SigInfo,
}

/// The vector state is in XSAVE format.
pub const UC_FP_XSTATE: u64 = 1;
/// The frame has SS.
pub const UC_SIGCONTEXT_SS: u64 = 2;
/// And rt_sigreturn restores it as it is.
pub const UC_STRICT_RESTORE_SS: u64 = 4;

/// Code and stack segment as programs expect to see them.
pub const USER_CS: u16 = 0x33;
/// See [`USER_CS`].
pub const USER_SS: u16 = 0x2b;

/// Bytes of the legacy part of the vector state (FXSAVE).
pub const FXSAVE_SIZE: usize = 512;
/// Offset of MXCSR in it.
pub const MXCSR_OFFSET: usize = 24;
/// Offset of the bytes that describe the rest (`struct _fpx_sw_bytes`), which the processor leaves to software.
pub const SW_BYTES_OFFSET: usize = 464;
/// Size of the header behind the legacy part.
pub const XSAVE_HEADER_SIZE: usize = 64;
/// First word of the describing bytes.
pub const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// The word behind the vector state.
pub const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;

/// `struct _fpx_sw_bytes`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FpxSwBytes {
    /// [`FP_XSTATE_MAGIC1`], or 0 without XSAVE.
    pub magic1: u32,
    /// Vector state and the second magic word, bytes.
    pub extended_size: u32,
    /// Components of the state, as in XCR0.
    pub xfeatures: u64,
    /// The vector state, bytes.
    pub xstate_size: u32,
    /// Zero.
    pub padding: [u32; 7],
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    #[test]
    fn layout_is_that_of_linux() {
        assert_eq!(size_of::<SigContext>(), 256);
        assert_eq!(offset_of!(SigContext, rip), 128);
        assert_eq!(offset_of!(SigContext, err), 152);
        assert_eq!(offset_of!(SigContext, fpstate), 184);
        assert_eq!(size_of::<UContext>(), 304);
        assert_eq!(offset_of!(UContext, mcontext), 40);
        assert_eq!(offset_of!(UContext, sigmask), 296);
        assert_eq!(size_of::<RtSigFrame>(), 440);
        assert_eq!(offset_of!(RtSigFrame, info), 312);
        assert_eq!(size_of::<FpxSwBytes>(), 48);
    }
}
