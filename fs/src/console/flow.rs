//! [`Flow`]: whether output may go on (termios(3): IXON; tcflow(3)), as pure logic.
//!
//! Called by [`console`](super) with its input locked. Stopped output is not lost: who writes waits, and what the terminal itself
//! has to show is kept here, up to [`HELD_MAX`] bytes.

use alloc::vec::Vec;

/// Most bytes of echo that are kept while output is stopped.
const HELD_MAX: usize = 4096;

/// The state of the output.
#[derive(Debug, Default)]
pub struct Flow {
    stopped: bool,
    /// Stopped by the program (TCOOFF): what is typed does not start it.
    by_program: bool,
    /// Echo that waits.
    held: Vec<u8>,
}

impl Flow {
    /// Output that goes on.
    pub const fn new() -> Self {
        Flow { stopped: false, by_program: false, held: Vec::new() }
    }

    /// Whether nothing may be written.
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// VSTOP was typed.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// VSTART was typed, or what counts as such: what was held goes to `emit` if output goes on again.
    pub fn start(&mut self, emit: &mut dyn FnMut(&[u8])) {
        if self.by_program {
            return;
        }
        self.stopped = false;
        if !self.held.is_empty() {
            emit(&core::mem::take(&mut self.held));
        }
    }

    /// TCOOFF.
    pub fn off(&mut self) {
        self.by_program = true;
        self.stopped = true;
    }

    /// TCOON: undoes TCOOFF, not what was typed before that.
    pub fn on(&mut self, emit: &mut dyn FnMut(&[u8])) {
        if core::mem::take(&mut self.by_program) {
            self.start(emit);
        }
    }

    /// Something that the terminal shows by itself: to `emit`, or kept.
    pub fn echo(&mut self, bytes: &[u8], emit: &mut dyn FnMut(&[u8])) {
        if !self.stopped {
            emit(bytes);
        } else if self.held.len() + bytes.len() <= HELD_MAX && self.held.try_reserve(bytes.len()).is_ok() {
            self.held.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_and_by_the_program() {
        let mut shown = Vec::new();
        let mut emit = |bytes: &[u8]| shown.extend_from_slice(bytes);
        let mut flow = Flow::new();
        flow.on(&mut emit);
        flow.stop();
        flow.on(&mut emit);
        assert!(flow.is_stopped(), "it was not the program that stopped it");
        flow.echo(b"a", &mut emit);
        flow.start(&mut emit);
        flow.echo(b"b", &mut emit);
        flow.off();
        flow.start(&mut emit);
        assert!(flow.is_stopped(), "only the program starts it");
        flow.echo(&[b'.'; HELD_MAX + 1], &mut emit);
        flow.echo(b"c", &mut emit);
        flow.on(&mut emit);
        assert!(!flow.is_stopped());
        assert_eq!(shown, b"abc");
    }
}
