//! The kernel's own options on the command line. Options that nobody knows are named once and ignored.

use alloc::vec::Vec;

use image_format::cmdline::CommandLine;

use crate::logging;

/// Options that other parts of the kernel read from the command line.
const KNOWN: &[&str] =
    &["log", "strace", "console", "tty", "winsize", "clock", "aslr", "test", "ip", "gw", "dns"];
/// Options of one part with many keys.
const KNOWN_PREFIXES: &[&str] = &["env."];

/// The baked-in command line overlaid with the hypervisor's. A line that cannot be parsed is reported and
/// left out.
pub fn command_line(baked: &[u8], hypervisor: &[u8]) -> CommandLine {
    parse("baked into the image", baked).overlay(parse("from the hypervisor", hypervisor))
}

fn parse(which: &str, line: &[u8]) -> CommandLine {
    CommandLine::parse(line).unwrap_or_else(|error| {
        log::error!("command line {which}: {error}");
        CommandLine { options: Vec::new(), program: None }
    })
}

/// Applies what concerns the whole kernel and warns of unknown options.
pub fn apply(line: &CommandLine) {
    if let Some(level) = line.get("log")
        && !logging::set_level(level)
    {
        log::warn!("log={}: unknown level", level.escape_ascii());
    }
    for (key, _) in &line.options {
        let known =
            KNOWN.contains(&key.as_str()) || KNOWN_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        if !known {
            log::warn!("unknown option {key}");
        }
    }
}
