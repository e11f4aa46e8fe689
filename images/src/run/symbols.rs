//! Functions and lines for the addresses of a backtrace.
//!
//! Kernel addresses are looked up in the ELF file that the tool carries, if its build id is that of the
//! running kernel; program addresses in the files of the image. Nothing is loaded before the first frame.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use addr2line::Context;
use image_format::{BuildId, Frame};
use object::{Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _, SymbolKind};

use crate::image::Image;
use crate::kernel::Kernel;

/// Addresses from here on are the kernel's: the upper half.
const KERNEL_START: u64 = 0xffff_8000_0000_0000;

type Reader = gimli::EndianArcSlice<gimli::RunTimeEndian>;

/// Where symbols come from in one run.
pub struct Symbols {
    image: Option<Image>,
    kernel_path: Option<PathBuf>,
    kernel: OnceCell<Option<(BuildId, File)>>,
    /// The running kernel is not the one whose symbols are at hand.
    other_kernel: bool,
    /// Program files by path.
    files: BTreeMap<String, Option<File>>,
}

impl Symbols {
    /// Symbols for the program in `image`, and for the kernel at `kernel` or the one that came with the tool.
    #[must_use]
    pub fn new(image: Option<Image>, kernel: Option<PathBuf>) -> Self {
        Self {
            image,
            kernel_path: kernel,
            kernel: OnceCell::new(),
            other_kernel: false,
            files: BTreeMap::new(),
        }
    }

    fn kernel(&self) -> Option<&(BuildId, File)> {
        let load = || {
            let kernel = Kernel::load(self.kernel_path.as_deref()).ok()?;
            Some((kernel.build_id, File::new(kernel.elf())?))
        };
        self.kernel.get_or_init(load).as_ref()
    }

    /// Takes notice of the running kernel's build id.
    ///
    /// # Errors
    /// A line for the user if there are no symbols for this kernel.
    pub fn kernel_is(&mut self, id: BuildId) -> Result<(), String> {
        let at_hand = self.kernel().map(|(id, _)| *id);
        self.other_kernel = at_hand != Some(id);
        match at_hand {
            Some(_) if !self.other_kernel => Ok(()),
            Some(other) => {
                Err(format!("nospin: no symbols for this kernel (build id {id}, this tool has {other})"))
            }
            None => Err(format!("nospin: no symbols for this kernel (build id {id}, this tool has none)")),
        }
    }

    /// The functions that `frame` is in, the innermost first, each with file and line where known. `returned` tells
    /// that the address is a return address, so that the call before it is meant.
    pub fn places(&mut self, frame: &Frame<'_>, returned: bool) -> Vec<String> {
        let back = u64::from(returned);
        if frame.address >= KERNEL_START {
            if self.other_kernel {
                return Vec::new();
            }
            let address = frame.address.saturating_sub(back);
            return self.kernel().map(|(_, file)| file.places(address)).unwrap_or_default();
        }
        let Some(image) = &self.image else { return Vec::new() };
        let program = image.cmdline.program.as_ref().and_then(|words| words.first());
        let program = program.map(|word| String::from_utf8_lossy(word).into_owned());
        let (path, address) = match frame.place {
            Some((path, offset)) => (path.to_owned(), offset),
            None => match program {
                Some(path) => (path, frame.address),
                None => return Vec::new(),
            },
        };
        let file = self.files.entry(path).or_insert_with_key(|path| {
            let root = image.root();
            File::new(root.get(path.as_bytes())?.data)
        });
        match file {
            // Without a place, only the addresses of a program that is not moved mean something.
            Some(file) if frame.place.is_some() || file.fixed => file.places(address.saturating_sub(back)),
            _ => Vec::new(),
        }
    }
}

/// The symbols of an ELF file.
struct File {
    /// The file is loaded at the addresses that it states.
    fixed: bool,
    lines: Option<Context<Reader>>,
    /// Start, end and name of each function, sorted.
    functions: Vec<(u64, u64, String)>,
}

impl File {
    fn new(elf: &[u8]) -> Option<Self> {
        let object = object::File::parse(elf).ok()?;
        let section = |id: gimli::SectionId| {
            let data = object.section_by_name(id.name()).and_then(|section| section.data().ok());
            let data: Arc<[u8]> = Arc::from(data.unwrap_or_default());
            Ok::<_, gimli::Error>(Reader::new(data, gimli::RunTimeEndian::Little))
        };
        let lines = gimli::Dwarf::load(section).ok().and_then(|dwarf| Context::from_dwarf(dwarf).ok());
        // One without a size (written in assembly) may reach to the end of its section.
        let section_end = |symbol: &object::Symbol<'_, '_>| {
            let section = object.section_by_index(symbol.section_index()?).ok()?;
            section.address().checked_add(section.size())
        };
        let mut functions: Vec<_> = object
            .symbols()
            .chain(object.dynamic_symbols())
            .filter(|symbol| {
                matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown)
            })
            .filter(|symbol| symbol.is_definition())
            .filter_map(|symbol| {
                let (start, name) = (symbol.address(), symbol.name().ok().filter(|name| !name.is_empty())?);
                let end = match symbol.size() {
                    0 => section_end(&symbol)?,
                    size => start.checked_add(size)?,
                };
                Some((start, end, name.to_owned()))
            })
            .collect();
        functions.sort();
        Some(Self { fixed: object.kind() == ObjectKind::Executable, lines, functions })
    }

    fn places(&self, address: u64) -> Vec<String> {
        let mut places = self.by_lines(address).unwrap_or_default();
        if places.is_empty() {
            places.extend(self.by_symbol(address));
        }
        places
    }

    /// By debug information, inlined functions included. The innermost comes first.
    fn by_lines(&self, address: u64) -> Option<Vec<String>> {
        let mut frames = self.lines.as_ref()?.find_frames(address).skip_all_loads().ok()?;
        let mut found = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name =
                frame.function.as_ref().and_then(|name| name.raw_name().ok().map(|raw| demangle(&raw)));
            let line = frame.location.and_then(|location| {
                let file = location.file?;
                Some(location.line.map_or(file.to_owned(), |line| format!("{file}:{line}")))
            });
            found.push((name, line));
        }
        // The symbol names the function that everything else was inlined into, and with its module.
        if let (Some((name, _)), Some((_, _, symbol))) = (found.last_mut(), self.function(address)) {
            *name = Some(demangle(symbol));
        }
        let place = |(name, line)| match (name, line) {
            (Some(name), Some(line)) => Some(format!("{name} ({line})")),
            (Some(name), None) => Some(name),
            (None, Some(line)) => Some(format!("({line})")),
            (None, None) => None,
        };
        Some(found.into_iter().filter_map(place).collect())
    }

    /// The nearest function at or below the address, if it reaches that far.
    fn function(&self, address: u64) -> Option<&(u64, u64, String)> {
        let index = self.functions.partition_point(|(start, ..)| *start <= address).checked_sub(1)?;
        self.functions.get(index).filter(|(_, end, _)| address < *end)
    }

    /// By the symbol table.
    fn by_symbol(&self, address: u64) -> Option<String> {
        let (start, _, name) = self.function(address)?;
        let (offset, name) = (address - start, demangle(name));
        Some(if offset == 0 { name } else { format!("{name}+{offset:#x}") })
    }
}

/// A symbol as the source has it, without the hash that Rust adds.
fn demangle(symbol: &str) -> String {
    match rustc_demangle::try_demangle(symbol) {
        Ok(name) => format!("{name:#}"),
        Err(_) => addr2line::demangle_auto(symbol.into(), None).into_owned(),
    }
}
