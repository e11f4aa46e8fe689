//! Declares the `loom` configuration, under which `sync` compiles `src/notify.rs` for its model.
fn main() {
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rerun-if-changed=build.rs");
}
