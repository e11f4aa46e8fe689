//! Area: stock servers beside those of [`network`](super::network), with their own clients, over user networking: web servers that
//! send large files, take large bodies and many requests, and a proxy before a server of this host.

use super::network::{LIMIT, client, pattern, serve, wants};
use crate::case::{Case, Program, ours, server, stock};
use crate::compile::Variant;
use crate::lab::Lab;
use crate::stock::{PYTHON, SCRIPTS, python};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

/// A web server: where in the image its files are found, whether it tells the length of a body, and how many bytes of it are
/// fetched.
#[derive(Clone, Copy)]
struct Web {
    name: &'static str,
    program: fn() -> Program,
    files: &'static str,
    counts: bool,
    bytes: usize,
}

const NGINX: Web = Web { name: "nginx", program: nginx, files: "", counts: false, bytes: 2_000_000 };
const LIGHTTPD: Web = Web { name: "lighttpd", program: lighttpd, files: "", counts: false, bytes: 20 << 20 };
const GO: Web = Web { name: "go", program: go, files: "/file", counts: true, bytes: 2_000_000 };
const PYTHON_WEB: Web =
    Web { name: "python", program: python_web, files: "", counts: false, bytes: 5_000_000 };
const NODE: Web = Web { name: "node", program: node, files: "/file", counts: true, bytes: 20 << 20 };

/// Those that start and serve within seconds.
pub fn cases() -> Vec<Case> {
    vec![web(NGINX, 1), web(GO, 2), proxy(2_000_000)]
}

/// Those that take longer.
pub fn full() -> Vec<Case> {
    let mut cases = Vec::new();
    for smp in [1, 2, 4] {
        cases.push(web(Web { name: "nginx, 100 MB", bytes: 100 << 20, ..NGINX }, smp));
        cases.extend([PYTHON_WEB, NODE, LIGHTTPD].map(|server| web(server, smp)));
        cases.push(web(Web { name: "go, 20 MiB", bytes: 20 << 20, ..GO }, smp));
    }
    cases.push(proxy(100 << 20));
    cases
}

fn web(this: Web, smp: u32) -> Case {
    let program = (this.program)().memory(1024).smp(smp).run(&["-p", "0:80"]);
    server(&format!("servers/{}, {smp} CPUs", this.name), program, move |lab, program| {
        let scratch = lab.scratch()?;
        let file = scratch.path().join("large");
        let content = pattern(this.bytes);
        std::fs::write(&file, &content).map_err(|error| format!("cannot write: {error}"))?;
        let program = program.clone().extra(vec![file.clone()]);
        serve(lab, &program, "tcp", |to| {
            let url = format!("http://{to}{}{}", this.files, file.display());
            let got = curl(lab, &[&url])?;
            // Not compared by `wants`: the text of a failure would be as large.
            if got != content {
                let same = got.iter().zip(&content).take_while(|(a, b)| a == b).count();
                return Err(format!("the file: {} bytes, the first {same} right", got.len()));
            }
            if this.counts {
                let body = format!("@{}", file.display());
                let told = curl(lab, &["--data-binary", &body, &format!("http://{to}/some/path")])?;
                wants("what it says of a body", format!("/some/path {}\n", this.bytes).as_bytes(), &told)?;
            }
            storm(&format!("http://{to}{}{SCRIPTS}/nginx.conf", this.files))
        })
    })
}

/// What curl fetches; by way of a file, for it may be more than a client's output can be.
fn curl(lab: &Lab, args: &[&str]) -> Result<Vec<u8>, String> {
    let scratch = lab.scratch()?;
    let file = scratch.path().join("got");
    let to = file.to_string_lossy();
    client("/usr/bin/curl", "curl", &[&["-sS", "-f", "-m", "300", "-o", &to], args].concat())?;
    std::fs::read(&file).map_err(|error| format!("cannot read what curl got: {error}"))
}

/// Many requests on a few connections; all must be answered well.
fn storm(url: &str) -> Result<(), String> {
    let said = client("/usr/bin/wrk", "wrk", &["-t1", "-c4", "-d1s", "--timeout", "60s", url])?;
    let said = String::from_utf8_lossy(&said);
    let some = said.contains(" requests in ") && !said.contains(" 0 requests in ");
    if !some || said.contains("Socket errors") || said.contains("Non-2xx") {
        return Err(format!("wrk says {said}"));
    }
    Ok(())
}

fn scripts() -> Vec<PathBuf> {
    vec![PathBuf::from(SCRIPTS)]
}

fn nginx() -> Program {
    let args = ["-e", "stderr", "-c", "{stock}/nginx.conf"];
    stock("/usr/sbin/nginx", "nginx-light", &args).extra(scripts())
}

fn lighttpd() -> Program {
    let args = ["-D", "-f", "{stock}/lighttpd.conf"];
    let program = stock("/usr/sbin/lighttpd", "lighttpd", &args).env("ROOT", "/");
    program.extra(scripts()).extra(vec![PathBuf::from("/usr/lib/lighttpd")])
}

fn python_web() -> Program {
    let args = ["-B", "-s", "-m", "http.server", "-d", "/", "80"];
    stock(PYTHON, "python3", &args).extra(scripts()).extra(python(false))
}

fn go() -> Program {
    ours("web", Variant::Go).extra(scripts())
}

fn node() -> Program {
    stock("/usr/bin/node", "nodejs", &["{stock}/server.js"]).extra(scripts())
}

/// haproxy in the guest, a server on this host behind it.
fn proxy(bytes: usize) -> Case {
    let args = ["-db", "-f", "{stock}/haproxy.cfg"];
    let program = stock("/usr/sbin/haproxy", "haproxy", &args).extra(scripts()).memory(512);
    let program = program.run(&["-p", "0:80"]);
    server(&format!("servers/haproxy, {} KB", bytes / 1000), program, move |lab, program| {
        let cannot = |error| format!("cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        let content = pattern(bytes);
        let served = content.clone();
        // Ends with the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = served.clone();
                thread::spawn(move || answer(stream, &content));
            }
        });
        let program = program.clone().env("BACKEND", &format!("10.0.2.2:{port}"));
        serve(lab, &program, "tcp", |to: SocketAddr| {
            for _ in 0..3 {
                wants("a short answer", b"short", &curl(lab, &[&format!("http://{to}/short")])?)?;
            }
            let got = curl(lab, &[&format!("http://{to}/long")])?;
            if got == content { Ok(()) } else { Err(format!("{} bytes, or wrong ones", got.len())) }
        })
    })
}

/// Answers one request with a few bytes, or with `long`.
fn answer(mut stream: TcpStream, long: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut request = Vec::new();
    let mut piece = [0; 1000];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            len => request.extend_from_slice(&piece[..len]),
        }
    }
    let body = if request.starts_with(b"GET /long") { long } else { b"short" };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}
