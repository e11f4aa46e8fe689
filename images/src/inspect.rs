//! `mkimage inspect`: what is in an image.

use std::io::{self, Write};
use std::path::Path;

use image_format::newc::{Entry, mode};

use crate::human;
use crate::image::Image;

/// Writes what the image at `path` holds, in short.
///
/// # Errors
/// Those of `out`.
pub fn summary(image: &Image, path: &Path, out: &mut dyn Write) -> io::Result<()> {
    let root = image.root();
    let of = |kind| root.iter().filter(|entry| entry.mode & mode::TYPE == kind).count();
    writeln!(out, "{}", path.display())?;
    if let Some(program) = &image.cmdline.program {
        out.write_all(b"  program ")?;
        for word in program {
            out.write_all(b" ")?;
            out.write_all(word)?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "  files    {} files, {} symbolic links, {} directories",
        of(mode::FILE),
        of(mode::SYMLINK),
        of(mode::DIR)
    )?;
    writeln!(out, "  format   {}", image_format::FORMAT_VERSION)?;
    writeln!(out, "  kernel   {} bytes, build id {}", image.kernel_len(), image.header.kernel)?;
    writeln!(out, "  root     {} bytes", image.header.root_len)?;
    writeln!(out, "  total    {} bytes ({})", image.len(), human(image.len() as u64))
}

/// Writes a line for each file, as `ls -l` would.
///
/// # Errors
/// Those of `out`.
pub fn list(image: &Image, out: &mut dyn Write) -> io::Result<()> {
    for entry in image.root().iter() {
        let is_link = entry.mode & mode::TYPE == mode::SYMLINK;
        let size = match entry.mode & mode::TYPE {
            mode::CHAR | mode::BLOCK => format!("{}, {}", entry.rdev.0, entry.rdev.1),
            _ => entry.data.len().to_string(),
        };
        write!(out, "{} {size:>10} /", mode_text(entry.mode))?;
        out.write_all(entry.name)?;
        if is_link {
            out.write_all(b" -> ")?;
            out.write_all(entry.data)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The contents of a file of the image, links followed.
///
/// # Errors
/// A line that says why there are none.
pub fn contents<'a>(root: &'a crate::image::Root<'_>, path: &[u8]) -> Result<&'a [u8], &'static str> {
    let entry: &Entry<'_> = root.get(path).ok_or("not in the image")?;
    match entry.mode & mode::TYPE {
        mode::FILE => Ok(entry.data),
        mode::DIR => Err("a directory"),
        _ => Err("not a regular file"),
    }
}

/// File type and permissions in ten characters, as `ls -l` shows them.
fn mode_text(bits: u32) -> String {
    let kind = match bits & mode::TYPE {
        mode::DIR => 'd',
        mode::SYMLINK => 'l',
        mode::CHAR => 'c',
        mode::BLOCK => 'b',
        mode::FIFO => 'p',
        mode::SOCKET => 's',
        _ => '-',
    };
    let mut out = String::from(kind);
    // For each class: its shift, its special bit, and how that shows with and without execute permission.
    for (shift, special, both, alone) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let class = bits >> shift;
        out.push(if class & 4 != 0 { 'r' } else { '-' });
        out.push(if class & 2 != 0 { 'w' } else { '-' });
        out.push(match (class & 1 != 0, bits & special != 0) {
            (true, true) => both,
            (false, true) => alone,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::mode_text;

    #[test]
    fn modes_as_ls_shows_them() {
        assert_eq!(mode_text(0o100644), "-rw-r--r--");
        assert_eq!(mode_text(0o104755), "-rwsr-xr-x");
        assert_eq!(mode_text(0o102644), "-rw-r-Sr--");
        assert_eq!(mode_text(0o041777), "drwxrwxrwt");
        assert_eq!(mode_text(0o120777), "lrwxrwxrwx");
        assert_eq!(mode_text(0o020600), "crw-------");
        assert_eq!(mode_text(0o010000), "p---------");
    }
}
