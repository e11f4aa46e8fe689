//! The saved registers of the program, in the order of Linux's `struct pt_regs`.
//!
//! The kernel's entry code builds this frame by pushes; fault reports and, later, signal frames and ptrace read it.

/// Registers at the entry into the kernel. `repr(C)`: the lowest address first, so the last push first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the registers' own names
pub struct UserRegs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// The system call's number, or the error code of an exception.
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

impl UserRegs {
    /// The six system-call arguments (syscall(2)).
    #[inline]
    pub const fn syscall_args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }

    /// The same registers with those of a system call.
    #[must_use]
    pub const fn with_call(self, nr: u64, args: [u64; 6]) -> Self {
        let [rdi, rsi, rdx, r10, r8, r9] = args;
        UserRegs { orig_rax: nr, rdi, rsi, rdx, r10, r8, r9, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    #[test]
    fn layout_is_pt_regs() {
        assert_eq!(size_of::<UserRegs>(), 21 * 8);
        assert_eq!(offset_of!(UserRegs, rax), 80);
        assert_eq!(offset_of!(UserRegs, orig_rax), 120);
        assert_eq!(offset_of!(UserRegs, rip), 128);
        assert_eq!(offset_of!(UserRegs, rsp), 152);
    }
}
