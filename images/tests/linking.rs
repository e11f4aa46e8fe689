//! The search for libraries, against programs built for each rule, and against the dynamic linker itself.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use images::elf;
use images::image::Image;
use images::ldso::{self, Dependencies, LinkError, System};
use support::{Bench, mkimage, run, stderr, stdout};

const CALLS_A: &str = "int a(void); int main(void) { return a(); }";

fn resolve_with(program: &Path, system: &System) -> Result<Dependencies, LinkError> {
    let linking = elf::check_program(&fs::read(program).unwrap()).unwrap();
    ldso::resolve(program, &linking, system)
}

/// The libraries of a program other than libc, relative to the bench.
fn own(bench: &Bench, program: &Path) -> Result<Vec<String>, String> {
    let found = resolve_with(program, &System::default()).map_err(|error| error.to_string())?;
    let dir = bench.dir.path();
    let inside = found.libraries.iter().filter_map(|path| path.strip_prefix(dir).ok());
    Ok(inside.map(|path| path.to_str().unwrap().to_owned()).collect())
}

fn missing(name: &str, needed_by: &Path) -> Result<Vec<String>, String> {
    Err(format!("{name} not found, needed by {}", needed_by.display()))
}

/// `lib/liba.so`, which needs `lib/libb.so` and has no search path of its own.
fn libraries(bench: &Bench) {
    fs::create_dir_all(bench.path("lib")).unwrap();
    bench.gcc("lib/libb.so", "int b(void) { return 0; }", &["-shared", "-fPIC"]);
    bench.gcc(
        "lib/liba.so",
        "int b(void); int a(void) { return b(); }",
        &["-shared", "-fPIC", "-Llib", "-lb"],
    );
}

#[test]
fn a_runpath_serves_its_own_object_only() {
    let bench = Bench::new();
    libraries(&bench);
    let runpath = format!("-Wl,--enable-new-dtags,-rpath,{}", bench.text("lib"));
    let args = ["-Llib", "-la", "-Wl,--allow-shlib-undefined", &runpath];
    let program = bench.gcc("program", CALLS_A, &args);
    assert_eq!(own(&bench, &program), missing("libb.so", &bench.path("lib/liba.so")));
    // The linker itself sees it the same way.
    assert!(!Command::new(&program).output().unwrap().status.success());
}

#[test]
fn an_rpath_serves_what_its_object_loads() {
    let bench = Bench::new();
    libraries(&bench);
    let rpath = format!("-Wl,--disable-new-dtags,-rpath,{}", bench.text("lib"));
    let program = bench.gcc("program", CALLS_A, &["-Llib", "-la", &rpath]);
    assert_eq!(own(&bench, &program).unwrap(), ["lib/liba.so", "lib/libb.so"]);
    assert!(Command::new(&program).status().unwrap().success());
    // A library with a DT_RUNPATH of its own does not inherit it.
    bench.gcc(
        "lib/liba.so",
        "int b(void); int a(void) { return b(); }",
        &["-shared", "-fPIC", "-Llib", "-lb", "-Wl,--enable-new-dtags,-rpath,/nowhere"],
    );
    assert_eq!(own(&bench, &program), missing("libb.so", &bench.path("lib/liba.so")));
    assert!(!Command::new(&program).output().unwrap().status.success());
}

#[test]
fn origin_is_where_the_program_really_is() {
    let bench = Bench::new();
    libraries(&bench);
    fs::create_dir(bench.path("bin")).unwrap();
    let rpath = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib";
    bench.gcc("bin/program", CALLS_A, &["-Llib", "-la", rpath]);
    fs::create_dir_all(bench.path("elsewhere/deep")).unwrap();
    symlink("../../bin/program", bench.path("elsewhere/deep/link")).unwrap();
    let found = own(&bench, &bench.path("elsewhere/deep/link")).unwrap();
    assert_eq!(found, ["bin/../lib/liba.so", "bin/../lib/libb.so"]);
    assert!(Command::new(bench.path("elsewhere/deep/link")).status().unwrap().success());
}

#[test]
fn a_name_with_a_slash_is_a_path() {
    let bench = Bench::new();
    let soname = format!("-Wl,-soname,{}", bench.text("x/libc1.so"));
    fs::create_dir(bench.path("x")).unwrap();
    bench.gcc("x/libc1.so", "int a(void) { return 0; }", &["-shared", "-fPIC", &soname]);
    let program = bench.gcc("program", CALLS_A, &["x/libc1.so"]);
    assert_eq!(own(&bench, &program).unwrap(), ["x/libc1.so"]);
    fs::remove_file(bench.path("x/libc1.so")).unwrap();
    assert_eq!(own(&bench, &program), missing(&bench.text("x/libc1.so"), &program));
}

#[test]
fn a_library_for_another_machine_is_passed_over() {
    let bench = Bench::new();
    libraries(&bench);
    let wrong = bench.path("wrong");
    fs::create_dir(&wrong).unwrap();
    let mut other = fs::read(bench.path("lib/liba.so")).unwrap();
    other[18] = 183;
    fs::write(wrong.join("liba.so"), &other).unwrap();
    other[4] = 1;
    fs::write(wrong.join("libb.so"), &other).unwrap();
    let rpath = format!("-Wl,--disable-new-dtags,-rpath,{}:{}", bench.text("wrong"), bench.text("lib"));
    let program = bench.gcc("program", CALLS_A, &["-Llib", "-la", &rpath]);
    assert_eq!(own(&bench, &program).unwrap(), ["lib/liba.so", "lib/libb.so"]);
    fs::write(wrong.join("liba.so"), "/* GNU ld script */").unwrap();
    let error = own(&bench, &program).unwrap_err();
    assert_eq!(error, format!("{}: not an ELF file", wrong.join("liba.so").display()));
}

#[test]
fn library_path_and_preload_of_the_guest() {
    let bench = Bench::new();
    libraries(&bench);
    let args = ["-Llib", "-la", "-Wl,--allow-shlib-undefined"];
    bench.gcc("program", CALLS_A, &args);
    bench.gcc("lib/libp.so", "int p(void) { return 0; }", &["-shared", "-fPIC"]);
    let output = mkimage(&bench, &["--elf", "program"]);
    let line = format!("mkimage: liba.so not found, needed by {}\n", bench.text("program"));
    assert!(stderr(&output).ends_with(&line), "{}", stderr(&output));
    assert!(!bench.path("program.img").exists());
    let path = format!("LD_LIBRARY_PATH=/none:{}", bench.text("lib"));
    let output = mkimage(&bench, &["--elf", "program", "-e", &path, "-e", "LD_PRELOAD=libp.so", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let libraries: Vec<_> =
        summary["libraries"].as_array().unwrap().iter().filter_map(|l| l.as_str()).collect();
    assert_eq!(libraries[..2], [bench.text("lib/libp.so"), bench.text("lib/liba.so")]);
    assert_eq!(libraries.last().unwrap(), &bench.text("lib/libb.so"));
}

#[test]
fn a_missing_interpreter() {
    let bench = Bench::new();
    let program =
        bench.gcc("program", "int main(void) { return 0; }", &["-Wl,--dynamic-linker,/nowhere/ld.so"]);
    assert_eq!(own(&bench, &program), missing("/nowhere/ld.so", &program));
}

#[test]
fn without_a_cache_the_configuration_counts_and_a_cache_is_made() {
    let bench = Bench::new();
    libraries(&bench);
    let program = bench.gcc("program", CALLS_A, &["-Llib", "-la", "-Wl,--allow-shlib-undefined"]);
    bench.write("conf.d/x.conf", bench.text("lib"));
    let conf = bench.write("ld.so.conf", "include conf.d/*.conf\n");
    let system = System { cache: bench.path("no.cache"), conf, ..System::default() };
    let found = resolve_with(&program, &system).unwrap();
    assert!(found.libraries.contains(&bench.path("lib/libb.so")));
    assert!(found.linker_files.is_empty());
    let made = found.made_cache.unwrap();
    let cache = ldso::cache::Cache::parse(&made).unwrap();
    assert_eq!(cache.lookup(b"libb.so").collect::<Vec<_>>(), [bench.path("lib/libb.so")]);

    // The linker finds everything by the cache that was made.
    let root = bench.path("root");
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap());
    for file in found.libraries.iter().chain(&found.interpreter).chain([&program]) {
        fs::create_dir_all(inside(file).parent().unwrap()).unwrap();
        fs::copy(file, inside(file)).unwrap();
    }
    let cache = inside(Path::new("/etc/ld.so.cache"));
    fs::create_dir_all(cache.parent().unwrap()).unwrap();
    fs::write(&cache, made).unwrap();
    let Some(output) = chroot(&root, &program, &[]) else { return };
    assert!(output.status.success(), "{}", stderr(&output));
    fs::remove_file(cache).unwrap();
    assert!(!chroot(&root, &program, &[]).unwrap().status.success(), "only the cache leads to the libraries");
}

#[test]
fn musl_has_rules_of_its_own() {
    let bench = Bench::new();
    libraries(&bench);
    let musl = |name: &str, source: &str, args: &[&str]| {
        let file = bench.write("m.c", source);
        let out = bench.path(name);
        let mut build = Command::new("musl-gcc");
        build.arg("-o").arg(&out).arg(file).args(args).current_dir(bench.dir.path());
        built_or_skip(&mut build).then_some(out)
    };
    let runpath = format!("-Wl,--enable-new-dtags,-rpath,{}", bench.text("lib"));
    let args = ["-nostdlib", "-shared", "-fPIC"];
    if musl("lib/libb.so", "int b(void) { return 0; }", &args).is_none() {
        return;
    }
    let args = ["-nostdlib", "-shared", "-fPIC", "-Llib", "-lb"];
    musl("lib/liba.so", "int b(void); int a(void) { return b(); }", &args).unwrap();
    let args = ["-Llib", "-la", "-Wl,--allow-shlib-undefined", &runpath];
    let program = musl("program", CALLS_A, &args).unwrap();
    // Unlike glibc, musl lets a library inherit DT_RUNPATH.
    assert_eq!(own(&bench, &program).unwrap(), ["lib/liba.so", "lib/libb.so"]);
    assert!(Command::new(&program).status().unwrap().success());
    let found = resolve_with(&program, &System::default()).unwrap();
    assert_eq!(found.libraries.len(), 2, "libc.so is the linker itself: {found:?}");
    assert!(found.interpreter.unwrap().starts_with("/lib"));
}

/// Whether a build step succeeded; says so if the compiler is not there.
fn built_or_skip(command: &mut Command) -> bool {
    match command.output() {
        Ok(output) => {
            assert!(output.status.success(), "{command:?}: {}", stderr(&output));
            true
        }
        Err(error) => {
            eprintln!("skipped: {command:?}: {error}");
            false
        }
    }
}

/// What the dynamic linker of this machine would load for a program, by its own word.
fn listed(interpreter: &Path, program: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new(interpreter).arg("--list").arg(program).output().unwrap();
    let text = stdout(&output);
    let paths = text.lines().filter_map(|line| line.split("=> ").nth(1)?.split(" (").next());
    paths.map(PathBuf::from).collect()
}

#[test]
fn agrees_with_the_dynamic_linker() {
    let mut compared = 0;
    for program in [
        "/bin/ls",
        "/bin/bash",
        "/usr/bin/python3",
        "/usr/bin/git",
        "/usr/bin/qemu-system-x86_64",
        "/usr/bin/perl",
    ] {
        let program = Path::new(program);
        if !program.exists() {
            continue;
        }
        let found = resolve_with(program, &System::default()).unwrap();
        let interpreter = found.interpreter.unwrap();
        if interpreter.to_string_lossy().contains("musl") {
            continue;
        }
        let ours: BTreeSet<_> = found.libraries.into_iter().collect();
        let mut theirs = listed(&interpreter, program);
        theirs.remove(&interpreter);
        assert_eq!(ours, theirs, "{}", program.display());
        compared += 1;
    }
    assert!(compared > 0, "no dynamic program on this machine?");
}

/// Runs a program with `root` as its root directory; nothing if that is not allowed here.
fn chroot(root: &Path, program: &Path, args: &[&str]) -> Option<Output> {
    let mut command = Command::new("chroot");
    command.arg(root).arg(program).args(args).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = command.output().unwrap();
    if stderr(&output).contains("cannot change root directory") {
        eprintln!("skipped: chroot is not allowed here");
        return None;
    }
    Some(output)
}

/// The image's root is all that a program needs: it runs in a chroot of it.
#[test]
fn programs_run_from_the_root_of_their_image() {
    let bench = Bench::new();
    libraries(&bench);
    // Not $ORIGIN, which needs the /proc that this root lacks.
    let rpath = format!("-Wl,--allow-shlib-undefined,--disable-new-dtags,-rpath,{}", bench.text("lib"));
    let source = "#include <stdio.h>\n#include <pwd.h>\nint a(void);\n\
                  int main(void) { struct passwd *p = getpwuid(0); puts(p ? p->pw_name : \"nobody\"); return a(); }";
    bench.gcc("program", source, &["-Llib", "-la", &rpath]);
    for (program, args, expected) in [
        (bench.text("program"), vec![], "root\n"),
        ("/bin/bash".to_owned(), vec!["-c", "echo $BASH"], "/bin/bash\n"),
    ] {
        let output = mkimage(&bench, &["--elf", &program, "-o", "x.img"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let image = Image::open(&bench.path("x.img")).unwrap();
        let archive = bench.write("root.cpio", image.archive());
        let root = bench.path("root");
        fs::create_dir(&root).unwrap();
        run(Command::new("cpio")
            .args(["-id", "--quiet"])
            .current_dir(&root)
            .stdin(fs::File::open(archive).unwrap()));
        let Some(output) = chroot(&root, Path::new(&program), &args) else { return };
        assert_eq!(stdout(&output), expected, "{}", stderr(&output));
        fs::remove_dir_all(&root).unwrap();
    }
}
