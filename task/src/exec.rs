//! From a path to a running program: finds the file, loads it and its interpreter, builds the stack.
//!
//! [`start`] makes the first process, called by the kernel; execve(2) will use [`load`] for an existing one. Loading touches
//! nothing of the caller until it has succeeded.

use crate::Thread;
use crate::limits::Limits;
use crate::platform::Platform;
use crate::process::{Parts, Process, open_standard_files};
use abi::general::RLIMIT_STACK;
use alloc::{sync::Arc, vec::Vec};
use core::{fmt, ops::Range};
use fs::{Console, FsError, NodeKind, NodeRef, Place, Vfs, vfs::Follow};
use loader::script::BadLine;
use loader::{
    AuxInput, ElfError, ExecFailure, MapTarget, Plan, ReadAt, ReadError, Role, StackError, StackInput,
};
use mm::addr::{PAGE_SIZE, VirtAddr, page_ceil};
use mm::space::{AddressSpace, FaultError, Layout, MapRequest, MmError, Placement};
use mm::store::BackingStore;
use mm::vma::{FileBacking, Prot, VmaFlags};

/// Bytes of stack that are mapped from the start, beside the arguments; it grows from there.
const INITIAL_STACK: u64 = 128 << 10;
/// Random pages between the program's end and the heap, at most (Linux: 32 MiB).
const BRK_RANDOM_PAGES: u64 = (32 << 20) / PAGE_SIZE;
/// Random bytes between the end of the stack and the strings, at most (Linux: 8 KiB), in steps of 16.
const STACK_RANDOM_BYTES: u64 = 8 << 10;

/// Why a program cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecError {
    /// The file, or the interpreter's, cannot be opened.
    File(Role, FsError),
    /// It is no regular file, or not executable.
    NotExecutable(Role),
    /// It is not a program that can run.
    Elf(Role, ElfError),
    /// A script whose first line names no interpreter.
    Script(BadLine),
    /// An interpreter that itself names one.
    NestedInterpreter,
    /// Arguments and environment do not fit.
    Stack(StackError),
    /// The segments cannot be mapped.
    Map(MmError),
    /// There is no memory for the first pages.
    Memory(FaultError),
    /// There is no memory for page tables.
    NoTables,
    /// The program claims the addresses of its own stack.
    MeetsStack,
}

impl ExecError {
    /// The class of the failure, for errors that are not of the file system.
    pub fn failure(&self) -> Option<ExecFailure> {
        Some(match self {
            ExecError::File(..) | ExecError::NotExecutable(_) => return None,
            ExecError::Elf(role, error) => error.failure(*role),
            ExecError::Script(_) => ExecFailure::NoExec,
            ExecError::NestedInterpreter => ExecFailure::LibBad,
            ExecError::Stack(error) => error.failure(),
            ExecError::Map(_) | ExecError::Memory(_) | ExecError::NoTables | ExecError::MeetsStack => {
                ExecFailure::NoMemory
            }
        })
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = |role: &Role| match role {
            Role::Program => "",
            Role::Interpreter => "its interpreter: ",
        };
        match self {
            ExecError::File(which, error) => write!(f, "{}{error}", role(which)),
            ExecError::NotExecutable(which) => write!(f, "{}not an executable file", role(which)),
            ExecError::Elf(which, error) => write!(f, "{}{error}", role(which)),
            ExecError::Script(error) => error.fmt(f),
            ExecError::NestedInterpreter => f.write_str("its interpreter needs an interpreter itself"),
            ExecError::Stack(error) => error.fmt(f),
            ExecError::Map(error) => error.fmt(f),
            ExecError::Memory(error) => error.fmt(f),
            ExecError::NoTables => f.write_str("out of memory for page tables"),
            ExecError::MeetsStack => f.write_str("the program lies where its stack has to be"),
        }
    }
}

impl core::error::Error for ExecError {}

/// One ELF file in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedFile {
    /// Its path, as given.
    pub path: Vec<u8>,
    /// What was added to its addresses.
    pub bias: u64,
    /// Where it lies.
    pub span: Range<u64>,
}

/// What runs in a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramImage {
    /// The program's path, absolute if it was given so.
    pub path: Vec<u8>,
    /// The path of the ELF file: of a script's interpreter, otherwise the same.
    pub program: Vec<u8>,
    /// Where the program's file was found.
    pub place: Place,
    /// The stack pointer at the program's start.
    pub stack_start: u64,
    /// The program, and its interpreter if it has one.
    pub files: Vec<LoadedFile>,
    /// Addresses of the argument strings.
    pub args: Range<u64>,
    /// Addresses of the environment strings.
    pub env: Range<u64>,
    /// Addresses of the auxiliary vector.
    pub auxv: Range<u64>,
}

/// Where a program begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First instruction.
    pub rip: u64,
    /// Initial stack pointer.
    pub rsp: u64,
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct ExecRequest<'a> {
    /// The program's path.
    pub path: &'a [u8],
    /// Its arguments, the first being its name.
    pub args: &'a [&'a [u8]],
    /// Its environment, `NAME=VALUE`.
    pub env: &'a [&'a [u8]],
    /// Whether addresses are random (`aslr=off` clears it).
    pub aslr: bool,
}

/// A loaded program.
pub struct Loaded {
    /// Its memory.
    pub space: AddressSpace,
    /// What it is.
    pub image: ProgramImage,
    /// Where it begins.
    pub entry: Entry,
}

/// The options of the first process.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartOptions {
    /// Show every system call.
    pub strace: bool,
}

/// Starts the first process: loads the program, opens its standard files on the console, makes it the terminal's foreground
/// group, and activates its address space.
pub fn start(
    platform: &'static dyn Platform,
    vfs: Arc<Vfs>,
    console: &Arc<Console>,
    request: &ExecRequest<'_>,
    options: StartOptions,
) -> Result<(Arc<Process>, Arc<Thread>, Entry), ExecError> {
    let limits = Limits::for_root(platform.memory().total);
    let Loaded { space, image, entry } = load(platform, &vfs, vfs.root(), &limits, request)?;
    platform.activate(space.root());
    let parts = Parts { platform, vfs, space, image, limits, strace: options.strace };
    let process = Arc::new_cyclic(|me| Process::new(me.clone(), parts));
    open_standard_files(&process, fs::console::standard_files(console));
    console.set_foreground(process.pid, Some(process.clone()));
    let thread = process.main_thread().clone();
    Ok((process, thread, entry))
}

/// Loads a program into a new address space.
pub fn load(
    platform: &dyn Platform,
    vfs: &Vfs,
    cwd: &NodeRef,
    limits: &Limits,
    request: &ExecRequest<'_>,
) -> Result<Loaded, ExecError> {
    let random = |on: bool| if on { random_u64(platform) } else { 0 };
    let mut script = Script::new(request.path, request.args);
    let program = script.resolve(vfs, cwd)?;
    let args: Vec<&[u8]> = script.args.iter().map(|arg| &**arg).collect();
    let interpreter = match &program.plan.interp {
        Some(path) => Some(Opened::open(vfs, cwd, path, Role::Interpreter)?),
        None => None,
    };
    if interpreter.as_ref().is_some_and(|file| file.plan.interp.is_some()) {
        return Err(ExecError::NestedInterpreter);
    }

    let memory_limits = limits.for_memory(platform.memory().total);
    let layout = Layout::linux(memory_limits, random(request.aslr), random(request.aslr));
    let tables = platform.new_page_tables().ok_or(ExecError::NoTables)?;
    let mut space = AddressSpace::new(tables, platform.frames(), layout);

    let bias =
        loader::layout::program_bias(&program.plan, random(request.aslr)).ok_or(ExecError::MeetsStack)?;
    if program.plan.span_at(bias).end > layout.mmap_base {
        return Err(ExecError::MeetsStack);
    }
    let mut files = alloc::vec![program.map(&mut space, bias)?];
    let heap = page_ceil(program.plan.span_at(bias).end).unwrap_or(layout.mmap_base);
    let gap = random(request.aslr) % BRK_RANDOM_PAGES * PAGE_SIZE;
    space.set_brk_start(VirtAddr(heap.saturating_add(gap)));

    let mut interpreter_bias = None;
    let mut rip = program.plan.entry_at(bias);
    if let Some(interpreter) = &interpreter {
        let bias = interpreter.place(&mut space)?;
        files.push(interpreter.map(&mut space, bias)?);
        interpreter_bias = Some(bias);
        rip = interpreter.plan.entry_at(bias);
    }

    let features = platform.cpu_features();
    let aux = AuxInput {
        hwcap: features.hwcap,
        hwcap2: features.hwcap2,
        minsigstksz: features.min_signal_stack,
        sysinfo_ehdr: map_vdso(&mut space, platform)?,
        ..AuxInput::for_program(&program.plan, bias, interpreter_bias)
    };
    let mut secret = [0; 16];
    platform.random(&mut secret);
    let stack = loader::stack::build(&StackInput {
        args: &args,
        env: request.env,
        execfn: request.path,
        platform: b"x86_64",
        random: secret,
        auxv: &aux.entries(),
        top: layout.stack_top - ((random(request.aslr) % STACK_RANDOM_BYTES) & !15),
        stack_limit: limits.soft(RLIMIT_STACK),
    })
    .map_err(ExecError::Stack)?;
    map_stack(&mut space, stack.sp, program.plan.stack_executable == Some(true))?;
    space.write_initial(VirtAddr(stack.sp), &stack.bytes).map_err(ExecError::Memory)?;

    let image = ProgramImage {
        path: request.path.to_vec(),
        program: program.path,
        place: program.place,
        stack_start: stack.sp,
        files,
        args: stack.args,
        env: stack.env,
        auxv: stack.auxv,
    };
    Ok(Loaded { space, image, entry: Entry { rip, rsp: stack.sp } })
}

fn random_u64(platform: &dyn Platform) -> u64 {
    let mut bytes = [0; 8];
    platform.random(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Maps the vDSO with its data page right below it; returns where its header lies.
fn map_vdso(space: &mut AddressSpace, platform: &dyn Platform) -> Result<Option<u64>, ExecError> {
    let Some(vdso) = platform.vdso() else { return Ok(None) };
    let (data_len, code_len) = (vdso.data.len(), vdso.code.len());
    let probe = MapRequest::anonymous(Placement::Anywhere, data_len + code_len, Prot::empty());
    let start = space.map(probe).map_err(ExecError::Map)?;
    let code_at = VirtAddr(start.0 + data_len);
    for (at, store, prot, name) in
        [(start, vdso.data, Prot::READ, "[vvar]"), (code_at, vdso.code, Prot::READ | Prot::EXEC, "[vdso]")]
    {
        let len = store.len();
        let file = FileBacking { store, offset: 0, file_len: len };
        let mut request = MapRequest::file(Placement::Fixed(at), len, prot, file);
        request.name = Some(name);
        space.map(request).map_err(ExecError::Map)?;
    }
    Ok(Some(code_at.0))
}

/// Maps the stack from its top to below `sp`.
fn map_stack(space: &mut AddressSpace, sp: u64, executable: bool) -> Result<(), ExecError> {
    let top = space.layout().stack_top;
    let room = INITIAL_STACK.min(space.layout().limits.stack);
    let start = mm::addr::page_floor(sp.saturating_sub(room));
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXEC, executable);
    let at = Placement::FixedNoReplace(VirtAddr(start));
    let mut request = MapRequest::anonymous(at, top - start, prot);
    request.flags = VmaFlags::GROWSDOWN;
    request.name = Some("[stack]");
    space.map(request).map(|_| ()).map_err(ExecError::Map)
}

/// A file that was opened and planned.
struct Opened {
    path: Vec<u8>,
    place: Place,
    store: Arc<dyn BackingStore>,
    plan: Plan,
}

impl Opened {
    fn open(vfs: &Vfs, cwd: &NodeRef, path: &[u8], role: Role) -> Result<Self, ExecError> {
        let (place, store) = open_store(vfs, cwd, path, role)?;
        Self::planned(path, place, store, role)
    }

    fn planned(
        path: &[u8],
        place: Place,
        store: Arc<dyn BackingStore>,
        role: Role,
    ) -> Result<Self, ExecError> {
        let plan = loader::plan(&StoreReader(store.as_ref())).map_err(|error| ExecError::Elf(role, error))?;
        Ok(Opened { path: path.to_vec(), place, store, plan })
    }

    /// Chooses the bias of an interpreter: in the mmap area, as high as there is room.
    fn place(&self, space: &mut AddressSpace) -> Result<u64, ExecError> {
        let slack = self.plan.align.max(PAGE_SIZE) - PAGE_SIZE;
        let len = self.plan.span_len().checked_add(slack).ok_or(ExecError::Map(MmError::NoMemory))?;
        // The area is reserved only to learn where there is room: the segments are mapped into it next.
        let probe = MapRequest::anonymous(Placement::Anywhere, len, Prot::empty());
        let start = space.map(probe).map_err(ExecError::Map)?;
        space.unmap(start, len).map_err(ExecError::Map)?;
        let area = start.0..start.0.saturating_add(len);
        loader::layout::top_down_bias(&self.plan, area)
            .or_else(|| loader::layout::program_bias(&self.plan, 0))
            .ok_or(ExecError::Map(MmError::NoMemory))
    }

    fn map(&self, space: &mut AddressSpace, bias: u64) -> Result<LoadedFile, ExecError> {
        let mut target = Target { space, store: &self.store };
        self.plan.map_into(bias, &mut target)?;
        Ok(LoadedFile { path: self.path.clone(), bias, span: self.plan.span_at(bias) })
    }
}

/// The contents of the executable file at `path`.
fn open_store(
    vfs: &Vfs,
    cwd: &NodeRef,
    path: &[u8],
    role: Role,
) -> Result<(Place, Arc<dyn BackingStore>), ExecError> {
    let file_error = |error| ExecError::File(role, error);
    let place = vfs.locate(cwd, path, Follow::Yes).map_err(file_error)?;
    let node = &place.node;
    let metadata = node.metadata().map_err(file_error)?;
    if NodeKind::of_mode(metadata.mode) != NodeKind::Regular || metadata.mode & 0o111 == 0 {
        return Err(ExecError::NotExecutable(role));
    }
    let file = node.fs.clone().open(node.id, abi::OpenFlags::empty()).map_err(file_error)?;
    let store = file.backing().ok_or(ExecError::NotExecutable(role))?;
    Ok((place, store))
}

/// Reads a backing store for the loader.
struct StoreReader<'a>(&'a dyn BackingStore);

impl ReadAt for StoreReader<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        self.0.read_at(offset, buf).map_err(|_| ReadError::Io)
    }
}

/// Maps what the loader plans.
struct Target<'a> {
    space: &'a mut AddressSpace,
    store: &'a Arc<dyn BackingStore>,
}

fn protection(prot: loader::Prot) -> Prot {
    let mut out = Prot::empty();
    out.set(Prot::READ, prot.read);
    out.set(Prot::WRITE, prot.write);
    out.set(Prot::EXEC, prot.exec);
    out
}

impl MapTarget for Target<'_> {
    type Error = ExecError;

    fn map_file(
        &mut self,
        vaddr: u64,
        len: u64,
        file_offset: u64,
        prot: loader::Prot,
    ) -> Result<(), ExecError> {
        let file_len = self.store.len().saturating_sub(file_offset).min(len);
        let file = FileBacking { store: self.store.clone(), offset: file_offset, file_len };
        let request = MapRequest::file(Placement::Fixed(VirtAddr(vaddr)), len, protection(prot), file);
        self.space.map(request).map(|_| ()).map_err(ExecError::Map)
    }

    fn map_zero(&mut self, vaddr: u64, len: u64, prot: loader::Prot) -> Result<(), ExecError> {
        let request = MapRequest::anonymous(Placement::Fixed(VirtAddr(vaddr)), len, protection(prot));
        self.space.map(request).map(|_| ()).map_err(ExecError::Map)
    }

    fn zero(&mut self, vaddr: u64, len: u64) -> Result<(), ExecError> {
        let zeros = [0; PAGE_SIZE as usize];
        // The loader clears parts of single pages only.
        let chunk = usize::try_from(len).ok().and_then(|len| zeros.get(..len)).unwrap_or(&zeros);
        self.space.write_initial(VirtAddr(vaddr), chunk).map_err(ExecError::Memory)
    }
}

mod script;
#[cfg(test)]
mod tests;
use script::Script;
