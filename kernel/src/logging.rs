//! Kernel messages: lines on the second channel, on the console where there is none.
//!
//! Nothing here takes a lock or allocates, so it works in a panic and in trap handlers.

use core::fmt::{self, Write};

use image_format::channel::Record;
use log::{Level, LevelFilter, Log, Metadata};

use crate::drivers::{debugcon, serial};

/// Quiet by default: only what the user must know.
const DEFAULT_LEVEL: LevelFilter = LevelFilter::Warn;

struct KernelLog;

static LOG: KernelLog = KernelLog;

impl Log for KernelLog {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) {
            let level = match record.level() {
                Level::Error => "error: ",
                Level::Warn => "warning: ",
                Level::Info => "",
                Level::Debug => "debug: ",
                Level::Trace => "trace: ",
            };
            line(format_args!("nospin: {level}{}", record.args()));
        }
    }

    fn flush(&self) {}
}

/// Makes the `log` macros work. Call once, before anything logs.
pub fn init() {
    debugcon::init();
    // Fails only if it was called before, and then the logger is the same.
    let _ = log::set_logger(&LOG);
    log::set_max_level(DEFAULT_LEVEL);
}

/// Sets the level from the `log=` option; returns false for an unknown one.
pub fn set_level(name: &[u8]) -> bool {
    let level = match name {
        b"off" => LevelFilter::Off,
        b"error" => LevelFilter::Error,
        b"warn" => LevelFilter::Warn,
        b"info" => LevelFilter::Info,
        b"debug" => LevelFilter::Debug,
        b"trace" => LevelFilter::Trace,
        _ => return false,
    };
    log::set_max_level(level);
    true
}

/// Where messages go.
struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if debugcon::present() {
            debugcon::write(text.as_bytes())
        } else {
            serial::write(text.as_bytes())
        }
        Ok(())
    }
}

/// Writes one line, whatever the level.
pub fn line(text: fmt::Arguments) {
    // `Out` never fails.
    let _ = writeln!(Out, "{text}");
}

/// Sends a record to the host's tool; there is none without the second channel.
pub fn record(record: &Record) {
    if debugcon::present() {
        let _ = record.encode(&mut Out);
    }
}
