//! Conversations with servers, line for line, and crowds of clients. Used by the cases of the area `network`.

use crate::server::connect;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many members of a crowd talk at the same time.
const AT_ONCE: usize = 500;

/// Held by a crowd: all cases of a run share this process's descriptors.
static CROWD: Mutex<()> = Mutex::new(());

/// One connection to a server.
#[derive(Debug)]
pub struct Talk {
    stream: TcpStream,
}

impl Talk {
    /// Connects; every step after that takes `limit` at most.
    ///
    /// # Errors
    /// A line of text when there is no connection.
    pub fn to(address: SocketAddr, limit: Duration) -> Result<Self, String> {
        Ok(Talk { stream: connect(address, limit)? })
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// A line of text when it cannot be sent.
    pub fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|error| format!("cannot send {}: {error}", shown(bytes)))
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// A line of text when they do not come.
    pub fn bytes(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let mut heard = vec![0; len];
        let mut have = 0;
        while let Some(rest) = heard.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest) {
                Ok(0) => return Err(format!("the server closed after {have} of {len} bytes")),
                Ok(more) => have += more,
                Err(error) => return Err(format!("{error} after {have} of {len} bytes")),
            }
        }
        Ok(heard)
    }

    /// Wants exactly this next.
    ///
    /// # Errors
    /// What came instead.
    pub fn hear(&mut self, wanted: &[u8]) -> Result<(), String> {
        let heard = self.bytes(wanted.len()).map_err(|error| format!("{error}, of {}", shown(wanted)))?;
        if heard == wanted {
            return Ok(());
        }
        let at = heard.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or_default();
        Err(format!("heard {}, not {}; they differ from byte {at}", shown(&heard), shown(wanted)))
    }

    /// A question and its whole answer.
    ///
    /// # Errors
    /// What went wrong.
    pub fn ask(&mut self, question: &[u8], answer: &[u8]) -> Result<(), String> {
        self.say(question)?;
        self.hear(answer)
    }

    /// A line of the answer, without its end.
    ///
    /// # Errors
    /// A line of text when none comes.
    pub fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.extend(self.bytes(1)?);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// A number of memcached's `stats`.
    ///
    /// # Errors
    /// What went wrong.
    pub fn stat(&mut self, name: &str) -> Result<u64, String> {
        self.say(b"stats\r\n")?;
        let mut found = None;
        loop {
            let line = self.line()?;
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["END"] => break,
                ["STAT", key, value] if key == name => found = value.parse().ok(),
                _ => (),
            }
        }
        found.ok_or_else(|| format!("no {name} in stats"))
    }

    /// Closes with a reset: what is on its way is thrown away.
    ///
    /// # Errors
    /// A line of text when the socket does not do it.
    pub fn reset(self) -> Result<(), String> {
        let linger = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
        linger.map_err(|error| format!("cannot set SO_LINGER: {error}"))
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes.get(..80.min(bytes.len())).unwrap_or_default().escape_ascii().to_string()
}

/// Opens so many connections to memcached, talks on all of them several times and closes them; the server must know of the end
/// of each.
///
/// # Errors
/// The first thing that went wrong, and with which connection.
pub fn crowd(to: SocketAddr, count: usize, limit: Duration) -> Result<(), String> {
    let _alone = CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    descriptors(count)?;
    let mut all = Vec::new();
    for at in 0..count {
        all.push(Talk::to(to, limit).map_err(|error| format!("connection {at} of {count}: {error}"))?);
    }
    for round in 0..3 {
        for first in (0..count).step_by(AT_ONCE) {
            let group = first..count.min(first + AT_ONCE);
            let of = |at: usize| move |error| format!("connection {at} of {count}, round {round}: {error}");
            for (at, talk) in group.clone().zip(&mut all[group.clone()]) {
                let value = format!("value-{at}-{round}");
                let question = format!("set c{at} 0 0 {}\r\n{value}\r\nget c{at}\r\n", value.len());
                talk.say(question.as_bytes()).map_err(of(at))?;
            }
            for (at, talk) in group.clone().zip(&mut all[group.clone()]) {
                let value = format!("value-{at}-{round}");
                let answer = format!("STORED\r\nVALUE c{at} 0 {}\r\n{value}\r\nEND\r\n", value.len());
                talk.hear(answer.as_bytes()).map_err(of(at))?;
            }
        }
    }
    drop(all);
    few_are_left(to, limit)
}

/// Waits until memcached has closed what its clients closed. Its own listening sockets are counted too.
///
/// # Errors
/// How many are left.
pub fn few_are_left(to: SocketAddr, limit: Duration) -> Result<(), String> {
    const FEW: u64 = 12;
    let deadline = Instant::now() + limit;
    loop {
        let left = Talk::to(to, limit)?.stat("curr_connections")?;
        if left <= FEW {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("the server still has {left} connections"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes room for so many descriptors in this process.
fn descriptors(count: usize) -> Result<(), String> {
    let wanted = count as u64 + 200;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < wanted) {
        return Err(format!(
            "{wanted} descriptors are needed, this host allows {maximum:?}: raise `ulimit -Hn`"
        ));
    }
    let new = Rlimit { current: Some(wanted), maximum };
    setrlimit(Resource::Nofile, new).map_err(|error| format!("cannot raise RLIMIT_NOFILE: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A server that gives this answer to whatever comes, and closes.
    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = [0; 100];
            let _ = stream.read(&mut question);
            let _ = stream.write_all(answer);
        });
        address
    }

    #[test]
    fn a_wrong_or_short_answer_is_told() {
        let mut talk = Talk::to(answering(b"STORED\r\n"), LIMIT).unwrap();
        talk.ask(b"set\r\n", b"STORED\r\n").unwrap();
        let error = Talk::to(answering(b"ERROR\r\n"), LIMIT).unwrap().ask(b"set\r\n", b"EXACT\r\n");
        assert!(error.unwrap_err().contains("differ from byte 1"));
        let error = Talk::to(answering(b"STO"), LIMIT).unwrap().ask(b"set\r\n", b"STORED\r\n");
        assert!(error.unwrap_err().contains("closed after 3 of 8 bytes"));
    }

    #[test]
    fn statistics_are_read_to_their_end() {
        let answer = b"STAT a 1\r\nSTAT evictions 17\r\nSTAT b x\r\nEND\r\n";
        assert_eq!(Talk::to(answering(answer), LIMIT).unwrap().stat("evictions"), Ok(17));
        assert!(Talk::to(answering(b"END\r\n"), LIMIT).unwrap().stat("a").is_err());
    }
}
