//! A hostile program: random calls with random arguments must neither panic nor hang.

use super::Caller;
use crate::strace::line;
use crate::table::TABLE;
use crate::{CallError, RawArgs};
use abi::{OpenFlags, SigSet, UserRegs, nr};
use core::sync::atomic::Ordering;
use task::testing::DATA;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A value that is likely to be interesting.
    fn argument(&mut self) -> u64 {
        match self.next() % 10 {
            0 => self.next(),
            1 => 0,
            2 => u64::MAX - self.next() % 3,
            3 => DATA + self.next() % 0x2100,
            4 => DATA & !0xfff,
            5 => 1 << (self.next() % 64),
            6 => 0x7fff_ffff_f000 - self.next() % 0x3000,
            7 => 0x40_0000 + self.next() % 0x1000,
            _ => self.next() % 12,
        }
    }
}

/// Calls that end the program.
const LEFT_OUT: [u32; 2] = [nr::EXIT, nr::EXIT_GROUP];

#[test]
fn random_calls() {
    let seed =
        std::env::var("NOSPIN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x9e37_79b9_7f4a_7c15);
    println!("seed {seed}");
    let mut random = Random(seed);
    for _ in 0..20 {
        let c = Caller::new();
        // End of file, so that reads of the console end.
        c.r.line.input.lock().extend(b"\xff\x00");
        c.r.machine.impatient.store(true, Ordering::Relaxed);
        let mut regs = UserRegs::default();
        let mut ctx = c.context(&mut regs);
        for _ in 0..400 {
            let number = (random.next() % nr::COUNT as u64) as u32;
            let args = RawArgs(core::array::from_fn(|_| random.argument()));
            let Some(Some(row)) = TABLE.get(number as usize).filter(|_| !LEFT_OUT.contains(&number)) else {
                continue;
            };
            *ctx.regs = ctx.regs.with_call(number.into(), args.0);
            let result = (row.run)(&mut ctx);
            // What ended a wait, or the program sent itself, is not to end all the later ones.
            while c.r.process.signals.queue().take(SigSet::EMPTY).is_some() {}
            while c.r.thread.pending().take(SigSet::EMPTY).is_some() {}
            assert!(!line(&ctx, number.into(), &args, &result).is_empty());
            match result {
                Ok(value) => assert!(
                    !(-4095..0).contains(&(value as i64)),
                    "{number}: a value that looks like an error"
                ),
                Err(CallError::Errno(_) | CallError::Exit(_) | CallError::ThreadEnds) => {}
            }
        }
        // Files that only descriptors hold have frames of their own.
        let close = TABLE[nr::CLOSE_RANGE as usize].as_ref().unwrap();
        *ctx.regs = ctx.regs.with_call(nr::CLOSE_RANGE.into(), [0, u64::from(u32::MAX), 0, 0, 0, 0]);
        (close.run)(&mut ctx).unwrap();
        c.r.process.space().clear();
        // As have the pages of the program that are not aligned in the archive.
        let vfs = &c.r.process.vfs;
        let flags = OpenFlags::WRONLY | OpenFlags::TRUNC;
        let new = fs::NewNode::of_mode(abi::general::S_IFREG);
        vfs.view(fs::access::Subject::ROOT).open(vfs.root(), b"/init", flags, &new).unwrap();
        assert_eq!(c.r.machine.frames.allocated(), 0, "a frame was lost");
    }
}
