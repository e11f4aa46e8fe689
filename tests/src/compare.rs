//! Judging an outcome: pure functions from what was wanted and what came to a verdict in words.

use crate::exec::Outcome;

/// What a stream must hold.
#[derive(Clone, Debug)]
pub enum Text {
    /// Exactly what the native run wrote (thread numbers in Rust's panic messages aside).
    AsNative,
    /// What the native run wrote, figures aside.
    LikeNative,
    /// The lines that the native run wrote, in any order.
    SameLines,
    /// Exactly this.
    Is(Vec<u8>),
    /// All of these pieces.
    Has(Vec<String>),
    /// None of these pieces.
    Lacks(Vec<String>),
    /// Nothing.
    Empty,
}

/// What the exit status must be.
#[derive(Clone, Debug)]
pub enum Status {
    /// The native run's.
    AsNative,
    /// This one.
    Is(i32),
    /// One of these.
    OneOf(Vec<i32>),
}

/// Compares a status; `Err` says what is wrong.
///
/// # Errors
/// The difference in words.
pub fn status(want: &Status, got: i32, native: Option<&Outcome>) -> Result<(), String> {
    let wanted: Vec<i32> = match want {
        Status::AsNative => vec![native.ok_or("no native run to compare with")?.status],
        Status::Is(status) => vec![*status],
        Status::OneOf(any) => any.clone(),
    };
    if wanted.contains(&got) { Ok(()) } else { Err(format!("status {got}, wanted {}", list(&wanted))) }
}

fn list(numbers: &[i32]) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(" or ")
}

/// Compares a stream; `Err` says what is wrong.
///
/// # Errors
/// The difference in words.
pub fn text(name: &str, want: &Text, got: &[u8], native: Option<&Outcome>) -> Result<(), String> {
    match want {
        Text::AsNative => {
            let native = &native.ok_or("no native run to compare with")?.stdout;
            same(name, &without_thread_numbers(native), &without_thread_numbers(got))
        }
        Text::LikeNative => {
            let native = &native.ok_or("no native run to compare with")?.stdout;
            same(name, &without_figures(native), &without_figures(got))
        }
        Text::SameLines => {
            let native = &native.ok_or("no native run to compare with")?.stdout;
            same(name, &sorted_lines(native), &sorted_lines(got))
        }
        Text::Is(bytes) => same(name, bytes, got),
        Text::Empty => same(name, b"", got),
        Text::Has(pieces) => match pieces.iter().find(|piece| !contains(got, piece.as_bytes())) {
            None => Ok(()),
            Some(piece) => Err(format!("{name} lacks {piece:?}; it is:\n{}", tail(got))),
        },
        Text::Lacks(pieces) => match pieces.iter().find(|piece| contains(got, piece.as_bytes())) {
            None => Ok(()),
            Some(piece) => Err(format!("{name} holds {piece:?}; it is:\n{}", tail(got))),
        },
    }
}

fn contains(bytes: &[u8], piece: &[u8]) -> bool {
    piece.is_empty() || bytes.windows(piece.len()).any(|window| window == piece)
}

/// Equal, or the first place where they differ.
fn same(name: &str, want: &[u8], got: &[u8]) -> Result<(), String> {
    if want == got {
        return Ok(());
    }
    let at = want.iter().zip(got).take_while(|(a, b)| a == b).count();
    let line = 1 + want[..at].iter().filter(|byte| **byte == b'\n').count();
    Err(format!(
        "{name} differs at byte {at} of {} (line {line}; {} bytes came): wanted {}, got {}",
        want.len(),
        got.len(),
        excerpt(want, at),
        excerpt(got, at)
    ))
}

/// The line around a place, quoted.
fn excerpt(bytes: &[u8], at: usize) -> String {
    if at >= bytes.len() {
        return "the end".into();
    }
    let start = bytes[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1)
        .max(at.saturating_sub(60));
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |n| at + n).min(at + 60);
    format!("\"{}\"", bytes[start..end].escape_ascii())
}

/// The last lines of a stream, for a report: printable, whatever the stream held.
pub fn tail(bytes: &[u8]) -> String {
    const LINES: usize = 30;
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(LINES);
    let mut out = if skipped > 0 { format!("      ... {skipped} lines ...\n") } else { String::new() };
    for line in &lines[skipped..] {
        out.push_str("      | ");
        out.extend(line.chars().take(300).map(|c| if c.is_control() { '.' } else { c }));
        out.push('\n');
    }
    out
}

/// `thread 'main' (1234) panicked` names the process, which differs.
fn without_thread_numbers(bytes: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"thread 'main' (";
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        let (head, behind) = rest.split_at(at + MARK.len());
        out.extend_from_slice(head);
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest = &behind[digits..];
    }
    out.extend_from_slice(rest);
    out
}

fn sorted_lines(bytes: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// Every run of blanks as one blank, every word that holds a digit as `#`.
fn without_figures(bytes: &[u8]) -> Vec<u8> {
    let line = |line: &[u8]| {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let plain = |word| if <[u8]>::iter(word).any(u8::is_ascii_digit) { b"#" } else { word };
        words.map(plain).collect::<Vec<_>>().join(&b' ')
    };
    bytes.split(|byte| *byte == b'\n').map(line).collect::<Vec<_>>().join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(stdout: &[u8], status: i32) -> Outcome {
        Outcome { status, stdout: stdout.to_vec(), ..Outcome::default() }
    }

    #[test]
    fn statuses() {
        let linux = native(b"", 139);
        assert!(status(&Status::AsNative, 139, Some(&linux)).is_ok());
        assert_eq!(status(&Status::AsNative, 0, Some(&linux)).unwrap_err(), "status 0, wanted 139");
        assert!(status(&Status::AsNative, 0, None).is_err());
        assert!(status(&Status::OneOf(vec![0, 137]), 137, None).is_ok());
        assert!(status(&Status::OneOf(vec![0, 137]), 253, None).unwrap_err().contains("0 or 137"));
    }

    #[test]
    fn streams() {
        let linux = native(b"one\ntwo\n", 0);
        assert!(text("stdout", &Text::AsNative, b"one\ntwo\n", Some(&linux)).is_ok());
        let wrong = text("stdout", &Text::AsNative, b"one\ntwx\n", Some(&linux)).unwrap_err();
        assert!(wrong.contains("byte 6") && wrong.contains("line 2") && wrong.contains("\"twx\""), "{wrong}");
        assert!(text("stdout", &Text::AsNative, b"one\n", Some(&linux)).unwrap_err().contains("got the end"));
        assert!(text("stdout", &Text::AsNative, b"one\ntwo\n!", Some(&linux)).is_err());
        assert!(text("stderr", &Text::Empty, b"x", None).is_err());
        assert!(text("stderr", &Text::Has(vec!["a".into(), "b".into()]), b"xbya", None).is_ok());
        assert!(text("stderr", &Text::Has(vec!["a".into(), "c".into()]), b"xbya", None).is_err());
        assert!(text("stderr", &Text::Lacks(vec!["panic".into()]), b"a panic!", None).is_err());
        assert!(text("stderr", &Text::Lacks(vec!["panic".into()]), b"quiet", None).is_ok());
    }

    #[test]
    fn figures_may_differ_and_words_may_not() {
        let linux = native(b"sha256   12.5k in 1.00s\n", 0);
        assert!(text("stdout", &Text::LikeNative, b"sha256 9k  in 1.1s\n", Some(&linux)).is_ok());
        assert!(text("stdout", &Text::LikeNative, b"sha256 9k at 1.1s\n", Some(&linux)).is_err());
        assert!(text("stdout", &Text::LikeNative, b"", Some(&linux)).is_err());
        assert!(text("stdout", &Text::LikeNative, b"", None).is_err());
    }

    #[test]
    fn lines_in_any_order() {
        let linux = native(b"b\na\n", 0);
        assert!(text("stdout", &Text::SameLines, b"a\nb\n", Some(&linux)).is_ok());
        assert!(text("stdout", &Text::SameLines, b"a\nb\nb\n", Some(&linux)).is_err());
        assert!(text("stdout", &Text::SameLines, b"a\nc\n", Some(&linux)).is_err());
    }

    #[test]
    fn a_report_is_printable() {
        assert_eq!(tail(b"a\x1b[31m\0\n\xff"), "      | a.[31m.\n      | \u{fffd}\n");
    }

    #[test]
    fn only_thread_numbers_are_overlooked() {
        let linux = native(b"thread 'main' (123) panicked at a (1)", 101);
        assert!(
            text("stdout", &Text::AsNative, b"thread 'main' (2) panicked at a (1)", Some(&linux)).is_ok()
        );
        assert!(
            text("stdout", &Text::AsNative, b"thread 'main' (2) panicked at a (2)", Some(&linux)).is_err()
        );
    }
}
