//! The command lines of both tools.

pub mod mkimage;
pub mod nospin;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use image_format::CommandLine;

use crate::make::Mapping;

/// `HOST:GUEST`. The guest's path is absolute, so the last `:/` is where it begins, and the host's may hold colons.
fn mapping(text: OsString) -> Result<Mapping, String> {
    let bytes = text.as_bytes();
    let cut = bytes.windows(2).rposition(|pair| pair == b":/").filter(|cut| *cut > 0);
    let cut = cut.ok_or("expected HOST:GUEST, and an absolute path for the guest")?;
    let (host, guest) = (&bytes[..cut], &bytes[cut + 1..]);
    crate::tree::guest_path(guest).map_err(|error| error.to_string())?;
    Ok(Mapping { host: PathBuf::from(OsString::from_vec(host.to_vec())), guest: guest.to_vec() })
}

/// `NAME=VALUE` for the environment.
fn variable(text: OsString) -> Result<(String, Vec<u8>), String> {
    let bytes = text.as_bytes();
    let cut =
        bytes.iter().position(|&byte| byte == b'=').filter(|cut| *cut > 0).ok_or("expected NAME=VALUE")?;
    let name = std::str::from_utf8(&bytes[..cut]).map_err(|_| "the name is not UTF-8")?;
    Ok((name.to_owned(), bytes[cut + 1..].to_vec()))
}

/// Options for the guest's command line.
fn options(text: OsString) -> Result<CommandLine, String> {
    CommandLine::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// Options and environment in one.
fn joined(append: &[CommandLine], env: &[(String, Vec<u8>)]) -> CommandLine {
    let mut line = append.iter().cloned().fold(CommandLine::default(), CommandLine::overlay);
    for (name, value) in env {
        line.push_env(name, value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings() {
        let parsed = |text: &str| mapping(text.into()).map(|m| (m.host, String::from_utf8(m.guest).unwrap()));
        assert_eq!(parsed("a:/b"), Ok(("a".into(), "/b".into())));
        assert_eq!(parsed("/x:y:/b/c"), Ok(("/x:y".into(), "/b/c".into())));
        for bad in ["a", "a:b", ":/b", "a:", "a:/b/../c"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_and_options() {
        assert_eq!(variable("A=b=c".into()), Ok(("A".to_owned(), b"b=c".to_vec())));
        assert_eq!(variable("A=".into()), Ok(("A".to_owned(), vec![])));
        assert!(variable("A".into()).is_err());
        assert!(variable("=A".into()).is_err());
        assert!(options("a=\"".into()).is_err());
        let line = joined(&[options("ip=dhcp".into()).unwrap()], &[("X".into(), b"1 2".to_vec())]);
        assert_eq!(line.render(), "ip=dhcp env.X=\"1 2\"");
    }
}
