//! What programs ask of the terminal with ioctl(2): see ioctl_tty(2) and ioctl_console(2). Called by the files of the console.
//!
//! The line has no speed, parity or break: such settings are kept and read back. Output is sent at once, so nothing is ever left to be
//! drained.

use abi::structs::{Termios, Termios2, Winsize};
use abi::{Signal, general as raw, ioctl};
use core::sync::atomic::Ordering;
use mm::user::{UserMemory, UserPtr};

use super::{Buffered, Console};
use crate::FsError;

/// Bits per second of the codes from B0 to B38400.
const SLOW: [u32; 16] =
    [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400];
/// Bits per second of the codes from B57600 on.
const FAST: [u32; 15] = [
    57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000,
    2_500_000, 3_000_000, 3_500_000, 4_000_000,
];
/// The one line discipline (N_TTY).
const LINE_DISCIPLINE: u32 = 0;

/// Bytes of input up to which programs may add to it.
const MOST_TYPED: usize = 4096;

/// The speed that settings name.
fn speed(flags: u32) -> u32 {
    let code = (flags & raw::CBAUD) as usize;
    let fast = raw::B57600 as usize;
    let known = if code < fast { SLOW.get(code) } else { FAST.get(code - fast) };
    known.copied().unwrap_or(0)
}

/// The settings with a speed that they name by a code, if there is one for it.
fn with_speed(flags: u32, speed: u32) -> u32 {
    let slow = SLOW.iter().position(|known| *known == speed);
    let fast = FAST.iter().position(|known| *known == speed).map(|place| place + raw::B57600 as usize);
    slow.or(fast).map_or(flags, |code| flags & !raw::CBAUD | code as u32)
}

impl Console {
    /// Answers a request.
    ///
    /// # Errors
    /// `Fault`; `NotTty`: an unknown request; `Invalid`: an unknown choice; `NoProcess`: no such process group in the session.
    pub fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        let fault = |_| FsError::Fault;
        match request {
            ioctl::TCGETS => UserPtr::new(arg).write(memory, &self.termios()).map_err(fault)?,
            ioctl::TCSETS | ioctl::TCSETSW | ioctl::TCSETSF => {
                let termios = UserPtr::<Termios>::new(arg).read(memory).map_err(fault)?;
                self.set_termios(termios, request == ioctl::TCSETSF);
            }
            ioctl::TCGETS2 => UserPtr::new(arg).write(memory, &self.termios2()).map_err(fault)?,
            ioctl::TCSETS2 | ioctl::TCSETSW2 | ioctl::TCSETSF2 => {
                let termios = UserPtr::<Termios2>::new(arg).read(memory).map_err(fault)?;
                self.set_termios2(&termios, request == ioctl::TCSETSF2);
            }
            ioctl::TIOCGWINSZ => UserPtr::new(arg).write(memory, &*self.winsize.lock()).map_err(fault)?,
            ioctl::TIOCSWINSZ => self.resize(UserPtr::<Winsize>::new(arg).read(memory).map_err(fault)?),
            ioctl::TIOCGPGRP => {
                let group = self.foreground.load(Ordering::Relaxed);
                UserPtr::new(arg).write(memory, &group).map_err(fault)?;
            }
            ioctl::TIOCGSID => {
                let session = self.session.load(Ordering::Relaxed);
                UserPtr::new(arg).write(memory, &session).map_err(fault)?;
            }
            ioctl::TIOCSPGRP => {
                let group = UserPtr::<i32>::new(arg).read(memory).map_err(fault)?;
                let group = u32::try_from(group).map_err(|_| FsError::Invalid)?;
                // One process is all there is of the session, and leads it and its group.
                if group != self.session.load(Ordering::Relaxed) {
                    return Err(FsError::NoProcess);
                }
                self.foreground.store(group, Ordering::Relaxed);
            }
            ioctl::TIOCSTI => self.type_in(UserPtr::<u8>::new(arg).read(memory).map_err(fault)?),
            ioctl::TIOCGETD => UserPtr::new(arg).write(memory, &LINE_DISCIPLINE).map_err(fault)?,
            ioctl::TIOCSETD => {
                if UserPtr::<u32>::new(arg).read(memory).map_err(fault)? != LINE_DISCIPLINE {
                    return Err(FsError::Invalid);
                }
            }
            ioctl::FIONREAD => UserPtr::new(arg).write(memory, &self.readable_len()).map_err(fault)?,
            ioctl::TIOCOUTQ => UserPtr::new(arg).write(memory, &0u32).map_err(fault)?,
            ioctl::TCFLSH => match u32::try_from(arg) {
                Ok(raw::TCIFLUSH | raw::TCIOFLUSH) => self.flush(),
                Ok(raw::TCOFLUSH) => {}
                _ => return Err(FsError::Invalid),
            },
            ioctl::TCXONC => self.control_flow(arg)?,
            ioctl::TCSBRK | ioctl::TCSBRKP | ioctl::TIOCSCTTY => {}
            _ => return Err(FsError::NotTty),
        }
        Ok(0)
    }

    /// TCXONC (tcflow(3)): stops output or lets it go on, here or at the other end of the line.
    fn control_flow(&self, arg: u64) -> Result<(), FsError> {
        let emit = &mut |bytes: &[u8]| self.device.write(bytes);
        let send = |character: u32| {
            let byte = self.termios().c_cc.get(character as usize).copied().unwrap_or_default();
            if byte != 0 {
                self.device.write(&[byte]);
            }
        };
        match u32::try_from(arg) {
            Ok(raw::TCOOFF) => self.flow.lock().off(),
            Ok(raw::TCOON) => {
                self.flow.lock().on(emit);
                self.changed.notify();
            }
            Ok(raw::TCIOFF) => send(raw::VSTOP),
            Ok(raw::TCION) => send(raw::VSTART),
            _ => return Err(FsError::Invalid),
        }
        Ok(())
    }

    fn termios2(&self) -> Termios2 {
        let Termios { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc } = self.termios();
        let speed = speed(c_cflag);
        Termios2 { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc, c_ispeed: speed, c_ospeed: speed }
    }

    /// A speed for which there is no code (BOTHER) leaves the one that was.
    fn set_termios2(&self, new: &Termios2, flush: bool) {
        let Termios2 { c_iflag, c_oflag, mut c_cflag, c_lflag, c_line, c_cc, c_ospeed, .. } = *new;
        if c_cflag & raw::CBAUD == raw::BOTHER {
            let old = self.termios().c_cflag & raw::CBAUD;
            c_cflag = with_speed(c_cflag & !raw::CBAUD | old, c_ospeed);
        }
        self.set_termios(Termios { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc }, flush);
    }

    /// The foreground group is told when the size is another one.
    fn resize(&self, size: Winsize) {
        let old = core::mem::replace(&mut *self.winsize.lock(), size);
        let fields = |size: Winsize| [size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel];
        if fields(old) != fields(size)
            && let Some(target) = self.target.get()
        {
            target.terminal_signal(Signal::SIGWINCH);
        }
    }

    /// A byte of input that the program makes itself.
    fn type_in(&self, byte: u8) {
        let mut input = self.input.lock();
        match &mut *input {
            Buffered::Serial(_) => self.take_byte(&mut input, byte),
            Buffered::Host { ready, .. } => {
                // As much as a terminal holds; what is beyond that is lost there, too.
                if ready.len() < MOST_TYPED && ready.try_reserve(1).is_ok() {
                    ready.push_back(byte);
                }
            }
        }
        drop(input);
        self.changed.notify();
    }
}
