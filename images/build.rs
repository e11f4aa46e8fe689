//! Embeds the kernel into the host tools, compressed.
//!
//! `NOSPIN_KERNEL` names the kernel's ELF file with its debug information. Without it the tools are built
//! without a kernel and look for one beside their own file.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=NOSPIN_KERNEL");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("kernel.elf.z");
    let mut packed = Vec::new();
    if let Some(kernel) = env::var_os("NOSPIN_KERNEL").filter(|path| !path.is_empty()) {
        let kernel = PathBuf::from(kernel);
        println!("cargo:rerun-if-changed={}", kernel.display());
        let bytes = match fs::read(&kernel) {
            Ok(bytes) => bytes,
            Err(error) => panic!("NOSPIN_KERNEL={}: {error}", kernel.display()),
        };
        let mut encoder = flate2::write::ZlibEncoder::new(&mut packed, flate2::Compression::best());
        encoder.write_all(&bytes).expect("writing to memory succeeds");
        encoder.finish().expect("writing to memory succeeds");
    }
    fs::write(&out, packed).expect("OUT_DIR is writable");
}
