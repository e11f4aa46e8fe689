//! prctl(2): properties of the process.

use crate::prelude::*;
use task::NAME_LEN;

/// `prctl(option, argument)`.
pub struct Prctl {
    option: u32,
    arg: u64,
}

const SET_NAME: u32 = abi::prctl::PR_SET_NAME;
const GET_NAME: u32 = abi::prctl::PR_GET_NAME;

const OPTIONS: Names = &[(SET_NAME as u64, "PR_SET_NAME"), (GET_NAME as u64, "PR_GET_NAME")];

impl Syscall for Prctl {
    const NR: u32 = nr::PRCTL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(OPTIONS), ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Prctl { option: args.uint::<0>(), arg: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        match self.option {
            SET_NAME => {
                // A longer name is cut, so it need not end within the limit, but it must be readable up to there.
                let mut name = [0; NAME_LEN];
                for (byte, addr) in name.iter_mut().zip(self.arg..) {
                    *byte = UserPtr::<u8>::new(addr).read(ctx.memory())?;
                    if *byte == 0 {
                        break;
                    }
                }
                ctx.process.set_name(&name);
            }
            GET_NAME => UserPtr::new(self.arg).write(ctx.memory(), &ctx.process.name())?,
            _ => return Err(Errno::EINVAL.into()),
        }
        Ok(0)
    }
}
