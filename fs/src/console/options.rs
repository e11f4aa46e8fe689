//! The console's part of the kernel command line: `console`, `tty`, `winsize`.

/// How the console behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleMode {
    /// A terminal on a serial line.
    Serial,
    /// Relayed standard files (`console=host`).
    Host {
        /// The host's standard input is a terminal (`tty=in`).
        tty_in: bool,
        /// The host's standard output is a terminal (`tty=out`).
        tty_out: bool,
    },
}

/// The console's part of the kernel command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// The mode.
    pub mode: ConsoleMode,
    /// Rows and columns (`winsize=RxC`).
    pub winsize: (u16, u16),
}

impl ConsoleOptions {
    /// From the values of the options `console`, `tty` and `winsize`. Unknown values count as absent; they come back for a
    /// message.
    pub fn parse(
        console: Option<&[u8]>,
        tty: Option<&[u8]>,
        winsize: Option<&[u8]>,
    ) -> (Self, Option<&'static str>) {
        let mut bad = None;
        let mut ends = (false, false);
        for end in tty.unwrap_or_default().split(|&byte| byte == b',').filter(|end| !end.is_empty()) {
            match end {
                b"in" => ends.0 = true,
                b"out" => ends.1 = true,
                _ => bad = Some("tty: neither `in` nor `out`"),
            }
        }
        let mode = match console {
            Some(b"host") => ConsoleMode::Host { tty_in: ends.0, tty_out: ends.1 },
            None | Some(b"serial") => ConsoleMode::Serial,
            Some(_) => {
                bad = Some("console: neither `host` nor `serial`");
                ConsoleMode::Serial
            }
        };
        let size = winsize.map(|value| {
            let text = core::str::from_utf8(value).ok()?;
            let (rows, columns) = text.split_once('x')?;
            Some((rows.parse().ok()?, columns.parse().ok()?))
        });
        if size == Some(None) {
            bad = Some("winsize: not ROWSxCOLUMNS");
        }
        (ConsoleOptions { mode, winsize: size.flatten().unwrap_or((24, 80)) }, bad)
    }
}
