//! The first line of a script: which program interprets it (execve(2), "Interpreter scripts").
//!
//! Called by exec, and by the image builder, which packs the interpreter too. Pure text: whether the interpreter exists is
//! the caller's business.

use core::fmt;

/// How much of a file is looked at: the line, `#!` included, must end within it.
pub const LINE_MAX: usize = 256;

/// How many scripts may interpret one another before the last interpreter has to be an ELF file (else ELOOP).
pub const NESTING_MAX: usize = 5;

/// What the line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptLine<'a> {
    /// Path of the interpreter.
    pub interpreter: &'a [u8],
    /// The rest of the line as one argument, blanks inside it included.
    pub argument: Option<&'a [u8]>,
}

/// The line names no interpreter, or its path does not end within [`LINE_MAX`] (ENOEXEC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine;

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its first line names no interpreter, or one with too long a path")
    }
}

impl core::error::Error for BadLine {}

/// Reads the first line of a file, of which `head` is the beginning: [`LINE_MAX`] bytes, or all if it is shorter. `None` if
/// it is no script.
pub fn parse(head: &[u8]) -> Option<Result<ScriptLine<'_>, BadLine>> {
    let head = head.get(..LINE_MAX).unwrap_or(head);
    head.strip_prefix(b"#!").map(|rest| parse_line(rest, head.len() == LINE_MAX))
}

/// `full` says that the file goes on behind what is known of it.
fn parse_line(rest: &[u8], full: bool) -> Result<ScriptLine<'_>, BadLine> {
    let newline = rest.iter().position(|&byte| byte == b'\n');
    // Linux keeps the last byte of its buffer for the end of the string.
    let end = newline.unwrap_or(if full { rest.len().saturating_sub(1) } else { rest.len() });
    let line = trim(rest.get(..end).unwrap_or(rest));
    let name_len = line.iter().position(|&byte| is_blank(byte) || byte == 0);
    let interpreter = line.get(..name_len.unwrap_or(line.len())).unwrap_or(line);
    // A path that runs into the end may be the beginning of another one.
    let ended = || rest.iter().skip_while(|&&byte| is_blank(byte)).any(|&byte| is_blank(byte) || byte == 0);
    let cut = newline.is_none() && full && !ended();
    if interpreter.is_empty() || cut {
        return Err(BadLine);
    }
    // A NUL ends what C sees of the line.
    let tail = line.get(interpreter.len()..).unwrap_or_default();
    let tail = if tail.first() == Some(&0) { &[] } else { trim(tail) };
    let tail = tail.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(ScriptLine { interpreter, argument: (!tail.is_empty()).then_some(tail) })
}

const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without the blanks at both ends.
fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| !is_blank(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(head: &[u8]) -> Option<Result<(String, Option<String>), BadLine>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(parse(head)?.map(|line| (text(line.interpreter), line.argument.map(text))))
    }

    #[track_caller]
    fn gives(head: &[u8], interpreter: &str, argument: Option<&str>) {
        assert_eq!(line(head), Some(Ok((interpreter.into(), argument.map(Into::into)))));
    }

    #[test]
    fn lines() {
        gives(b"#!/bin/sh\necho\n", "/bin/sh", None);
        gives(b"#!/bin/sh", "/bin/sh", None);
        gives(b"#! \t/bin/sh \t\nx", "/bin/sh", None);
        gives(b"#!/usr/bin/env  -S perl -w \n", "/usr/bin/env", Some("-S perl -w"));
        gives(b"#!/bin/sh -e\r\n", "/bin/sh", Some("-e\r"));
        gives(b"#!sh\n", "sh", None);
        gives(b"#!/bin/sh\0 -e\n", "/bin/sh", None);
        gives(b"#!/bin/sh -e\0-u\n", "/bin/sh", Some("-e"));
        for bad in [&b"#!"[..], b"#!\n", b"#!  \t \nsh", b"#!\0sh\n"] {
            assert_eq!(line(bad), Some(Err(BadLine)), "{}", bad.escape_ascii());
        }
        for other in [&b""[..], b"#", b"# !", b"\x7fELF", b" #!/bin/sh\n"] {
            assert_eq!(line(other), None);
        }
    }

    #[test]
    fn long_lines() {
        let long = |name: usize, rest: &str| [b"#!/", &vec![b'n'; name - 1][..], rest.as_bytes()].concat();
        let path = |name: usize| format!("/{}", "n".repeat(name - 1));
        gives(&long(253, "\nx"), &path(253), None);
        assert_eq!(line(&long(254, "\nx")), Some(Err(BadLine)), "the newline is byte 257");
        gives(&long(253, " argument"), &path(253), None);
        gives(&long(200, &format!(" {}", "a".repeat(100))), &path(200), Some(&"a".repeat(52)));
        assert_eq!(line(&[b"#!", &[b' '; 300][..]].concat()), Some(Err(BadLine)));
    }

    proptest! {
        #[test]
        fn pieces_of_the_head(tail in proptest::collection::vec(prop_oneof![
            Just(b' '), Just(b'\t'), Just(b'\n'), Just(0), Just(b'/'), any::<u8>()], 0..300)) {
            let head = [b"#!", &tail[..]].concat();
            if let Some(Ok(line)) = parse(&head) {
                let blank = |byte: &u8| b" \t\n\0".contains(byte);
                prop_assert!(!line.interpreter.is_empty() && !line.interpreter.iter().any(blank));
                if let Some(argument) = line.argument {
                    prop_assert!(!argument.is_empty() && !argument.contains(&b'\n') && !argument.contains(&0));
                }
            }
        }
    }
}
