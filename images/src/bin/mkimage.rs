//! Makes images; everything is in [`images::cli::mkimage`].

fn main() -> std::process::ExitCode {
    images::cli::mkimage::main()
}
