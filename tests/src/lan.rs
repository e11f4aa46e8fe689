//! A small network of its own for one VM: QEMU's user networking with a wire to the VM, which goes through a [`Relay`], and a [`Tap`] at
//! the VM's end of it for frames made by hand. Clients on this host reach the VM's port through user networking, whose TCP was not
//! written here. Used by cases about bad networks; needs no privileges.
//!
//! What comes from the tap does not reach user networking, nor do answers to it: it would open a connection of its own for every
//! SYN that it sees.

use crate::case::Program;
use crate::exec;
use crate::lab::Lab;
use crate::relay::{Counts, End, FrameWriter, Relay, Rules};
use crate::server::Server;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The guest's address.
pub const GUEST: [u8; 4] = [10, 0, 2, 15];
/// The Ethernet address of hosts that do not exist.
pub const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 99];

/// How long the parts have to find each other.
const LIMIT: Duration = Duration::from_secs(60);

/// The network, with the VM on it.
#[derive(Debug)]
pub struct Lan {
    /// The VM.
    pub vm: Server,
    /// Where clients on this host reach the guest's port.
    pub place: SocketAddr,
    _hub: Hub,
    tap: Option<Tap>,
    relay: Relay,
}

/// The place of hosts that do not exist, at the VM's wire.
#[derive(Debug)]
pub struct Tap {
    /// Frames for [`NOBODY`] and for everybody.
    pub from: Receiver<Vec<u8>>,
    /// To the VM.
    pub to: ToVm,
}

/// Sends frames to the VM.
#[derive(Clone, Debug)]
pub struct ToVm(Arc<Mutex<FrameWriter>>);

impl ToVm {
    /// Sends a frame; waits while the VM does not take it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&self, frame: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send(frame)
    }
}

/// Puts a tap at the VM's end of the wire; returns it and the wire's other end. The reader never waits to send to the VM, or the two
/// could wait for each other.
fn branch(vm: TcpStream) -> std::io::Result<(Tap, End)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (mut from_wire, mut to_wire) = End::Stream(TcpStream::connect(listener.local_addr()?)?).split()?;
    let wire = End::Stream(listener.accept()?.0);
    let (mut from_vm, to_vm) = End::Stream(vm).split()?;
    let to_vm = ToVm(Arc::new(Mutex::new(to_vm)));
    let (tell, from) = channel();
    let back = to_vm.clone();
    thread::spawn(move || {
        while let Ok(Some(frame)) = from_vm.next() {
            let nobody = frame.starts_with(&NOBODY);
            if nobody || frame.first().is_some_and(|byte| byte & 1 != 0) {
                // Nobody may listen there.
                let _ = tell.send(frame.clone());
            }
            if !nobody && to_wire.send(&frame).is_err() {
                break;
            }
        }
        to_wire.close();
    });
    thread::spawn(move || {
        while let Ok(Some(frame)) = from_wire.next() {
            if back.send(&frame).is_err() {
                break;
            }
        }
    });
    Ok((Tap { from, to: to_vm }, wire))
}

/// The process that is the hub; ended when dropped.
#[derive(Debug)]
struct Hub {
    child: Child,
}

impl Drop for Hub {
    fn drop(&mut self) {
        exec::signal_group(&self.child, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Lan {
    /// Makes the network and starts the case's VM on it; returns when it serves on its TCP port.
    ///
    /// # Errors
    /// A line of text when a part of it does not start.
    pub fn start(lab: &Lab, program: &Program, port: u16, rules: &Rules, seed: u64) -> Result<Self, String> {
        let cannot = |error| format!("no network: {error}");
        let listen = || TcpListener::bind("127.0.0.1:0").map_err(cannot);
        let (near, far) = (listen()?, listen()?);
        let at = |listener: &TcpListener| listener.local_addr().map_err(cannot);
        // User networking has no way to tell which port it chose; this one was free a moment ago.
        let place = at(&listen()?)?;
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-M", "none", "-nodefaults", "-display", "none"]);
        let user = format!("user,id=user,hostfwd=tcp:{place}-10.0.2.15:{port}");
        for (id, netdev) in [("user", user), ("far", format!("socket,id=far,connect={}", at(&far)?))] {
            command.args(["-netdev", &netdev]);
            command.args(["-netdev", &format!("hubport,id=hub-{id},hubid=0,netdev={id}")]);
        }
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot run {command:?}: {error}"))?;
        let hub = Hub { child };
        let far = End::Stream(accepted(&far)?);
        let program = program
            .clone()
            .run(&["--net", &format!("qemu:socket,connect={}", at(&near)?)])
            .append("ip=10.0.2.15/24")
            .append("gw=10.0.2.2");
        let mut vm = Server::start(lab, &program)?;
        let near = accepted(&near);
        let (tap, wire) = match near {
            Ok(near) => branch(near).map_err(cannot)?,
            // The VM says why.
            Err(error) => return vm.place("tcp", Duration::ZERO).and(Err(error)),
        };
        let relay = Relay::start(wire, far, rules, seed).map_err(cannot)?;
        vm.place("tcp", LIMIT)?;
        Ok(Lan { vm, place, _hub: hub, tap: Some(tap), relay })
    }

    /// The tap, once.
    ///
    /// # Errors
    /// It is taken already.
    pub fn tap(&mut self) -> Result<Tap, String> {
        self.tap.take().ok_or_else(|| "the tap is taken".into())
    }

    /// What became of the frames so far, from the VM and to it.
    #[must_use]
    pub fn counts(&self) -> [Counts; 2] {
        self.relay.counts()
    }
}

/// The one connection that comes.
fn accepted(listener: &TcpListener) -> Result<TcpStream, String> {
    let cannot = |error| format!("no network: {error}");
    listener.set_nonblocking(true).map_err(cannot)?;
    let deadline = Instant::now() + LIMIT;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(cannot)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(cannot(error)),
            Err(_) if Instant::now() > deadline => return Err("QEMU does not come to its network".into()),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
