//! The guest's command line: `KEY=VALUE ... -- PROGRAM ARG...`.
//!
//! `mkimage` bakes one into the image, the hypervisor may hand over another, and the kernel lays the second
//! over the first. One grammar serves both:
//!
//! * white space (blank, tab, line feed, carriage return) separates words; other control characters but
//!   NUL, which is an error, are ordinary;
//! * double quotes group: everything between them belongs to the word, white space too;
//! * a backslash escapes, inside and outside of quotes: `\\ \" \n \t \r` and `\xHH` for the byte HH;
//! * before `--`, a word is an option. Its first `=` that is not written as an escape ends the key; a word
//!   without one is a key with an empty value (`strace`);
//! * an unquoted word `--` ends the options, the words behind it are the program and its arguments.
//!
//! Keys are text, values and arguments are bytes without NUL.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write as _;

/// Options whose keys begin so are the program's environment: `env.NAME=VALUE`.
const ENV_PREFIX: &str = "env.";

/// A command line in parts.
///
/// Every value that [`parse`](Self::parse) returns has non-empty keys, no NUL anywhere and, where there is a
/// program, at least its name. Whoever builds one by hand has to see to that, for the kernel parses it anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Keys and values in the order of the line. A key may occur more than once: the last one counts.
    pub options: Vec<(String, Vec<u8>)>,
    /// The program and its arguments; the program comes first.
    pub program: Option<Vec<Vec<u8>>>,
}

/// What is wrong with a command line, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CmdlineError {
    /// What is wrong.
    pub kind: CmdlineErrorKind,
    /// Offset in bytes of what is wrong, from the start of the line.
    pub position: usize,
}

/// The ways in which a command line can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CmdlineErrorKind {
    /// A double quote without its counterpart.
    UnclosedQuote,
    /// A backslash that is not followed by one of the escapes.
    BadEscape,
    /// An option that begins with `=`, or an empty word where an option should be.
    EmptyKey,
    /// A key that is not UTF-8.
    KeyNotText,
    /// A NUL, written as it is or as `\x00`.
    Nul,
    /// `--` without a program behind it.
    NoProgram,
}

impl fmt::Display for CmdlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            CmdlineErrorKind::UnclosedQuote => "a quote is not closed",
            CmdlineErrorKind::BadEscape => {
                "a backslash must be followed by \\, \", n, t, r or x and two hexadecimal digits"
            }
            CmdlineErrorKind::EmptyKey => "an option has no name",
            CmdlineErrorKind::KeyNotText => "the name of an option is not text",
            CmdlineErrorKind::Nul => "a NUL byte cannot be passed on",
            CmdlineErrorKind::NoProgram => "no program after --",
        };
        write!(f, "{what} (byte {} of the command line)", self.position)
    }
}

impl core::error::Error for CmdlineError {}

/// One word, unquoted.
struct Word {
    /// Where it begins in the line.
    position: usize,
    bytes: Vec<u8>,
    /// Index in `bytes` of the first `=` that was not an escape.
    separator: Option<usize>,
    /// It was written as the two characters `--`, without quotes.
    ends_options: bool,
}

/// Takes a line apart into words. `offset` never passes the end of `line`.
struct Lexer<'a> {
    line: &'a [u8],
    offset: usize,
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl Lexer<'_> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.offset).copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.offset += 1;
        Some(byte)
    }

    /// The next word, if there is one.
    fn word(&mut self) -> Result<Option<Word>, CmdlineError> {
        while self.peek().is_some_and(is_space) {
            self.offset += 1;
        }
        let position = self.offset;
        if self.peek().is_none() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let mut separator = None;
        let mut quote = None;
        while let Some(byte) = self.peek() {
            let at = self.offset;
            if is_space(byte) && quote.is_none() {
                break;
            }
            self.offset += 1;
            match byte {
                0 => return Err(error(CmdlineErrorKind::Nul, at)),
                b'"' => quote = if quote.is_none() { Some(at) } else { None },
                b'\\' => bytes.push(self.escape(at)?),
                _ => {
                    if byte == b'=' && separator.is_none() {
                        separator = Some(bytes.len());
                    }
                    bytes.push(byte);
                }
            }
        }
        if let Some(at) = quote {
            return Err(error(CmdlineErrorKind::UnclosedQuote, at));
        }
        let ends_options = self.line.get(position..self.offset) == Some(b"--");
        Ok(Some(Word { position, bytes, separator, ends_options }))
    }

    /// The byte that the escape with its backslash at `at` stands for.
    fn escape(&mut self, at: usize) -> Result<u8, CmdlineError> {
        let bad = error(CmdlineErrorKind::BadEscape, at);
        let byte = match self.bump().ok_or(bad)? {
            byte @ (b'\\' | b'"') => byte,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'x' => {
                let mut digit = || char::from(self.bump()?).to_digit(16);
                let high = digit().ok_or(bad)?;
                let low = digit().ok_or(bad)?;
                u8::try_from(high * 16 + low).map_err(|_| bad)?
            }
            _ => return Err(bad),
        };
        if byte == 0 { Err(error(CmdlineErrorKind::Nul, at)) } else { Ok(byte) }
    }
}

const fn error(kind: CmdlineErrorKind, position: usize) -> CmdlineError {
    CmdlineError { kind, position }
}

/// An option from its word.
fn option(mut word: Word) -> Result<(String, Vec<u8>), CmdlineError> {
    let value = match word.separator {
        Some(at) => {
            let mut value = word.bytes.split_off(at);
            value.remove(0); // the `=` itself
            value
        }
        None => Vec::new(),
    };
    if word.bytes.is_empty() {
        return Err(error(CmdlineErrorKind::EmptyKey, word.position));
    }
    let key =
        String::from_utf8(word.bytes).map_err(|_| error(CmdlineErrorKind::KeyNotText, word.position))?;
    Ok((key, value))
}

impl CommandLine {
    /// Takes a command line apart.
    ///
    /// # Errors
    /// The first violation of the grammar, with its position.
    pub fn parse(line: &[u8]) -> Result<Self, CmdlineError> {
        let mut lexer = Lexer { line, offset: 0 };
        let mut options = Vec::new();
        while let Some(word) = lexer.word()? {
            if !word.ends_options {
                options.push(option(word)?);
                continue;
            }
            let mut program = Vec::new();
            while let Some(word) = lexer.word()? {
                program.push(word.bytes);
            }
            if program.is_empty() {
                return Err(error(CmdlineErrorKind::NoProgram, word.position));
            }
            return Ok(Self { options, program: Some(program) });
        }
        Ok(Self { options, program: None })
    }

    /// This line with `over` laid over it: an option of `over` replaces all options of the same key, and a
    /// program of `over` replaces program and arguments.
    #[must_use]
    pub fn overlay(mut self, over: Self) -> Self {
        self.options.retain(|(key, _)| over.options.iter().all(|(other, _)| other != key));
        self.options.extend(over.options);
        Self { options: self.options, program: over.program.or(self.program) }
    }

    /// The value of `key`: the last one if it occurs more than once, empty for a bare word.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.options.iter().rev().find(|(other, _)| other == key).map(|(_, value)| value.as_slice())
    }

    /// The environment: names and values of the options `env.NAME=VALUE`, each name once, with its last value.
    pub fn env(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.options.iter().enumerate().filter_map(|(index, (key, value))| {
            let name = key.strip_prefix(ENV_PREFIX)?;
            let last = self.options.iter().rposition(|(other, _)| other == key) == Some(index);
            (last && !name.is_empty()).then_some((name, value.as_slice()))
        })
    }

    /// Adds an environment variable, as the option `env.NAME=VALUE`.
    pub fn push_env(&mut self, name: &str, value: &[u8]) {
        let mut key = String::from(ENV_PREFIX);
        key.push_str(name);
        self.options.push((key, value.to_vec()));
    }

    /// The line as text in printable ASCII, quoted where needed: parsing it gives an equal value.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.options {
            separate(&mut out);
            if key == "--" {
                out.push_str("\"--\"");
            } else {
                render_part(&mut out, key.as_bytes(), true);
            }
            if !value.is_empty() {
                out.push('=');
                render_part(&mut out, value, false);
            }
        }
        if let Some(program) = &self.program {
            separate(&mut out);
            out.push_str("--");
            for word in program {
                out.push(' ');
                if word.is_empty() {
                    out.push_str("\"\"");
                } else {
                    render_part(&mut out, word, false);
                }
            }
        }
        out
    }
}

fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push(' ');
    }
}

/// Adds `bytes`, quoted if they hold a blank. In a key, `=` has to be an escape.
fn render_part(out: &mut String, bytes: &[u8], is_key: bool) {
    let quote = if bytes.contains(&b' ') { "\"" } else { "" };
    out.push_str(quote);
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'"' => out.push_str("\\\""),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            b'=' if is_key => out.push_str("\\x3d"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push_str(quote);
}

#[cfg(test)]
mod tests;
