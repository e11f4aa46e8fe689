//! `netrelay`: a bad network between two machines; see [`nospin_tests::relay`]. For trying things by hand; cases use the library.

use nospin_tests::relay::{End, PPM, Relay, Rules};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: netrelay [--seed N] [--loss %] [--duplicate %] [--reorder %] [--hold MS] [--delay MS] [--jitter MS] \
                     [--down FROM_S:FOR_S] END END
END: listen:ADDRESS:PORT or connect:ADDRESS:PORT (-netdev socket), dgram:LOCAL,REMOTE (-netdev dgram, paths of sockets)";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("netrelay: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let (mut rules, mut seed, mut ends) = (Rules::default(), 1, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if !word.starts_with("--") {
            ends.push(word);
            continue;
        }
        let value = words.next().ok_or(format!("{word} needs a value\n{USAGE}"))?;
        let bad = || format!("{word}: {value:?} is not understood\n{USAGE}");
        match word.as_str() {
            "--seed" => seed = value.parse().map_err(|_| bad())?,
            "--loss" => rules.loss = share(&value).ok_or_else(bad)?,
            "--duplicate" => rules.duplicate = share(&value).ok_or_else(bad)?,
            "--reorder" => rules.reorder = share(&value).ok_or_else(bad)?,
            "--hold" => rules.hold = time(&value, 1e-3).ok_or_else(bad)?,
            "--delay" => rules.delay = time(&value, 1e-3).ok_or_else(bad)?,
            "--jitter" => rules.jitter = time(&value, 1e-3).ok_or_else(bad)?,
            "--down" => {
                let (from, length) = value.split_once(':').ok_or_else(bad)?;
                rules.down = Some((time(from, 1.0).ok_or_else(bad)?, time(length, 1.0).ok_or_else(bad)?));
            }
            _ => return Err(format!("unknown option: {word}\n{USAGE}")),
        }
    }
    let [a, b] = ends.as_slice() else { return Err(USAGE.into()) };
    let relay = Relay::start(open(a)?, open(b)?, &rules, seed).map_err(|error| error.to_string())?;
    println!("{:?}", relay.wait());
    Ok(())
}

/// Percent as millionths.
fn share(text: &str) -> Option<u32> {
    let percent: f64 = text.parse().ok()?;
    (0.0..=100.0).contains(&percent).then(|| (percent / 100.0 * f64::from(PPM)).round() as u32)
}

fn time(text: &str, unit: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok()
}

fn open(text: &str) -> Result<End, String> {
    let cannot = |error: std::io::Error| format!("{text}: {error}");
    match text.split_once(':') {
        Some(("listen", address)) => {
            let listener = TcpListener::bind(address).map_err(cannot)?;
            println!("listening on {}", listener.local_addr().map_err(cannot)?);
            Ok(End::Stream(listener.accept().map_err(cannot)?.0))
        }
        Some(("connect", address)) => TcpStream::connect(address).map(End::Stream).map_err(cannot),
        Some(("dgram", paths)) => {
            let (local, remote) = paths.split_once(',').ok_or(USAGE)?;
            End::datagram(Path::new(local), Path::new(remote)).map_err(cannot)
        }
        _ => Err(format!("{text} is no end\n{USAGE}")),
    }
}
