//! Rules for unsafe code beyond what the compiler's lints say: who opens it gives the reason in the same line, and
//! the crates that need none forbid it. (clippy sees to it that every unsafe block has its SAFETY comment.)

use super::Offence;
use super::source::File;

/// Crates that must do without, by their `src` folder.
const FORBIDDING: &[&str] = &["fs/src/", "net/src/", "loader/src/", "syscall/src/"];

/// `allow(unsafe_code)` is followed by a comment that says why.
pub fn reasons(files: &[File]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !file.path.starts_with("xtask/src/rules/")) {
        for (number, line) in (1..).zip(file.text.lines()) {
            let code = line.split("//").next().unwrap_or("");
            let opens = code.contains("#")
                && ["allow(unsafe_code", "expect(unsafe_code", "warn(unsafe_code"]
                    .iter()
                    .any(|s| code.contains(s));
            let comment = line.split_once("//").map_or("", |(_, comment)| comment.trim());
            if opens && comment.len() < MIN_REASON && !code.contains("reason = \"") {
                offences.push(Offence::new(
                    format!("{}:{number}", file.path),
                    "opens unsafe code without a reason",
                ));
            }
        }
    }
    offences
}

/// A shorter comment cannot be a reason.
const MIN_REASON: usize = 10;

/// The library root of each crate in [`FORBIDDING`] has `#![forbid(unsafe_code)]`.
pub fn forbidden(files: &[File]) -> Vec<Offence> {
    FORBIDDING
        .iter()
        .filter_map(|folder| files.iter().find(|file| file.path == format!("{folder}lib.rs")))
        .filter(|file| !file.text.lines().any(|line| line.trim().starts_with("#![forbid(unsafe_code)]")))
        .map(|file| Offence::new(&file.path, "has no #![forbid(unsafe_code)]"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_without_a_reason_is_found() {
        let files = [
            File::new("a.rs", "#![allow(unsafe_code)] // the cell hands out &mut under the lock"),
            File::new("b.rs", "//! x\n#![allow(unsafe_code)]"),
            File::new("c.rs", "#![allow(unsafe_code)] // ok"),
            File::new("d.rs", "#[expect(unsafe_code, reason = \"port I/O\")]"),
            File::new("e.rs", "// #![allow(unsafe_code)] is not used here"),
        ];
        let found: Vec<String> = reasons(&files).into_iter().map(|offence| offence.place).collect();
        assert_eq!(found, ["b.rs:2", "c.rs:1"]);
    }

    #[test]
    fn a_crate_that_does_not_forbid_is_found() {
        let files = [
            File::new("fs/src/lib.rs", "//! x\n#![forbid(unsafe_code)]\n"),
            File::new("loader/src/lib.rs", "//! x\n#![deny(unsafe_code)]\n"),
            File::new("mm/src/lib.rs", "//! x\n"),
        ];
        let found: Vec<String> = forbidden(&files).into_iter().map(|offence| offence.place).collect();
        assert_eq!(found, ["loader/src/lib.rs"]);
    }
}
