//! Area: where memory lies. Nobody can guess it, unless it is asked for.

use crate::case::{Case, tool};
use crate::compile::{Variant, program};
use crate::exec::{Outcome, Streams, run};
use crate::lab::Lab;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Runs that are compared. A bit that is random stays the same in all of them once in 2048 times.
const RUNS: usize = 12;
/// So many random bits may look fixed, by chance.
const SPARE: u32 = 3;
/// What is random, which bits of the address may be, and how many are on Linux.
const RANDOM: [(&str, u64, u32); 6] = [
    ("stack", !0xfff, 22),
    ("mmap", !0xfff, 28),
    ("vdso", !0xfff, 28),
    ("program", !0xfff, 28),
    ("heap gap", !0xfff, 13),
    ("chance", u64::MAX, 64),
];

pub fn cases() -> Vec<Case> {
    vec![tool("memory/places are random", random), tool("memory/places are fixed with aslr=off", fixed)]
}

type Places = BTreeMap<String, u64>;

/// What `where` says in one run.
fn places(lab: &Lab, program: &Path, more: &[&str]) -> Result<Places, String> {
    let mut command = Command::new(&lab.nospin);
    command.arg("run").args(more).arg(program);
    let Outcome { status, stdout, stderr, .. } =
        run(&mut command, &[], Streams::Apart, Duration::from_secs(60))?;
    let text = String::from_utf8_lossy(&stdout);
    if status != 0 {
        return Err(format!("status {status}: {text}{}", String::from_utf8_lossy(&stderr)));
    }
    let place = |line: &str| {
        let (name, value) = line.split_once(" 0x")?;
        Some((name.to_owned(), u64::from_str_radix(value, 16).ok()?))
    };
    let mut places: Places = text.lines().filter_map(place).collect();
    if let (Some(heap), Some(program)) = (places.get("heap"), places.get("program")) {
        let gap = (heap & !0xfff).wrapping_sub(program & !0xfff);
        places.insert("heap gap".into(), gap);
    }
    Ok(places)
}

fn random(lab: &Lab) -> Result<(), String> {
    let program = program(lab, "where", Variant::GlibcPie)?;
    let runs: Vec<Places> = (0..RUNS).map(|_| places(lab, &program, &[])).collect::<Result<_, _>>()?;
    for (name, mask, bits) in RANDOM {
        let values: Vec<u64> =
            runs.iter().filter_map(|places| places.get(name)).map(|place| place & mask).collect();
        let Some(first) = values.first().filter(|_| values.len() == RUNS) else {
            return Err(format!("no {name} in {runs:x?}"));
        };
        // The heap's gap is a number of pages from a fixed one on, the others are sums: more bits change than are random.
        let changing = values.iter().fold(0, |all, value| all | value ^ first).count_ones();
        let mut different = values.clone();
        different.sort_unstable();
        different.dedup();
        if changing + SPARE < bits || different.len() + 1 < RUNS {
            return Err(format!("{name}: {changing} of {bits} bits change in {values:x?}"));
        }
    }
    Ok(())
}

fn fixed(lab: &Lab) -> Result<(), String> {
    let program = program(lab, "where", Variant::GlibcPie)?;
    let off = || places(lab, &program, &["--append", "aslr=off"]);
    let (mut first, mut second) = (off()?, off()?);
    let chances = (first.remove("chance"), second.remove("chance"));
    if chances.0.is_none() || chances.0 == chances.1 {
        return Err("AT_RANDOM is the same twice, or missing".into());
    }
    if first == second && first.len() == RANDOM.len() {
        Ok(())
    } else {
        Err(format!("{first:x?} and {second:x?}"))
    }
}
