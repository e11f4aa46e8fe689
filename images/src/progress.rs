//! Telling the user what is going on: a bar on a terminal, plain lines otherwise, nothing where that is wanted.
//!
//! Everything goes to stderr; stdout belongs to results.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where messages go.
#[derive(Debug)]
pub enum Progress {
    /// Nowhere.
    Quiet,
    /// Lines on stderr.
    Lines,
    /// A bar on the terminal.
    Bar(ProgressBar),
}

impl Progress {
    /// A bar if stderr is a terminal, lines otherwise.
    #[must_use]
    pub fn new() -> Self {
        if !stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}] {bytes}/{total_bytes} {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self::Bar(bar)
    }

    /// A step begins.
    pub fn step(&self, what: &str) {
        match self {
            Self::Quiet => (),
            Self::Lines => eprintln!("mkimage: {what}"),
            Self::Bar(bar) => bar.set_message(what.to_owned()),
        }
    }

    /// Something that the user should know in any case.
    pub fn warn(&self, what: &str) {
        match self {
            Self::Quiet | Self::Lines => eprintln!("mkimage: {what}"),
            Self::Bar(bar) => bar.println(format!("mkimage: {what}")),
        }
    }

    /// This many bytes are to be written.
    pub fn total(&self, bytes: u64) {
        if let Self::Bar(bar) = self {
            bar.set_length(bytes);
        }
    }

    /// This many bytes more were written.
    pub fn advance(&self, bytes: u64) {
        if let Self::Bar(bar) = self {
            bar.inc(bytes);
        }
    }

    /// No more to come: the bar goes away.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
