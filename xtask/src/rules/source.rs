//! The source files the rules look at: Rust and assembly of the working tree, without what is built or generated.
//!
//! Invariant: paths are relative to the repository, with `/`, in a fixed order.

use std::path::Path;

/// One source file.
#[derive(Clone, Debug)]
pub struct File {
    /// Path from the root of the repository.
    pub path: String,
    /// Content; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Directories without source of ours.
const SKIPPED: &[&str] = &["target", "corpus", "artifacts"];

/// Endings of source files.
const ENDINGS: &[&str] = &[".rs", ".S", ".s", ".asm"];

impl File {
    /// For tests of rules.
    #[cfg(test)]
    pub fn new(path: &str, text: &str) -> Self {
        File { path: path.into(), text: text.into() }
    }

    /// Whether this is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether this is a program that only runs on the system under test, and no part of it.
    pub fn is_test_program(&self) -> bool {
        ["tests/programs/", "tests/demo/", "tests/bench/"].iter().any(|folder| self.path.starts_with(folder))
    }

    /// Whether this file only exists in tests: the `tests` crate and the `tests` folder of a crate.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// All source files below `root`.
///
/// # Errors
/// A line of text when a directory or file cannot be read.
pub fn walk(root: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    descend(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if files.is_empty() { Err(format!("no source below {}", root.display())) } else { Ok(files) }
}

fn descend(dir: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", dir.display());
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(cannot)?;
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if kind.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                descend(&entry.path(), &path, files)?;
            }
        } else if kind.is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            let bytes =
                std::fs::read(entry.path()).map_err(|error| format!("cannot read {path}: {error}"))?;
            files.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_finds_this_file_and_nothing_built() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files = walk(root).unwrap();
        assert!(files.iter().any(|file| file.path == "xtask/src/rules/source.rs"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/") || file.path.contains(".git/")));
    }
}
