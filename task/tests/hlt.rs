//! The `hlt` decision against real programs as objdump disassembles them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use task::hlt::{Site, ends_with_hlt, insn_len, was_halted};

/// An instruction as objdump shows it.
struct Insn {
    addr: u64,
    /// Where its bytes begin in [`Run::bytes`].
    at: usize,
    len: usize,
    text: String,
}

/// Instructions without a gap between them.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    insns: Vec<Insn>,
}

impl Run {
    fn code(&self, insn: &Insn) -> &[u8] {
        &self.bytes[insn.at..insn.at + insn.len]
    }

    /// Up to `limit` bytes that end with the instruction.
    fn before(&self, insn: &Insn, limit: usize) -> &[u8] {
        let end = insn.at + insn.len;
        &self.bytes[end.saturating_sub(limit)..end]
    }

    /// Up to `limit` bytes behind the instruction.
    fn after(&self, insn: &Insn, limit: usize) -> &[u8] {
        let end = insn.at + insn.len;
        &self.bytes[end..(end + limit).min(self.bytes.len())]
    }
}

/// Disassembles a program, library or archive.
fn disassemble(path: &Path) -> Vec<Run> {
    let mut objdump =
        Command::new("objdump").args(["-d", "-w"]).arg(path).stdout(Stdio::piped()).spawn().unwrap();
    let mut runs = vec![Run::default()];
    for line in BufReader::new(objdump.stdout.take().unwrap()).lines() {
        // Functions follow each other without a gap in a section; sections and archive members do not.
        let line = line.unwrap();
        let mut columns = line.split('\t');
        let addr = columns.next().and_then(|column| column.trim().strip_suffix(':'));
        let (Some(Ok(addr)), Some(hex)) = (addr.map(|addr| u64::from_str_radix(addr, 16)), columns.next())
        else {
            if line.starts_with("Disassembly of section") {
                runs.push(Run::default());
            }
            continue;
        };
        let bytes: Vec<u8> =
            hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let run = runs.last_mut().unwrap();
        if run.insns.last().is_some_and(|last| last.addr + last.len as u64 != addr) {
            runs.push(Run::default());
        }
        let run = runs.last_mut().unwrap();
        let text = columns.next().unwrap_or("").to_string();
        run.insns.push(Insn { addr, at: run.bytes.len(), len: bytes.len(), text });
        run.bytes.extend(bytes);
    }
    assert!(objdump.wait().unwrap().success(), "objdump {}", path.display());
    runs
}

/// What of a list is on this machine.
fn existing(paths: &'static [&'static str]) -> Vec<&'static Path> {
    paths.iter().map(Path::new).filter(|path| path.exists()).collect()
}

const PROGRAMS: &[&str] = &[
    "/usr/bin/bash",
    "/usr/bin/busybox",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib64/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
    "/usr/lib/x86_64-linux-musl/libc.so",
];

const MUSL: &[&str] = &["/usr/lib/x86_64-linux-musl/libc.so", "/usr/lib/x86_64-linux-musl/libc.a"];

const GLIBC: &[&str] =
    &["/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libc.a", "/usr/bin/busybox"];

/// objdump's text for bytes that are no instruction, or that it splits differently: data among the code; a lone
/// prefix in front of an instruction that does not take it; `fwait` joined with the x87 instruction behind it; VEX
/// behind REX, which is undefined; near branches with a 66 prefix, of which AMD's and Intel's processors differ.
/// All but `fwait` come from tables of constants in the text of libcrypto.
fn is_special(insn: &Insn, code: &[u8]) -> bool {
    let word = insn.text.split_whitespace().next().unwrap_or("");
    let lone_prefix = insn.text.split_whitespace().all(|word| {
        let name = word.split('.').next().unwrap_or("");
        ["rex", "data16", "addr32", "lock", "repz", "repnz", "cs", "ds", "es", "fs", "gs", "ss", "rep"]
            .contains(&name)
    });
    let joined_wait = code.first() == Some(&0x9b) && code.len() > 1;
    let rex_vex = word.starts_with("rex") && matches!(code, [0x40..=0x4f, 0xc4 | 0xc5, ..]);
    let short_branch =
        word.ends_with('w') && matches!(code, [0x66, 0xe8 | 0xe9, ..] | [0x66, 0x0f, 0x80..=0x8f, ..]);
    insn.text.contains("(bad)") || word == ".byte" || lone_prefix || joined_wait || rex_vex || short_branch
}

#[test]
fn every_instruction_has_its_length_and_its_tail_is_no_hlt() {
    let (mut total, mut special, mut tails, mut wrong) = (0_usize, 0_usize, 0_usize, Vec::new());
    for path in existing(PROGRAMS) {
        for run in disassemble(path) {
            for insn in &run.insns {
                let code = run.code(insn);
                total += 1;
                if is_special(insn, code) {
                    special += 1;
                    continue;
                }
                if insn_len(&run.bytes[insn.at..]) != Some(insn.len) {
                    wrong.push(format!(
                        "length: {} {:x}: {code:02x?} {}",
                        path.display(),
                        insn.addr,
                        insn.text
                    ));
                }
                if insn.len > 1 && code.ends_with(&[0xf4]) {
                    tails += 1;
                    if [37, 40, 48, 64, 80, 4096].iter().any(|&limit| ends_with_hlt(run.before(insn, limit)))
                    {
                        wrong.push(format!(
                            "tail: {} {:x}: {code:02x?} {}",
                            path.display(),
                            insn.addr,
                            insn.text
                        ));
                    }
                }
            }
        }
    }
    println!(
        "{total} instructions, {special} special; {tails} end with F4 and are not hlt; {} wrong",
        wrong.len()
    );
    assert!(total > 100_000 && tails > 100, "too few programs to test with");
    assert!(special < total / 100);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hlt_of_libc_is_found() {
    let (mut total, mut found) = (0_usize, 0_usize);
    for path in existing(MUSL).into_iter().chain(existing(GLIBC)) {
        for run in disassemble(path) {
            for insn in run.insns.iter().filter(|insn| insn.text.trim() == "hlt") {
                total += 1;
                if ends_with_hlt(run.before(insn, 4096)) {
                    found += 1;
                } else {
                    println!("missed: {} {:x} {:02x?}", path.display(), insn.addr, run.before(insn, 48));
                }
            }
        }
    }
    println!("{found} of {total} hlt found");
    assert!(total > 0 && found * 100 >= total * 80);
}

/// Whether a conditional jump is taken, by its mnemonic; `None` for other instructions.
fn jump_taken(mnemonic: &str, rflags: u64) -> Option<bool> {
    let [carry, parity, zero, sign, overflow] = [0, 2, 6, 7, 11].map(|bit| rflags >> bit & 1 == 1);
    Some(match mnemonic {
        "jo" => overflow,
        "jno" => !overflow,
        "jb" => carry,
        "jae" => !carry,
        "je" => zero,
        "jne" => !zero,
        "jbe" => carry || zero,
        "ja" => !carry && !zero,
        "js" => sign,
        "jns" => !sign,
        "jp" => parity,
        "jnp" => !parity,
        "jl" => sign != overflow,
        "jge" => sign == overflow,
        "jle" => zero || sign != overflow,
        "jg" => !zero && sign == overflow,
        _ => return None,
    })
}

/// All values of the flags that conditions look at.
fn all_flags() -> impl Iterator<Item = u64> {
    (0..32_u64).map(|n| [0, 2, 6, 7, 11].iter().enumerate().map(|(at, bit)| (n >> at & 1) << bit).sum())
}

/// Mnemonic and target of a direct branch.
fn branch(insn: &Insn) -> Option<(&str, u64)> {
    let mut words =
        insn.text.split_whitespace().skip_while(|word| ["bnd", "notrack", "ds", "cs"].contains(word));
    let mnemonic = words.next().filter(|word| word.starts_with('j') || *word == "call")?;
    Some((mnemonic, u64::from_str_radix(words.next()?, 16).ok()?))
}

#[test]
fn executed_and_skipped_hlt_are_told_apart() {
    let (mut executed, mut recognised, mut skipped) = (0_usize, 0_usize, 0_usize);
    for path in existing(&[
        "/usr/lib/x86_64-linux-musl/libc.so",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/bin/busybox",
    ]) {
        for run in disassemble(path) {
            let mut branches: HashMap<u64, Vec<&str>> = HashMap::new();
            for (mnemonic, target) in run.insns.iter().filter_map(branch) {
                branches.entry(target).or_default().push(mnemonic);
            }
            for (index, insn) in run.insns.iter().enumerate().filter(|(_, insn)| insn.text.trim() == "hlt") {
                let (before, after) = (run.before(insn, 4096), run.after(insn, 4096));
                let rip = insn.addr + 1;
                let halted = |rflags| was_halted(&Site { rip, rflags, before, after });
                // Every way to reach RIP other than through the hlt.
                for (mnemonic, _) in run.insns.iter().filter_map(branch).filter(|(_, target)| *target == rip)
                {
                    for flags in all_flags().filter(|&flags| jump_taken(mnemonic, flags) != Some(false)) {
                        skipped += 1;
                        assert!(!halted(flags), "{} {rip:x}: {mnemonic}, flags {flags:#x}", path.display());
                    }
                }
                // Through the hlt, with all flags under which the jump before it is not taken.
                let previous =
                    index.checked_sub(1).and_then(|at| branch(&run.insns[at])).map_or("", |(name, _)| name);
                for flags in all_flags().filter(|&flags| jump_taken(previous, flags) != Some(true)) {
                    executed += 1;
                    recognised += usize::from(halted(flags));
                }
            }
        }
    }
    println!(
        "executed: {recognised} of {executed} states recognised; skipped: {skipped} states, none mistaken"
    );
    assert!(executed > 0 && skipped > 0 && recognised * 10 >= executed * 8);
}
