//! What stock programs need of this host: their packages, their libraries of scripts, the scripts that the cases run.
//! Used by the cases of the area `stock` and by the oracle.

use crate::exec::{self, Streams};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the scripts for stock programs lie: `tests/stock`, at the same path natively and in the VM.
pub const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stock");

/// Debian's Python, whatever else is called `python3` here.
pub const PYTHON: &str = "/usr/bin/python3";

/// Python's own library.
pub const PYTHON_LIBRARY: &str = "/usr/lib/python3.11";

/// Parts of Python's library that no test here imports, but that would make the image several times as large.
const UNUSED: &[&str] =
    &["config-3.11-x86_64-linux-gnu", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter"];

/// A missing program is a failure that says what to do.
///
/// # Errors
/// The command that installs it.
pub fn installed(path: &str, package: &str) -> Result<(), String> {
    if Path::new(path).is_file() {
        Ok(())
    } else {
        Err(format!("{path} is missing; install it: apt-get install --no-install-recommends {package}"))
    }
}

/// Python's library as paths for the image, with its tests if wanted, and the shared libraries that its modules
/// need. Empty where there is none: then the program is missing too, and the case says so.
#[must_use]
pub fn python(tests: bool) -> Vec<PathBuf> {
    let parts = |dir: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let library = Path::new(PYTHON_LIBRARY);
    let mut paths = parts(library);
    paths.retain(|path| {
        // The links of the distribution lead to files that no image has.
        let wanted = path.file_name().is_some_and(|name| !UNUSED.iter().any(|unused| name == *unused));
        path.exists() && wanted
    });
    if tests {
        paths.push(library.join("test"));
    }
    let modules = ["_bz2", "_ctypes", "_hashlib", "_lzma", "_sqlite3", "_uuid"];
    let mut libraries: Vec<PathBuf> = parts(&library.join("lib-dynload"))
        .iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            modules.iter().any(|module| name.split('.').next() == Some(module))
        })
        .flat_map(|path| shared_libraries(path))
        .collect();
    libraries.sort();
    libraries.dedup();
    paths.extend(libraries);
    paths
}

/// The libraries that the dynamic linker loads for a module, as it names them. The modules are the distribution's,
/// so the linker itself may be asked.
pub(crate) fn shared_libraries(module: &Path) -> Vec<PathBuf> {
    let Ok(done) = exec::run(Command::new("ldd").arg(module), b"", Streams::Apart, Duration::from_secs(20))
    else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    // `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f...)`
    text.lines()
        .filter_map(|line| line.split_once("=> ")?.1.split_whitespace().next())
        .filter(|path| path.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        assert!(installed("/bin/sh", "dash").is_ok());
        let error = installed("/usr/bin/no-such-program", "no-such-package").unwrap_err();
        assert!(error.contains("apt-get install") && error.contains("no-such-package"), "{error}");
    }

    #[test]
    fn shared_libraries_are_absolute_and_exist() {
        let found = shared_libraries(&std::env::current_exe().unwrap());
        assert!(found.iter().any(|path| path.to_string_lossy().contains("libc.so")), "{found:?}");
        assert!(found.iter().all(|path| path.is_absolute() && path.exists()));
        assert!(shared_libraries(Path::new("/etc/passwd")).is_empty());
    }
}
