//! Real programs: accepted, and with the properties their build asked for.

use loader::{Kind, Plan, plan};

use crate::check::check;
use crate::fixtures::{Fixture, build_all};

fn by_name<'a>(plans: &'a [(&str, Plan)], name: &str) -> &'a Plan {
    &plans.iter().find(|(have, _)| *have == name).unwrap().1
}

#[test]
fn programs_are_accepted_and_described() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = build_all(dir.path());
    let plans: Vec<(&str, Plan)> = fixtures.iter().map(|f| (f.name, accept(f))).collect();
    for (name, plan) in &plans {
        let pie = name.ends_with("pie") || name.ends_with("-dynamic");
        assert_eq!(plan.kind, if pie { Kind::Dyn } else { Kind::Exec }, "{name}");
        assert_eq!(plan.interp.is_some(), name.contains("dynamic"), "{name}");
        assert!(name.contains("omagic") || plan.phdr_vaddr.is_some(), "{name}");
        let entry_runs =
            |s: &loader::Segment| s.prot.exec && plan.entry >= s.vaddr && plan.entry < s.file_end();
        assert!(plan.segments.iter().any(entry_runs), "{name}: entry");
    }
    let interp = |name| by_name(&plans, name).interp.clone().unwrap();
    assert_eq!(interp("glibc-dynamic"), b"/lib64/ld-linux-x86-64.so.2");
    assert_eq!(interp("musl-dynamic"), b"/lib/ld-musl-x86_64.so.1");
    assert_eq!(by_name(&plans, "execstack").stack_executable, Some(true));
    assert_eq!(by_name(&plans, "glibc-static").stack_executable, Some(false));
    assert_eq!(by_name(&plans, "2m-pie").align, 1 << 21);
    assert_eq!(by_name(&plans, "lowest").span.start, 0x10000);
    assert!(by_name(&plans, "glibc-static").relro.is_some());
}

fn accept(fixture: &Fixture) -> Plan {
    let bytes = fixture.bytes();
    assert!(check(&bytes), "{}: {:?}", fixture.name, plan(&bytes.as_slice()));
    plan(&bytes.as_slice()).unwrap()
}

#[test]
fn object_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/loader/c/hello.c");
    let object = dir.path().join("hello.o");
    let status =
        std::process::Command::new("gcc").arg("-c").arg("-o").arg(&object).arg(source).status().unwrap();
    assert!(status.success());
    let bytes = std::fs::read(object).unwrap();
    assert_eq!(plan(&bytes.as_slice()), Err(loader::ElfError::NotExecutable(1)));
}
