//! The grammar by example, its errors, and the round trip as a property.

use super::*;
use proptest::prelude::*;

fn parse(line: &str) -> CommandLine {
    CommandLine::parse(line.as_bytes()).unwrap()
}

fn fails(line: &str) -> (CmdlineErrorKind, usize) {
    let error = CommandLine::parse(line.as_bytes()).unwrap_err();
    (error.kind, error.position)
}

fn program(line: &str) -> Vec<Vec<u8>> {
    parse(line).program.unwrap()
}

#[test]
fn options_and_program() {
    let line = parse("  ip=10.99.0.2/24\tstrace env.PATH=/bin:/usr/bin\n-- /bin/echo -n  -- a=b ");
    assert_eq!(line.get("ip"), Some(&b"10.99.0.2/24"[..]));
    assert_eq!(line.get("strace"), Some(&b""[..]));
    assert_eq!(line.get("missing"), None);
    assert_eq!(line.env().collect::<Vec<_>>(), [("PATH", &b"/bin:/usr/bin"[..])]);
    assert_eq!(line.program.unwrap(), [&b"/bin/echo"[..], b"-n", b"--", b"a=b"]);
}

#[test]
fn empty_lines() {
    assert_eq!(parse(""), CommandLine::default());
    assert_eq!(parse(" \t\r\n "), CommandLine::default());
}

#[test]
fn quotes_and_escapes() {
    assert_eq!(parse(r#"env.A="b c" d"#).get("env.A"), Some(&b"b c"[..]));
    assert_eq!(parse(r#""env.A=b c""#).get("env.A"), Some(&b"b c"[..]));
    assert_eq!(parse(r#"a=x" "y" "z"#).get("a"), Some(&b"x y z"[..]));
    assert_eq!(parse(r#"a="\\\"\n\t\r\x41\xfF""#).get("a"), Some(&b"\\\"\n\t\rA\xff"[..]));
    assert_eq!(parse(r"a\x3db=c").get("a=b"), Some(&b"c"[..]));
    assert_eq!(parse("a=b=c").get("a"), Some(&b"b=c"[..]));
    assert_eq!(program(r#"-- "" "a b" a\x20b "--""#), [&b""[..], b"a b", b"a b", b"--"]);
    assert_eq!(parse(r#""--" -- x"#).options, [("--".to_string(), vec![])]);
    assert_eq!(parse("a='b").get("a"), Some(&b"'b"[..]));
}

#[test]
fn errors_say_where() {
    use CmdlineErrorKind::*;
    assert_eq!(fails("a b=\"c d"), (UnclosedQuote, 4));
    assert_eq!(fails("abc \\q"), (BadEscape, 4));
    assert_eq!(fails("abc\\"), (BadEscape, 3));
    assert_eq!(fails("\\x4"), (BadEscape, 0));
    assert_eq!(fails("\\xg0"), (BadEscape, 0));
    assert_eq!(fails("\\x 0"), (BadEscape, 0));
    assert_eq!(fails("a =b"), (EmptyKey, 2));
    assert_eq!(fails("\"\""), (EmptyKey, 0));
    assert_eq!(fails("\\xff=1"), (KeyNotText, 0));
    assert_eq!(fails("a\0"), (Nul, 1));
    assert_eq!(fails("-- a \\x00"), (Nul, 5));
    assert_eq!(fails("a -- "), (NoProgram, 2));
    let text = CommandLine::parse(b"a =b").unwrap_err().to_string();
    assert_eq!(text, "an option has no name (byte 2 of the command line)");
}

#[test]
fn the_last_one_counts() {
    let line = parse("a=1 env.X=1 a=2 env.X=2 env.Y=3 env.=4");
    assert_eq!(line.get("a"), Some(&b"2"[..]));
    assert_eq!(line.env().collect::<Vec<_>>(), [("X", &b"2"[..]), ("Y", b"3")]);
}

#[test]
fn overlay_replaces_options_and_program() {
    let line = parse("a=1 b=2 a=3 -- /p 1").overlay(parse("a=4 c=5"));
    assert_eq!(line, parse("b=2 a=4 c=5 -- /p 1"));
    assert_eq!(parse("a -- /p 1").overlay(parse("-- /q")), parse("a -- /q"));
    assert_eq!(parse("a").overlay(CommandLine::default()), parse("a"));
}

#[test]
fn rendering_is_plain_where_it_can_be() {
    for line in
        ["ip=dhcp strace env.A=\"b c\" -- /bin/sh -c \"exit 3\"", "-- /x \"\"", "\"--\" -- /x", "a=b=c"]
    {
        assert_eq!(parse(line).render(), line);
    }
    let odd = CommandLine { options: vec![("k=".into(), b"\0\x7f\xc3\xbc\\".to_vec())], program: None };
    assert_eq!(odd.render(), r"k\x3d=\x00\x7f\xc3\xbc\\");
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        1u8..=255,
        Just(b' '),
        Just(b'"'),
        Just(b'\\'),
        Just(b'='),
        Just(b'-'),
        Just(b'\n'),
        Just(b'x')
    ];
    prop::collection::vec(byte, 0..10)
}

fn command_line() -> impl Strategy<Value = CommandLine> {
    let key = prop_oneof!["[a-z.=\" \\\\-]{1,8}", "[^\0]{1,8}", Just("--".to_string())];
    let options = prop::collection::vec((key, bytes()), 0..5);
    let program = prop::option::of(prop::collection::vec(bytes(), 1..5));
    (options, program).prop_map(|(options, program)| CommandLine { options, program })
}

proptest! {
    #[test]
    fn parsing_what_was_rendered(line in command_line()) {
        let text = line.render();
        prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(CommandLine::parse(text.as_bytes()), Ok(line));
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_within_the_line(
        line in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b' '), Just(b'=')], 0..60),
    ) {
        match CommandLine::parse(&line) {
            Ok(parsed) => prop_assert_eq!(CommandLine::parse(parsed.render().as_bytes()), Ok(parsed)),
            Err(error) => prop_assert!(error.position < line.len()),
        }
    }

    #[test]
    fn overlay_lets_the_later_line_win(base in command_line(), over in command_line(), key in "[a-c]") {
        let both = base.clone().overlay(over.clone());
        prop_assert_eq!(both.get(&key), over.get(&key).or(base.get(&key)));
        for (key, _) in &over.options {
            prop_assert_eq!(both.get(key), over.get(key));
        }
        prop_assert_eq!(both.program, over.program.or(base.program));
    }
}
