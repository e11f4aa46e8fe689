//! Running QEMU and moving bytes between it and the terminal.
//!
//! Each of the guest's channels is one end of a socket pair. Threads with blocking reads and writes move the
//! bytes, so that a slow reader slows down the guest's writer and nothing is dropped; after QEMU's end they run
//! until their socket is empty. QEMU dies with `nospin`, however that ends: by the signal thread of
//! [`interrupt`](crate::interrupt), or by the kernel (PR_SET_PDEATHSIG).
#![allow(unsafe_code)] // pre_exec: what runs between fork and exec has to be vouched for

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use image_format::channel::INPUT_EOF;
use image_format::encode_input;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{FdFlags, fcntl_setfd, retry_on_intr};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getppid, kill_process, set_parent_process_death_signal, waitid,
};

use super::net::ports::Reserved;
use super::net::services::Services;
use super::qemu::{Chardev, Vm};
use super::second::{self, Outcome};
use super::symbols::Symbols;
use super::{RunError, STATUS_LOST, STATUS_PANIC, STATUS_PIPE};
use crate::image::Image;
use crate::interrupt;

/// Bytes moved at once.
const CHUNK: usize = 64 << 10;
/// As much of QEMU's own messages is kept for the case that it fails.
const STDERR_MAX: u64 = 64 << 10;

/// Starts the VM, relays until it has ended, and returns the exit status for `nospin`. QEMU takes over `ports`.
/// `is_line`: the guest takes its console for a terminal on a line, and input goes there as it is.
///
/// # Errors
/// QEMU cannot be started.
pub fn run(
    mut vm: Vm,
    image: Option<Image>,
    kernel: Option<&Path>,
    services: Services,
    ports: Reserved,
    is_line: bool,
) -> Result<u8, RunError> {
    let (console, console_guest) = UnixStream::pair().map_err(RunError::Start)?;
    let (channel, channel_guest) = UnixStream::pair().map_err(RunError::Start)?;
    vm.console = Chardev::Socket(console_guest.as_raw_fd());
    vm.channel = Chardev::Socket(channel_guest.as_raw_fd());
    drop(ports);
    let mut child = spawn(&vm, [console_guest.into(), channel_guest.into()])?;
    let pid = Pid::from_child(&child);
    interrupt::child_started(pid);
    if let Some(port) = vm.gdb {
        eprintln!("nospin: waiting for gdb; attach with: gdb -ex 'target remote 127.0.0.1:{port}'");
    }

    let closed = Arc::new(AtomicBool::new(false));
    let input = console.try_clone().map_err(RunError::Start)?;
    let (announce, announced) = mpsc::channel();
    // Blocked in a read most of the time; it ends with the process.
    thread::spawn(move || {
        // An error means that the guest ended without taking input.
        if announced.recv().is_ok() {
            send_input(input, is_line);
        }
    });
    let output = thread::spawn({
        let closed = Arc::clone(&closed);
        move || {
            if !copy_output(console) {
                // Nobody reads any more: end the VM as SIGPIPE would end a program.
                closed.store(true, Ordering::Relaxed);
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    });
    let kernel = kernel.map(Path::to_owned);
    let messages =
        thread::spawn(move || second::read(channel, Symbols::new(image, kernel), announce, services));
    let complaints = child.stderr.take().map(|stderr| thread::spawn(move || collect(stderr)));

    let status = wait(&mut child, pid).map_err(RunError::Start)?;
    // A thread that panicked has said so on stderr; its part of the result is missing.
    let _ = output.join();
    let outcome = messages.join().ok().flatten();
    let complaints = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if closed.load(Ordering::Relaxed) {
        return Ok(STATUS_PIPE);
    }
    Ok(report(outcome, status, &complaints))
}

/// Starts QEMU with the two sockets under their own numbers.
fn spawn(vm: &Vm, sockets: [OwnedFd; 2]) -> Result<Child, RunError> {
    let words = vm.command();
    let mut command = Command::new(&vm.program);
    command.args(words.iter().skip(1));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // Of its own, so that Ctrl-C reaches nospin alone, which then ends QEMU.
    command.process_group(0);
    let parent = rustix::process::getpid();
    let inherited = [sockets[0].as_raw_fd(), sockets[1].as_raw_fd()];
    let prepare = move || {
        for fd in inherited {
            // SAFETY: the descriptors belong to `sockets`, which live until the child was started, and
            // fork has copied them.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Between fork and the line above the parent may have died already.
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls, which are async-signal-safe; it allocates nothing and takes
    // no lock.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn();
    drop(sockets); // QEMU's ends: what is read here ends when QEMU does
    child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => RunError::NoQemu(vm.program.to_string_lossy().into_owned()),
        _ => RunError::Start(error),
    })
}

/// Waits for the end of QEMU, and reaps it after nobody will send it a signal any more.
fn wait(child: &mut Child, pid: Pid) -> io::Result<ExitStatus> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    retry_on_intr(|| waitid(WaitId::Pid(pid), ended))?;
    interrupt::child_ended();
    child.wait()
}

/// Standard input to the guest, framed unless it is to a line. Ends at end of file or when the guest is gone.
fn send_input(mut guest: UnixStream, is_line: bool) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match stdin().read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => {
                let bytes = &buffer[..got];
                let framed = if is_line { bytes.to_vec() } else { encode_input(bytes) };
                if guest.write_all(&framed).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) if error.kind() == ErrorKind::WouldBlock => ready(stdin().as_fd(), PollFlags::IN),
            // Input that cannot be read (a directory, a terminal that went away) is input that has ended.
            Err(_) => break,
        }
    }
    if !is_line {
        let _ = guest.write_all(&INPUT_EOF);
    }
}

/// The guest's output to standard output, unchanged and at once. Whether it could be written to the end.
fn copy_output(mut guest: UnixStream) -> bool {
    // Not through the standard library's buffer, which holds back what is no whole line.
    let Ok(fd) = stdout().as_fd().try_clone_to_owned() else { return false };
    let mut out = File::from(fd);
    let mut buffer = vec![0; CHUNK];
    loop {
        let got = match guest.read(&mut buffer) {
            Ok(0) => return true,
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // QEMU has gone with input that it had not read; what it wrote was read before this error came.
            Err(_) => return true,
        };
        let mut rest = &buffer[..got];
        while !rest.is_empty() {
            match out.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready(out.as_fd(), PollFlags::OUT),
                Err(error) => {
                    if error.kind() != ErrorKind::BrokenPipe {
                        eprintln!("nospin: standard output: {}", crate::make::reason(&error));
                    }
                    return false;
                }
            }
        }
    }
}

/// Sleeps until a descriptor that somebody made non-blocking is ready.
fn ready(fd: BorrowedFd<'_>, flags: PollFlags) {
    // An error of poll shows at the next read or write.
    let _ = poll(&mut [PollFd::new(&fd, flags)], None);
}

/// QEMU's own messages, the first of them.
fn collect(mut stderr: impl io::Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = stderr.by_ref().take(STDERR_MAX).read_to_end(&mut kept);
    // The rest has to be taken too, or QEMU would wait for it.
    let _ = io::copy(&mut stderr, &mut io::sink());
    kept
}

/// The exit status for what became of the guest. Says what is not said yet.
fn report(outcome: Option<Outcome>, status: ExitStatus, complaints: &[u8]) -> u8 {
    match outcome {
        Some(Outcome::Exit(status)) => status,
        Some(Outcome::Signal(number)) => number.saturating_add(128),
        Some(Outcome::Panic) => {
            eprintln!("nospin: the guest kernel panicked");
            STATUS_PANIC
        }
        None => {
            let complaints = String::from_utf8_lossy(complaints);
            for line in complaints.lines() {
                eprintln!("nospin: {line}");
            }
            eprintln!("nospin: the VM ended without a status from the guest (QEMU: {status})");
            STATUS_LOST
        }
    }
}
