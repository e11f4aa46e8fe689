//! Programs that serve: `nospin run` with forwarded ports in the background, clients of it, and its end. Used by cases that are
//! bodies of their own ([`Body::Tool`](crate::case::Body::Tool)).
//!
//! A case forwards with `.run(&["-p", "0:80"])`: port 0 of the host is any that is free, and the line by which `nospin`
//! announces the service tells which.

use crate::case::Program;
use crate::compare;
use crate::exec::{self, Outcome};
use crate::lab::Lab;
use crate::oracle;
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How a line begins that announces a service.
const SERVING: &str = "nospin: serving on ";

/// A service as it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where clients reach it.
    pub address: SocketAddr,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl Place {
    /// The place in a line such as `nospin: serving on 127.0.0.1:80 (tcp)`.
    fn parse(line: &str) -> Option<Self> {
        let (address, protocol) = line.trim_end().strip_prefix(SERVING)?.split_once(' ')?;
        let protocol = protocol.strip_prefix('(')?.strip_suffix(')')?;
        Some(Place { address: address.parse().ok()?, protocol: protocol.to_owned() })
    }
}

/// A VM that runs until it is stopped. Ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    ended: bool,
    started: Instant,
    announced: Receiver<Place>,
    places: Vec<Place>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Server {
    /// Starts the VM of a case. What the case wants of output and status is for the caller to judge.
    ///
    /// # Errors
    /// A line of text when it cannot be started.
    pub fn start(lab: &Lab, case: &Program) -> Result<Self, String> {
        Self::spawn(oracle::command(lab, case)?)
    }

    /// Starts any command that speaks as `nospin run` does.
    ///
    /// # Errors
    /// A line of text when it cannot be started.
    pub fn spawn(mut command: Command) -> Result<Self, String> {
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot run {command:?}: {error}"))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("no streams".into());
        };
        let (announce, announced) = channel();
        let (all, stderr) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut reader = BufReader::new(err.take(exec::MAX_OUTPUT));
            let mut from = 0;
            // What was read before an error still counts.
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|got| got > 0) {
                if let Some(place) = Place::parse(&String::from_utf8_lossy(&bytes[from..])) {
                    let _ = announce.send(place);
                }
                from = bytes.len();
            }
            let _ = all.send(bytes);
        });
        let stdout = exec::collect(out);
        Ok(Server {
            child,
            ended: false,
            started: Instant::now(),
            announced,
            places: Vec::new(),
            stdout,
            stderr,
        })
    }

    /// Waits until a service of this protocol is announced that was not asked for before.
    ///
    /// # Errors
    /// What came instead, when the VM ends or the time is up.
    pub fn place(&mut self, protocol: &str, limit: Duration) -> Result<SocketAddr, String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(at) = self.places.iter().position(|place| place.protocol == protocol) {
                return Ok(self.places.remove(at).address);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.announced.recv_timeout(left) {
                Ok(place) => self.places.push(place),
                Err(error) => {
                    let outcome = self.end(Signal::TERM);
                    return Err(format!(
                        "no {protocol} service: {error}; status {}, stdout ends:\n{}    stderr ends:\n{}",
                        outcome.status,
                        compare::tail(&outcome.stdout),
                        compare::tail(&outcome.stderr)
                    ));
                }
            }
        }
    }

    /// Ends the VM by a signal, and tells what it did.
    #[must_use]
    pub fn stop(mut self, signal: Signal) -> Outcome {
        self.end(signal)
    }

    /// Waits for the VM to end by itself, for a while.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Outcome {
        let result = exec::wait(&mut self.child, limit);
        self.outcome(result)
    }

    fn end(&mut self, signal: Signal) -> Outcome {
        const PATIENCE: Duration = Duration::from_secs(10);
        exec::signal_group(&self.child, signal);
        let result = exec::wait(&mut self.child, PATIENCE);
        self.outcome(result)
    }

    fn outcome(&mut self, result: std::io::Result<(std::process::ExitStatus, bool)>) -> Outcome {
        // Whatever the command left in its group, as in `exec::run`.
        exec::signal_group(&self.child, Signal::KILL);
        self.ended = true;
        let (status, timed_out) =
            result.map_or((-1, true), |(status, timed_out)| (exec::shell_status(status), timed_out));
        Outcome {
            status,
            stdout: exec::taken(&self.stdout),
            stderr: exec::taken(&self.stderr),
            timed_out,
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // nospin takes its VM along, which is in a group of its own.
        exec::signal_group(&self.child, Signal::TERM);
        let _ = exec::wait(&mut self.child, Duration::from_secs(10));
    }
}

/// A connection whose reads and writes end after `limit`.
///
/// # Errors
/// A line of text when there is none.
pub fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, String> {
    let connected = TcpStream::connect_timeout(&address, limit).and_then(|stream| {
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    connected.map_err(|error| format!("cannot connect to {address}: {error}"))
}

/// A datagram and the answer to it; sent again every second, for user networking may lose the first ones.
///
/// # Errors
/// A line of text when no answer comes.
pub fn ask(address: SocketAddr, question: &[u8], limit: Duration) -> Result<Vec<u8>, String> {
    let cannot = |error| format!("cannot send to {address}: {error}");
    let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(cannot)?;
    socket.connect(address).map_err(cannot)?;
    socket.set_read_timeout(Some(Duration::from_secs(1).min(limit))).map_err(cannot)?;
    let deadline = Instant::now() + limit;
    let mut answer = vec![0; 1 << 16];
    while Instant::now() < deadline {
        socket.send(question).map_err(cannot)?;
        if let Ok(len) = socket.recv(&mut answer) {
            answer.truncate(len);
            return Ok(answer);
        }
    }
    Err(format!("no answer from {address} within {} s", limit.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn announcements_are_told_from_other_lines() {
        let place = Place::parse("nospin: serving on 127.0.0.1:11211 (tcp)\n").unwrap();
        assert_eq!((place.address, place.protocol.as_str()), ("127.0.0.1:11211".parse().unwrap(), "tcp"));
        assert!(Place::parse("nospin: serving on [fd00::2]:53 (udp)").is_some());
        for line in [
            "serving on 127.0.0.1:1 (tcp)",
            "nospin: serving on port 1 (tcp)",
            "nospin: serving on 127.0.0.1:1",
            "",
        ] {
            assert_eq!(Place::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_service_is_waited_for_and_talked_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "trap 'exit 7' TERM; echo out; echo noise >&2; sleep 0.1; echo 'nospin: serving on 127.0.0.1:9 (udp)' >&2
             echo 'nospin: serving on 127.0.0.1:{port} (tcp)' >&2; sleep 100 & wait"
        );
        let mut server = Server::spawn(shell(&script)).unwrap();
        let address = server.place("tcp", LIMIT).unwrap();
        assert_eq!(server.place("udp", LIMIT).unwrap().port(), 9);
        let mut client = connect(address, LIMIT).unwrap();
        client.write_all(b"question").unwrap();
        drop(client);
        let mut heard = String::new();
        listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "question");
        let outcome = server.stop(Signal::TERM);
        assert_eq!((outcome.status, outcome.stdout.as_slice()), (7, &b"out\n"[..]));
        assert!(String::from_utf8_lossy(&outcome.stderr).starts_with("noise\nnospin: serving"));
    }

    #[test]
    fn a_server_that_ends_early_says_why() {
        let mut server = Server::spawn(shell("echo broken >&2; exit 125")).unwrap();
        let error = server.place("tcp", LIMIT).unwrap_err();
        assert!(error.contains("no tcp service") && error.contains("status 125"), "{error}");
        assert!(error.contains("broken"), "{error}");
        let done = Server::spawn(shell("exit 3")).unwrap().wait(LIMIT);
        assert_eq!((done.status, done.timed_out), (3, false));
    }

    #[test]
    fn datagrams_are_sent_again_until_answered() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = peer.local_addr().unwrap();
        let answers = std::thread::spawn(move || {
            let mut buffer = [0; 100];
            // The first one is lost.
            peer.recv_from(&mut buffer).unwrap();
            let (len, from) = peer.recv_from(&mut buffer).unwrap();
            peer.send_to(&[&buffer[..len], b"!"].concat(), from).unwrap();
        });
        assert_eq!(ask(address, b"ping", LIMIT).unwrap(), b"ping!");
        answers.join().unwrap();
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let limit = Duration::from_millis(50);
        assert!(ask(silent.local_addr().unwrap(), b"?", limit).unwrap_err().contains("no answer"));
    }
}
