//! The file /etc/ld.so.conf: directories for ldconfig(8), one in a line, with `include PATTERN` lines.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The directories that the file at `path` and the files it includes name, in order. Files that cannot be read
/// count as empty, as for ldconfig.
#[must_use]
pub fn directories(path: &Path) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    read(path, &mut dirs, &mut BTreeSet::new());
    dirs
}

fn read(path: &Path, dirs: &mut Vec<PathBuf>, seen: &mut BTreeSet<PathBuf>) {
    // The canonical path, so that a file that includes itself by a detour is noticed.
    let Ok(canonical) = path.canonicalize() else { return };
    if !seen.insert(canonical) {
        return;
    }
    let Ok(text) = fs::read(path) else { return };
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        match words.next() {
            None | Some(b"hwcap") => (),
            Some(b"include") => {
                for pattern in words {
                    let pattern = path.parent().unwrap_or(Path::new("/")).join(OsStr::from_bytes(pattern));
                    for file in glob(&pattern) {
                        read(&file, dirs, seen);
                    }
                }
            }
            Some(_) => {
                let dir = PathBuf::from(OsStr::from_bytes(line.strip_suffix(b"/").unwrap_or(line)));
                if dir.is_absolute() && !dirs.contains(&dir) {
                    dirs.push(dir);
                }
            }
        }
    }
}

/// The files that match a pattern with `*` and `?` in its last component, sorted by name as glob(7) has it.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(last)) = (pattern.parent(), pattern.file_name()) else { return Vec::new() };
    if !last.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?')) {
        return vec![pattern.to_owned()];
    }
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let hidden = name.as_bytes().starts_with(b".") && !last.as_bytes().starts_with(b".");
            !hidden && matches(last.as_bytes(), name.as_bytes())
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// `name` matches `pattern` as a whole. Greedy with one point of return, so linear in practice.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || Some(&byte) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXcb", false),
            ("?.conf", "x.conf", true),
            ("?.conf", ".conf", false),
            ("**", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn includes_comments_and_loops() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("conf.d")).unwrap();
        fs::write(at("ld.so.conf"), "/first/  # comment\n\ninclude conf.d/*.conf\n/last\nrelative\n")
            .unwrap();
        fs::write(at("conf.d/b.conf"), "/b\n").unwrap();
        fs::write(at("conf.d/a.conf"), "hwcap 0 nosegneg\n/a\ninclude ../ld.so.conf\n").unwrap();
        fs::write(at("conf.d/c.txt"), "/c\n").unwrap();
        fs::write(at("conf.d/.hidden.conf"), "/hidden\n").unwrap();
        let dirs = directories(&at("ld.so.conf"));
        assert_eq!(
            dirs.iter().map(|dir| dir.to_str().unwrap()).collect::<Vec<_>>(),
            ["/first", "/a", "/b", "/last"]
        );
        assert!(directories(&at("missing")).is_empty());
    }
}
