//! `/proc/net`: what the process's network says of itself. All processes see the same one.

use super::{Key, Tasks, put, text};
use alloc::boxed::Box;
use alloc::{sync::Arc, vec::Vec};
use fs::FsError;
use fs::pseudo::{Builder, Template};

/// Adds the link in the root.
pub fn add(builder: &mut Builder) {
    let own: fs::pseudo::Text = Box::new(|_, out| {
        put!(out, "self/net");
        Ok(())
    });
    builder.link(Builder::ROOT, "net", own, None);
}

/// Adds the files to the directory of a process or thread.
pub fn add_to(builder: &mut Builder, tasks: &Arc<Tasks>, dir: Template) {
    let net = builder.dir(dir, "net");
    builder.file(net, "unix", 0o444, text!(tasks, unix));
}

fn unix(tasks: &Tasks, _: Key, out: &mut Vec<u8>) -> Result<(), FsError> {
    tasks.current()?.network().unix().text(out);
    Ok(())
}
