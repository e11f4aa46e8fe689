//! Where a test run works: the tools under test, a directory for what is compiled, the programs' sources.

use std::path::{Path, PathBuf};

/// The tools and directories of one run.
#[derive(Clone, Debug)]
pub struct Lab {
    /// `nospin`.
    pub nospin: PathBuf,
    /// `mkimage`.
    pub mkimage: PathBuf,
    /// For compiled programs, data files and temporary images. Kept between runs.
    pub work: PathBuf,
    /// `tests/programs`.
    pub sources: PathBuf,
}

impl Lab {
    /// A lab with the sources of this crate.
    ///
    /// # Errors
    /// A line of text when a tool is missing or the directory cannot be made.
    pub fn new(nospin: PathBuf, mkimage: PathBuf, work: &Path) -> Result<Self, String> {
        for tool in [&nospin, &mkimage] {
            if !tool.is_file() {
                return Err(format!("{} is missing; cargo xtask build makes it", tool.display()));
            }
        }
        let cannot = |error| format!("cannot make {}: {error}", work.display());
        std::fs::create_dir_all(work).map_err(cannot)?;
        let absolute = |path: &Path| {
            path.canonicalize().map_err(|error| format!("cannot find {}: {error}", path.display()))
        };
        Ok(Lab {
            nospin: absolute(&nospin)?,
            mkimage: absolute(&mkimage)?,
            work: absolute(work)?,
            sources: Path::new(env!("CARGO_MANIFEST_DIR")).join("programs"),
        })
    }

    /// A temporary directory below [`Lab::work`], removed when dropped.
    ///
    /// # Errors
    /// A line of text when it cannot be made.
    pub fn scratch(&self) -> Result<tempfile::TempDir, String> {
        tempfile::TempDir::with_prefix_in("case-", &self.work)
            .map_err(|error| format!("no scratch directory: {error}"))
    }
}
