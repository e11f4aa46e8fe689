//! Scripts: from a file that begins with `#!` to the ELF file that runs it, and the arguments that it gets.
//!
//! Called by [`load`](super::load). Rules as in execve(2), "Interpreter scripts".

use super::{ExecError, Opened, open_store};
use alloc::{borrow::Cow, sync::Arc, vec::Vec};
use fs::{FsError, NodeRef, Vfs};
use loader::Role;
use loader::script::{self, LINE_MAX, NESTING_MAX};
use mm::store::BackingStore;

/// What is to be executed, as far as the scripts on the way to it have been read.
pub(super) struct Script<'a> {
    path: Cow<'a, [u8]>,
    /// The arguments for the program that is found.
    pub(super) args: Vec<Cow<'a, [u8]>>,
}

impl<'a> Script<'a> {
    pub(super) fn new(path: &'a [u8], args: &[&'a [u8]]) -> Self {
        Script { path: path.into(), args: args.iter().map(|&arg| arg.into()).collect() }
    }

    /// Follows the scripts to the ELF file.
    pub(super) fn resolve(&mut self, vfs: &Vfs, cwd: &NodeRef) -> Result<Opened, ExecError> {
        for depth in 0..=NESTING_MAX {
            let role = if depth == 0 { Role::Program } else { Role::Interpreter };
            let (place, store) = open_store(vfs, cwd, &self.path, role)?;
            let mut head = [0; LINE_MAX];
            let head = read_head(&store, &mut head);
            match script::parse(head) {
                // For errors in the file itself the interpreter of a script counts as the program.
                None => return Opened::planned(&self.path, place, store, Role::Program),
                Some(line) => {
                    let line = line.map_err(ExecError::Script)?;
                    self.interpret(line.interpreter.to_vec(), line.argument.map(<[u8]>::to_vec));
                }
            }
        }
        Err(ExecError::File(Role::Interpreter, FsError::Loop))
    }

    /// The interpreter's name, its argument and the script's path take the place of the first argument.
    fn interpret(&mut self, interpreter: Vec<u8>, argument: Option<Vec<u8>>) {
        let script = core::mem::replace(&mut self.path, interpreter.clone().into());
        let front = [Some(interpreter.into()), argument.map(Cow::from), Some(script)];
        let rest = core::mem::take(&mut self.args).into_iter().skip(1);
        self.args = front.into_iter().flatten().chain(rest).collect();
    }
}

/// The first bytes of a file; what cannot be read is left to the ELF loader, which says why.
fn read_head<'a>(store: &Arc<dyn BackingStore>, head: &'a mut [u8]) -> &'a [u8] {
    let mut len = 0;
    while let Some(rest) = head.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match store.read_at(len as u64, rest) {
            Ok(count) if count > 0 => len += count,
            _ => break,
        }
    }
    head.get(..len).unwrap_or_default()
}
