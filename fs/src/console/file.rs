//! [`ConsoleFile`]: the console as the program's standard files.

use super::Console;
use crate::notify::Notifier;
use crate::{File, FsError, Metadata, Offset, OpenFile, Sink, Source};
use abi::{Mode, OpenFlags, PollEvents, ioctl};
use alloc::{sync::Arc, vec::Vec};
use mm::user::UserMemory;

/// Which standard file a [`ConsoleFile`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// A standard file of the program.
pub struct ConsoleFile {
    console: Arc<Console>,
    end: End,
}

impl ConsoleFile {
    /// The file for `end`, and the flags of its description: a terminal is open both ways, a FIFO one way.
    pub fn new(console: Arc<Console>, end: End) -> (Self, OpenFlags) {
        let flags = match (console.end_is_terminal(end), end) {
            (true, _) => OpenFlags::RDWR,
            (false, End::Input) => OpenFlags::empty(),
            (false, End::Output | End::Error) => OpenFlags::WRONLY,
        };
        (ConsoleFile { console, end }, flags)
    }
}

impl File for ConsoleFile {
    fn metadata(&self) -> Result<Metadata, FsError> {
        let terminal = self.console.end_is_terminal(self.end);
        let (mode, rdev) =
            if terminal { (Mode::IFCHR | 0o620, crate::device::CONSOLE.0) } else { (Mode::IFIFO | 0o600, 0) };
        let ino = match self.end {
            _ if terminal => 1,
            End::Input => 2,
            End::Output => 3,
            End::Error => 4,
        };
        Ok(Metadata { ino, mode, rdev, nlink: 1, block_size: 4096, ..Metadata::default() })
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        self.console.read(dst)
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        self.console.write(src)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        if !self.console.end_is_terminal(self.end) && request != ioctl::FIONREAD {
            return Err(FsError::NotTty);
        }
        self.console.ioctl(request, arg, memory)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        if self.console.end_is_terminal(self.end) {
            out.extend_from_slice(b"/dev/console");
        } else {
            let ino = self.metadata().map_or(0, |metadata| metadata.ino);
            out.extend_from_slice(alloc::format!("pipe:[{ino}]").as_bytes());
        }
    }

    fn reopen(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        Ok(self)
    }

    fn changes(&self) -> [Option<&Notifier>; 2] {
        [Some(self.console.changed()), None]
    }

    fn sends_signals(&self) -> bool {
        self.console.end_is_terminal(self.end)
    }

    fn readiness(&self) -> PollEvents {
        let all = self.console.readiness();
        match (self.console.end_is_terminal(self.end), self.end) {
            (true, _) => all,
            (false, End::Input) => all.difference(PollEvents::OUT | PollEvents::WRNORM),
            (false, _) => PollEvents::OUT | PollEvents::WRNORM,
        }
    }

    fn writes_all(&self) -> bool {
        self.console.end_is_terminal(self.end)
    }
}

/// The three standard files of a program, in the order of their descriptors.
pub fn standard_files(console: &Arc<Console>) -> Vec<Arc<OpenFile>> {
    [End::Input, End::Output, End::Error]
        .into_iter()
        .map(|end| {
            let (file, flags) = ConsoleFile::new(console.clone(), end);
            OpenFile::new(Arc::new(file), flags)
        })
        .collect()
}
