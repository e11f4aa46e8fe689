//! epoll_wait(2): waits until one of the watched files is ready.

use crate::prelude::*;
use fs::OpenFile;
use fs::epoll::Epoll;

/// `epoll_wait(epoll, events, max, milliseconds)`.
pub struct EpollWait {
    epoll: i32,
    events: u64,
    max: i32,
    timeout: i32,
}

/// Bytes of `struct epoll_event`, which is packed.
const EVENT: u64 = 12;
/// Most events that one call takes (EP_MAX_EVENTS).
const MAX_EVENTS: u64 = i32::MAX as u64 / EVENT;

/// The monotonic deadline for a timeout in milliseconds; `None` for a negative one: no end.
pub fn deadline(ctx: &Context<'_>, milliseconds: i32) -> Option<u64> {
    let milliseconds = u64::try_from(milliseconds).ok()?;
    if milliseconds == 0 {
        // Whatever the time is.
        return Some(0);
    }
    Some(crate::time::deadline_in(ctx, milliseconds.saturating_mul(1_000_000)))
}

/// Waits until something has happened or the `deadline` passes; stores at most `max` events and returns their number.
pub fn wait(ctx: &Context<'_>, epoll: i32, events: u64, max: i32, deadline: Option<u64>) -> CallResult<u64> {
    let most = u64::try_from(max).ok().filter(|&max| max > 0 && max <= MAX_EVENTS).ok_or(Errno::EINVAL)?;
    UserSlice::new(events, most.saturating_mul(EVENT) as usize).check()?;
    let file = ctx.file(epoll)?;
    let epoll = file.file().as_epoll().filter(|_| !file.is_path_only()).ok_or(Errno::EINVAL)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let stored = store(ctx, epoll, events, most)?;
    if stored > 0 || deadline == Some(0) {
        return Ok(stored);
    }
    wait_longer(ctx, &file, epoll, (events, most), deadline)
}

/// As [`wait`], after a look at `epoll`, which is `file`, that found nothing.
#[cold]
fn wait_longer(
    ctx: &Context<'_>,
    file: &OpenFile,
    epoll: &Epoll,
    (events, most): (u64, usize),
    deadline: Option<u64>,
) -> CallResult<u64> {
    let [changed, _] = file.file().changes();
    let ready_at = || file.file().ready_at();
    let stored = ctx.sleep_after_look(deadline, &ready_at, changed.as_slice(), true, || {
        let stored = store(ctx, epoll, events, most)?;
        Ok((stored > 0).then_some(stored))
    })?;
    Ok(stored.unwrap_or(0))
}

/// Stores what has happened as far as the array takes it, at most `most` events; returns their number.
fn store(ctx: &Context<'_>, epoll: &Epoll, events: u64, most: usize) -> CallResult<u64> {
    let memory = ctx.memory();
    let array = UserPtr::<[u32; 3]>::new(events);
    let mut stored = Ok(0);
    epoll.each(most, |event| {
        let done = stored.unwrap_or(0);
        let words = [event.events, event.data as u32, (event.data >> 32) as u32];
        match array.at(done).and_then(|place| place.write(memory, &words)) {
            Ok(()) => stored = Ok(done + 1),
            Err(fault) if done == 0 => stored = Err(fault),
            Err(_) => return false,
        }
        stored.is_ok()
    });
    Ok(stored?)
}

impl Syscall for EpollWait {
    const NR: u32 = nr::EPOLL_WAIT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(EpollWait {
            epoll: args.int::<0>(),
            events: args.long::<1>(),
            max: args.int::<2>(),
            timeout: args.int::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        wait(ctx, self.epoll, self.events, self.max, deadline(ctx, self.timeout))
    }
}
