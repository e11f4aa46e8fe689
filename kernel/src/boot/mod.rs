//! What the kernel is told at boot: the PVH start info, ACPI tables, the image behind the kernel, the
//! command line.

pub mod acpi;
pub mod image;
pub mod options;
pub mod pvh;
