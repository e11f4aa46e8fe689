//! [`Pod`]: types that are nothing but their bytes, and the safe conversions to and from byte slices.
//!
//! Called by everything that copies structures to or from program memory (`mm::user`). Invariant: a `Pod` type has no padding
//! and every bit pattern is a valid value of it, so that its bytes may be shown to the program (no kernel memory leaks through
//! padding) and may be set by the program (no value is invalid). The macros below prove "no padding" at compile time: the sizes
//! of the fields add up to the size of the structure.
#![allow(unsafe_code)] // the one place that reinterprets plain data as bytes and back

use core::mem::size_of;

/// A type that is plain old data.
///
/// # Safety
/// The type has no padding bytes, no pointers, references or niches, and every bit pattern of its size is a valid value.
pub unsafe trait Pod: Copy + 'static {}

/// The bytes of `value`, in memory order.
pub fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: a `Pod` value has no padding, so all its `size_of::<T>()` bytes are initialised; the slice borrows `value`.
    unsafe { core::slice::from_raw_parts((value as *const T).cast::<u8>(), size_of::<T>()) }
}

/// The bytes of `value`, writable: whatever is stored is a valid `T`.
pub fn bytes_of_mut<T: Pod>(value: &mut T) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; and every bit pattern is a valid `T`, so writes through the slice cannot break `value`.
    unsafe { core::slice::from_raw_parts_mut((value as *mut T).cast::<u8>(), size_of::<T>()) }
}

/// A `T` of zero bytes.
pub fn zeroed<T: Pod>() -> T {
    // SAFETY: every bit pattern, so also all zeros, is a valid `T`.
    unsafe { core::mem::zeroed() }
}

/// The size of a structure's field, from a projection to it; used by the macro below in constants.
pub(crate) const fn field_size<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Implements [`Pod`] for structures whose fields, all named, are `Pod`; fails to compile if there is padding.
macro_rules! pod_struct {
    ($($ty:path { $($field:ident),* $(,)? })*) => {$(
        const _: () = {
            assert!(
                core::mem::size_of::<$ty>() == 0 $(+ $crate::pod::field_size(|s: &$ty| &s.$field))*,
                concat!("padding or a missing field in ", stringify!($ty)),
            );
            const fn is_pod<T, F: $crate::Pod>(_: fn(&T) -> &F) {}
            $(is_pod(|s: &$ty| &s.$field);)*
        };
        // SAFETY: the fields named are `Pod` and their sizes add up to the structure's, so there is neither padding nor a
        // field left out.
        unsafe impl $crate::Pod for $ty {}
    )*};
}

macro_rules! pod_integer {
    ($($ty:ty)*) => {$(
        // SAFETY: integers have no padding and every bit pattern is a value.
        unsafe impl Pod for $ty {}
    )*};
}

pod_integer!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize);

// SAFETY: an array is its elements without gaps.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

mod structs {
    //! The ABI structures that are `Pod`.
    use crate::regs::UserRegs;
    use crate::sigframe::{FpxSwBytes, RtSigFrame, SigContext, UContext};
    use crate::structs::*;

    pod_struct! {
        IoVec { base, len }
        MsgHdr { name, namelen, pad, iov, iovlen, control, controllen, flags, pad2 }
        MMsgHdr { hdr, len, pad }
        CmsgHdr { len, level, kind }
        SigAction { handler, flags, restorer, mask }
        StackT { sp, flags, pad, size }
        SigInfo { signo, errno, code, pad, fields }
        SigEvent { value, signo, notify, thread, pad }
        ITimerVal { interval, value }
        ITimerSpec { interval, value }
        SigContext { r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags, cs, gs, fs, ss,
            err, trapno, oldmask, cr2, fpstate, reserved }
        UContext { flags, link, stack, mcontext, sigmask }
        RtSigFrame { pretcode, uc, info }
        FpxSwBytes { magic1, extended_size, xfeatures, xstate_size, padding }
        SysInfo { uptime, loads, totalram, freeram, sharedram, bufferram, totalswap, freeswap, procs, pad, pad2, totalhigh,
            freehigh, mem_unit, pad3 }
        Stat { st_dev, st_ino, st_nlink, st_mode, st_uid, st_gid, __pad0, st_rdev, st_size, st_blksize, st_blocks, st_atime,
            st_atime_nsec, st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec, __unused }
        StatxTimestamp { tv_sec, tv_nsec, __reserved }
        Statx { stx_mask, stx_blksize, stx_attributes, stx_nlink, stx_uid, stx_gid, stx_mode, __spare0, stx_ino, stx_size,
            stx_blocks, stx_attributes_mask, stx_atime, stx_btime, stx_ctime, stx_mtime, stx_rdev_major, stx_rdev_minor,
            stx_dev_major, stx_dev_minor, stx_mnt_id, stx_dio_mem_align, stx_dio_offset_align, stx_subvol,
            stx_atomic_write_unit_min, stx_atomic_write_unit_max, stx_atomic_write_segments_max,
            stx_dio_read_offset_align, stx_atomic_write_unit_max_opt, __spare2, __spare3 }
        Timespec { tv_sec, tv_nsec }
        Timeval { tv_sec, tv_usec }
        Timezone { tz_minuteswest, tz_dsttime }
        Rlimit { rlim_cur, rlim_max }
        PollFd { fd, events, revents }
        Termios { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc }
        Termios2 { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc, c_ispeed, c_ospeed }
        Winsize { ws_row, ws_col, ws_xpixel, ws_ypixel }
        Utsname { sysname, nodename, release, version, machine, domainname }
        StatFs { kind, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags, spare }
        Flock { kind, whence, pad, start, len, pid, pad2 }
        Dirent64Head { ino, off, reclen, kind }
        UserRegs { r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, rflags, rsp, ss }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structs::Timespec;

    #[test]
    fn bytes_and_back() {
        let mut t: Timespec = zeroed();
        assert_eq!(bytes_of(&t), [0; 16]);
        bytes_of_mut(&mut t)[8] = 7;
        assert_eq!((t.tv_sec, t.tv_nsec), (0, 7));
        assert_eq!(bytes_of(&[0x0102_u16, 0x0304]), [2, 1, 4, 3]);
    }
}
