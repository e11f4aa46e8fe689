//! [`Output`]: the text of a file that is made when it is read. How long it gets is up to the program (areas, sockets, threads), so it
//! grows fallibly; whoever makes it need not look, as a text that did not fit is never shown.

use crate::FsError;
use alloc::vec::Vec;
use core::fmt;

/// A text that is being made.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// Something did not fit into memory.
    short: bool,
}

impl Output {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is to be said cannot be found out for want of memory.
    pub fn give_up(&mut self) {
        self.short = true;
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether there is room for `more` bytes, made if necessary.
    fn room(&mut self, more: usize) -> bool {
        self.short |= self.bytes.try_reserve(more).is_err();
        !self.short
    }

    /// Appends bytes.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.room(bytes.len()) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Appends a byte.
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Appends bytes, one by one.
    pub fn extend(&mut self, bytes: impl IntoIterator<Item = u8>) {
        bytes.into_iter().for_each(|byte| self.push(byte));
    }

    /// Appends `fill` up to a length, if that is not reached yet.
    pub fn fill_to(&mut self, len: usize, fill: u8) {
        if self.room(len.saturating_sub(self.len())) && len > self.len() {
            self.bytes.resize(len, fill);
        }
    }

    /// The whole text.
    ///
    /// # Errors
    /// [`FsError::NoMemory`]: it is not all there.
    pub fn finish(self) -> Result<Vec<u8>, FsError> {
        if self.short { Err(FsError::NoMemory) } else { Ok(self.bytes) }
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What does not fit shows at the end.
        self.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    #[test]
    fn texts() {
        let mut out = Output::new();
        write!(out, "{:02}", 7).unwrap();
        out.push(b':');
        out.fill_to(6, b' ');
        out.fill_to(2, b'x');
        out.extend(*b"ab");
        assert_eq!((out.len(), out.finish().unwrap().as_slice()), (8, &b"07:   ab"[..]));
    }

    #[test]
    fn what_does_not_fit_is_not_shown() {
        let mut out = Output::new();
        out.push(b'a');
        out.fill_to(usize::MAX, b' ');
        out.push(b'b');
        assert_eq!(out.finish(), Err(FsError::NoMemory));
    }
}
