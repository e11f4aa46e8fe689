//! uname(2): what the kernel calls itself.

use crate::prelude::*;
use abi::structs::Utsname;
use task::procfs::{RELEASE, VERSION};

/// `uname(buffer)`.
pub struct Uname {
    buffer: UserPtr<Utsname>,
}

fn fill(field: &mut [i8; 65], text: impl AsRef<[u8]>) {
    // The last byte stays 0.
    for (to, from) in field.iter_mut().take(64).zip(text.as_ref()) {
        *to = *from as i8;
    }
}

impl Syscall for Uname {
    const NR: u32 = nr::UNAME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Uname { buffer: args.ptr::<0, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut name: Utsname = abi::zeroed();
        fill(&mut name.sysname, "Linux");
        let attributes = ctx.process.attributes().clone();
        fill(&mut name.nodename, attributes.host);
        fill(&mut name.release, RELEASE);
        fill(&mut name.version, VERSION);
        fill(&mut name.machine, "x86_64");
        fill(&mut name.domainname, attributes.domain);
        self.buffer.write(ctx.memory(), &name)?;
        Ok(0)
    }
}
