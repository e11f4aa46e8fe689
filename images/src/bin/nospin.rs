//! Runs images and programs; everything is in [`images::cli::nospin`].

fn main() -> std::process::ExitCode {
    images::cli::nospin::main()
}
