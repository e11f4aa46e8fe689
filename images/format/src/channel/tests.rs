//! Both directions of every encoding, and lines that only look like records.

use super::*;
use proptest::prelude::*;

#[test]
fn records_as_text() {
    assert_eq!(Record::Exit(255).to_string(), "\x1eexit 255\n");
    assert_eq!(Record::Signal(11).to_string(), "\x1esignal 11\n");
    assert_eq!(Record::Panic.to_string(), "\x1epanic\n");
    assert_eq!(Record::Input.to_string(), "\x1einput\n");
    let id = BuildId([0xab; 20]);
    assert_eq!(Record::Kernel(id).to_string(), format!("\x1ekernel {}\n", "ab".repeat(20)));
    let listen =
        |protocol, address: &str, port| Record::Listen { protocol, address: address.parse().unwrap(), port };
    assert_eq!(listen(Protocol::Tcp, "0.0.0.0", 11211).to_string(), "\x1elisten tcp 0.0.0.0 11211\n");
    assert_eq!(listen(Protocol::Udp, "fe80::1", 0).to_string(), "\x1elisten udp fe80::1 0\n");
    let mut out = String::new();
    Record::Exit(0).encode(&mut out).unwrap();
    assert_eq!(out, "\x1eexit 0\n");
}

#[test]
fn lookalikes_are_text() {
    for line in [
        &b"exit 1"[..],
        b"\x1e",
        b"\x1eexit",
        b"\x1eexit ",
        b"\x1eexit 256",
        b"\x1eexit +1",
        b"\x1eexit -1",
        b"\x1eexit 1 ",
        b"\x1eexit 0001",
        b"\x1epanic 1",
        b"\x1ekernel 12",
        b"\x1eexit \xff",
        b" \x1eexit 1",
        b"\x1elisten tcp 0.0.0.0",
        b"\x1elisten tcp 0.0.0.0 65536",
        b"\x1elisten tcp 0.0.0.0 +1",
        b"\x1elisten tcp 0.0.0.0 1 2",
        b"\x1elisten tcp 0.0.0 1",
        b"\x1elisten TCP 0.0.0.0 1",
        b"\x1elisten tcp fe80::1%1 1",
        b"",
    ] {
        assert_eq!(parse_line(line), Line::Text(line));
    }
    assert_eq!(parse_line(b"text\n"), Line::Text(b"text"));
}

#[test]
fn frames() {
    let kernel = Frame { address: 0xffff_ffff_8010_1234, place: None };
    assert_eq!(kernel.to_string(), "  at 0xffffffff80101234");
    let line = "  at 0x7f0012345 (/usr/bin/a+b (old)+0x2345)";
    let program = Frame { address: 0x7_f001_2345, place: Some(("/usr/bin/a+b (old)", 0x2345)) };
    assert_eq!(program.to_string(), line);
    assert_eq!(Frame::parse(line.as_bytes()), Some(program));
    for line in [
        "  at 401234",
        "  at 0x",
        "  at 0x+1",
        "at 0x1",
        "  at 0x1 ",
        "  at 0x1 (x)",
        "  at 0x1 (/x+0x2",
        "  at 0x11112222333344445",
        "  at 0x1 f (a.rs:1)",
    ] {
        assert_eq!(Frame::parse(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn unknown_escapes_are_dropped() {
    let mut decoder = InputDecoder::new();
    let got: Vec<_> = [0xff, 7, b'a', 0xff, 0].iter().filter_map(|&byte| decoder.push(byte)).collect();
    assert_eq!(got, [Input::Byte(b'a'), Input::Eof]);
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        any::<u8>().prop_map(Record::Exit),
        any::<u8>().prop_map(Record::Signal),
        Just(Record::Panic),
        Just(Record::Input),
        any::<[u8; 20]>().prop_map(|id| Record::Kernel(BuildId(id))),
        (prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)], any::<IpAddr>(), any::<u16>())
            .prop_map(|(protocol, address, port)| Record::Listen { protocol, address, port }),
    ]
}

proptest! {
    #[test]
    fn records_read_back(record in record()) {
        let line = record.to_string();
        prop_assert_eq!(parse_line(line.as_bytes()), Line::Record(record));
    }

    #[test]
    fn frames_read_back(address: u64, place in prop::option::of(("/[^\n]{0,20}", any::<u64>()))) {
        let frame = Frame { address, place: place.as_ref().map(|(path, offset)| (path.as_str(), *offset)) };
        let line = frame.to_string();
        prop_assert_eq!(Frame::parse(line.as_bytes()), Some(frame));
    }

    #[test]
    fn any_line_is_a_record_or_itself(line in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x1e), Just(b'\n')], 0..20)) {
        match parse_line(&line) {
            Line::Record(record) => prop_assert!(!record.to_string().is_empty()),
            Line::Text(text) => prop_assert_eq!(text, line.strip_suffix(b"\n").unwrap_or(&line)),
        }
        let _ = Frame::parse(&line);
    }

    #[test]
    fn input_arrives_as_it_was(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0)], 0..50)) {
        let mut wire = encode_input(&bytes);
        wire.extend_from_slice(&INPUT_EOF);
        let mut decoder = InputDecoder::new();
        let got: Vec<_> = wire.iter().filter_map(|&byte| decoder.push(byte)).collect();
        let mut expected: Vec<_> = bytes.iter().map(|&byte| Input::Byte(byte)).collect();
        expected.push(Input::Eof);
        prop_assert_eq!(got, expected);
    }
}
