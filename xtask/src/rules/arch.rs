//! Rule: the processor is known in one folder. `cfg(target_arch)` and assembly live under `kernel/src/arch/x86_64`.

use super::Offence;
use super::lexer::tokens;
use super::source::File;

/// The one folder.
const ARCH: &str = "kernel/src/arch/x86_64/";

/// Macros that hold assembly.
const ASSEMBLY: &[&str] = &["asm", "global_asm", "naked_asm", "llvm_asm"];

/// Finds assembly and processor conditions elsewhere.
pub fn check(files: &[File]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for file in files.iter().filter(|file| !file.path.starts_with(ARCH) && !file.is_test_program()) {
        if !file.is_rust() {
            // A host test may assemble a stand-in for a kernel.
            if file.is_test() {
                continue;
            }
            offences.push(Offence::new(&file.path, format!("assembly outside {ARCH}")));
            continue;
        }
        let tokens = tokens(&file.text);
        for (at, token) in tokens.iter().enumerate() {
            let called = tokens.get(at + 1).is_some_and(|next| next.is('!'));
            if ASSEMBLY.iter().any(|name| token.is_word(name)) && called {
                offences
                    .push(Offence::new(format!("{}:{}", file.path, token.line), format!("{}!", token.text)));
            } else if token.is_word("target_arch") {
                offences.push(Offence::new(format!("{}:{}", file.path, token.line), "cfg(target_arch)"));
            }
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assembly_elsewhere_is_found() {
        let files = [
            File::new("kernel/src/arch/x86_64/entry.rs", "core::arch::naked_asm!(\"ret\")"),
            File::new("kernel/src/arch/x86_64/boot.S", "hlt"),
            File::new("kernel/src/trap.rs", "fn f() {\n core::arch::asm!(\"cli\") }"),
            File::new("sync/src/lib.rs", "#[cfg(target_arch = \"x86_64\")] fn f() {}"),
            File::new("mm/src/fast.S", "nop"),
            File::new("images/tests/stub.s", "nop"),
            File::new("task/src/lib.rs", "// asm!(\nconst S: &str = \"target_arch asm!(\"; let asm = 1;"),
            File::new("tests/programs/red_zone.rs", "asm!(\"syscall\")"),
        ];
        let found: Vec<String> = check(&files).into_iter().map(|offence| offence.place).collect();
        assert_eq!(found, ["kernel/src/trap.rs:2", "sync/src/lib.rs:1", "mm/src/fast.S"]);
    }
}
