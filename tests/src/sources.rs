//! Debian's source packages, for the tests that come with them. Used by [`servers`](crate::servers) and
//! [`cpython`](crate::cpython).

use crate::exec::{self, Streams};
use crate::lab::Lab;
use crate::stock::installed;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For one command.
const LIMIT: Duration = Duration::from_secs(300);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A source package of Debian's, patched, below the work directory. It is fetched once.
///
/// # Errors
/// What is missing, or what apt-get says.
pub fn sources(lab: &Lab, package: &str) -> Result<PathBuf, String> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = lab.work.join("sources");
    // Only there when all of it is.
    let complete = dir.join(format!("{package}.complete"));
    if !complete.exists() {
        installed("/usr/bin/dpkg-source", "dpkg-dev")?;
        fetch(&dir, &["source", package])?;
        std::fs::write(&complete, "").map_err(|error| format!("{}: {error}", complete.display()))?;
    }
    below(&dir, &format!("{package}-"), "").ok_or_else(|| nothing(package, &dir))
}

/// The same without Debian's patches: a directory with nothing but what upstream's archive contains.
///
/// # Errors
/// As [`sources`].
pub fn upstream(lab: &Lab, package: &str) -> Result<PathBuf, String> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = lab.work.join("sources");
    let unpacked = dir.join(format!("upstream/{package}"));
    if !unpacked.exists() {
        fetch(&dir, &["source", "--tar-only", package])?;
        let archive =
            below(&dir, &format!("{package}_"), ".orig.tar.").ok_or_else(|| nothing(package, &dir))?;
        let partial = dir.join("upstream.partial");
        let cannot = |error: std::io::Error| format!("{}: {error}", partial.display());
        if partial.exists() {
            std::fs::remove_dir_all(&partial).map_err(cannot)?;
        }
        std::fs::create_dir_all(dir.join("upstream"))
            .and_then(|()| std::fs::create_dir(&partial))
            .map_err(cannot)?;
        let mut command = Command::new("tar");
        command.arg("--strip-components=1").arg("-C").arg(&partial).arg("-xf").arg(&archive);
        succeed(&mut command)?;
        std::fs::rename(&partial, &unpacked).map_err(cannot)?;
    }
    Ok(unpacked)
}

fn nothing(package: &str, dir: &Path) -> String {
    format!("apt-get source {package} leaves nothing in {}", dir.display())
}

/// What lies in a directory under such a name: a file if `part` says more about the name, otherwise a directory.
fn below(dir: &Path, start: &str, part: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(start) && name.contains(part) && path.is_dir() == part.is_empty()
    };
    entries.into_iter().find(named)
}

/// `apt-get source` with lists of its own: this host's need not name sources, and stay as they are.
fn fetch(dir: &Path, source: &[&str]) -> Result<(), String> {
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
    for words in [&["update"], source] {
        let mut command = Command::new("apt-get");
        command.current_dir(dir).arg("-q").arg("-o").arg(format!("Dir::Etc::sourcelist={}", path.display()));
        for (option, below) in [("Dir::Etc::sourceparts", "none"), ("Dir::State", ""), ("Dir::Cache", "")] {
            command.arg("-o").arg(format!("{option}={}", apt.join(below).display()));
        }
        command.args(["-o", "Dir::State::status=/var/lib/dpkg/status"]).args(words);
        succeed(&mut command).map_err(|error| format!("{} (network needed): {error}", words.join(" ")))?;
    }
    Ok(())
}

/// Runs a command; its output is the error if it fails.
fn succeed(command: &mut Command) -> Result<(), String> {
    let done = exec::run(command, b"", Streams::Merged, LIMIT)?;
    if done.status == 0 && !done.timed_out {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    Err(format!("{program}: status {}\n{}", done.status, crate::compare::tail(&done.stdout)))
}
