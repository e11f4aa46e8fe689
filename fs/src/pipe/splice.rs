//! Moving the content of pipes without program memory: what splice(2), tee(2) and sendfile(2) do with a pipe.
//!
//! Called by those calls, which wait where an operation answers [`FsError::WouldBlock`]. Slots keep their kind on the way.

use super::ring::{Kind, PAGE, Ring};
use super::{PipeEnd, State};
use crate::FsError;

impl State {
    /// What stands in the way of taking bytes out: `Ok(false)` is the end of the content.
    fn can_give(&self) -> Result<bool, FsError> {
        match (self.ring.is_empty(), self.writers) {
            (false, _) => Ok(true),
            (true, 0) => Ok(false),
            (true, _) => Err(FsError::WouldBlock),
        }
    }

    fn can_take(&self) -> Result<(), FsError> {
        if self.readers == 0 {
            Err(FsError::BrokenPipe)
        } else if self.ring.free() == 0 {
            Err(FsError::WouldBlock)
        } else {
            Ok(())
        }
    }
}

impl PipeEnd {
    /// Whether both are ends of one pipe.
    pub fn is_same_pipe(&self, other: &PipeEnd) -> bool {
        alloc::sync::Arc::ptr_eq(&self.pipe, &other.pipe)
    }

    /// Moves up to `len` bytes to another pipe; with `keep` they also stay here (tee(2)).
    pub fn splice_to_pipe(&self, out: &PipeEnd, len: usize, keep: bool) -> Result<usize, FsError> {
        let (_reader, _writer) = (self.pipe.reading.lock(), out.pipe.writing.lock());
        if !self.pipe.state.lock().can_give()? {
            return Ok(0);
        }
        out.pipe.state.lock().can_take()?;
        let mut done = 0;
        let mut index = 0;
        while done < len {
            // One lock at a time: only this call takes bytes out here and puts them in there.
            if out.pipe.state.lock().can_take().is_err() {
                break;
            }
            let slot = {
                let mut state = self.pipe.state.lock();
                if keep { state.ring.copy(index, len - done)? } else { state.ring.take(len - done)? }
            };
            let Some((bytes, kind)) = slot else { break };
            let kind = if keep && kind == Kind::Open { Kind::Closed } else { kind };
            done += bytes.len();
            index += 1;
            out.pipe.state.lock().ring.put(bytes, kind, false)?;
        }
        if done > 0 {
            out.pipe.tell_filled();
            if !keep {
                self.pipe.tell_drained();
            }
        }
        Ok(done)
    }

    /// Gives up to `len` bytes to `write`, which says how many it took.
    pub fn splice_to(
        &self,
        len: usize,
        write: &mut dyn FnMut(&[u8]) -> Result<usize, FsError>,
    ) -> Result<usize, FsError> {
        let done = {
            let _reader = self.pipe.reading.lock();
            self.give(len, write)?
        };
        if done > 0 {
            self.pipe.tell_drained();
        }
        Ok(done)
    }

    fn give(
        &self,
        len: usize,
        write: &mut dyn FnMut(&[u8]) -> Result<usize, FsError>,
    ) -> Result<usize, FsError> {
        let mut done = 0;
        while done < len {
            let bytes = {
                let state = self.pipe.state.lock();
                match state.can_give() {
                    Ok(true) => state.ring.copy(0, len - done)?,
                    Ok(false) => break,
                    Err(_) if done > 0 => break,
                    Err(error) => return Err(error),
                }
            };
            let Some((bytes, _)) = bytes else { break };
            match write(&bytes) {
                Ok(n) => {
                    self.pipe.state.lock().ring.consume(n);
                    done += n;
                    if n < bytes.len() {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Whether the pipe holds bytes; false at the end of the content.
    pub fn has_bytes(&self) -> Result<bool, FsError> {
        self.pipe.state.lock().can_give()
    }

    /// Whether a splice into the pipe would have room.
    pub fn has_room(&self) -> Result<(), FsError> {
        self.pipe.state.lock().can_take()
    }

    /// Takes up to `len` bytes, as many as there are slots for, from `read`, which fills a buffer and says how far. `at` is where
    /// they lie in their file: slots are its pages.
    pub fn splice_from(
        &self,
        len: usize,
        at: u64,
        read: &mut dyn FnMut(&mut [u8]) -> Result<usize, FsError>,
    ) -> Result<usize, FsError> {
        let _writer = self.pipe.writing.lock();
        let len = {
            let state = self.pipe.state.lock();
            state.can_take()?;
            len.min(state.ring.free().saturating_mul(PAGE))
        };
        let mut done = 0;
        while done < len && self.pipe.state.lock().ring.free() > 0 {
            let here = (at.wrapping_add(done as u64) % PAGE as u64) as usize;
            let mut buffer = Ring::buffer(None, (PAGE - here).min(len - done))?;
            let want = buffer.len();
            match read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    buffer.truncate(n);
                    self.pipe.state.lock().ring.put(buffer, Kind::Closed, false)?;
                    done += n;
                    if n < want {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        if done > 0 {
            self.pipe.tell_filled();
        }
        Ok(done)
    }
}
