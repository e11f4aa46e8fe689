//! The line discipline against what a Linux terminal shows and delivers.

use super::*;

struct Terminal {
    tty: LineDiscipline,
    screen: Vec<u8>,
    signals: Vec<Signal>,
}

impl Terminal {
    fn new() -> Self {
        Terminal { tty: LineDiscipline::new(), screen: Vec::new(), signals: Vec::new() }
    }

    fn type_(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let signal = self.tty.input(byte, &mut |shown| self.screen.extend_from_slice(shown));
            self.signals.extend(signal);
        }
    }

    fn read(&mut self, wanted: usize) -> Option<Vec<u8>> {
        match self.tty.available(wanted) {
            Available::Nothing => None,
            Available::Eof => {
                self.tty.consume(0);
                Some(Vec::new())
            }
            Available::Bytes(len) => {
                let mut out = Vec::new();
                while out.len() < len {
                    let piece = self.tty.peek(len - out.len()).to_vec();
                    self.tty.consume(piece.len());
                    out.extend(piece);
                }
                Some(out)
            }
        }
    }

    fn set_local(&mut self, clear: u32) {
        let mut termios = *self.tty.termios();
        termios.c_lflag &= !clear;
        self.tty.set_termios(termios);
    }
}

#[test]
fn a_line_comes_when_it_is_finished() {
    let mut t = Terminal::new();
    t.type_(b"hel");
    assert_eq!(t.read(100), None);
    t.type_(b"lo\r");
    assert_eq!(t.read(3).unwrap(), b"hel");
    assert_eq!(t.read(100).unwrap(), b"lo\n");
    assert_eq!(t.read(100), None);
    assert_eq!(t.screen, b"hello\r\n");
}

#[test]
fn one_read_gets_one_line() {
    let mut t = Terminal::new();
    t.type_(b"one\rtwo\r");
    assert_eq!(t.tty.readable_len(), 8);
    assert_eq!(t.read(100).unwrap(), b"one\n");
    assert_eq!(t.read(100).unwrap(), b"two\n");
}

#[test]
fn end_of_file() {
    let mut t = Terminal::new();
    t.type_(b"abc\x04");
    assert_eq!(t.read(100).unwrap(), b"abc", "in a line it only ends the line");
    assert_eq!(t.read(100), None);
    t.type_(b"\x04");
    assert_eq!(t.read(100).unwrap(), b"");
    assert_eq!(t.read(100), None, "and reading can go on");
}

#[test]
fn erase_kill_and_word_erase() {
    let mut t = Terminal::new();
    t.type_(b"abx\x7f\x08bc\r");
    assert_eq!(t.read(100).unwrap(), b"abc\n");
    assert_eq!(t.screen, b"abx\x08 \x08\x08 \x08bc\r\n");
    t.type_(b"\x7fwrong\x15right\r");
    assert_eq!(t.read(100).unwrap(), b"right\n");
    t.type_(b"one two \x17three\r");
    assert_eq!(t.read(100).unwrap(), b"one three\n");
}

#[test]
fn erasing_what_is_wider_than_one_column() {
    let mut t = Terminal::new();
    t.type_(b"\x01");
    assert_eq!(t.screen, b"^A");
    t.screen.clear();
    t.type_(b"\x7f");
    assert_eq!(t.screen, b"\x08 \x08\x08 \x08");
    t.screen.clear();
    t.type_(b"ab\t");
    t.screen.clear();
    t.type_(b"\x7f");
    assert_eq!(t.screen, [8; 6], "the tab went from column 2 to 8");
}

#[test]
fn utf8_is_erased_by_character() {
    let mut t = Terminal::new();
    let mut termios = *t.tty.termios();
    termios.c_iflag |= raw::IUTF8;
    t.tty.set_termios(termios);
    t.type_("a\u{e4}\u{20ac}\x7f\r".as_bytes());
    assert_eq!(t.read(100).unwrap(), "a\u{e4}\n".as_bytes());
}

#[test]
fn signals_drop_the_input() {
    let mut t = Terminal::new();
    t.type_(b"line\rpartial\x03");
    assert_eq!(t.signals, [Signal::SIGINT]);
    assert!(t.screen.ends_with(b"^C"));
    assert_eq!(t.read(100), None);
    t.type_(b"\x1c\x1a");
    assert_eq!(t.signals, [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP]);
}

#[test]
fn literal_next() {
    let mut t = Terminal::new();
    t.type_(b"\x16\x03\x16\x04\r");
    assert_eq!(t.read(100).unwrap(), b"\x03\x04\n");
    assert!(t.signals.is_empty());
}

#[test]
fn raw_mode() {
    let mut t = Terminal::new();
    t.type_(b"half");
    t.set_local(raw::ICANON | raw::ECHO | raw::ISIG);
    assert_eq!(t.read(100).unwrap(), b"half", "what was typed becomes readable");
    t.screen.clear();
    t.type_(b"\x03x\x04");
    assert_eq!(t.read(2).unwrap(), b"\x03x");
    assert_eq!(t.read(2).unwrap(), b"\x04");
    assert!(t.screen.is_empty() && t.signals.is_empty());

    let mut termios = *t.tty.termios();
    termios.c_cc[raw::VMIN as usize] = 3;
    t.tty.set_termios(termios);
    t.type_(b"ab");
    assert_eq!(t.read(10), None, "VMIN 3");
    assert_eq!(t.read(2).unwrap(), b"ab", "but never more than asked for");
    termios.c_cc[raw::VMIN as usize] = 0;
    t.tty.set_termios(termios);
    assert_eq!(t.read(10).unwrap(), b"");
}

#[test]
fn input_is_bounded() {
    let mut t = Terminal::new();
    t.type_(&[b'x'; 10_000]);
    assert!(t.screen.ends_with(b"\x07"));
    t.type_(b"\r");
    let line = t.read(100_000).unwrap();
    assert_eq!(line.len(), INPUT_MAX + 1);
    assert!(line.ends_with(b"x\n"));
}

#[test]
fn output_processing() {
    let mut tty = LineDiscipline::new();
    let mut out = Vec::new();
    tty.output(b"a\n\nb", &mut |bytes| out.extend_from_slice(bytes));
    assert_eq!(out, b"a\r\n\r\nb");
    let mut termios = *tty.termios();
    termios.c_oflag = 0;
    tty.set_termios(termios);
    out.clear();
    tty.output(b"a\nb", &mut |bytes| out.extend_from_slice(bytes));
    assert_eq!(out, b"a\nb");
}
