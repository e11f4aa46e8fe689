//! The console in both modes.

use super::*;
use crate::testing::FakeLine;
use crate::{OpenFile, SliceSink, SliceSource};
use abi::{Mode, OpenFlags, general as raw, ioctl};
use alloc::boxed::Box;
use alloc::vec::Vec;
use mm::fake::FakeUserMemory;

fn console(mode: ConsoleMode) -> (Vec<Arc<OpenFile>>, Arc<Console>, &'static FakeLine) {
    let line: &'static FakeLine = Box::leak(Box::default());
    let console = Console::new(line, ConsoleOptions { mode, winsize: (50, 132) });
    (standard_files(&console), console, line)
}

fn read(file: &OpenFile, len: usize) -> Result<Vec<u8>, FsError> {
    let mut buf = vec![0; len];
    let n = file.read(&mut SliceSink::new(&mut buf))?;
    buf.truncate(n);
    Ok(buf)
}

const PIPES: ConsoleMode = ConsoleMode::Host { tty_in: false, tty_out: false };

#[test]
fn options() {
    let parse = ConsoleOptions::parse;
    assert_eq!(parse(None, None, None).0, ConsoleOptions { mode: ConsoleMode::Serial, winsize: (24, 80) });
    let (options, bad) = parse(Some(b"host"), Some(b"in,out"), Some(b"50x132"));
    assert_eq!(bad, None);
    assert_eq!(options.mode, ConsoleMode::Host { tty_in: true, tty_out: true });
    assert_eq!(options.winsize, (50, 132));
    assert!(parse(Some(b"vga"), None, None).1.is_some());
    assert!(parse(None, Some(b"err"), None).1.is_some());
    assert!(parse(None, None, Some(b"50")).1.is_some());
}

#[test]
fn host_bytes_pass_unchanged() {
    let (files, _, line) = console(PIPES);
    assert_eq!(files[1].write(&mut SliceSource::new(b"a\nb\xff\0")), Ok(5));
    let long = vec![b'x'; 3000];
    assert_eq!(files[2].write(&mut SliceSource::new(&long)), Ok(3000));
    assert_eq!(line.output.lock()[..5], *b"a\nb\xff\0");
    assert_eq!(line.output.lock().len(), 3005);
    line.input.lock().extend(image_format::channel::encode_input(b"in\r\x03\xff!"));
    assert_eq!(read(&files[0], 100).unwrap(), b"in\r\x03\xff!");
}

#[test]
fn host_end_of_file_lasts_for_a_pipe_and_not_for_a_terminal() {
    let (files, _, line) = console(PIPES);
    line.input.lock().extend(b"x\xff\x00");
    assert_eq!(read(&files[0], 100).unwrap(), b"x");
    assert_eq!(read(&files[0], 100).unwrap(), b"");
    assert_eq!(read(&files[0], 100).unwrap(), b"");
    assert!(files[0].file().readiness().contains(PollEvents::HUP));

    let (files, _, line) = console(ConsoleMode::Host { tty_in: true, tty_out: false });
    line.input.lock().extend(b"\xff\x00");
    assert_eq!(read(&files[0], 100).unwrap(), b"");
    assert_eq!(read(&files[0], 100), Err(FsError::WouldBlock), "it goes on");
    line.input.lock().extend(b"more\n");
    assert_eq!(read(&files[0], 100).unwrap(), b"more\n");
}

#[test]
fn directions_and_types() {
    let (files, _, _) = console(ConsoleMode::Host { tty_in: false, tty_out: true });
    let kind = |i: usize| files[i].file().metadata().unwrap().mode & Mode::IFMT;
    assert_eq!([kind(0), kind(1), kind(2)], [Mode::IFIFO, Mode::IFCHR, Mode::IFCHR]);
    assert_eq!(files[0].write(&mut SliceSource::new(b"x")), Err(FsError::BadMode));
    assert_eq!(files[0].seek(crate::SeekFrom::Start(0)), Err(FsError::NotSeekable));
    let memory = FakeUserMemory::new();
    memory.map(0x1000, 4096);
    let get = |i: usize, request| files[i].file().ioctl(request, 0x1000, &memory);
    assert_eq!(get(0, ioctl::TCGETS), Err(FsError::NotTty));
    assert_eq!(get(0, ioctl::FIONREAD), Ok(0));
    assert_eq!(get(1, ioctl::TCGETS), Ok(0));
    let (files, _, _) = console(PIPES);
    assert_eq!(files[1].file().ioctl(ioctl::TIOCGWINSZ, 0x1000, &memory), Err(FsError::NotTty));
}

#[test]
fn terminal_requests() {
    let (files, console, _) = console(ConsoleMode::Serial);
    console.set_foreground(2, None);
    let memory = FakeUserMemory::new();
    memory.map(0x1000, 4096);
    let file = files[0].file();
    let call = |request, arg| file.ioctl(request, arg, &memory);
    assert_eq!(call(ioctl::TIOCGWINSZ, 0x1000), Ok(0));
    assert_eq!(memory.get(0x1000, 4), [50, 0, 132, 0]);
    assert_eq!(call(ioctl::TIOCGPGRP, 0x1000), Ok(0));
    assert_eq!(memory.get(0x1000, 4), [2, 0, 0, 0]);
    assert_eq!(call(ioctl::TCGETS, 0x1000), Ok(0));
    let mut termios = memory.get(0x1000, 36);
    termios[12] &= !(raw::ICANON as u8 | raw::ECHO as u8);
    memory.put(0x1100, &termios);
    assert_eq!(call(ioctl::TCSETS, 0x1100), Ok(0));
    assert_eq!(call(ioctl::TCGETS, 0x1200), Ok(0));
    assert_eq!(memory.get(0x1200, 36), termios);
    for request in [ioctl::TCGETS, ioctl::TCSETS, ioctl::TIOCGWINSZ, ioctl::TIOCSWINSZ, ioctl::TIOCGPGRP] {
        assert_eq!(call(request, 0x9000), Err(FsError::Fault));
    }
    assert_eq!(call(0x1234, 0), Err(FsError::NotTty));
    assert_eq!(call(ioctl::TCFLSH, 9), Err(FsError::Invalid));
}

#[test]
fn groups_sizes_and_typed_bytes() {
    for mode in [ConsoleMode::Serial, ConsoleMode::Host { tty_in: true, tty_out: true }] {
        let (files, console, line) = console(mode);
        let signals = Arc::new(Signals(Mutex::new(Vec::new())));
        console.set_foreground(2, Some(signals.clone()));
        let memory = FakeUserMemory::new();
        memory.map(0x1000, 4096);
        let call = |request, arg| files[0].file().ioctl(request, arg, &memory);
        for (group, want) in [(2i32, Ok(0)), (3, Err(FsError::NoProcess)), (-1, Err(FsError::Invalid))] {
            memory.put(0x1000, &group.to_le_bytes());
            assert_eq!(call(ioctl::TIOCSPGRP, 0x1000), want);
        }
        assert_eq!((call(ioctl::TIOCGSID, 0x1000), memory.get(0x1000, 4)), (Ok(0), vec![2, 0, 0, 0]));
        // The same size is no change.
        memory.put(0x1000, &[50, 0, 132, 0, 0, 0, 0, 0]);
        assert_eq!((call(ioctl::TIOCSWINSZ, 0x1000), signals.0.lock().len()), (Ok(0), 0));
        memory.put(0x1000, &[51, 0]);
        assert_eq!(
            (call(ioctl::TIOCSWINSZ, 0x1000), signals.0.lock().clone()),
            (Ok(0), vec![Signal::SIGWINCH])
        );
        // What is typed in is input, also a byte that means something to whoever sends real input.
        for byte in [b'x', 0xff, b'\n'] {
            memory.put(0x1000, &[byte]);
            assert_eq!(call(ioctl::TIOCSTI, 0x1000), Ok(0));
        }
        assert_eq!(read(&files[0], 100).unwrap(), b"x\xff\n");
        assert_eq!(line.output.lock().is_empty(), mode != ConsoleMode::Serial, "a line echoes");
        memory.put(0x1000, &[1, 0, 0, 0]);
        assert_eq!(call(ioctl::TIOCSETD, 0x1000), Err(FsError::Invalid));
        assert_eq!((call(ioctl::TIOCGETD, 0x1000), memory.get(0x1000, 4)), (Ok(0), vec![0; 4]));
    }
}

#[test]
fn speeds() {
    let (files, _, _) = console(ConsoleMode::Serial);
    let memory = FakeUserMemory::new();
    memory.map(0x1000, 4096);
    let call = |request| files[0].file().ioctl(request, 0x1000, &memory);
    let word = |at: u64| u32::from_le_bytes(memory.get(0x1000 + at, 4).try_into().unwrap());
    assert_eq!((call(ioctl::TCGETS2), word(36), word(40)), (Ok(0), 38_400, 38_400));
    let flags = word(8) & !raw::CBAUD;
    for (code, given, want) in [
        (raw::B115200, 0, (raw::B115200, 115_200)),
        (raw::B4000000, 0, (raw::B4000000, 4_000_000)),
        (raw::BOTHER, 9600, (raw::B9600, 9600)),
        (raw::BOTHER, 12_345, (raw::B9600, 9600)),
        (raw::B0, 0, (raw::B0, 0)),
    ] {
        memory.put(0x1008, &(flags | code).to_le_bytes());
        memory.put(0x1028, &u32::to_le_bytes(given));
        assert_eq!((call(ioctl::TCSETS2), call(ioctl::TCGETS2)), (Ok(0), Ok(0)));
        assert_eq!((word(8) & raw::CBAUD, word(40)), want);
    }
}

struct Signals(Mutex<Vec<Signal>>);

impl SignalTarget for Signals {
    fn terminal_signal(&self, signal: Signal) {
        self.0.lock().push(signal);
    }
}

#[test]
fn serial_lines_echo_and_signals() {
    let (files, console, line) = console(ConsoleMode::Serial);
    let signals = Arc::new(Signals(Mutex::new(Vec::new())));
    console.set_foreground(2, Some(signals.clone()));
    files[1].write(&mut SliceSource::new(b"> \n")).unwrap();
    for piece in ["on", "e"] {
        line.input.lock().extend(piece.as_bytes());
        assert_eq!(read(&files[0], 100), Err(FsError::WouldBlock), "no line yet");
    }
    line.input.lock().extend(b"\r\x04");
    assert_eq!(read(&files[0], 100).unwrap(), b"one\n");
    assert_eq!(read(&files[0], 100).unwrap(), b"");
    assert_eq!(*line.output.lock(), b"> \r\none\r\n");
    line.input.lock().extend(b"\x03");
    assert_eq!(read(&files[0], 100), Err(FsError::WouldBlock));
    assert_eq!(*signals.0.lock(), [Signal::SIGINT]);
}

#[test]
fn nonblocking_and_readiness() {
    let (files, _, line) = console(ConsoleMode::Serial);
    files[0].set_flags(OpenFlags::NONBLOCK);
    assert_eq!(read(&files[0], 10), Err(FsError::WouldBlock));
    let file = files[0].file();
    line.input.lock().extend(b"x");
    assert!(!file.readiness().contains(PollEvents::IN), "no whole line yet");
    line.input.lock().extend(b"\r");
    assert!(file.readiness().contains(PollEvents::IN | PollEvents::OUT));
    assert_eq!(read(&files[0], 0).unwrap(), b"");
    assert_eq!(read(&files[0], 10).unwrap(), b"x\n");
}

#[test]
fn a_bad_buffer_keeps_the_input() {
    let (files, _, line) = console(PIPES);
    line.input.lock().extend(b"data");
    let memory = FakeUserMemory::new();
    let bad = [mm::user::UserSlice::new(0x1000, 10)];
    assert_eq!(files[0].read(&mut crate::UserSink::new(&memory, &bad, 10)), Err(FsError::Fault));
    assert_eq!(read(&files[0], 10).unwrap(), b"data");
}

#[test]
fn output_stops_and_goes_on() {
    let (files, _, line) = console(ConsoleMode::Serial);
    let memory = FakeUserMemory::new();
    let call = |request, arg| files[0].file().ioctl(request, arg, &memory);
    let write = |text: &[u8]| files[1].write(&mut SliceSource::new(text));
    let writable = || files[1].file().readiness().contains(PollEvents::OUT);
    line.input.lock().extend(b"\x13x");
    assert!(!writable());
    assert_eq!((write(b"a"), write(b"")), (Err(FsError::WouldBlock), Ok(0)));
    assert_eq!(call(ioctl::TCXONC, raw::TCOON.into()), Ok(0));
    assert!(!writable(), "what is typed stops it until the same starts it");
    assert!(line.output.lock().is_empty(), "the echo waits");
    line.input.lock().extend(b"\x11");
    assert_eq!((writable(), write(b"b")), (true, Ok(1)));
    assert_eq!(call(ioctl::TCXONC, raw::TCOOFF.into()), Ok(0));
    line.input.lock().extend(b"\x11");
    assert_eq!(write(b"c"), Err(FsError::WouldBlock));
    assert_eq!(call(ioctl::TCXONC, raw::TCOON.into()), Ok(0));
    for which in [raw::TCIOFF, raw::TCION] {
        assert_eq!(call(ioctl::TCXONC, which.into()), Ok(0));
    }
    assert_eq!(*line.output.lock(), b"xb\x13\x11");
    assert_eq!(call(ioctl::TCXONC, 9), Err(FsError::Invalid));

    // A pipe has no such thing, though the program may reach the terminal at the other end.
    let (files, console, _) = self::console(ConsoleMode::Host { tty_in: true, tty_out: false });
    assert_eq!(console.ioctl(ioctl::TCXONC, raw::TCOOFF.into(), &memory), Ok(0));
    assert_eq!(files[1].write(&mut SliceSource::new(b"a")), Ok(1));
}
