//! Area: Java. A program with many threads on Debian's run-time, whose compiler makes the classes on the host.

use crate::case::{Case, stock, tool};
use crate::exec::{self, Streams};
use crate::lab::Lab;
use crate::oracle;
use crate::stock::{SCRIPTS, installed, shared_libraries};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Debian has it.
const HOME: &str = "/usr/lib/jvm/java-17-openjdk-amd64";
const JAVA: &str = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java";
const JAVAC: &str = "/usr/lib/jvm/java-17-openjdk-amd64/bin/javac";

/// What a program without a screen needs of it: the virtual machine, the classes, and a few libraries.
const PARTS: &[&str] = &["lib/server", "lib/modules", "lib/jvm.cfg", "lib/tzdb.dat", "conf"];
const LIBRARIES: &[&str] = &["java", "jimage", "jli", "net", "nio", "zip", "verify", "extnet", "jsig"];

/// It takes minutes on a busy host.
pub fn full() -> Vec<Case> {
    vec![tool("java/threads", threads)]
}

fn threads(lab: &Lab) -> Result<(), String> {
    installed(JAVA, "openjdk-17-jre-headless")?;
    installed(JAVAC, "openjdk-17-jdk-headless")?;
    let classes = lab.work.join("java");
    let mut compiler = Command::new(JAVAC);
    compiler.arg("-d").arg(&classes).arg(Path::new(SCRIPTS).join("Threads.java"));
    let done = exec::run(&mut compiler, b"", Streams::Merged, Duration::from_secs(300))?;
    if done.status != 0 {
        return Err(format!("Threads.java does not compile: {}", String::from_utf8_lossy(&done.stdout)));
    }
    let program = stock(JAVA, "openjdk-17-jre-headless", &["-cp", "{work}/java", "Threads"])
        .smp(2)
        .memory(1024)
        .limit(600)
        .extra(files())
        .extra(vec![classes]);
    oracle::run(lab, &program)
}

/// The files of the run-time, and the libraries that they are linked with.
fn files() -> Vec<PathBuf> {
    let home = Path::new(HOME);
    let mut files: Vec<PathBuf> = PARTS.iter().map(|part| home.join(part)).collect();
    files.extend(LIBRARIES.iter().map(|name| home.join(format!("lib/lib{name}.so"))));
    let mut linked: Vec<PathBuf> = ["lib/server/libjvm.so", "lib/libzip.so"]
        .iter()
        .flat_map(|name| shared_libraries(&home.join(name)))
        .collect();
    linked.sort();
    linked.dedup();
    files.extend(linked);
    // The links in `conf` lead there.
    files.push(PathBuf::from("/etc/java-17-openjdk"));
    files
}
