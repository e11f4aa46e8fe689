//! The host tools: `mkimage` makes an image of a program, `nospin` runs it.
//!
//! The binaries only hand their arguments to [`cli`]. Making an image goes from [`elf`] (is this a program?)
//! through [`ldso`] (which libraries does it load?) and [`tree`] (what does the guest see?) to [`make`], which
//! writes [`archive`] and kernel by [`pvh`] into one file. [`image`] and [`inspect`] read such a file back, and
//! [`run`] starts QEMU with it. What host and guest must agree upon is in the crate `image_format`.

pub mod archive;
pub mod cli;
pub mod elf;
pub mod etc;
pub mod image;
pub mod inspect;
pub mod interrupt;
pub mod kernel;
pub mod ldso;
pub mod make;
pub mod progress;
pub mod pvh;
pub mod run;
pub mod summary;
pub mod tree;

/// `bytes` as a count for people: `812 bytes`, `1.3 MiB`.
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            return format!("{:.1} {unit}", bytes as f64 / size as f64);
        }
    }
    format!("{bytes} bytes")
}
