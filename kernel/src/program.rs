//! The program: how it is started, and what its traps and system calls lead to.
//!
//! Between the processor (`arch`) and the layers that know Linux (`task`, `syscall`). One process runs, in any number of threads;
//! each is run by a thread of the kernel, which knows it ([`threads::program`]).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering, fence};

use abi::regs::UserRegs;
use fs::archive::ArchiveFs;
use fs::devfs::DevFs;
use fs::device::{Devices, RandomSource};
use fs::memfs::Space;
use fs::{Clock, Console, ConsoleOptions, FileSystem, MemFs, Vfs};
use image_format::cmdline::CommandLine;
use mm::addr::PhysAddr;
use mm::space::{Access, FaultError};
use mm::user::UserMemory;
use sync::SetOnce;
use syscall::{Context as CallContext, Outcome};
use task::fault::{Cause, Exception, TrapInfo};
use task::hlt::{self, Site};
use task::procfs::{self, Tasks};
use task::signal::deliver::Target;
use task::{
    Entry, ExecRequest, ExitStatus, NewThread, NoThread, Platform, Process, Runner, StartOptions, Thread,
};

use crate::arch::switch::Context;
use crate::arch::trap::{self, Trap};
use crate::arch::vectors::VectorArea;
use crate::arch::{cpu, percpu, syscall_entry, usercopy, vectors};
use crate::drivers::serial::SerialConsole;
use crate::mem::heap;
use crate::platform::MACHINE;
use crate::{network, platform, power, program_timer, threads};

/// Environment of a program whose image and command line set nothing else.
const DEFAULT_ENV: [(&str, &[u8]); 2] =
    [("PATH", b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", b"/root")];
/// Device numbers of the file systems.
const ROOT_DEVICE: u64 = 1;
const DEV_DEVICE: u64 = 5;
/// Directories below the root that are file systems of their own, in memory: name, device number, permissions.
const TEMPORARY: [(&[u8], u64, u32); 2] = [(b"tmp", 6, 0o1777), (b"run", 7, 0o755)];
/// POSIX shared memory (shm_overview(7)).
const SHM_DEVICE: u64 = 8;
const PROC_DEVICE: u64 = 21;
const SYS_DEVICE: u64 = 22;
/// Status of a program that cannot be started, as a shell gives it: not found, not executable.
const STATUS_NOT_FOUND: u8 = 127;
const STATUS_NOT_EXECUTABLE: u8 = 126;

const HLT: u8 = 0xf4;

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
    let vfs = match file_tree(archive, archive_at, &console, &tasks) {
        Ok(vfs) => Arc::new(vfs),
        Err(error) => {
            log::error!("the image's root archive: {error}");
            power::fail()
        }
    };
    let network = network::start(line);
    network::write_files(&network, &vfs);
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
            if let Some(name) = network.hostname() {
                process.attributes().host = name.into_bytes();
            }
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

/// The image's files, which can be changed in memory, with the devices mounted on `/dev`, and what is known about the tasks
/// on `/proc` and `/sys`.
fn file_tree(
    archive: &'static [u8],
    at: u64,
    console: &Arc<Console>,
    tasks: &Arc<Tasks>,
) -> Result<Vfs, fs::archive::ArchiveError> {
    struct MachineRandom;
    impl RandomSource for MachineRandom {
        fn fill(&self, buf: &mut [u8]) {
            MACHINE.random(buf);
        }
    }
    struct WallClock;
    impl Clock for WallClock {
        fn now_ns(&self) -> u64 {
            MACHINE.realtime_ns()
        }
    }
    let archive = ArchiveFs::new(archive, Some(PhysAddr(at)), ROOT_DEVICE)?;
    let half = Space { frames: MACHINE.frames(), bytes: MACHINE.memory().total / 2 };
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let root = MemFs::over(archive.clone(), half, clock.clone());
    let mut vfs = Vfs::new(root, Devices::new(Arc::new(MachineRandom), console.clone()));
    for (name, device, mode) in TEMPORARY {
        // What the image has there is not hidden: the root can be written too.
        let empty = archive.lookup(archive.root(), name).is_ok_and(|dir| {
            let mut empty = true;
            let listed = archive.read_dir(dir, 0, &mut |_| {
                empty = false;
                false
            });
            listed.is_ok() && empty
        });
        if empty {
            let fs = MemFs::new(device, half, clock.clone(), mode, platform::boot_time_ns());
            if let Err(error) = vfs.mount(&[b"/", name].concat(), fs) {
                log::warn!("/{} is not mounted: {error}", name.escape_ascii());
            }
        }
    }
    let now = platform::boot_time_ns();
    let mounts: [(&str, Arc<dyn FileSystem>); 4] = [
        ("/dev", DevFs::new(DEV_DEVICE, now)),
        ("/dev/shm", MemFs::new(SHM_DEVICE, half, clock, 0o1777, now)),
        ("/proc", procfs::proc_fs(tasks, PROC_DEVICE, now)),
        ("/sys", procfs::sys_fs(tasks, SYS_DEVICE, now)),
    ];
    for (path, fs) in mounts {
        if let Err(error) = vfs.mount(path.as_bytes(), fs) {
            log::warn!("{path} is not mounted: {error}");
        }
    }
    Ok(vfs)
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

/// An exception of the program, on its kernel stack with interrupts on.
pub fn trap(frame: &mut UserRegs, trap: &Trap) {
    let running = running();
    let cause = if trap.gs_moved {
        if syscall_entry::is_entry(frame.rip) {
            // The program's next instruction is what it can be told.
            frame.rip = frame.rcx;
        }
        Cause::Exception(Exception::GsChanged)
    } else if let Some(addr) = trap.page_address() {
        match running.process.fault(addr, trap.access()) {
            Ok(()) => return,
            Err(error) => Cause::Page { addr, access: trap.access(), error },
        }
    } else {
        Cause::Exception(Exception::from_vector(trap.vector))
    };
    fault(running, frame, cause, trap_info(trap, cause));
}

/// A fault of the program becomes its signal.
fn fault(running: &Running, frame: &mut UserRegs, cause: Cause, info: TrapInfo) {
    let target = Target { platform: &MACHINE, process: &running.process, thread: &running.thread };
    if let Some(status) = target.fault(frame, cause, info) {
        end(status)
    }
}

/// What a signal frame shows of a trap: as if the program ran in ring 3.
fn trap_info(trap: &Trap, cause: Cause) -> TrapInfo {
    const FROM_USER: u64 = 1 << 2;
    const PRESENT: u64 = 1;
    let mut error = u64::from(trap.error);
    if trap.page_address().is_some() {
        error |= FROM_USER;
        if trap.address >= mm::addr::USER_END {
            error |= PRESENT;
        }
    }
    let status = match cause {
        Cause::Exception(Exception::Debug) => cpu::take_debug_status(),
        Cause::Exception(Exception::X87) => vectors::x87_exceptions(),
        Cause::Exception(Exception::Simd) => vectors::simd_exceptions(),
        _ => 0,
    };
    TrapInfo { vector: trap.vector.into(), error, cr2: trap.address, status }
}

/// #GP, as whom Linux shows what ring 0 does not find by itself.
const GENERAL_PROTECTION: TrapInfo = TrapInfo { vector: 13, error: 0, cr2: 0, status: 0 };

/// A fault of the kernel on program memory, inside `usercopy`.
pub fn page_fault(addr: u64, access: Access) -> Result<(), FaultError> {
    match threads::program() {
        Some(running) => running.process.fault(addr, access),
        None => Err(FaultError::NotMapped),
    }
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
    signals || INPUT_ARRIVED.load(Ordering::Relaxed) || byte_before(frame.rip) == Some(HLT)
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

/// What [`needs_attention`] asked for, on the thread's kernel stack.
pub fn attend(frame: &mut UserRegs) {
    let running = running();
    attend_signals(frame);
    if byte_before(frame.rip) == Some(HLT) && was_halted(frame) {
        // In ring 3 the instruction would not have run.
        frame.rip -= 1;
        fault(running, frame, Cause::Exception(Exception::Halt), GENERAL_PROTECTION);
    }
}

/// The byte in front of `rip`, if it is the program's and mapped.
fn byte_before(rip: u64) -> Option<u8> {
    let at = rip.checked_sub(1).filter(|&at| at < mm::addr::USER_END)?;
    let mut byte = [0];
    (usercopy::read(at, &mut byte) == 0).then_some(byte[0])
}

/// Whether the program was interrupted in a `hlt`: decided from the code around it and the flags.
fn was_halted(frame: &UserRegs) -> bool {
    const AROUND: usize = 4096;
    let memory: &dyn UserMemory = &MACHINE;
    let (mut before, mut after) = ([0; AROUND], [0; AROUND]);
    // Backwards page by page, as far as code is mapped.
    let mut known = 0;
    while known < AROUND {
        let end = frame.rip.saturating_sub(known as u64);
        let piece = ((end.saturating_sub(1) & 4095) as usize + 1).min(AROUND - known);
        let slot = &mut before[AROUND - known - piece..AROUND - known];
        if memory.read(end.saturating_sub(piece as u64), slot).is_err() {
            break;
        }
        known += piece;
    }
    let got = memory.read(frame.rip, &mut after).map_or_else(|fault| fault.done, |()| AROUND);
    let before = &before[AROUND - known..];
    hlt::was_halted(&Site { rip: frame.rip, rflags: frame.rflags, before, after: &after[..got] })
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
