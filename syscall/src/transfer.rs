//! What read(2), write(2) and their relatives share: bytes between files and program memory, with the waits that files need.

use crate::{CallError, CallResult, Context};
use abi::{Errno, OpenFlags};
use fs::notify::Notifier;
use fs::{FsError, OpenFile, Source, UserSink, UserSource};
use mm::user::UserSlice;

impl Context<'_> {
    /// Does `operation` on a file, which gives a number of bytes, again and again while it would have to wait and the file's
    /// description says so.
    #[inline]
    pub fn retry(
        &self,
        file: &OpenFile,
        mut operation: impl FnMut() -> Result<usize, FsError>,
    ) -> CallResult<usize> {
        match operation() {
            Err(FsError::WouldBlock) => self.wait_for(file, &mut operation),
            first => Ok(first?),
        }
    }

    /// As [`retry`](Self::retry), after a first time that would have had to wait.
    #[cold]
    fn wait_for(
        &self,
        file: &OpenFile,
        operation: &mut dyn FnMut() -> Result<usize, FsError>,
    ) -> CallResult<usize> {
        if file.flags().contains(OpenFlags::NONBLOCK) {
            return Err(FsError::WouldBlock.into());
        }
        let [one, other] = file.file().changes();
        let both;
        let notifiers: &[&Notifier] = match (&one, &other) {
            (Some(one), Some(other)) => {
                both = [*one, *other];
                &both
            }
            (Some(one), None) | (None, Some(one)) => core::slice::from_ref(one),
            (None, None) => &[],
        };
        let ready_at = || file.file().ready_at();
        let exclusive = file.file().wakes_one();
        let done = self.sleep_after_look(None, &ready_at, notifiers, exclusive, || match operation() {
            Err(FsError::WouldBlock) => Ok(None),
            result => Ok(Some(result?)),
        });
        let done = done.map_err(|error| error.if_interrupted(Errno::ERESTARTSYS))?;
        Ok(done.ok_or(Errno::EAGAIN)?)
    }

    /// read(2) into program memory.
    pub fn read_file(&self, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
        self.read_here(file, segments)
    }

    /// [`read_file`](Self::read_file) as a part of its caller, for the calls that are made most.
    #[inline(always)]
    pub fn read_here(&self, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
        let result = if file.is_socket() {
            crate::socket::transfer::read(self, file, segments)
        } else {
            let mut sink = UserSink::new(self.memory(), segments, abi::MAX_RW_COUNT);
            match file.read_here(&mut sink, OpenFlags::empty()) {
                Ok(n) => Ok(n as u64),
                Err(FsError::WouldBlock) => self.read_later(file, segments),
                Err(error) => Err(error.into()),
            }
        };
        self.count_read(result)
    }

    /// Reads when there is something to read.
    #[cold]
    fn read_later(&self, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
        let sink = || UserSink::new(self.memory(), segments, abi::MAX_RW_COUNT);
        self.wait_for(file, &mut || file.read(&mut sink())).map(|n| n as u64)
    }

    /// Counts a call that reads, and passes its result on.
    #[inline]
    pub fn count_read(&self, result: CallResult<u64>) -> CallResult<u64> {
        self.thread.transfers.has_read(*result.as_ref().unwrap_or(&0));
        result
    }

    /// Counts a call that writes, and passes its result on.
    #[inline]
    pub fn count_written(&self, result: CallResult<u64>) -> CallResult<u64> {
        self.thread.transfers.has_written(*result.as_ref().unwrap_or(&0));
        result
    }

    /// write(2) from program memory. A broken pipe also is SIGPIPE.
    pub fn write_file(&self, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
        self.write_here(file, segments)
    }

    /// [`write_file`](Self::write_file) as a part of its caller, for the calls that are made most.
    #[inline(always)]
    pub fn write_here(&self, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
        let result = if file.is_socket() {
            crate::socket::transfer::write(self, file, segments)
        } else if file.has_position() {
            self.write_content(file, segments)
        } else {
            let mut source = UserSource::new(self.memory(), segments, abi::MAX_RW_COUNT);
            match file.write(&mut source) {
                Ok(n) if source.remaining() == 0 || !file.writes_all() => Ok(n as u64),
                result => self.write_on(file, segments, result),
            }
        };
        self.count_written(result)
    }

    /// write(2) to a file whose content stays.
    fn write_content(&self, file: &OpenFile, segments: &[UserSlice]) -> CallResult<u64> {
        if file.flags().writable() {
            self.strip_privileges(&**file.file())?;
        }
        let source = UserSource::new(self.memory(), segments, abi::MAX_RW_COUNT);
        let written = self.written(file.write(&mut source.limited(self.file_size_limit())));
        self.refresh_mappings(&**file.file());
        Ok(written? as u64)
    }

    /// Goes on with a write that has come to `result` and not to its end.
    #[cold]
    fn write_on(
        &self,
        file: &OpenFile,
        segments: &[UserSlice],
        mut result: Result<usize, FsError>,
    ) -> CallResult<u64> {
        let waits = file.writes_all() && !file.flags().contains(OpenFlags::NONBLOCK);
        let write = |done: usize, left: &mut usize| {
            let mut source = UserSource::new(self.memory(), segments, abi::MAX_RW_COUNT);
            source.skip(done);
            let result = file.write(&mut source);
            *left = source.remaining();
            result
        };
        let (mut done, mut left) = (0, usize::MAX);
        loop {
            let written = match result {
                Err(FsError::WouldBlock) => self.wait_for(file, &mut || write(done, &mut left)),
                result => result.map_err(CallError::from),
            };
            match written {
                Ok(n) => done += n,
                Err(error) => return self.write_failed(error, done),
            }
            if written == Ok(0) || left == 0 || !waits {
                return Ok(done as u64);
            }
            result = write(done, &mut left);
        }
    }

    /// What a write returns that failed after `done` bytes, and the signals of it.
    fn write_failed(&self, error: CallError, done: usize) -> CallResult<u64> {
        if error == Errno::EPIPE.into() {
            self.send_broken_pipe();
        }
        if done > 0 { Ok(done as u64) } else { Err(error) }
    }
}
