//! A small network of its own for one VM: QEMU's user networking on one hub with a wire to the VM, which goes through a
//! [`Relay`], and a tap into the hub for frames made by hand. Clients on this host reach the VM's port through user networking, whose
//! TCP was not written here. Used by cases about bad networks; needs no privileges.

use crate::case::Program;
use crate::exec;
use crate::lab::Lab;
use crate::relay::{Counts, End, FrameReader, FrameWriter, Relay, Rules};
use crate::server::Server;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The guest's address.
pub const GUEST: [u8; 4] = [10, 0, 2, 15];

/// How long the parts have to find each other.
const LIMIT: Duration = Duration::from_secs(60);

/// The network, with the VM on it.
#[derive(Debug)]
pub struct Lan {
    /// The VM.
    pub vm: Server,
    /// Where clients on this host reach the guest's port.
    pub place: SocketAddr,
    hub: Hub,
    relay: Relay,
}

/// The process that is the hub; ended when dropped.
#[derive(Debug)]
struct Hub {
    child: Child,
    injector: Option<End>,
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
        let (near, far, tap) = (listen()?, listen()?, listen()?);
        let at = |listener: &TcpListener| listener.local_addr().map_err(cannot);
        // User networking has no way to tell which port it chose; this one was free a moment ago.
        let place = at(&listen()?)?;
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-M", "none", "-nodefaults", "-display", "none"]);
        let user = format!("user,id=user,hostfwd=tcp:{place}-10.0.2.15:{port}");
        for (id, netdev) in [
            ("user", user),
            ("far", format!("socket,id=far,connect={}", at(&far)?)),
            ("tap", format!("socket,id=tap,connect={}", at(&tap)?)),
        ] {
            command.args(["-netdev", &netdev]);
            command.args(["-netdev", &format!("hubport,id=hub-{id},hubid=0,netdev={id}")]);
        }
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot run {command:?}: {error}"))?;
        let mut hub = Hub { child, injector: None };
        let far = End::Stream(accepted(&far)?);
        hub.injector = Some(End::Stream(accepted(&tap)?));
        let program = program
            .clone()
            .run(&["--net", &format!("qemu:socket,connect={}", at(&near)?)])
            .append("ip=10.0.2.15/24")
            .append("gw=10.0.2.2");
        let mut vm = Server::start(lab, &program)?;
        let near = accepted(&near);
        let relay = match near {
            Ok(near) => Relay::start(End::Stream(near), far, rules, seed).map_err(cannot)?,
            // The VM says why.
            Err(error) => return vm.place("tcp", Duration::ZERO).and(Err(error)),
        };
        vm.place("tcp", LIMIT)?;
        Ok(Lan { vm, place, hub, relay })
    }

    /// The tap, once.
    ///
    /// # Errors
    /// It is taken already.
    pub fn tap(&mut self) -> Result<(FrameReader, FrameWriter), String> {
        let end = self.hub.injector.take().ok_or("the tap is taken")?;
        end.split().map_err(|error| format!("no tap: {error}"))
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
