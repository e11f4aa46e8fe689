//! Area: the vDSO. It is a sound ELF object, both C libraries use it, and it agrees with the system calls.

use crate::case::{Case, c, ours, tool};
use crate::compare::Text;
use crate::compile::{Variant, program};
use crate::exec::{Outcome, Streams, run};
use crate::lab::Lab;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn cases() -> Vec<Case> {
    vec![
        c("vdso").case("vdso/functions"),
        ours("vdso", Variant::MuslPie).case("vdso/functions/musl-pie"),
        // Natively it would set the clock of this host.
        c("setclock").status(0).stdout(vec![Text::Is(SET.into())]).case("vdso/follows the wall clock"),
        tool("vdso/used by glibc", |lab| enters_once(lab, Variant::Glibc)),
        tool("vdso/used by musl", |lab| enters_once(lab, Variant::Musl)),
        tool("vdso/readelf reads it", readelf),
        tool("vdso/the host's time on q35", |lab| host_time(lab, "q35")),
        tool("vdso/the host's time on microvm", |lab| host_time(lab, "microvm")),
    ]
}

const SET: &str = "before: 1
clock_settime: 0
after: 1, by system call 1
settimeofday: 0
after: 1, time 1
monotonic goes on: 1
before the machine's start: EINVAL
not yet: EAGAIN
cancelled: 1
told once: EAGAIN
expired: 8
";

fn boot(lab: &Lab, variant: Variant, options: &[&str], word: &str) -> Result<Outcome, String> {
    let elf = program(lab, "vdso", variant)?;
    let mut command = Command::new(&lab.nospin);
    command.arg("run").args(options).arg(elf).args(["--", word]);
    run(&mut command, b"", Streams::Apart, Duration::from_secs(60))
}

/// 3000 readings enter the kernel once for each clock that had to be found out about first.
fn enters_once(lab: &Lab, variant: Variant) -> Result<(), String> {
    let done = boot(lab, variant, &["--append", "strace"], "count")?;
    let text = String::from_utf8_lossy(&done.stderr);
    let calls = ["clock_gettime(", "gettimeofday(", "time("];
    let entered: Vec<&str> =
        text.lines().filter(|line| calls.iter().any(|call| line.contains(call))).collect();
    let traced = text.contains("exit_group(");
    if traced && entered.len() <= 1 { Ok(()) } else { Err(format!("traced: {traced}, entered: {entered:?}")) }
}

/// The wall clock is neither behind the moment before the machine was started nor ahead of that after its end.
fn host_time(lab: &Lab, machine: &str) -> Result<(), String> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let before = now();
    let done = boot(lab, Variant::Glibc, &["--machine", machine], "now")?;
    let after = now();
    let text = String::from_utf8_lossy(&done.stdout);
    let guest: u128 = text.trim().parse().map_err(|_| format!("it said {text:?}"))?;
    if (before..=after).contains(&guest) {
        return Ok(());
    }
    let ms = |time: u128| (time as i128 - before as i128) / 1_000_000;
    Err(format!("it shows {} ms after the start of a run of {} ms", ms(guest), ms(after)))
}

/// readelf finds the version, the functions and the call-frame information, and nothing to complain about.
fn readelf(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let file = dir.path().join("vdso.so");
    let dumped = boot(lab, Variant::Glibc, &[], "dump")?;
    std::fs::write(&file, &dumped.stdout).map_err(|error| error.to_string())?;
    let mut command = Command::new("readelf");
    command.args(["-aW", "--debug-dump=frames"]).arg(&file);
    let done = run(&mut command, b"", Streams::Apart, Duration::from_secs(10))?;
    let text = String::from_utf8_lossy(&done.stdout);
    let wanted = [
        "linux-vdso.so.1",
        "__vdso_clock_gettime@@LINUX_2.6",
        "__vdso_gettimeofday@@LINUX_2.6",
        "__vdso_time@@LINUX_2.6",
        "__vdso_clock_getres@@LINUX_2.6",
        "__vdso_getcpu@@LINUX_2.6",
        "DW_CFA_def_cfa: r7 (rsp) ofs 8",
    ];
    let missing: Vec<_> = wanted.iter().filter(|piece| !text.contains(**piece)).collect();
    let complaints = String::from_utf8_lossy(&done.stderr);
    if missing.is_empty() && complaints.is_empty() {
        Ok(())
    } else {
        Err(format!("missing {missing:?}; {complaints}"))
    }
}
