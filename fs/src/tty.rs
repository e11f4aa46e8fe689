//! [`LineDiscipline`]: a terminal's input editing, echo, signals and output processing (termios(3)), as pure logic.
//!
//! Called by [`console`](crate::console) with the bytes that a serial line delivers. Bytes to be shown (echo) go to a closure,
//! finished input is kept here until it is read. Invariants: in canonical mode the lengths in `lines` add up to at most
//! `ready.len()`, and what is behind them can be read only after a return to non-canonical mode; nothing grows beyond
//! [`INPUT_MAX`].
//!
//! A difference from Linux, invisible to a program that asks: VTIME counts as 0.

use abi::general as raw;
use abi::{Signal, structs::Termios};
use alloc::{collections::VecDeque, vec::Vec};

/// Most bytes of unread input; more are dropped with a bell, as Linux does with IMAXBEL.
pub const INPUT_MAX: usize = 4095;

/// A control character that was disabled.
const DISABLED: u8 = 0;

/// The settings of a new terminal: Linux's defaults.
pub fn default_termios() -> Termios {
    let mut termios: Termios = abi::zeroed();
    termios.c_iflag = raw::ICRNL | raw::IXON | raw::IMAXBEL;
    termios.c_oflag = raw::OPOST | raw::ONLCR;
    termios.c_cflag = raw::B38400 | raw::CS8 | raw::CREAD | raw::HUPCL;
    termios.c_lflag = raw::ISIG
        | raw::ICANON
        | raw::ECHO
        | raw::ECHOE
        | raw::ECHOK
        | raw::ECHOCTL
        | raw::ECHOKE
        | raw::IEXTEN;
    let characters = [
        (raw::VINTR, 0x03),
        (raw::VQUIT, 0x1c),
        (raw::VERASE, 0x7f),
        (raw::VKILL, 0x15),
        (raw::VEOF, 0x04),
        (raw::VMIN, 1),
        (raw::VSTART, 0x11),
        (raw::VSTOP, 0x13),
        (raw::VSUSP, 0x1a),
        (raw::VREPRINT, 0x12),
        (raw::VDISCARD, 0x0f),
        (raw::VWERASE, 0x17),
        (raw::VLNEXT, 0x16),
    ];
    for (index, value) in characters {
        if let Some(slot) = termios.c_cc.get_mut(index as usize) {
            *slot = value;
        }
    }
    termios
}

/// What a read finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Available {
    /// Nothing yet.
    Nothing,
    /// End of file.
    Eof,
    /// This many bytes.
    Bytes(usize),
}

/// What a byte of input does to the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowControl {
    /// VSTOP: it stops, and the byte is gone.
    Stop,
    /// VSTART: it goes on, and the byte is gone.
    Start,
    /// It goes on if it was stopped (IXANY), and the byte is ordinary.
    Any,
}

/// The state of a terminal.
pub struct LineDiscipline {
    termios: Termios,
    /// Input that can be read.
    ready: VecDeque<u8>,
    /// Canonical mode: lengths of the finished lines at the front of `ready`; 0 is an end of file.
    lines: VecDeque<usize>,
    /// Canonical mode: the line being typed.
    line: Vec<u8>,
    /// The next byte is taken literally (after VLNEXT).
    literal: bool,
    /// Cursor column, to know how wide an echoed tab was.
    column: usize,
    /// Column where the line being typed began.
    line_column: usize,
}

impl Default for LineDiscipline {
    fn default() -> Self {
        Self::new()
    }
}

impl LineDiscipline {
    /// A terminal with default settings.
    pub fn new() -> Self {
        LineDiscipline {
            termios: default_termios(),
            ready: VecDeque::new(),
            lines: VecDeque::new(),
            line: Vec::new(),
            literal: false,
            column: 0,
            line_column: 0,
        }
    }

    /// The settings.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the settings. Unfinished input becomes readable when canonical mode is left, and a line when it is entered.
    pub fn set_termios(&mut self, termios: Termios) {
        let was_canonical = self.local(raw::ICANON);
        self.termios = termios;
        match (was_canonical, self.local(raw::ICANON)) {
            (true, false) => {
                self.ready.extend(self.line.drain(..));
                self.lines.clear();
            }
            (false, true) if !self.ready.is_empty() => self.lines.push_back(self.ready.len()),
            _ => {}
        }
    }

    /// Drops all input (TCIFLUSH).
    pub fn flush(&mut self) {
        self.ready.clear();
        self.lines.clear();
        self.line.clear();
        self.literal = false;
    }

    fn local(&self, flag: u32) -> bool {
        self.termios.c_lflag & flag != 0
    }

    fn is(&self, byte: u8, character: u32) -> bool {
        byte != DISABLED && self.termios.c_cc.get(character as usize) == Some(&byte)
    }

    /// Whether input controls the output (IXON).
    pub fn controls_flow(&self) -> bool {
        self.termios.c_iflag & raw::IXON != 0
    }

    /// What the next byte does to the output. Asked before [`input`](Self::input), which does not get those that are gone.
    pub fn flow_control(&self, byte: u8) -> Option<FlowControl> {
        if !self.controls_flow() || self.literal {
            return None;
        }
        if self.is(byte, raw::VSTART) {
            Some(FlowControl::Start)
        } else if self.is(byte, raw::VSTOP) {
            Some(FlowControl::Stop)
        } else {
            (self.termios.c_iflag & raw::IXANY != 0).then_some(FlowControl::Any)
        }
    }

    /// Takes a byte from the line. What is to be shown goes to `echo`; a signal for the foreground group comes back.
    pub fn input(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) -> Option<Signal> {
        if self.literal {
            self.literal = false;
            self.store(byte, echo);
            return None;
        }
        let byte = match byte {
            b'\r' if self.termios.c_iflag & raw::IGNCR != 0 => return None,
            b'\r' if self.termios.c_iflag & raw::ICRNL != 0 => b'\n',
            b'\n' if self.termios.c_iflag & raw::INLCR != 0 => b'\r',
            byte => byte,
        };
        if self.local(raw::ISIG) {
            let signals =
                [(raw::VINTR, Signal::SIGINT), (raw::VQUIT, Signal::SIGQUIT), (raw::VSUSP, Signal::SIGTSTP)];
            if let Some((_, signal)) = signals.into_iter().find(|&(character, _)| self.is(byte, character)) {
                if !self.local(raw::NOFLSH) {
                    self.flush();
                }
                self.echo(byte, echo);
                return Some(signal);
            }
        }
        if self.local(raw::ICANON) {
            self.edit(byte, echo)
        } else {
            self.store(byte, echo)
        }
        None
    }

    /// Canonical mode: edits the line.
    fn edit(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) {
        let extended = self.local(raw::IEXTEN);
        if self.is(byte, raw::VERASE) || byte == 0x08 {
            // Both usual codes of the key erase, whichever the settings name: serial terminals differ.
            self.erase(echo);
        } else if self.is(byte, raw::VKILL) {
            while !self.line.is_empty() {
                self.erase(echo);
            }
        } else if extended && self.is(byte, raw::VWERASE) {
            while self.line.last().is_some_and(|byte| !is_word(*byte)) {
                self.erase(echo);
            }
            while self.line.last().is_some_and(|byte| is_word(*byte)) {
                self.erase(echo);
            }
        } else if extended && self.is(byte, raw::VLNEXT) {
            self.literal = true;
            if self.local(raw::ECHO) && self.local(raw::ECHOCTL) {
                echo(b"^\x08");
            }
        } else if extended && self.is(byte, raw::VREPRINT) {
            self.reprint(echo);
        } else if self.is(byte, raw::VEOF) {
            self.finish();
        } else if byte == b'\n' || self.is(byte, raw::VEOL) || self.is(byte, raw::VEOL2) {
            if byte == b'\n' && !self.local(raw::ECHO) && self.local(raw::ECHONL) {
                self.show(byte, echo);
            }
            self.store(byte, echo);
            if self.line.last() == Some(&byte) {
                self.finish();
            }
        } else {
            self.store(byte, echo);
        }
    }

    /// Ends the line being typed.
    fn finish(&mut self) {
        self.lines.push_back(self.line.len());
        self.ready.extend(self.line.drain(..));
    }

    /// Appends an ordinary byte.
    fn store(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) {
        let ends = byte == b'\n';
        // The last place is kept for the end of the line.
        let limit = if ends { INPUT_MAX + 1 } else { INPUT_MAX };
        if self.ready.len() + self.line.len() >= limit {
            echo(b"\x07");
            return;
        }
        if self.line.is_empty() {
            self.line_column = self.column;
        }
        if self.local(raw::ICANON) {
            self.line.push(byte);
        } else {
            self.ready.push_back(byte);
        }
        self.echo(byte, echo);
    }

    fn echo(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) {
        if !self.local(raw::ECHO) {
            return;
        }
        match byte {
            b'\n' | b'\t' => self.show(byte, echo),
            _ if is_control(byte) && self.local(raw::ECHOCTL) => {
                self.show(b'^', echo);
                self.show(byte ^ 0x40, echo);
            }
            _ => self.show(byte, echo),
        }
    }

    /// Takes back the last character of the line, on the screen too.
    fn erase(&mut self, echo: &mut dyn FnMut(&[u8])) {
        let Some(byte) = self.line.pop() else { return };
        if self.termios.c_iflag & raw::IUTF8 != 0 && byte & 0xc0 == 0x80 {
            // A continuation byte: the character goes with its first byte.
            return self.erase(echo);
        }
        if !self.local(raw::ECHO) || !self.local(raw::ECHOE) {
            return;
        }
        let before = self.line.iter().fold(self.line_column, |column, &byte| self.column_after(column, byte));
        let width = self.column_after(before, byte).saturating_sub(before);
        for _ in 0..width {
            // A tab is blank already.
            echo(if byte == b'\t' { b"\x08" } else { b"\x08 \x08" });
        }
        self.column = before;
    }

    /// The column after the echo of a byte.
    fn column_after(&self, column: usize, byte: u8) -> usize {
        match byte {
            b'\t' => (column | 7) + 1,
            b'\n' => 0,
            _ if is_control(byte) => column + if self.local(raw::ECHOCTL) { 2 } else { 0 },
            _ if self.termios.c_iflag & raw::IUTF8 != 0 && byte & 0xc0 == 0x80 => column,
            _ => column + 1,
        }
    }

    fn reprint(&mut self, echo: &mut dyn FnMut(&[u8])) {
        self.echo(0x12, echo);
        self.show(b'\n', echo);
        self.line_column = 0;
        for byte in self.line.clone() {
            self.echo(byte, echo);
        }
    }

    fn show(&mut self, byte: u8, echo: &mut dyn FnMut(&[u8])) {
        self.output(&[byte], echo);
    }

    /// Output processing: gives `bytes` to `emit` as they go to the line.
    pub fn output(&mut self, bytes: &[u8], emit: &mut dyn FnMut(&[u8])) {
        let newline = self.termios.c_oflag & raw::OPOST != 0 && self.termios.c_oflag & raw::ONLCR != 0;
        let mut plain = bytes;
        while let Some(at) = plain.iter().position(|&byte| newline && byte == b'\n') {
            let (before, rest) = plain.split_at(at);
            if !before.is_empty() {
                emit(before);
            }
            emit(b"\r\n");
            plain = rest.get(1..).unwrap_or_default();
        }
        if !plain.is_empty() {
            emit(plain);
        }
        for &byte in bytes {
            self.column = match byte {
                b'\n' | b'\r' => 0,
                b'\t' => (self.column | 7) + 1,
                0x08 => self.column.saturating_sub(1),
                _ if is_control(byte) => self.column,
                _ => self.column + 1,
            };
        }
    }

    /// What a read of up to `wanted` bytes would get.
    pub fn available(&self, wanted: usize) -> Available {
        if self.local(raw::ICANON) {
            return match self.lines.front() {
                None => Available::Nothing,
                Some(0) => Available::Eof,
                Some(&len) => Available::Bytes(len.min(wanted)),
            };
        }
        let min = self.termios.c_cc.get(raw::VMIN as usize).copied().unwrap_or(1);
        let enough = usize::from(min).min(wanted).max(1);
        match self.ready.len() {
            // VMIN 0: a read never waits, and nothing there reads as nothing.
            0 if min == 0 => Available::Eof,
            len if len >= enough || (min == 0 && len > 0) => Available::Bytes(len.min(wanted)),
            _ => Available::Nothing,
        }
    }

    /// Bytes that FIONREAD reports.
    pub fn readable_len(&self) -> usize {
        if self.local(raw::ICANON) { self.lines.iter().sum() } else { self.ready.len() }
    }

    /// The next `len` bytes that can be read, without taking them, as one slice; shorter where the queue wraps.
    pub fn peek(&self, len: usize) -> &[u8] {
        let (front, back) = self.ready.as_slices();
        let slice = if front.is_empty() { back } else { front };
        slice.get(..len).unwrap_or(slice)
    }

    /// Takes `len` bytes that [`available`](Self::available) offered; 0 takes an end of file.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.ready.len());
        self.ready.drain(..len);
        if let Some(line) = self.lines.front_mut() {
            *line = line.saturating_sub(len);
            if *line == 0 {
                self.lines.pop_front();
            }
        }
    }
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests;
