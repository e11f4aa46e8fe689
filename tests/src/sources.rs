//! Debian's source packages, for the tests that come with them. Used by [`servers`](crate::servers).

use crate::exec::{self, Streams};
use crate::lab::Lab;
use crate::stock::installed;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For one command of apt-get.
const LIMIT: Duration = Duration::from_secs(300);

/// A source package of Debian's, unpacked below the work directory. It is fetched once.
///
/// # Errors
/// What is missing, or what apt-get says.
pub fn sources(lab: &Lab, package: &str) -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = lab.work.join("sources");
    let unpacked = || {
        let entries = std::fs::read_dir(&dir).ok()?.flatten().map(|entry| entry.path());
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            path.is_dir() && name.starts_with(&format!("{package}-"))
        };
        entries.into_iter().find(named)
    };
    // Only there when all of it is.
    let complete = dir.join(format!("{package}.complete"));
    if !complete.exists() {
        fetch(&dir, package)?;
        std::fs::write(&complete, "").map_err(|error| format!("{}: {error}", complete.display()))?;
    }
    unpacked().ok_or_else(|| format!("apt-get source {package} leaves nothing in {}", dir.display()))
}

/// `apt-get source` with lists of its own: this host's need not name sources, and stay as they are.
fn fetch(dir: &Path, package: &str) -> Result<(), String> {
    installed("/usr/bin/dpkg-source", "dpkg-dev")?;
    let cannot = |error: std::io::Error| format!("{}: {error}", dir.display());
    for part in ["apt/lists/partial", "apt/archives/partial", "apt/none"] {
        std::fs::create_dir_all(dir.join(part)).map_err(cannot)?;
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .ok_or("not a Debian system")?;
    let signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    let list = format!(
        "deb-src {signed} http://deb.debian.org/debian {codename} main\n\
         deb-src {signed} http://deb.debian.org/debian-security {codename}-security main\n"
    );
    let path = dir.join("apt/sources.list");
    std::fs::write(&path, list).map_err(cannot)?;
    let apt = dir.join("apt");
    for words in [&["update"][..], &["source", package]] {
        let mut command = Command::new("apt-get");
        command.current_dir(dir).arg("-q").arg("-o").arg(format!("Dir::Etc::sourcelist={}", path.display()));
        for (option, below) in [("Dir::Etc::sourceparts", "none"), ("Dir::State", ""), ("Dir::Cache", "")] {
            command.arg("-o").arg(format!("{option}={}", apt.join(below).display()));
        }
        command.args(["-o", "Dir::State::status=/var/lib/dpkg/status"]).args(words);
        let done = exec::run(&mut command, b"", Streams::Merged, LIMIT)?;
        if done.status != 0 || done.timed_out {
            let said = crate::compare::tail(&done.stdout);
            return Err(format!(
                "apt-get {} (network needed): status {}\n{said}",
                words.join(" "),
                done.status
            ));
        }
    }
    Ok(())
}
