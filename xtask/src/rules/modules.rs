//! Rules for a file as a whole: it says what it is, and it is not too long.

use super::Offence;
use super::source::File;

/// Longest file, in lines. A file that gets near is split by meaning.
const MAX_LINES: usize = 500;

/// Files that may be longer, and why.
const LONG: &[(&str, &str)] = &[];

/// Every module begins with `//!`.
pub fn documented(files: &[File]) -> Vec<Offence> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .filter(|file| !file.text.trim_start().starts_with("//!"))
        .map(|file| Offence::new(&file.path, "does not begin with //!"))
        .collect()
}

/// No file is longer than [`MAX_LINES`], but for those listed.
pub fn length(files: &[File]) -> Vec<Offence> {
    length_except(files, LONG)
}

fn length_except(files: &[File], long: &[(&str, &str)]) -> Vec<Offence> {
    let lines =
        |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.lines().count());
    let too_long = files
        .iter()
        .filter(|file| !long.iter().any(|(path, _)| *path == file.path))
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, count)| *count > MAX_LINES)
        .map(|(file, count)| Offence::new(&file.path, format!("{count} lines, {MAX_LINES} are allowed")));
    let unused = long
        .iter()
        .filter(|(path, _)| lines(path).is_none_or(|count| count <= MAX_LINES))
        .map(|(path, _)| Offence::new(*path, "is listed as a long file, but is none"));
    too_long.chain(unused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_a_heading_is_found() {
        let files = [
            File::new("a.rs", "//! What it is.\nfn f() {}"),
            File::new("b.rs", "// no heading\n"),
            File::new("c.rs", "/// about an item\nfn f() {}"),
            File::new("d.S", "nop"),
        ];
        let found: Vec<String> = documented(&files).into_iter().map(|offence| offence.place).collect();
        assert_eq!(found, ["b.rs", "c.rs"]);
    }

    #[test]
    fn a_long_file_is_found_and_an_idle_exception_too() {
        let long = "x\n".repeat(MAX_LINES + 1);
        let files = [File::new("a.rs", &long), File::new("b.rs", &"x\n".repeat(MAX_LINES))];
        assert_eq!(length(&files).len(), 1);
        assert!(length_except(&files, &[("a.rs", "a table")]).is_empty());
        assert_eq!(length_except(&files, &[("a.rs", "a table"), ("b.rs", "no more")]).len(), 1);
        assert_eq!(length_except(&files, &[("a.rs", "a table"), ("gone.rs", "?")]).len(), 1);
    }
}
