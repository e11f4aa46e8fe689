//! pselect6(2): waits until one of several files is ready, given as sets of bits.

use crate::prelude::*;
use abi::PollEvents;
use abi::structs::Timespec;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fs::{File, OpenFile};

/// `pselect6(count, readable, writable, exceptional, timeout, mask and its size)`.
pub struct PSelect6 {
    sets: Sets,
    timeout: UserPtr<Timespec>,
    mask: UserPtr<[u64; 2]>,
}

/// The number of descriptors, and the addresses of the three sets.
pub struct Sets {
    /// Descriptors below this are looked at.
    pub count: i32,
    /// Readable, writable, exceptional.
    pub addrs: [u64; 3],
}

const IN: PollEvents = PollEvents::IN
    .union(PollEvents::RDNORM)
    .union(PollEvents::RDBAND)
    .union(PollEvents::HUP)
    .union(PollEvents::ERR);
const OUT: PollEvents =
    PollEvents::OUT.union(PollEvents::WRNORM).union(PollEvents::WRBAND).union(PollEvents::ERR);
/// What each set asks for.
const WANTED: [PollEvents; 3] = [IN, OUT, PollEvents::PRI];

/// One descriptor that is in a set.
struct Entry {
    fd: usize,
    file: Arc<OpenFile>,
    asked: [bool; 3],
}

/// Waits until something is ready or the `deadline` passes; stores what is and returns how many bits that are.
pub fn select(ctx: &Context<'_>, sets: &Sets, deadline: Option<u64>) -> CallResult<u64> {
    let count = usize::try_from(sets.count).map_err(|_| Errno::EINVAL)?;
    // Descriptors that the table has no room for are not looked at (select(2)), closed ones below are EBADF.
    let room = table_room(ctx.process.files().highest().map_or(0, |fd| fd as usize));
    let count = count.min(room);
    let words = count.div_ceil(64);
    let mut asked = [const { Vec::new() }; 3];
    for (bits, &addr) in asked.iter_mut().zip(&sets.addrs) {
        bits.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
        for index in 0..if addr == 0 { 0 } else { words as u64 } {
            bits.push(UserPtr::<u64>::new(addr).at(index)?.read(ctx.memory())?);
        }
    }
    let entries = entries(ctx, &asked, count)?;
    let mut waited: Vec<&dyn File> = Vec::new();
    waited.try_reserve_exact(entries.len()).map_err(|_| Errno::ENOMEM)?;
    waited.extend(entries.iter().map(|entry| &**entry.file.file() as &dyn File));
    let found = ctx.sleep_on(deadline, &waited, false, || {
        let mut bits = [zeros(words)?, zeros(words)?, zeros(words)?];
        let mut total = 0;
        for entry in &entries {
            let ready = entry.file.file().readiness();
            for ((bits, wanted), asked) in bits.iter_mut().zip(WANTED).zip(entry.asked) {
                if asked && ready.intersects(wanted) {
                    total += 1;
                    if let Some(word) = bits.get_mut(entry.fd / 64) {
                        *word |= 1 << (entry.fd % 64);
                    }
                }
            }
        }
        Ok((total > 0).then_some((bits, total)))
    })?;
    let (bits, total) = match found {
        Some(found) => found,
        None => ([zeros(words)?, zeros(words)?, zeros(words)?], 0),
    };
    for (bits, &addr) in bits.iter().zip(&sets.addrs) {
        for (index, word) in (0..if addr == 0 { 0 } else { words as u64 }).zip(bits) {
            UserPtr::new(addr).at(index)?.write(ctx.memory(), word)?;
        }
    }
    Ok(total)
}

fn zeros(words: usize) -> CallResult<Vec<u64>> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
    zeros.resize(words, 0);
    Ok(zeros)
}

/// How many descriptors a table of Linux has room for whose highest is `highest`: 64, or from 128 on powers of two.
fn table_room(highest: usize) -> usize {
    if highest < 64 { 64 } else { (highest / 128 + 1).next_power_of_two() * 128 }
}

fn entries(ctx: &Context<'_>, asked: &[Vec<u64>; 3], count: usize) -> CallResult<Vec<Entry>> {
    let mut entries = Vec::new();
    for fd in 0..count {
        let bit = |bits: &Vec<u64>| bits.get(fd / 64).is_some_and(|word| word >> (fd % 64) & 1 != 0);
        let [a, b, c] = asked;
        let asked = [bit(a), bit(b), bit(c)];
        if asked.contains(&true) {
            let file = ctx.file(i32::try_from(fd).map_err(|_| Errno::EBADF)?)?;
            if file.is_path_only() {
                return Err(Errno::EBADF.into());
            }
            entries.push(Entry { fd, file, asked });
        }
    }
    Ok(entries)
}

impl Syscall for PSelect6 {
    const NR: u32 = nr::PSELECT6;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Time, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let addrs = [args.long::<1>(), args.long::<2>(), args.long::<3>()];
        let sets = Sets { count: args.int::<0>(), addrs };
        Ok(PSelect6 { sets, timeout: args.ptr::<4, _>(), mask: args.ptr::<5, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let [mask, size] = match self.mask.non_null() {
            Some(ptr) => ptr.read(ctx.memory())?,
            None => [0, 0],
        };
        let deadline = crate::time::deadline_from(ctx, self.timeout)?;
        let result =
            ctx.with_mask(UserPtr::new(mask), size as usize, |ctx| select(ctx, &self.sets, deadline));
        if let (Some(ptr), Some(deadline)) = (self.timeout.non_null(), deadline) {
            // Linux stores what is left of the time; it cannot where the program may only read.
            let left = deadline.saturating_sub(ctx.platform.monotonic_ns());
            let _ = ptr.write(ctx.memory(), &crate::time::timespec(left));
        }
        result.map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND))
    }
}
