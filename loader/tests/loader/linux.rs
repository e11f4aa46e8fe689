//! Linux as the oracle: programs report their own mappings and initial stack, and the loader must have planned
//! the same.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use loader::auxv::{AT_BASE, AT_ENTRY, AT_EXECFN, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PLATFORM, AT_RANDOM};
use loader::{AuxInput, Kind, Plan, StackInput, plan, stack};

use crate::check::{Content, Model};
use crate::fixtures::{Fixture, build_layouts};
use crate::stack::Memory;

const ENV: [(&str, &str); 2] = [("FIRST", "1"), ("LAST", "a longer value")];
const ARGS: [&str; 2] = ["one", "second argument"];

/// What a program reported.
struct Report {
    maps: String,
    sp: u64,
    stack: Vec<u8>,
}

fn run(fixture: &Fixture) -> Report {
    let output = Command::new(&fixture.path).args(ARGS).env_clear().envs(ENV).output().unwrap();
    assert!(output.status.success(), "{}: {}", fixture.name, output.status);
    let maps = String::from_utf8(output.stdout).unwrap();
    let line = maps.lines().find(|line| line.ends_with("[stack]")).unwrap();
    let top = parse_range(line).1;
    Report { sp: top - output.stderr.len() as u64, stack: output.stderr, maps }
}

fn parse_range(line: &str) -> (u64, u64) {
    let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
    (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap())
}

/// Rights and file offset (`None`: anonymous) of every page.
type Pages = BTreeMap<u64, (String, Option<u64>)>;

/// The pages of a maps file that lie within `range`.
fn linux_pages(maps: &str, range: std::ops::Range<u64>) -> Pages {
    let mut pages = Pages::new();
    for line in maps.lines() {
        let (start, end) = parse_range(line);
        let fields: Vec<&str> = line.split_whitespace().collect();
        let offset = u64::from_str_radix(fields[2], 16).unwrap();
        let file = fields[4] != "0";
        for page in (start..end).step_by(4096).filter(|page| range.contains(page)) {
            pages.insert(page, (fields[1][..3].to_string(), file.then(|| offset + (page - start))));
        }
    }
    pages
}

/// The pages that the plan maps.
fn planned_pages(plan: &Plan, bias: u64) -> Pages {
    let mut model = Model::default();
    plan.map_into(bias, &mut model).unwrap();
    let mut pages = Pages::new();
    for page in plan.span_at(bias).step_by(4096) {
        if let Some((content, prot)) = model.at(page) {
            let rights = [(prot.read, 'r'), (prot.write, 'w'), (prot.exec, 'x')];
            let rights = rights.iter().map(|&(on, c)| if on { c } else { '-' }).collect();
            let offset = if let Content::File(offset) = content { Some(offset) } else { None };
            pages.insert(page, (rights, offset));
        }
    }
    pages
}

/// The load bias that Linux chose: from where the program's file is mapped first.
fn linux_bias(fixture: &Fixture, report: &Report, plan: &Plan) -> u64 {
    let path = fixture.path.to_str().unwrap();
    let line = report.maps.lines().find(|line| line.ends_with(path)).unwrap();
    parse_range(line).0.wrapping_sub(plan.span.start)
}

#[test]
fn mappings_are_those_of_linux() {
    let dir = tempfile::tempdir().unwrap();
    for fixture in build_layouts(dir.path()) {
        let plan = plan(&fixture.bytes().as_slice()).unwrap();
        let report = run(&fixture);
        let bias = linux_bias(&fixture, &report, &plan);
        assert!(plan.kind == Kind::Dyn || bias == 0, "{}", fixture.name);
        let linux = linux_pages(&report.maps, plan.span_at(bias));
        assert_eq!(planned_pages(&plan, bias), linux, "{}\n{}", fixture.name, report.maps);
    }
}

#[test]
fn auxiliary_vector_is_that_of_linux() {
    let dir = tempfile::tempdir().unwrap();
    for fixture in build_layouts(dir.path()) {
        let plan = plan(&fixture.bytes().as_slice()).unwrap();
        let report = run(&fixture);
        let bias = linux_bias(&fixture, &report, &plan);
        let linux = Memory { start: report.sp, bytes: &report.stack }.parse();
        let input = AuxInput::for_program(&plan, bias, None);
        let ours = AuxInput { sysinfo_ehdr: Some(1), minsigstksz: 1, ..input }.entries();
        // Order: the kinds that both have. Kernels differ in what they add.
        let common = |from: &[(u64, u64)], other: &[(u64, u64)]| -> Vec<u64> {
            from.iter().map(|e| e.0).filter(|kind| other.iter().any(|e| e.0 == *kind)).collect()
        };
        assert_eq!(common(&ours, &linux.auxv), common(&linux.auxv, &ours), "{}", fixture.name);
        assert!(common(&ours, &linux.auxv).len() >= 17);
        for kind in [AT_PHDR, AT_PHENT, AT_PHNUM, AT_BASE, AT_ENTRY] {
            let value = ours.iter().find(|e| e.0 == kind).map(|e| e.1);
            assert_eq!(value, linux.aux(kind), "{}: entry {kind}", fixture.name);
        }
    }
}

#[test]
fn stack_is_that_of_linux() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = build_layouts(dir.path()).into_iter().next().unwrap();
    let report = run(&fixture);
    let memory = Memory { start: report.sp, bytes: &report.stack };
    let linux = memory.parse();
    let top = report.sp + report.stack.len() as u64;

    let random_at = linux.aux(AT_RANDOM).unwrap();
    let path = fixture.path.as_os_str().as_bytes();
    let args: Vec<&[u8]> = [path].into_iter().chain(ARGS.map(str::as_bytes)).collect();
    let env: Vec<String> = ENV.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let env: Vec<&[u8]> = env.iter().map(String::as_bytes).collect();
    let input = StackInput {
        args: &args,
        env: &env,
        execfn: path,
        platform: b"x86_64",
        random: memory.slice(random_at..random_at + 16).try_into().unwrap(),
        auxv: &linux.auxv,
        top,
        stack_limit: 8 << 20,
    };
    let image = stack::build(&input).unwrap();
    let ours_memory = Memory { start: image.sp, bytes: &image.bytes };
    let ours = ours_memory.parse();

    assert_eq!(report.sp % 16, 0);
    assert_eq!(ours.args, linux.args);
    assert_eq!(ours.env, linux.env);
    // Linux leaves a random gap below the strings; above it every byte agrees.
    let strings = image.args.start..top;
    assert_eq!(ours_memory.slice(strings.clone()), memory.slice(strings));
    for (ours, linux) in ours.auxv.iter().zip(&linux.auxv) {
        assert_eq!(ours.0, linux.0);
        assert!(ours.1 == linux.1 || matches!(ours.0, AT_RANDOM | AT_PLATFORM));
    }
    assert_eq!(ours.aux(AT_EXECFN), linux.aux(AT_EXECFN));
    assert_eq!(ours_memory.string(ours.aux(AT_PLATFORM).unwrap()), b"x86_64");
}
