//! What went into an image, for people and for programs.

use std::fmt;
use std::path::PathBuf;

use image_format::BuildId;
use serde_json::{Value, json};

use crate::archive::Counts;
use crate::human;
use crate::pvh::Sizes;

/// The result of `mkimage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The file that was written.
    pub output: PathBuf,
    /// The program, as the guest sees it.
    pub program: PathBuf,
    /// Its program interpreter.
    pub interpreter: Option<PathBuf>,
    /// Its libraries, interpreter not included.
    pub libraries: Vec<PathBuf>,
    /// What is in the root archive.
    pub counts: Counts,
    /// Sizes of the parts.
    pub sizes: Sizes,
    /// The kernel's build id.
    pub kernel: BuildId,
    /// The command line that was baked in.
    pub cmdline: String,
}

impl Summary {
    /// Regular files that are neither program nor interpreter nor library.
    #[must_use]
    pub fn other_files(&self) -> u64 {
        let linked = 1 + self.libraries.len() as u64 + u64::from(self.interpreter.is_some());
        self.counts.files.saturating_sub(linked)
    }

    /// As one JSON object. Paths that are not UTF-8 are given as near as can be.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "output": self.output.to_string_lossy(),
            "program": self.program.to_string_lossy(),
            "interpreter": self.interpreter.as_ref().map(|path| path.to_string_lossy()),
            "libraries": self.libraries.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
            "other_files": self.other_files(),
            "directories": self.counts.dirs,
            "symlinks": self.counts.symlinks,
            "content_bytes": self.counts.bytes,
            "kernel_bytes": self.sizes.kernel,
            "root_bytes": self.sizes.root,
            "total_bytes": self.sizes.total,
            "memory_end": self.sizes.memory_end,
            "kernel_build_id": self.kernel.to_string(),
            "cmdline": self.cmdline,
        })
    }
}

/// `1 library`, `2 libraries`.
fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let linked = self.libraries.len() as u64 + u64::from(self.interpreter.is_some());
        writeln!(f, "{}", self.output.display())?;
        writeln!(
            f,
            "  {}, {}, {}",
            self.program.display(),
            count(linked, "library", "libraries"),
            count(self.other_files(), "other file", "other files"),
        )?;
        writeln!(f, "  kernel {:>12} bytes", self.sizes.kernel)?;
        writeln!(f, "  root   {:>12} bytes", self.sizes.root)?;
        write!(f, "  total  {:>12} bytes ({})", self.sizes.total, human(self.sizes.total))
    }
}
