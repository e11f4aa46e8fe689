//! poll(2): waits until one of several files is ready.

use crate::prelude::*;
use abi::PollEvents;
use abi::structs::PollFd;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fs::{File, OpenFile};
use task::RestartBlock;

/// `poll(descriptors, count, milliseconds)`.
pub struct Poll {
    fds: UserPtr<PollFd>,
    count: u64,
    timeout: i32,
}

/// Offset of `revents` in [`PollFd`].
const REVENTS: u64 = core::mem::offset_of!(PollFd, revents) as u64;

/// Polls until something is ready or the `deadline` passes; stores the events found and returns how many files have any.
pub fn poll(ctx: &Context<'_>, fds: UserPtr<PollFd>, count: u64, deadline: Option<u64>) -> CallResult<u64> {
    if count > ctx.fd_limit() {
        return Err(Errno::EINVAL.into());
    }
    let count = count as usize;
    let (mut entries, mut files) = (Vec::<PollFd>::new(), Vec::<Option<Arc<OpenFile>>>::new());
    let mut waited: Vec<&dyn File> = Vec::new();
    let room = entries.try_reserve_exact(count).and_then(|()| files.try_reserve_exact(count));
    room.and_then(|()| waited.try_reserve_exact(count)).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count as u64 {
        let entry = fds.at(index)?.read(ctx.memory())?;
        entries.push(entry);
        files.push(ctx.file(entry.fd).ok());
    }
    waited.extend(files.iter().flatten().map(|file| &**file.file() as &dyn File));
    let ready = ctx.sleep_on(deadline, &waited, false, || {
        let mut ready = 0;
        for (entry, file) in entries.iter_mut().zip(&files) {
            entry.revents = events(entry, file.as_deref()).bits() as i16;
            ready += u64::from(entry.revents != 0);
        }
        Ok((ready > 0).then_some(ready))
    })?;
    for (index, entry) in (0..).zip(&entries) {
        let at = fds.at(index)?.addr().wrapping_add(REVENTS);
        UserPtr::new(at).write(ctx.memory(), &entry.revents)?;
    }
    Ok(ready.unwrap_or(0))
}

/// As [`poll`]; if a signal ends it and no handler runs, it goes on through restart_syscall.
pub fn poll_again(
    ctx: &Context<'_>,
    fds: UserPtr<PollFd>,
    count: u64,
    deadline: Option<u64>,
) -> CallResult<u64> {
    poll(ctx, fds, count, deadline).map_err(|error| {
        ctx.thread.restart_with(RestartBlock::Poll { fds: fds.addr(), count, deadline });
        error.if_interrupted(Errno::ERESTART_RESTARTBLOCK)
    })
}

/// What has happened to one of the files.
fn events(entry: &PollFd, file: Option<&OpenFile>) -> PollEvents {
    match file {
        // Negative descriptors are skipped (poll(2)).
        _ if entry.fd < 0 => PollEvents::empty(),
        None => PollEvents::NVAL,
        Some(file) if file.is_path_only() => PollEvents::NVAL,
        Some(file) => {
            let asked = PollEvents::from_bits_retain(entry.events as u16);
            let always = PollEvents::ERR | PollEvents::HUP;
            file.file().readiness() & (asked | always)
        }
    }
}

impl Syscall for Poll {
    const NR: u32 = nr::POLL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Polls(1), ArgKind::Unsigned, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Poll { fds: args.ptr::<0, _>(), count: args.uint::<1>().into(), timeout: args.int::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let timeout = u64::try_from(self.timeout).ok();
        let deadline = timeout.map(|ms| crate::time::deadline_in(ctx, ms.saturating_mul(1_000_000)));
        poll_again(ctx, self.fds, self.count, deadline)
    }
}
