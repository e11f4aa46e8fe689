//! What the calls that move the content of pipes share: flags, waiting, files at the other end. Called by `calls`.

use crate::prelude::*;
use abi::{Mode, OpenFlags};
use alloc::vec::Vec;
use fs::pipe::PipeEnd;
use fs::socket::Kind;
use fs::{File, FsError, Offset, OpenFile, SliceSink, SliceSource};

/// SPLICE_F_MOVE, which only asks for speed.
const MOVE: u32 = 1;
/// SPLICE_F_NONBLOCK: does not wait for pipes.
const NONBLOCK: u32 = 2;
/// SPLICE_F_MORE, advice for sockets.
const MORE: u32 = 4;
/// SPLICE_F_GIFT, advice about memory.
const GIFT: u32 = 8;

/// The flags, for strace.
pub const FLAGS: Names = &[
    (MOVE as u64, "SPLICE_F_MOVE"),
    (NONBLOCK as u64, "SPLICE_F_NONBLOCK"),
    (MORE as u64, "SPLICE_F_MORE"),
    (GIFT as u64, "SPLICE_F_GIFT"),
];

/// EINVAL for flags that do not exist.
pub fn check_flags(flags: u32) -> Result<(), Errno> {
    if flags & !(MOVE | NONBLOCK | MORE | GIFT) == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// EBADF unless one can be read and the other written.
pub fn check_modes(input: &OpenFile, output: &OpenFile) -> Result<(), Errno> {
    let good = input.flags().readable() && output.flags().writable();
    if good && !input.is_path_only() && !output.is_path_only() { Ok(()) } else { Err(Errno::EBADF) }
}

/// Does `operation` until it need not wait; at once if the flags or one of the pipes' descriptions say so. A pipe that nobody reads
/// also is SIGPIPE.
pub fn wait<T>(
    ctx: &Context<'_>,
    flags: u32,
    pipes: &[&OpenFile],
    operation: impl FnMut() -> Result<T, FsError>,
) -> CallResult<T> {
    let waits = pipes.iter().all(|pipe| !pipe.flags().contains(OpenFlags::NONBLOCK));
    wait_on(ctx, if waits { flags } else { flags | NONBLOCK }, pipes, operation)
}

/// As [`wait`], whatever the descriptions say.
pub fn wait_on<T>(
    ctx: &Context<'_>,
    flags: u32,
    pipes: &[&OpenFile],
    mut operation: impl FnMut() -> Result<T, FsError>,
) -> CallResult<T> {
    let waits = flags & NONBLOCK == 0;
    let mut files: Vec<&dyn File> = Vec::new();
    files.try_reserve_exact(pipes.len()).map_err(|_| Errno::ENOMEM)?;
    files.extend(pipes.iter().map(|pipe| &**pipe.file() as &dyn File));
    let done = ctx.sleep_on(None, &files, false, || match operation() {
        Err(FsError::WouldBlock) if waits => Ok(None),
        result => Ok(Some(result?)),
    });
    match done.map_err(|error| error.if_interrupted(Errno::ERESTARTSYS)) {
        Ok(done) => Ok(done.ok_or(Errno::EAGAIN)?),
        Err(error) => {
            if error == Errno::EPIPE.into() {
                ctx.send_broken_pipe();
            }
            Err(error)
        }
    }
}

/// Whether a file is a socket that moves bytes.
fn is_stream(file: &OpenFile) -> bool {
    file.file().as_socket().is_some_and(|socket| socket.kind() == Kind::Stream)
}

/// EINVAL for a file that has nothing to do with pages: neither regular nor a device.
pub fn check_kind(file: &OpenFile) -> CallResult<()> {
    match Mode(file.file().metadata()?.mode).file_type() {
        Mode::IFREG | Mode::IFCHR => Ok(()),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Moves up to `length` bytes from a file, at an offset or at its position, into a pipe, as many as it has room for; waits for room
/// only before the first.
pub fn fill(
    ctx: &Context<'_>,
    (input, start): (&OpenFile, Option<u64>),
    (pipe, output): (&PipeEnd, &OpenFile),
    length: usize,
    flags: u32,
) -> CallResult<usize> {
    // The pipe is looked at before the file.
    wait(ctx, flags, &[output], || pipe.has_room())?;
    // A stream is waited for, too.
    let waited = [output, input];
    let waited = if is_stream(input) {
        waited.as_slice()
    } else {
        check_kind(input)?;
        waited.get(..1).unwrap_or_default()
    };
    let first = start.unwrap_or_else(|| input.position());
    wait(ctx, flags, waited, || {
        let mut done = 0;
        pipe.splice_from(length, first, &mut |buffer| {
            let n = read(input, start.map(|start| start.saturating_add(done as u64)), buffer)?;
            done += n;
            Ok(n)
        })
    })
}

/// Reads at an offset, or at the position, which moves.
fn read(file: &OpenFile, at: Option<u64>, buffer: &mut [u8]) -> Result<usize, FsError> {
    match at {
        Some(at) => file.read_at(Offset(at), &mut SliceSink::new(buffer)),
        None => file.read(&mut SliceSink::new(buffer)),
    }
}

/// Writes at an offset, or at the position, which moves.
pub fn write(ctx: &Context<'_>, file: &OpenFile, at: Option<u64>, bytes: &[u8]) -> Result<usize, FsError> {
    let mut source = SliceSource::new(bytes).limited(ctx.file_size_limit());
    match at {
        Some(at) => file.write_at(Offset(at), &mut source),
        None => file.write(&mut source),
    }
}
