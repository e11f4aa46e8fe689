//! Starting programs: good ones, and every way to refuse one.

use super::*;
use crate::testing::{DATA, Running, start, tiny_elf};
use fs::console::ConsoleMode;

const PIPES: ConsoleMode = ConsoleMode::Host { tty_in: false, tty_out: false };

fn run(files: &[(&str, u32, &[u8])], path: &str, aslr: bool) -> Result<Running, ExecError> {
    let request = ExecRequest { path: path.as_bytes(), args: &[b"prog", b"x y"], env: &[b"A=1"], aslr };
    start(files, &request, PIPES)
}

fn word(running: &Running, addr: u64) -> u64 {
    let mut bytes = [0; 8];
    running.machine.user_memory().read(addr, &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

fn auxv(running: &Running) -> Vec<(u64, u64)> {
    let mut at = running.process.image().auxv.start;
    core::iter::from_fn(|| {
        let pair = (word(running, at), word(running, at + 8));
        at += 16;
        (pair.0 != 0).then_some(pair)
    })
    .collect()
}

#[test]
fn a_static_program() {
    let elf = tiny_elf(2, None);
    let r = run(&[("prog", 0o100755, &elf)], "/prog", false).unwrap();
    assert_eq!(r.entry.rip, 0x40_1000);
    assert_eq!(r.entry.rsp % 16, 0);
    assert_eq!(word(&r, r.entry.rsp), 2, "argc");
    let argv1 = word(&r, r.entry.rsp + 16);
    let mut text = [0; 4];
    r.machine.user_memory().read(argv1, &mut text).unwrap();
    assert_eq!(&text, b"x y\0");
    let aux = auxv(&r);
    assert!(aux.contains(&(u64::from(abi::auxvec::AT_ENTRY), 0x40_1000)));
    assert!(aux.contains(&(u64::from(abi::auxvec::AT_PHDR), 0x40_0040)));
    assert!(aux.contains(&(u64::from(abi::auxvec::AT_BASE), 0)));
    assert_eq!(word(&r, DATA + 0x1000), 0, "bss");
    assert_eq!(r.process.space().brk(None).0, 0x40_4000);
    assert_eq!(&r.process.name()[..5], b"prog\0");
    assert_eq!(r.process.files().count(), 3);
    let stack = r.process.space().find(VirtAddr(r.entry.rsp)).cloned().unwrap();
    assert_eq!((stack.label(), stack.prot), (&b"[stack]"[..], Prot::READ | Prot::WRITE));
}

#[test]
fn a_position_independent_program() {
    let elf = tiny_elf(3, None);
    let fixed = run(&[("prog", 0o100755, &elf)], "/prog", false).unwrap();
    assert_eq!(fixed.entry.rip, 0x5555_5555_5000);
    let random = run(&[("prog", 0o100755, &elf)], "/prog", true).unwrap();
    assert_ne!(random.entry.rip, fixed.entry.rip);
    assert_ne!(random.entry.rsp, fixed.entry.rsp);
    assert_eq!(random.entry.rip % 4096, 0);
    assert!(random.process.space().brk(None).0 >= random.process.image().files[0].span.end);
}

#[test]
fn an_interpreted_program() {
    let (elf, ld) = (tiny_elf(3, Some("/lib/ld.so")), tiny_elf(3, None));
    let files: &[(&str, u32, &[u8])] =
        &[("prog", 0o100755, &elf), ("lib", 0o40755, b""), ("lib/ld.so", 0o100755, &ld)];
    let r = run(files, "/prog", false).unwrap();
    let image = r.process.image();
    let [program, interpreter] = &image.files[..] else { panic!("two files") };
    assert_eq!(interpreter.path, b"/lib/ld.so");
    assert_eq!(r.entry.rip, interpreter.bias + 0x1000, "the interpreter runs first");
    assert!(interpreter.span.end <= r.process.space().layout().mmap_base);
    let aux = auxv(&r);
    assert!(aux.contains(&(u64::from(abi::auxvec::AT_BASE), interpreter.bias)));
    assert!(aux.contains(&(u64::from(abi::auxvec::AT_ENTRY), program.bias + 0x1000)));
}

#[test]
fn the_vdso_lies_behind_its_data() {
    let elf = tiny_elf(2, None);
    let r = run(&[("prog", 0o100755, &elf)], "/prog", true).unwrap();
    let aux = auxv(&r);
    let &(_, code) = aux.iter().find(|(tag, _)| *tag == u64::from(abi::auxvec::AT_SYSINFO_EHDR)).unwrap();
    assert_eq!(word(&r, code), 0xc3c3_c3c3_c3c3_c3c3);
    assert_eq!(word(&r, code - 4096), 0);
    assert_eq!(r.machine.user_memory().write(code - 4096, &[1]).unwrap_err().done, 0, "not writable");
    let space = r.process.space();
    let area = |at| space.find(VirtAddr(at)).map(|vma| (vma.label().to_vec(), vma.len(), vma.prot)).unwrap();
    assert_eq!(area(code), (b"[vdso]".to_vec(), 4096, Prot::READ | Prot::EXEC));
    assert_eq!(area(code - 1), (b"[vvar]".to_vec(), 4096, Prot::READ));
}

#[test]
fn scripts() {
    let elf = tiny_elf(2, None);
    let chain = |n: u32| format!("#!/s{n} {n}\n");
    let (s1, s2, s3, s4, s5) = (chain(0), chain(1), chain(2), chain(3), chain(4));
    let files: &[(&str, u32, &[u8])] = &[
        ("prog", 0o100755, &elf),
        ("s0", 0o100755, b"#! /prog -a b \nnothing"),
        ("s1", 0o100755, s1.as_bytes()),
        ("s2", 0o100755, s2.as_bytes()),
        ("s3", 0o100755, s3.as_bytes()),
        ("s4", 0o100755, s4.as_bytes()),
        ("s5", 0o100755, s5.as_bytes()),
        ("none", 0o100755, b"#!/nothing\n"),
        ("empty", 0o100755, b"#!\n"),
        ("plain", 0o100755, b"#!/etc/plain\n"),
        ("text", 0o100755, b"words"),
        ("of-text", 0o100755, b"#!/text\n"),
    ];
    let args = |path| {
        let r = run(files, path, false).unwrap();
        let image = r.process.image();
        assert_eq!((&image.path[..], &image.program[..]), (path.as_bytes(), &b"/prog"[..]));
        assert_eq!(&r.process.name()[..2], &path.as_bytes()[1..], "the script's name");
        let mut bytes = vec![0; (image.args.end - image.args.start) as usize];
        r.machine.user_memory().read(image.args.start, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(args("/s0"), "/prog\0-a b\0/s0\0x y\0");
    assert_eq!(args("/s1"), "/prog\0-a b\0/s0\x000\0/s1\0x y\0");
    assert_eq!(args("/s4"), "/prog\0-a b\0/s0\x000\0/s1\x001\0/s2\x002\0/s3\x003\0/s4\0x y\0");
    let refused = |path| run(files, path, false).err().unwrap();
    assert_eq!(refused("/s5"), ExecError::File(Role::Interpreter, FsError::Loop));
    assert_eq!(refused("/none"), ExecError::File(Role::Interpreter, FsError::NotFound));
    assert_eq!(refused("/plain"), ExecError::NotExecutable(Role::Interpreter));
    assert_eq!(refused("/empty").failure(), Some(ExecFailure::NoExec));
    assert_eq!(refused("/of-text").failure(), Some(ExecFailure::NoExec));
}

#[test]
fn refusals() {
    let elf = tiny_elf(2, None);
    let asking = tiny_elf(2, Some("/ld.so"));
    let mut truncated = elf.clone();
    truncated.truncate(100);
    let case = |files: &[(&str, u32, &[u8])], path: &str| match run(files, path, false) {
        Ok(_) => panic!("{path} started"),
        Err(error) => (error, error.failure(), error.to_string()),
    };
    let (error, _, text) = case(&[], "/nothing");
    assert_eq!(error, ExecError::File(Role::Program, FsError::NotFound));
    assert_eq!(text, "no such file or directory");
    assert_eq!(case(&[], "/etc").0, ExecError::NotExecutable(Role::Program));
    assert_eq!(case(&[], "/dev/null").0, ExecError::NotExecutable(Role::Program));
    assert_eq!(case(&[("p", 0o100644, &elf)], "/p").0, ExecError::NotExecutable(Role::Program));
    assert_eq!(case(&[("p", 0o100755, b"#! \n")], "/p").1, Some(ExecFailure::NoExec));
    assert_eq!(case(&[("p", 0o100755, &truncated)], "/p").1, Some(ExecFailure::NoExec));
    assert_eq!(
        case(&[("p", 0o100755, &asking)], "/p").0,
        ExecError::File(Role::Interpreter, FsError::NotFound)
    );
    let (error, failure, text) = case(&[("p", 0o100755, &asking), ("ld.so", 0o100755, b"text")], "/p");
    assert!(matches!(error, ExecError::Elf(Role::Interpreter, ElfError::NotElf)), "{error:?}");
    assert_eq!(failure, Some(ExecFailure::LibBad));
    assert_eq!(text, "its interpreter: not an ELF file");
    let nested = case(&[("p", 0o100755, &asking), ("ld.so", 0o100755, &asking)], "/p");
    assert_eq!(nested.0, ExecError::NestedInterpreter);

    let long = vec![b'x'; 200 << 10];
    let request = ExecRequest { path: b"/p", args: &[&long], env: &[], aslr: false };
    let error = start(&[("p", 0o100755, &elf)], &request, PIPES).err().unwrap();
    assert_eq!(error.failure(), Some(ExecFailure::TooBig));
}

#[test]
fn nothing_leaks() {
    let elf = tiny_elf(3, None);
    let r = run(&[("prog", 0o100755, &elf)], "/prog", true).unwrap();
    assert!(r.machine.frames.allocated() > 0);
    r.process.space().clear();
    assert_eq!(r.machine.frames.allocated(), 0);
}
