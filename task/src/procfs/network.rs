//! `/proc/net`: what the process's network says of itself. All processes see the same one.

use super::{Key, Tasks, put};
use alloc::boxed::Box;
use alloc::sync::Arc;
use fs::FsError;
use fs::pseudo::{Builder, Output, Template};

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
    let dir = builder.dir(dir, "net");
    for name in net::Stack::proc_files() {
        let tasks = tasks.clone();
        let text = move |_: Key, out: &mut Output| {
            tasks.current()?.network().proc_text(name, out);
            Ok::<(), FsError>(())
        };
        builder.file(dir, name, 0o444, text);
    }
}
