//! The list of loops that may wait: `allowed-waits.toml`, beside this file. Read by the rule in `waits`.
//!
//! Only the part of TOML that the list needs is understood (tables `[[wait]]` with one-line strings); anything else
//! is an error, so that an entry cannot be lost silently.

/// The text of the list.
pub const LIST: &str = include_str!("allowed-waits.toml");

/// One loop that may wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// File, from the root of the repository.
    pub path: String,
    /// The line in that file, without the space around it.
    pub line: String,
    /// Why.
    pub reason: String,
}

/// Reads the list.
///
/// # Errors
/// A line of text for what is not understood or incomplete.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let wrong = |what: &str| format!("allowed-waits.toml:{number}: {what}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "[[wait]]" {
            entries.push(Entry::default());
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| wrong("not a key and a value"))?;
        let value = string(value.trim()).ok_or_else(|| wrong("not a one-line string"))?;
        let entry = entries.last_mut().ok_or_else(|| wrong("a key before the first [[wait]]"))?;
        let field = match key.trim() {
            "path" => &mut entry.path,
            "line" => &mut entry.line,
            "reason" => &mut entry.reason,
            other => return Err(wrong(&format!("unknown key {other}"))),
        };
        if !field.is_empty() {
            return Err(wrong("the key is there twice"));
        }
        *field = value.trim().to_string();
    }
    for entry in &entries {
        if entry.path.is_empty() || entry.line.is_empty() || entry.reason.len() < MIN_REASON {
            return Err(format!("allowed-waits.toml: an entry lacks path, line or reason: {entry:?}"));
        }
    }
    Ok(entries)
}

/// A shorter text cannot be a reason.
const MIN_REASON: usize = 20;

/// `"..."` with the escapes `\"` and `\\`, or `'...'`.
fn string(text: &str) -> Option<String> {
    if let Some(literal) = text.strip_prefix('\'') {
        return literal.strip_suffix('\'').filter(|inner| !inner.contains('\'')).map(str::to_string);
    }
    let mut out = String::new();
    let mut chars = text.strip_prefix('"')?.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => match chars.next()? {
                c @ ('"' | '\\') => out.push(c),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    chars.as_str().is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_project_is_well_formed() {
        parse(LIST).unwrap();
    }

    #[test]
    fn entries_are_read() {
        let text = "# c\n[[wait]]\npath = \"a/b.rs\"\nline = \"while x(\\\"q\\\") {}\"\nreason = 'bounded by a hundred turns'\n";
        let entries = parse(text).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].line, "while x(\"q\") {}");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "path = \"a\"",
            "[[wait]]\npath = a",
            "[[wait]]\npath = \"a\"\nline = \"b\"",
            "[[wait]]\npath = \"a\"\nline = \"b\"\nreason = \"short\"",
            "[[wait]]\npath = \"a\"\npath = \"b\"",
            "[[wait]]\nwhy = \"a\"",
            "[[wait]]\npath = \"a\" b",
            "wait",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
