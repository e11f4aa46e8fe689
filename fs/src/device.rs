//! Character devices: what stands behind device nodes, by device number.
//!
//! [`vfs`](crate::vfs) asks [`Devices`] when a character device node is opened. Numbers are Linux's (devices.txt).

use crate::notify::Notifier;
use crate::{Console, File, FsError, Metadata, NodeRef, Offset, Pinned, SeekFrom, Sink, Source};
use abi::{OpenFlags, PollEvents};
use alloc::sync::Arc;
use mm::user::UserMemory;

/// A device number as `st_rdev` has it (makedev(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceNumber(pub u64);

impl DeviceNumber {
    /// From major and minor number.
    pub const fn new(major: u32, minor: u32) -> Self {
        let (major, minor) = (major as u64, minor as u64);
        DeviceNumber((major & 0xfff) << 8 | (major & !0xfff) << 32 | minor & 0xff | (minor & !0xff) << 12)
    }

    /// The major number.
    pub const fn major(self) -> u32 {
        (self.0 >> 8 & 0xfff | self.0 >> 32 & !0xfff) as u32
    }

    /// The minor number.
    pub const fn minor(self) -> u32 {
        (self.0 & 0xff | self.0 >> 12 & !0xff) as u32
    }
}

/// /dev/null
pub const NULL: DeviceNumber = DeviceNumber::new(1, 3);
/// /dev/zero
pub const ZERO: DeviceNumber = DeviceNumber::new(1, 5);
/// /dev/full
pub const FULL: DeviceNumber = DeviceNumber::new(1, 7);
/// /dev/random
pub const RANDOM: DeviceNumber = DeviceNumber::new(1, 8);
/// /dev/urandom
pub const URANDOM: DeviceNumber = DeviceNumber::new(1, 9);
/// /dev/tty
pub const TTY: DeviceNumber = DeviceNumber::new(5, 0);
/// /dev/console
pub const CONSOLE: DeviceNumber = DeviceNumber::new(5, 1);

/// Where random bytes come from.
pub trait RandomSource: Send + Sync {
    /// Fills `buf` with unpredictable bytes.
    fn fill(&self, buf: &mut [u8]);
}

/// A device.
#[derive(Clone)]
pub enum Device {
    /// Takes everything, gives nothing.
    Null,
    /// Takes everything, gives zeros.
    Zero,
    /// Always full, gives zeros.
    Full,
    /// Gives random bytes, takes and drops what is written.
    Random(Arc<dyn RandomSource>),
    /// The program's terminal as its controlling terminal: opens only if there is one.
    Tty(Arc<Console>),
    /// The console.
    Console(Arc<Console>),
}

impl Device {
    /// Whether it can be opened now.
    pub fn check_open(&self) -> Result<(), FsError> {
        match self {
            Device::Tty(console) if !console.is_terminal() => Err(FsError::NoDevice),
            _ => Ok(()),
        }
    }

    fn read(&self, dst: &mut dyn Sink) -> Result<usize, FsError> {
        match self {
            Device::Null => Ok(0),
            Device::Zero | Device::Full => dst.put_zeros(dst.remaining()),
            Device::Random(source) => read_random(source.as_ref(), dst),
            Device::Tty(console) | Device::Console(console) => console.read(dst),
        }
    }

    fn write(&self, src: &mut dyn Source) -> Result<usize, FsError> {
        match self {
            Device::Null | Device::Zero => Ok(src.skip(src.remaining())),
            Device::Full => Err(FsError::NoSpace),
            Device::Random(_) => {
                // The bytes are read, as on Linux, so that a bad pointer is found, but the source needs no mixing in.
                let mut buf = [0; 256];
                let mut done = 0;
                while src.remaining() > 0 {
                    match src.take(&mut buf) {
                        Ok(n) => done += n,
                        Err(_) if done > 0 => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(done)
            }
            Device::Tty(console) | Device::Console(console) => console.write(src),
        }
    }
}

fn read_random(source: &dyn RandomSource, dst: &mut dyn Sink) -> Result<usize, FsError> {
    let mut buf = [0; 256];
    let mut done = 0;
    while dst.remaining() > 0 {
        let n = dst.remaining().min(buf.len());
        let chunk = buf.get_mut(..n).unwrap_or_default();
        source.fill(chunk);
        match dst.put(chunk) {
            Ok(n) => done += n,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The devices of a machine.
pub struct Devices {
    random: Arc<dyn RandomSource>,
    console: Arc<Console>,
}

impl Devices {
    /// All devices, over the given random source and console.
    pub fn new(random: Arc<dyn RandomSource>, console: Arc<Console>) -> Self {
        Devices { random, console }
    }

    /// The device with a number.
    pub fn get(&self, number: DeviceNumber) -> Option<Device> {
        Some(match number {
            NULL => Device::Null,
            ZERO => Device::Zero,
            FULL => Device::Full,
            RANDOM | URANDOM => Device::Random(self.random.clone()),
            TTY => Device::Tty(self.console.clone()),
            CONSOLE => Device::Console(self.console.clone()),
            _ => return None,
        })
    }
}

/// An open device node.
pub struct DeviceFile {
    node: Pinned,
    device: Device,
}

impl DeviceFile {
    /// The device opened through `node`.
    pub fn new(node: NodeRef, device: Device) -> Self {
        DeviceFile { node: Pinned::new(node), device }
    }
}

impl File for DeviceFile {
    fn metadata(&self) -> Result<Metadata, FsError> {
        self.node.metadata()
    }

    fn has_position(&self) -> bool {
        // Memory devices take positions and ignore them (null(4), random(4)); terminals do not.
        !matches!(self.device, Device::Tty(_) | Device::Console(_))
    }

    fn moves_position(&self) -> bool {
        false
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        self.device.read(dst)
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        self.device.write(src)
    }

    fn seek(&self, _to: SeekFrom, _position: u64) -> Result<u64, FsError> {
        if self.has_position() { Ok(0) } else { Err(FsError::NotSeekable) }
    }

    fn sync(&self) -> Result<(), FsError> {
        Err(FsError::Invalid)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        match &self.device {
            Device::Tty(console) | Device::Console(console) => console.ioctl(request, arg, memory),
            _ => Err(FsError::NotTty),
        }
    }

    fn changes(&self) -> [Option<&Notifier>; 2] {
        match &self.device {
            Device::Tty(console) | Device::Console(console) => [Some(console.changed()), None],
            _ => [None, None],
        }
    }

    fn readiness(&self) -> PollEvents {
        match &self.device {
            Device::Tty(console) | Device::Console(console) => console.readiness(),
            _ => PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM,
        }
    }

    fn writes_all(&self) -> bool {
        matches!(self.device, Device::Tty(_) | Device::Console(_))
    }

    fn can_be_polled(&self) -> bool {
        matches!(self.device, Device::Random(_) | Device::Tty(_) | Device::Console(_))
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(self.node.node())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SliceSink, SliceSource};

    struct Counter;

    impl RandomSource for Counter {
        fn fill(&self, buf: &mut [u8]) {
            for (i, byte) in buf.iter_mut().enumerate() {
                *byte = i as u8 | 1;
            }
        }
    }

    #[test]
    fn numbers_are_linux_s() {
        assert_eq!(NULL.0, 0x103);
        assert_eq!(DeviceNumber::new(0x1234, 0x5678).0, 0x1000_0562_3478, "as makedev(3)");
        let number = DeviceNumber::new(0x1234, 0x5678);
        assert_eq!((number.major(), number.minor()), (0x1234, 0x5678));
    }

    #[test]
    fn memory_devices() {
        let mut buf = [7; 300];
        assert_eq!(Device::Null.read(&mut SliceSink::new(&mut buf)), Ok(0));
        assert_eq!(Device::Null.write(&mut SliceSource::new(b"abc")), Ok(3));
        assert_eq!(Device::Full.write(&mut SliceSource::new(b"abc")), Err(FsError::NoSpace));
        assert_eq!(Device::Zero.read(&mut SliceSink::new(&mut buf)), Ok(300));
        assert_eq!(buf, [0; 300]);
        let random = Device::Random(Arc::new(Counter));
        assert_eq!(random.read(&mut SliceSink::new(&mut buf)), Ok(300));
        assert!(buf.iter().all(|&byte| byte != 0));
        assert_eq!(random.write(&mut SliceSource::new(&[0; 1000])), Ok(1000));
    }
}
