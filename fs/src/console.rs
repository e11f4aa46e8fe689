//! [`Console`]: the first serial port as the program's terminal and standard files.
//!
//! The kernel implements [`ConsoleDevice`] on its serial port; `task` opens [`ConsoleFile`]s as descriptors 0 to 2. Two modes:
//! - *serial*: the other end is a terminal on a line; the kernel edits lines, echoes and turns ^C into a signal
//!   ([`LineDiscipline`]);
//! - *host*: the other end is a tool that relays its own standard files. Bytes pass unchanged; input is framed so that end of
//!   file can arrive (`image_format::channel`). Each direction is a terminal to the program only if it is one on the host,
//!   otherwise a FIFO.
//!
//! Invariant: the device is read with the console's input locked. Nobody waits here: who finds nothing sleeps until
//! [`Console::changed`].

mod file;
mod flow;
mod options;
mod requests;

use self::flow::Flow;
use crate::notify::Notifier;
use crate::tty::{Available, FlowControl, LineDiscipline, default_termios};
use crate::{FsError, Sink, Source};
use abi::{PollEvents, Signal, structs::Termios, structs::Winsize};
use alloc::{collections::VecDeque, sync::Arc};
use core::sync::atomic::{AtomicU32, Ordering};
use image_format::channel::{Input, InputDecoder};
use sync::{Mutex, SetOnce};

pub use file::{ConsoleFile, End, standard_files};
pub use options::{ConsoleMode, ConsoleOptions};

/// The line behind the console.
pub trait ConsoleDevice: Send + Sync {
    /// Sends all of `bytes`.
    fn write(&self, bytes: &[u8]);

    /// Takes received bytes into `buf`, without waiting; returns how many. Called by one thread at a time.
    fn read(&self, buf: &mut [u8]) -> usize;
}

/// Takes the signals that the terminal makes.
pub trait SignalTarget: Send + Sync {
    /// Makes `signal` pending for the foreground group.
    fn terminal_signal(&self, signal: Signal);
}

/// Input that has arrived.
enum Buffered {
    Serial(LineDiscipline),
    Host {
        decoder: InputDecoder,
        ready: VecDeque<u8>,
        /// End of file stands behind `ready`.
        eof: bool,
    },
}

/// The console.
pub struct Console {
    device: &'static dyn ConsoleDevice,
    mode: ConsoleMode,
    input: Mutex<Buffered>,
    /// Whether output may go on. Locked for moments, and after `input` where both are.
    flow: Mutex<Flow>,
    /// Settings in host mode, where they have no effect but are kept.
    host_termios: Mutex<Termios>,
    winsize: Mutex<Winsize>,
    foreground: AtomicU32,
    /// The session whose terminal it is.
    session: AtomicU32,
    target: SetOnce<Arc<dyn SignalTarget>>,
    /// Told when input has been taken in.
    changed: Notifier,
}

/// Bytes moved at a time between the device and the program.
const CHUNK: usize = 512;

impl Console {
    /// The console on `device`.
    pub fn new(device: &'static dyn ConsoleDevice, options: ConsoleOptions) -> Arc<Self> {
        let input = match options.mode {
            ConsoleMode::Serial => Buffered::Serial(LineDiscipline::new()),
            ConsoleMode::Host { .. } => {
                Buffered::Host { decoder: InputDecoder::new(), ready: VecDeque::new(), eof: false }
            }
        };
        let (ws_row, ws_col) = options.winsize;
        Arc::new(Console {
            device,
            mode: options.mode,
            input: Mutex::new(input),
            flow: Mutex::new(Flow::new()),
            host_termios: Mutex::new(default_termios()),
            winsize: Mutex::new(Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }),
            foreground: AtomicU32::new(0),
            session: AtomicU32::new(0),
            target: SetOnce::new(),
            changed: Notifier::new(),
        })
    }

    /// Says who gets the terminal's signals, and the foreground process group, which is also the session's number. Later calls change
    /// only the group.
    pub fn set_foreground(&self, group: u32, target: Option<Arc<dyn SignalTarget>>) {
        self.foreground.store(group, Ordering::Relaxed);
        self.session.store(group, Ordering::Relaxed);
        if let Some(target) = target {
            // The first target stays: there is one session.
            let _ = self.target.set(target);
        }
    }

    /// Whether the program has a terminal at all.
    pub fn is_terminal(&self) -> bool {
        self.end_is_terminal(End::Input) || self.end_is_terminal(End::Output)
    }

    fn end_is_terminal(&self, end: End) -> bool {
        match (self.mode, end) {
            (ConsoleMode::Serial, _) => true,
            (ConsoleMode::Host { tty_in, .. }, End::Input) => tty_in,
            (ConsoleMode::Host { tty_out, .. }, End::Output | End::Error) => tty_out,
        }
    }

    /// Takes in what the device has received, without waiting: echo and signals happen now. Called by reads and polls, and by
    /// the kernel when it returns to the program after a receive interrupt.
    pub fn take_in(&self) {
        let mut buf = [0; 64];
        let mut input = self.input.lock();
        let mut any = false;
        loop {
            let n = self.device.read(&mut buf);
            any |= n > 0;
            for &byte in buf.get(..n).unwrap_or_default() {
                self.take_byte(&mut input, byte);
            }
            if n < buf.len() {
                break;
            }
        }
        drop(input);
        if any {
            self.changed.notify();
        }
    }

    fn take_byte(&self, input: &mut Buffered, byte: u8) {
        match input {
            Buffered::Serial(tty) => {
                let mut emit = |bytes: &[u8]| self.device.write(bytes);
                let mut flow = self.flow.lock();
                match tty.flow_control(byte) {
                    Some(FlowControl::Stop) => return flow.stop(),
                    Some(FlowControl::Start) => return flow.start(&mut emit),
                    Some(FlowControl::Any) if flow.is_stopped() => flow.start(&mut emit),
                    Some(FlowControl::Any) | None => {}
                }
                let signal = tty.input(byte, &mut |echo| flow.echo(echo, &mut emit));
                if signal.is_some() && tty.controls_flow() {
                    flow.start(&mut emit);
                }
                drop(flow);
                if let (Some(signal), Some(target)) = (signal, self.target.get()) {
                    target.terminal_signal(signal);
                }
            }
            Buffered::Host { decoder, ready, eof } => match decoder.push(byte) {
                Some(Input::Byte(byte)) => ready.push_back(byte),
                Some(Input::Eof) => *eof = true,
                None => {}
            },
        }
    }

    /// read(2) on the console.
    pub fn read(&self, dst: &mut dyn Sink) -> Result<usize, FsError> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        self.take_in();
        self.read_ready(dst)?.ok_or(FsError::WouldBlock)
    }

    /// Moves input that is there; `None` if there is none, 0 at the end of the file.
    fn read_ready(&self, dst: &mut dyn Sink) -> Result<Option<usize>, FsError> {
        let mut input = self.input.lock();
        let mut done = 0;
        loop {
            let moved = match &mut *input {
                Buffered::Serial(tty) => match tty.available(dst.remaining()) {
                    Available::Nothing => return Ok(None),
                    Available::Eof => {
                        tty.consume(0);
                        return Ok(Some(0));
                    }
                    Available::Bytes(len) => dst.put(tty.peek(len)).inspect(|&n| {
                        tty.consume(n);
                    }),
                },
                Buffered::Host { ready, eof, .. } => {
                    let (front, _) = ready.as_slices();
                    if front.is_empty() && done == 0 {
                        return Ok(self.host_end(eof));
                    }
                    dst.put(front).inspect(|&n| {
                        ready.drain(..n.min(ready.len()));
                    })
                }
            };
            match moved {
                Ok(0) => return Ok(Some(done)),
                Ok(n) => done += n,
                Err(_) if done > 0 => return Ok(Some(done)),
                Err(error) => return Err(error),
            }
            // The rest of a queue that wrapped follows at once; a second line must not.
            if matches!(*input, Buffered::Serial(_)) || dst.remaining() == 0 {
                return Ok(Some(done));
            }
        }
    }

    /// End of file in host mode: lasting for a FIFO, once for a terminal.
    fn host_end(&self, eof: &mut bool) -> Option<usize> {
        let reached = *eof;
        if self.end_is_terminal(End::Input) {
            *eof = false;
        }
        reached.then_some(0)
    }

    /// Told when input has been taken in.
    pub fn changed(&self) -> &Notifier {
        &self.changed
    }

    /// write(2) on the console.
    pub fn write(&self, src: &mut dyn Source) -> Result<usize, FsError> {
        let mut buf = [0; CHUNK];
        let mut done = 0;
        while src.remaining() > 0 {
            if self.is_stopped() {
                return if done > 0 { Ok(done) } else { Err(FsError::WouldBlock) };
            }
            let n = match src.take(&mut buf) {
                Ok(0) => break,
                Ok(n) => n,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            };
            let bytes = buf.get(..n).unwrap_or_default();
            match &mut *self.input.lock() {
                Buffered::Serial(tty) => tty.output(bytes, &mut |out| self.device.write(out)),
                Buffered::Host { .. } => self.device.write(bytes),
            }
            done += n;
        }
        Ok(done)
    }

    /// Whether a terminal's output is stopped.
    fn is_stopped(&self) -> bool {
        if !self.end_is_terminal(End::Output) || !self.flow.lock().is_stopped() {
            return false;
        }
        // What was typed since may have started it.
        self.take_in();
        self.flow.lock().is_stopped()
    }

    /// What can be done without waiting.
    pub fn readiness(&self) -> PollEvents {
        self.take_in();
        let mut events = PollEvents::empty();
        if !self.is_stopped() {
            events |= PollEvents::OUT | PollEvents::WRNORM;
        }
        let readable = match &*self.input.lock() {
            Buffered::Serial(tty) => tty.available(1) != Available::Nothing,
            Buffered::Host { ready, eof, .. } => {
                if *eof && !self.end_is_terminal(End::Input) {
                    events |= PollEvents::HUP;
                }
                !ready.is_empty() || (*eof && self.end_is_terminal(End::Input))
            }
        };
        if readable {
            events |= PollEvents::IN | PollEvents::RDNORM;
        }
        events
    }

    fn termios(&self) -> Termios {
        match &*self.input.lock() {
            Buffered::Serial(tty) => *tty.termios(),
            Buffered::Host { .. } => *self.host_termios.lock(),
        }
    }

    fn set_termios(&self, termios: Termios, flush: bool) {
        match &mut *self.input.lock() {
            Buffered::Serial(tty) => {
                if flush {
                    tty.flush();
                }
                let before = tty.controls_flow();
                tty.set_termios(termios);
                if before && !tty.controls_flow() {
                    self.flow.lock().start(&mut |bytes| self.device.write(bytes));
                }
            }
            Buffered::Host { .. } => *self.host_termios.lock() = termios,
        }
        self.changed.notify();
    }

    fn readable_len(&self) -> u32 {
        self.take_in();
        let len = match &*self.input.lock() {
            Buffered::Serial(tty) => tty.readable_len(),
            Buffered::Host { ready, .. } => ready.len(),
        };
        u32::try_from(len).unwrap_or(u32::MAX)
    }

    fn flush(&self) {
        self.take_in();
        match &mut *self.input.lock() {
            Buffered::Serial(tty) => tty.flush(),
            Buffered::Host { ready, .. } => ready.clear(),
        }
    }
}

#[cfg(test)]
mod tests;
