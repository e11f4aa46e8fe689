//! Hands the linker script to the linker when the kernel is built for bare metal.

fn main() {
    println!("cargo:rerun-if-changed=kernel.ld");
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "none" {
        let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
        for arg in [
            &format!("-T{dir}/kernel.ld"),
            "--build-id=sha1",
            "-z",
            "max-page-size=4096",
            "--orphan-handling=error",
            "--gc-sections",
        ] {
            println!("cargo:rustc-link-arg-bins={arg}");
        }
    }
}
