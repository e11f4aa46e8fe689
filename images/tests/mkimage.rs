//! `mkimage` as a user meets it: what goes into an image, what comes out again, and what it says to bad input.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image_format::Archive;
use images::image::Image;
use support::{Bench, MKIMAGE, Scenario, elf, mkimage, names, stderr, stdout};

/// Runs mkimage, which has to fail with this one line and leave nothing behind.
fn fails(bench: &Bench, args: &[&str], line: &str) {
    bench.kernel(Scenario::Hello);
    let before = names(bench.dir.path());
    let output = mkimage(bench, args);
    assert_eq!(stdout(&output), "");
    let said: Vec<_> =
        stderr(&output).lines().filter(|line| !line.contains(": reading ")).map(str::to_owned).collect();
    let said: Vec<_> = said.into_iter().filter(|line| !line.contains(": writing ")).collect();
    assert_eq!(said, [format!("mkimage: {line}")], "{args:?}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(names(bench.dir.path()), before, "{args:?}");
}

fn inspect(bench: &Bench, args: &[&str]) -> String {
    let output =
        Command::new(MKIMAGE).current_dir(bench.dir.path()).arg("inspect").args(args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn an_image_reads_back() {
    let bench = Bench::new();
    bench.program();
    bench.write("data/one", "1");
    bench.write("conf", "setting\n");
    let args =
        ["--elf", "program", "-e", "NAME=a b", "--append", "ip=dhcp strace", "--file", "conf:/etc/x/conf"];
    let more =
        ["--file", "conf:/etc/hosts", "--file", "conf:/srv/", "--dir", "data:/data", "--", "-v", "", "a\"b"];
    let output = mkimage(&bench, &[&args[..], &more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("mkimage: reading program\n"));
    assert!(stdout(&output).starts_with("program.img\n"), "{}", stdout(&output));

    let program = bench.text("program");
    let line = format!("ip=dhcp strace env.NAME=\"a b\" -- {program} -v \"\" a\\\"b\n");
    assert_eq!(inspect(&bench, &["program.img", "cmdline"]), line);
    let ls = inspect(&bench, &["program.img", "ls"]);
    for expected in
        ["drwxrwxrwt          0 /tmp", "-rw-r--r--          8 /etc/x/conf", "-rw-r--r--          8 /srv/conf"]
    {
        assert!(ls.lines().any(|line| line == expected), "{expected}: {ls}");
    }
    let listed: Vec<_> =
        ls.lines().map(|line| line.split(' ').find(|word| word.starts_with('/')).unwrap()).collect();
    assert!(listed.is_sorted());
    assert_eq!(inspect(&bench, &["program.img", "cat", "/etc/hosts"]), "setting\n");
    assert_eq!(inspect(&bench, &["program.img", "cat", "data/one"]), "1");
    assert!(inspect(&bench, &["program.img"]).contains("build id abababab"));
    assert_eq!(fs::metadata(bench.path("program.img")).unwrap().permissions().mode() & 0o111, 0);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let bench = Bench::new();
    for name in ["b", "a", "sub/c"] {
        bench.write(&format!("data/{name}"), name);
    }
    let make = |out: &str| {
        let output = mkimage(&bench, &["--elf", "/bin/ls", "--dir", "data:/data", "-o", out]);
        assert!(output.status.success(), "{}", stderr(&output));
        fs::read(bench.path(out)).unwrap()
    };
    assert!(make("1.img") == make("2.img"));
}

#[test]
fn the_archive_is_read_by_cpio() {
    let bench = Bench::new();
    bench.program();
    bench.write("data/a", "contents");
    fs::hard_link(bench.path("data/a"), bench.path("data/b")).unwrap();
    symlink("a", bench.path("data/link")).unwrap();
    assert!(mkimage(&bench, &["--elf", "program", "--dir", "data:/data"]).status.success());
    let image = Image::open(&bench.path("program.img")).unwrap();
    let archive = bench.write("root.cpio", image.archive());
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    let extracted = Command::new("cpio")
        .args(["-id", "--quiet"])
        .current_dir(&out)
        .stdin(fs::File::open(archive).unwrap())
        .output();
    let Ok(extracted) = extracted else {
        eprintln!("skipped: no cpio here");
        return;
    };
    assert!(extracted.status.success(), "{}", stderr(&extracted));
    let (a, b) = (fs::metadata(out.join("data/a")).unwrap(), fs::metadata(out.join("data/b")).unwrap());
    assert_eq!((a.ino(), a.nlink()), (b.ino(), 2));
    assert_eq!(fs::read(out.join("data/b")).unwrap(), b"contents");
    assert_eq!(fs::read_link(out.join("data/link")).unwrap().to_str(), Some("a"));
    assert_eq!(fs::metadata(out.join("tmp")).unwrap().permissions().mode() & 0o7777, 0o1777);
    // The image's own reader gives the contents to both links.
    assert_eq!(inspect(&bench, &["program.img", "cat", "/data/a"]), "contents");
    assert_eq!(inspect(&bench, &["program.img", "cat", "/data/link"]), "contents");
}

#[test]
fn large_files_are_aligned_and_the_overhead_is_small() {
    let bench = Bench::new();
    let output = mkimage(&bench, &["--elf", "/bin/bash", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let number = |key: &str| summary[key].as_u64().unwrap();
    let content = number("content_bytes");
    assert!(number("total_bytes") <= number("kernel_bytes") + content + content / 50, "{summary}");
    assert_eq!(number("total_bytes"), fs::metadata(bench.path("bash.img")).unwrap().len());
    let image = Image::open(&bench.path("bash.img")).unwrap();
    let large: Vec<_> = Archive::new(image.archive())
        .entries()
        .map(Result::unwrap)
        .filter(|entry| entry.data.len() >= 64 * 4096)
        .collect();
    assert!(large.len() >= 2);
    let aligned = large.iter().filter(|entry| entry.data_offset % 4096 == 0).count();
    // One in a hundred cannot be: its name field would be longer than readers accept.
    assert!(aligned + 1 >= large.len(), "{aligned} of {}", large.len());
}

#[test]
fn bad_programs() {
    let bench = Bench::new();
    let good = elf();
    let with = |at: usize, bytes: &[u8]| {
        let mut elf = good.clone();
        elf[at..at + bytes.len()].copy_from_slice(bytes);
        bench.write("bad", elf);
    };
    bench.write("bad", "text");
    fails(&bench, &["--elf", "bad"], "bad: not an ELF file");
    bench.write("bad", "");
    fails(&bench, &["--elf", "bad"], "bad: not an ELF file");
    bench.write("bad", "#! \n");
    let line = "bad: not an ELF file but a script, and its first line leads to no interpreter";
    fails(&bench, &["--elf", "bad"], line);
    bench.write("bad", "#!/no/such -x\n");
    fails(&bench, &["--elf", "bad"], "bad: its interpreter /no/such cannot be read");
    bench.write("bad", &good[..100]);
    fails(&bench, &["--elf", "bad"], "bad: truncated ELF file");
    bench.write("bad", &good[..good.len() - 1]);
    fails(&bench, &["--elf", "bad"], "bad: truncated ELF file");
    with(4, &[1]);
    fails(&bench, &["--elf", "bad"], "bad: a 32-bit ELF file; x86-64 is needed");
    with(18, &[183]);
    fails(&bench, &["--elf", "bad"], "bad: an ELF file for another machine (AARCH64); x86-64 is needed");
    with(16, &[1]);
    fails(&bench, &["--elf", "bad"], "bad: an object file, not a program; it has to be linked first");
    with(80, &[0xff; 8]);
    fails(&bench, &["--elf", "bad"], "bad: malformed ELF file: a segment wraps around");
    with(104, &[0, 0, 0, 0, 0x20, 0, 0, 0]);
    fails(&bench, &["--elf", "bad"], "bad: malformed ELF file: segments span more than 64 GiB");
    with(96, &[0xff]);
    fails(
        &bench,
        &["--elf", "bad"],
        "bad: malformed ELF file: a segment is larger in the file than in memory",
    );
    fails(&bench, &["--elf", "missing"], "missing: No such file or directory");
    fails(&bench, &["--elf", "."], ".: Is a directory");
    fails(&bench, &["--elf", "/dev/null"], "/dev/null: not a regular file");
}

#[test]
fn bad_outputs() {
    let bench = Bench::new();
    bench.program();
    fails(&bench, &["--elf", "program", "-o", "no/x.img"], "no/x.img: No such file or directory");
    fails(&bench, &["--elf", "program", "-o", "."], ".: is a directory");
    fails(
        &bench,
        &["--elf", "program", "-o", "/dev/null"],
        "/dev/null: is not a regular file and will not be replaced",
    );
    symlink("program", bench.path("alias")).unwrap();
    fails(
        &bench,
        &["--elf", "alias", "-o", "program"],
        "program: is the program itself and will not be replaced",
    );
    assert_eq!(fs::read(bench.path("program")).unwrap(), elf());
}

#[test]
fn bad_additions() {
    let bench = Bench::new();
    bench.program();
    bench.write("data/f", "");
    fails(&bench, &["--elf", "program", "--file", "none:/x"], "none: No such file or directory");
    fails(&bench, &["--elf", "program", "--file", "data:/x"], "data: a directory; use --dir");
    fails(&bench, &["--elf", "program", "--dir", "program:/x"], "program: not a directory; use --file");
    fails(
        &bench,
        &["--elf", "program", "--file", "program:/tmp"],
        "/tmp is a directory in the image already and cannot become a file",
    );
    fails(
        &bench,
        &["--elf", "program", "--dir", "data:/etc/hosts"],
        "/etc/hosts is a file in the image already and cannot become a directory",
    );
    fs::File::create(bench.path("huge")).unwrap().set_len(3 << 30).unwrap();
    fails(
        &bench,
        &["--elf", "program", "--file", "huge:/huge"],
        "the image would take 3.0 GiB of the guest's memory; the limit is 3 GiB",
    );
}

#[test]
fn wrong_usage_is_status_2() {
    let bench = Bench::new();
    bench.program();
    for args in [
        &["--elf", "program", "--bogus"][..],
        &[],
        &["--elf"],
        &["--elf", "program", "-e", "X"],
        &["--elf", "program", "--file", "a:b"],
        &["--elf", "program", "--append", "a=\""],
        &["--elf", "program", "--append", "a -- /x"],
        &["inspect"],
    ] {
        let output = Command::new(MKIMAGE).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).starts_with("error: "), "{args:?}");
    }
}

#[test]
fn an_older_image_survives_a_failure() {
    let bench = Bench::new();
    bench.program();
    bench.write("program.img", "older");
    fails(&bench, &["--elf", "program", "--file", "none:/x"], "none: No such file or directory");
    assert_eq!(fs::read(bench.path("program.img")).unwrap(), b"older");
    assert!(mkimage(&bench, &["--elf", "program"]).status.success());
    assert!(Image::open(&bench.path("program.img")).is_ok());
}

#[test]
fn a_full_disk() {
    let bench = Bench::new();
    bench.program();
    bench.write("large", vec![1; 4 << 20]);
    let small = bench.path("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&small).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no file system of limited size can be mounted here");
        return;
    }
    let output = mkimage(&bench, &["--elf", "program", "--file", "large:/large", "-o", "small/x.img"]);
    let left = names(&small);
    assert!(Command::new("umount").arg(&small).status().unwrap().success());
    assert!(
        stderr(&output).ends_with("mkimage: small/x.img: No space left on device\n"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn files_that_may_not_be_read() {
    let bench = Bench::new();
    bench.program();
    bench.write("secret", "x");
    fs::set_permissions(bench.path("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(bench.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let kernel = bench.kernel(Scenario::Hello);
    // Copied, for the build directory may be closed to others.
    fs::copy(MKIMAGE, bench.path("mkimage")).unwrap();
    let run = |args: &[&str]| {
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
                .arg(bench.path("mkimage"));
            command
        } else {
            Command::new(bench.path("mkimage"))
        };
        command.current_dir(bench.dir.path()).arg("--kernel").arg(&kernel).args(args).output().unwrap()
    };
    for args in [&["--elf", "secret"][..], &["--elf", "program", "--file", "secret:/x"]] {
        let output = run(args);
        assert!(stderr(&output).ends_with("mkimage: secret: Permission denied\n"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
    assert!(!bench.path("secret.img").exists() && !bench.path("program.img").exists());
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.program();
    fs::File::create(bench.path("large")).unwrap().set_len(1 << 30).unwrap();
    let out = bench.path("out");
    fs::create_dir(&out).unwrap();
    let kernel = bench.kernel(Scenario::Hello);
    let mut child = Command::new(MKIMAGE)
        .current_dir(bench.dir.path())
        .args(["--elf", "program", "--file", "large:/large", "-o", "out/x.img", "--kernel"])
        .arg(kernel)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while names(&out).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "no temporary file appeared");
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(&out), [""; 0]);
}

#[test]
fn damaged_images() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    let good = fs::read(&image).unwrap();
    let payload = good.windows(8).position(|bytes| bytes == b"NOSPINIM").unwrap();
    let check = |bytes: &[u8], expected: &str| {
        let path = bench.write("x.img", bytes);
        let output = Command::new(MKIMAGE).arg("inspect").arg(&path).output().unwrap();
        assert_eq!(stderr(&output), format!("mkimage: {}: {expected}\n", path.display()));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    };
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    check(&changed(good.len() - 200), "damaged (checksum)"); // the archive
    check(&changed(payload + 4100), "damaged (checksum)"); // the command line
    check(&changed(payload + 20), "damaged (checksum)"); // the header
    check(&changed(4096 + 300), "damaged (checksum)"); // the kernel
    check(&good[..good.len() - 1], "damaged (cut off)");
    let mut newer = good.clone();
    newer[payload + 8] = 2;
    check(&newer, "made by another version (format 2, this is 1)");
    check(&changed(payload), "not a nospin image");
    check(b"text", "not a nospin image");
    check(&elf(), "not a nospin image");
    let output = Command::new(MKIMAGE).args(["inspect"]).arg(&image).args(["cat", "/none"]).output().unwrap();
    assert_eq!(stderr(&output), format!("mkimage: {}: /none: not in the image\n", image.display()));
}

#[test]
fn without_a_kernel_it_says_how_to_get_one() {
    let bench = Bench::new();
    bench.program();
    bench.write("kernel", "text");
    let output = Command::new(MKIMAGE)
        .current_dir(bench.dir.path())
        .args(["--elf", "program", "--kernel", "kernel"])
        .output()
        .unwrap();
    assert_eq!(stderr(&output), "mkimage: the kernel: not an ELF file\n");
    bench.write("kernel", elf());
    let output = Command::new(MKIMAGE)
        .current_dir(bench.dir.path())
        .args(["--elf", "program", "--kernel", "kernel"])
        .output()
        .unwrap();
    assert_eq!(stderr(&output), "mkimage: the kernel: no PVH entry (a note of type 18 by Xen)\n");
}
