//! The program: how it is started, what its system calls lead to, and what it does before it goes on.
//!
//! Between the processor (`arch`) and the layers that know Linux (`task`, `syscall`). One process runs, in any number of threads;
//! each is run by a thread of the kernel, which knows it ([`threads::program`]).

mod files;
mod traps;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering, fence};

use abi::regs::UserRegs;
use fs::{Console, ConsoleOptions};
use image_format::cmdline::CommandLine;
use sync::SetOnce;
use syscall::{Context as CallContext, Outcome};
use task::procfs::Tasks;
use task::{Entry, ExecRequest, ExitStatus, NewThread, NoThread, Process, Runner, StartOptions, Thread};

use crate::arch::switch::Context;
use crate::arch::trap;
use crate::arch::vectors::VectorArea;
use crate::arch::{cpu, percpu, syscall_entry};
use crate::drivers::serial::SerialConsole;
use crate::mem::heap;
use crate::platform::MACHINE;
use crate::{network, platform, power, program_timer, threads};

pub use traps::{attend, page_fault, trap};

/// Environment of a program whose image and command line set nothing else.
const DEFAULT_ENV: [(&str, &[u8]); 2] =
    [("PATH", b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", b"/root")];
/// Status of a program that cannot be started, as a shell gives it: not found, not executable.
const STATUS_NOT_FOUND: u8 = 127;
const STATUS_NOT_EXECUTABLE: u8 = 126;

/// A thread of the program, as the kernel's thread that runs it knows it.
pub struct Running {
    process: Arc<Process>,
    thread: Arc<Thread>,
}

/// What a thread of the program begins with.
pub struct ProgramStart {
    new: NewThread,
    vectors: VectorArea,
    root: u64,
}

/// The program.
struct Program {
    process: Arc<Process>,
    console: Arc<Console>,
}

static PROGRAM: SetOnce<Program> = SetOnce::new();
/// The console's device has received something that nobody has taken in.
static INPUT_ARRIVED: AtomicBool = AtomicBool::new(false);

/// Starts the program that the command line names, from the archive at physical address `archive_at`.
pub fn start(line: &CommandLine, archive: &'static [u8], archive_at: u64) -> ! {
    let (options, complaint) =
        ConsoleOptions::parse(line.get("console"), line.get("tty"), line.get("winsize"));
    if let Some(text) = complaint {
        log::warn!("{text}");
    }
    let console = Console::new(&SerialConsole, options);
    if let Some(time) = line.get("clock") {
        platform::tell_time(time);
    }
    let tasks = Tasks::new(&MACHINE);
    tasks.tell_command_line(&line.render());
    let vfs = match files::tree(archive, archive_at, &console, &tasks) {
        Ok(vfs) => Arc::new(vfs),
        Err(error) => {
            log::error!("the image's root archive: {error}");
            power::fail()
        }
    };
    let network = network::start(line);
    let name = network.hostname().map_or_else(|| task::attributes::HOST.to_vec(), String::into_bytes);
    network::write_files(&network, &vfs, &name);
    let args: Vec<&[u8]> = line.program.iter().flatten().map(Vec::as_slice).collect();
    let Some(&path) = args.first() else {
        log::error!("no program: the command line has no `-- PROGRAM ARG...`");
        power::fail()
    };
    let env = environment(line);
    let env: Vec<&[u8]> = env.iter().map(Vec::as_slice).collect();
    let request = ExecRequest { path, args: &args, env: &env, aslr: line.get("aslr") != Some(b"off") };
    let options = StartOptions { strace: line.get("strace").is_some_and(|value| value != b"off") };
    match task::start(&MACHINE, vfs, &console, &request, options) {
        Ok((process, thread, entry)) => {
            process.attributes().host = name;
            process.set_network(network);
            tasks.enter(&process);
            enter(Running { process, thread }, console, entry)
        }
        Err(error) => {
            log::error!("{}: {error}", path.escape_ascii());
            let missing = matches!(error, task::ExecError::File(_, fs::FsError::NotFound));
            power::exit(ExitStatus::Code(if missing { STATUS_NOT_FOUND } else { STATUS_NOT_EXECUTABLE }))
        }
    }
}

/// `NAME=VALUE` of each variable: those of the command line, and the defaults that it does not set.
fn environment(line: &CommandLine) -> Vec<Vec<u8>> {
    let given = || line.env();
    let defaults = DEFAULT_ENV.into_iter().filter(|(name, _)| given().all(|(other, _)| other != *name));
    defaults.chain(given()).map(|(name, value)| [name.as_bytes(), b"=", value].concat()).collect()
}

fn enter(running: Running, console: Arc<Console>, entry: Entry) -> ! {
    if !threads::context().is_some_and(Context::init_vectors) {
        log::error!("not enough memory for the program's registers");
        power::fail()
    }
    let number = threads::current_id().map_or(0, |id| id.to_raw());
    running.thread.set_runner(Runner::current(number));
    // Set once: one program is started.
    let _ = PROGRAM.set(Program { process: running.process.clone(), console });
    threads::set_program(Box::new(running));
    go(UserRegs {
        rip: entry.rip,
        rsp: entry.rsp,
        rflags: trap::INITIAL_FLAGS,
        cs: trap::PROGRAM_CS,
        ss: trap::PROGRAM_SS,
        ..UserRegs::default()
    })
}

/// Makes a thread of the program, whose vector registers are those of the caller.
pub fn new_thread(new: NewThread) -> Result<Runner, NoThread> {
    program_timer::ensure();
    let vectors = VectorArea::new().ok_or(NoThread)?;
    cpu::without_interrupts(|| vectors.save());
    let root = new.process.space().root().0;
    let start = Box::new(ProgramStart { new, vectors, root });
    let (handle, id) = threads::create_program(start).map_err(|_| NoThread)?;
    Ok(Runner { handle, number: id.to_raw() })
}

/// The first thing that such a thread does.
pub fn begin(start: ProgramStart) -> ! {
    let ProgramStart { new, vectors, root } = start;
    let NewThread { process, thread, regs, fs_base } = new;
    if let Some(context) = threads::context() {
        context.set_root(root);
        context.set_fs_base(fs_base);
        context.load_vectors(vectors);
    }
    threads::set_program(Box::new(Running { process, thread }));
    go(regs)
}

/// Goes to the program.
fn go(mut regs: UserRegs) -> ! {
    before_return(&mut regs);
    syscall_entry::start_program(&regs)
}

/// The running thread of the program. Traps and calls come from it, so it exists.
#[inline]
fn running() -> &'static Running {
    threads::program().unwrap_or_else(|| panic!("a trap from a program before there is one"))
}

/// Ends the machine with the process.
fn end(status: ExitStatus) -> ! {
    let running = running();
    if !running.process.begin_end(&running.thread) {
        // Another thread does.
        loop {
            threads::park(None);
        }
    }
    log::debug!("{} page faults", running.process.space().fault_count());
    network::leave(&running.process, &running.thread);
    power::exit(status)
}

/// The number of the running thread of the program; 0 for the kernel's own.
pub fn current_tid() -> u32 {
    threads::program().map_or(0, |running| running.thread.tid)
}

/// The program's first process, once it runs.
pub fn process() -> Option<&'static Arc<Process>> {
    PROGRAM.get().map(|program| &program.process)
}

/// Called by the console's interrupt handler.
pub fn input_arrived() {
    INPUT_ARRIVED.store(true, Ordering::Release);
    if program_timer::wake() {
        return;
    }
    // Nobody has waited for anything yet: there is one thread, and it runs.
    if let Some(runner) = process().and_then(|process| process.main_thread().runner()) {
        threads::kick(&runner.handle);
    }
}

/// Takes in what the console has received; what that means for threads, they are told.
pub fn take_input() {
    if let Some(program) = PROGRAM.get()
        && INPUT_ARRIVED.swap(false, Ordering::Acquire)
    {
        program.console.take_in();
    }
}

/// A timer interrupt came while the program's code ran, or the kernel's for it. In the handler: counts.
pub fn sample(in_program: bool) {
    if let Some(running) = threads::program() {
        running.thread.samples.count(in_program);
    }
}

/// Whether an interrupt that returns to the program leaves something to do first. In the interrupt
/// handler: looks, and does nothing else.
pub fn needs_attention(frame: &UserRegs) -> bool {
    let signals = threads::program().is_some_and(|running| running.process.needs_attention(&running.thread));
    signals || INPUT_ARRIVED.load(Ordering::Relaxed) || traps::is_behind_halt(frame.rip)
}

/// Whether something has come for the running thread of the program. With interrupts masked.
pub fn look() -> bool {
    percpu::current().attention.store(false, Ordering::Relaxed);
    // The CPU said before this that it runs the thread; who left something looks for that afterwards (`threads::kick`).
    fence(Ordering::SeqCst);
    let signals = threads::program().is_some_and(|running| running.process.needs_attention(&running.thread));
    signals || INPUT_ARRIVED.load(Ordering::Relaxed)
}

/// The last thing before the program goes on with `frame`: delivers what has come. Returns with interrupts masked, and then
/// nothing has.
pub fn before_return(frame: &mut UserRegs) {
    loop {
        cpu::disable_interrupts();
        if !look() {
            return;
        }
        cpu::enable_interrupts();
        attend_signals(frame);
    }
}

fn attend_signals(frame: &mut UserRegs) {
    take_input();
    if let Some(status) = syscall::deliver_signals(&mut context(running(), frame)) {
        end(status)
    }
}

#[inline]
fn context<'a>(running: &'a Running, regs: &'a mut UserRegs) -> CallContext<'a> {
    CallContext { platform: &MACHINE, process: &running.process, thread: &running.thread, regs }
}

/// The call in `frame`, of whose registers only those that a function may clobber are valid. Returns
/// whether it has to be finished with all of them, by [`system_call_full`].
pub fn system_call(frame: &mut UserRegs) -> bool {
    if heap::is_low()
        && let Some(error) = refused(frame.orig_rax)
    {
        frame.rax = error;
        return false;
    }
    match syscall::dispatch(&mut context(running(), frame)) {
        Outcome::Return(value) => {
            frame.rax = value;
            false
        }
        Outcome::AllRegisters => true,
        Outcome::Exit(status) => end(status),
        Outcome::ThreadEnds => threads::exit_program(),
    }
}

/// What call `nr` is answered because the kernel has no memory for it.
#[cold]
fn refused(nr: u64) -> Option<u64> {
    if heap::refill() { None } else { syscall::refused_without_memory(nr) }
}

/// Finishes a call with all registers in `frame`.
pub fn system_call_full(frame: &mut UserRegs) {
    match syscall::dispatch_full(&mut context(running(), frame)) {
        Outcome::Return(value) => frame.rax = value,
        // It has all registers now, so it cannot ask for them again.
        Outcome::AllRegisters => {}
        Outcome::Exit(status) => end(status),
        Outcome::ThreadEnds => threads::exit_program(),
    }
}
