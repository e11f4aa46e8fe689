//! The second channel on the host's side: kernel messages to stderr, records to the outcome.

use std::io::{self, Read, Write, stderr};
use std::sync::mpsc::Sender;

use image_format::channel::{Frame, Line, Record, parse_line};

use super::net::services::Services;
use super::symbols::Symbols;

/// A line of more bytes than this is shown in parts.
const LINE_MAX: usize = 64 << 10;

/// How the guest ended, by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program ended with this status.
    Exit(u8),
    /// The program was killed by this signal.
    Signal(u8),
    /// The kernel panicked.
    Panic,
}

/// Reads the channel to its end and shows what is for the user on stderr. `input` is told when the guest takes
/// input; `services` tells where clients find what the guest serves. Returns how the guest ended, if it said so.
pub fn read(channel: impl Read, symbols: Symbols, input: Sender<()>, services: Services) -> Option<Outcome> {
    let mut reader = Reader { out: stderr(), symbols, input, services, outcome: None, in_backtrace: false };
    reader.run(channel);
    reader.outcome
}

struct Reader<W> {
    out: W,
    symbols: Symbols,
    input: Sender<()>,
    services: Services,
    outcome: Option<Outcome>,
    /// The line before was a frame, so an address in the next one is a return address.
    in_backtrace: bool,
}

impl<W: Write> Reader<W> {
    fn run(&mut self, mut channel: impl Read) {
        let mut pending: Vec<u8> = Vec::new();
        let mut buffer = vec![0; 8192];
        loop {
            match channel.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => pending.extend_from_slice(buffer.get(..got).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break, // QEMU has gone; what it wrote was read before
            }
            while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                self.line(&line);
            }
            if pending.len() > LINE_MAX {
                let line = std::mem::take(&mut pending);
                self.line(&line);
            }
        }
        if !pending.is_empty() {
            self.line(&pending);
        }
    }

    fn line(&mut self, line: &[u8]) {
        match parse_line(line) {
            Line::Record(record) => self.record(record),
            Line::Text(text) => self.text(text),
        }
    }

    fn record(&mut self, record: Record) {
        match record {
            // A panic while the machine is shut down is still a panic.
            Record::Exit(_) | Record::Signal(_) if self.outcome == Some(Outcome::Panic) => (),
            Record::Exit(status) => self.outcome = Some(Outcome::Exit(status)),
            Record::Signal(number) => self.outcome = Some(Outcome::Signal(number)),
            Record::Panic => self.outcome = Some(Outcome::Panic),
            // Without a receiver there is nothing to send.
            Record::Input => drop(self.input.send(())),
            Record::Listen { protocol, address, port } => {
                for line in self.services.listening(protocol, address, port) {
                    self.show(line.as_bytes(), &[]);
                }
            }
            Record::Kernel(id) => {
                if let Err(why) = self.symbols.kernel_is(id) {
                    self.show(why.as_bytes(), &[]);
                }
            }
        }
    }

    fn text(&mut self, text: &[u8]) {
        let frame = Frame::parse(text);
        let places = frame.map(|frame| self.symbols.places(&frame, self.in_backtrace)).unwrap_or_default();
        self.in_backtrace = frame.is_some();
        self.show(text, &places);
    }

    /// A line with the places it stands for: the innermost behind it, those it was inlined into below.
    fn show(&mut self, text: &[u8], places: &[String]) {
        let mut out = text.to_vec();
        for (index, place) in places.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b" " } else { b"\n     inlined into " });
            out.extend_from_slice(place.as_bytes());
        }
        out.push(b'\n');
        // If stderr is gone there is nowhere to say so.
        let _ = self.out.write_all(&out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(channel: &[u8]) -> (Option<Outcome>, String) {
        let (input, _) = std::sync::mpsc::channel();
        let symbols = Symbols::new(None, None);
        let services = Services::forwarded([10, 0, 2, 15].into(), vec!["8080:80".parse().unwrap()]);
        let mut reader =
            Reader { out: Vec::new(), symbols, input, services, outcome: None, in_backtrace: false };
        reader.run(channel);
        (reader.outcome, String::from_utf8_lossy(&reader.out).into_owned())
    }

    #[test]
    fn records_are_not_shown() {
        let (outcome, text) = shown(b"booting\n\x1eexit 3\nlast words");
        assert_eq!(outcome, Some(Outcome::Exit(3)));
        assert_eq!(text, "booting\nlast words\n");
    }

    #[test]
    fn a_panic_stands() {
        assert_eq!(shown(b"\x1eexit 0\n\x1epanic\n\x1eexit 1\n").0, Some(Outcome::Panic));
        assert_eq!(shown(b"\x1esignal 11\n").0, Some(Outcome::Signal(11)));
        assert_eq!(shown(b"nothing\n").0, None);
    }

    #[test]
    fn input_is_announced() {
        let (input, ready) = std::sync::mpsc::channel();
        assert_eq!(
            read(&b"\x1einput\n\x1eexit 0\n"[..], Symbols::new(None, None), input, Services::default()),
            Some(Outcome::Exit(0))
        );
        assert!(ready.recv().is_ok() && ready.recv().is_err());
    }

    #[test]
    fn a_service_is_announced_once() {
        let (_, text) =
            shown(b"\x1elisten tcp 0.0.0.0 80\n\x1elisten tcp 0.0.0.0 80\n\x1elisten tcp 0.0.0.0 81\n");
        assert_eq!(
            text,
            "nospin: serving on 127.0.0.1:8080 (tcp)\n\
             nospin: the program serves port 81 (tcp), to which no -p leads\n"
        );
    }

    #[test]
    fn endless_lines_are_shown_in_parts() {
        let (_, text) = shown(&vec![b'x'; 200_000]);
        assert_eq!(text.replace('\n', "").len(), 200_000);
        assert!(text.lines().count() > 1);
    }
}
