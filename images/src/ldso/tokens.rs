//! Dynamic string tokens: `$ORIGIN`, `$LIB` and `$PLATFORM`, also in braces. ld.so(8).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What `$LIB` stands for, on Debian and its relatives, on others with 64-bit directories, on the rest. The value
/// is built into the linker; trying them in this order finds what that linker finds, save on a host that
/// mixes them.
const LIB: [&[u8]; 3] = [b"lib/x86_64-linux-gnu", b"lib64", b"lib"];
const PLATFORM: &[u8] = b"x86_64";

/// `path` with its tokens replaced: one path, or one for each meaning of `$LIB`.
pub(super) fn expand(path: &[u8], origin: &Path) -> Vec<PathBuf> {
    if !path.contains(&b'$') {
        return vec![PathBuf::from(OsStr::from_bytes(path))];
    }
    let mut out: Vec<PathBuf> = Vec::new();
    for lib in LIB {
        let expanded = expand_with(path, origin, lib);
        let expanded = PathBuf::from(OsStr::from_bytes(&expanded));
        if !out.contains(&expanded) {
            out.push(expanded);
        }
    }
    out
}

fn expand_with(path: &[u8], origin: &Path, lib: &[u8]) -> Vec<u8> {
    let tokens: [(&[u8], &[u8]); 3] =
        [(b"ORIGIN", origin.as_os_str().as_bytes()), (b"LIB", lib), (b"PLATFORM", PLATFORM)];
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'$' {
            out.push(first);
            continue;
        }
        match tokens.iter().find_map(|(name, value)| Some((token(after, name)?, value))) {
            Some((behind, value)) => {
                out.extend_from_slice(value);
                rest = behind;
            }
            None => out.push(first),
        }
    }
    out
}

/// What follows the token `name` at the start of `text`, if it is there.
fn token<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if let Some(inner) = text.strip_prefix(b"{") {
        return inner.strip_prefix(name)?.strip_prefix(b"}");
    }
    let behind = text.strip_prefix(name)?;
    let goes_on = behind.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (!goes_on).then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(path: &str) -> Vec<PathBuf> {
        expand(path.as_bytes(), Path::new("/opt/app/bin"))
    }

    #[test]
    fn replaces_tokens() {
        assert_eq!(expanded("/plain/dir"), [Path::new("/plain/dir")]);
        assert_eq!(expanded("$ORIGIN/../lib"), [Path::new("/opt/app/bin/../lib")]);
        assert_eq!(expanded("${ORIGIN}lib"), [Path::new("/opt/app/binlib")]);
        assert_eq!(expanded("/p/$PLATFORM"), [Path::new("/p/x86_64")]);
        let libs = ["/x/lib/x86_64-linux-gnu", "/x/lib64", "/x/lib"].map(PathBuf::from);
        assert_eq!(expanded("/x/$LIB"), libs);
    }

    #[test]
    fn leaves_what_is_no_token() {
        for path in ["/a$b", "/a$", "$ORIGINAL", "${ORIGIN", "$LIBS", "$ORIGIN_"] {
            assert_eq!(expanded(path), [Path::new(path)], "{path}");
        }
    }
}
