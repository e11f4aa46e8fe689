//! What must hold for any input: the body of the fuzz target, of the property tests and of the mutation test.
//!
//! An accepted file is compared with a second, direct reading of its program headers: for an address, which byte
//! of the file (or zero) must be there and with which rights. The comparison needs no memory proportional to the
//! segments, so that a segment of many TiB is checked as well as a small one.

use loader::layout::{PIE_BASE, program_bias, top_down_bias};
use loader::{ElfError, Kind, MMAP_MIN_ADDR, MapTarget, Plan, Prot, Role, USER_TOP, plan};

const PAGE: u64 = 4096;

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    File(u64),
    Zero,
}

/// A `PT_LOAD` header as it stands in the file.
#[derive(Clone, Copy, Debug)]
struct Raw {
    flags: u32,
    offset: u64,
    vaddr: u64,
    filesz: u64,
    memsz: u64,
}

/// Runs one input through the loader; returns whether it was accepted.
pub fn check(data: &[u8]) -> bool {
    match plan(&data) {
        Err(error) => {
            check_error(&error);
            false
        }
        Ok(plan) => {
            let raws = raw_loads(data);
            check_plan(data, &plan, &raws);
            check_mapping(&plan, &raws, 0);
            if plan.kind == Kind::Dyn {
                check_biases(&plan, &raws);
            }
            true
        }
    }
}

fn check_error(error: &ElfError) {
    let line = error.to_string();
    assert!(!line.is_empty() && !line.contains('\n'), "{line:?}");
    // Every error has a class in both roles; computing it must not panic.
    let _ = (error.failure(Role::Program), error.failure(Role::Interpreter));
}

fn check_plan(data: &[u8], plan: &Plan, raws: &[Raw]) {
    assert_eq!(plan.segments.len(), raws.len());
    assert!(!raws.is_empty());
    assert!(plan.entry < USER_TOP);
    assert!(plan.align.is_power_of_two() && plan.align >= PAGE && plan.align <= 1 << 30);
    assert!(plan.span.start.is_multiple_of(PAGE) && plan.span.end.is_multiple_of(PAGE));
    assert!(plan.span.start < plan.span.end && plan.span.end <= USER_TOP);
    assert_eq!(plan.span.start, raws.iter().map(|r| r.vaddr / PAGE * PAGE).min().unwrap());
    assert_eq!(plan.span.end, raws.iter().map(|r| (r.vaddr + r.memsz).div_ceil(PAGE) * PAGE).max().unwrap());
    if plan.kind == Kind::Exec {
        assert!(plan.span.start >= MMAP_MIN_ADDR);
    }
    for r in raws {
        assert!(r.filesz <= r.memsz && r.memsz > 0);
        assert!(r.filesz == 0 || r.offset + r.filesz <= data.len() as u64);
    }
    assert!(raws.windows(2).all(|pair| pair[0].vaddr <= pair[1].vaddr));
    if let Some(path) = &plan.interp {
        assert!(!path.is_empty() && path.len() < 4096 && !path.contains(&0));
    }
    if let Some(addr) = plan.phdr_vaddr {
        let at = u64::from_le_bytes(data[32..40].try_into().unwrap());
        assert!(
            raws.iter()
                .any(|r| at >= r.offset && at < r.offset + r.filesz && addr == at - r.offset + r.vaddr)
        );
    }
}

fn check_biases(plan: &Plan, raws: &[Raw]) {
    for random in [0, 1, 0x0123_4567, u64::MAX] {
        let Some(bias) = program_bias(plan, random) else {
            assert!(plan.span_len() > USER_TOP - PIE_BASE - (1 << 40), "refused although there is room");
            continue;
        };
        assert_eq!(bias % plan.align, 0);
        let span = plan.span_at(bias);
        assert!(span.start < span.end && span.end <= USER_TOP);
        check_mapping(plan, raws, bias);
    }
    let area = 0x1_0000..0x7fff_f000_0000;
    if let Some(bias) = top_down_bias(plan, area.clone()) {
        let span = plan.span_at(bias);
        assert!(span.start >= area.start && span.end <= area.end && span.end > area.end - plan.align);
        check_mapping(plan, raws, bias);
    }
}

/// Maps the plan into the model and compares it at every border of every segment.
fn check_mapping(plan: &Plan, raws: &[Raw], bias: u64) {
    let mut model = Model::default();
    plan.map_into(bias, &mut model).unwrap();
    for r in raws {
        let borders = [r.vaddr, r.vaddr + r.filesz, r.vaddr + r.memsz];
        let pages = borders.map(|at| at / PAGE * PAGE);
        for at in borders.into_iter().chain(pages).chain(pages.map(|at| at + PAGE)) {
            for probe in [at.wrapping_sub(1), at, at.wrapping_add(1)] {
                assert_eq!(model.at(probe.wrapping_add(bias)), direct(raws, probe), "at {probe:#x}");
            }
        }
    }
}

/// The address space as the program headers alone say it: the last segment that claims the page decides.
fn direct(raws: &[Raw], at: u64) -> Option<(Content, Prot)> {
    let page = at / PAGE;
    let r = raws.iter().rfind(|r| page >= r.vaddr / PAGE && page <= (r.vaddr + r.memsz - 1) / PAGE)?;
    let write = r.flags & 2 != 0;
    let prot = Prot { read: r.flags & 4 != 0, write, exec: r.flags & 1 != 0 };
    let file_pages_end = if r.filesz == 0 { 0 } else { (r.vaddr + r.filesz - 1) / PAGE + 1 };
    if page >= file_pages_end {
        return Some((Content::Zero, Prot { read: true, write: true, ..prot }));
    }
    if write && r.memsz > r.filesz && at >= r.vaddr + r.filesz {
        return Some((Content::Zero, prot));
    }
    Some((Content::File(r.offset.wrapping_add(at.wrapping_sub(r.vaddr))), prot))
}

/// Reads the `PT_LOAD` headers with memory without any of the loader's code.
fn raw_loads(data: &[u8]) -> Vec<Raw> {
    let u16_at = |at: usize| u16::from_le_bytes(data[at..at + 2].try_into().unwrap());
    let u32_at = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap());
    let table = u64_at(32) as usize;
    (0..usize::from(u16_at(56)))
        .map(|index| table + index * 56)
        .filter(|&at| u32_at(at) == 1 && u64_at(at + 40) > 0)
        .map(|at| Raw {
            flags: u32_at(at + 4),
            offset: u64_at(at + 8),
            vaddr: u64_at(at + 16),
            filesz: u64_at(at + 32),
            memsz: u64_at(at + 40),
        })
        .collect()
}

/// An address space as a list of what was done to it; the newest entry that covers an address decides.
#[derive(Default)]
pub struct Model {
    done: Vec<Done>,
}

struct Done {
    start: u64,
    len: u64,
    file_offset: Option<u64>,
    prot: Prot,
}

impl Model {
    /// What is at an address, if anything.
    pub fn at(&self, addr: u64) -> Option<(Content, Prot)> {
        let hit = self.done.iter().rfind(|d| addr >= d.start && addr - d.start < d.len)?;
        let content =
            hit.file_offset.map_or(Content::Zero, |offset| Content::File(offset + (addr - hit.start)));
        Some((content, hit.prot))
    }

    fn push(&mut self, start: u64, len: u64, file_offset: Option<u64>, prot: Prot) -> Result<(), String> {
        if len == 0 || start.checked_add(len).is_none_or(|end| end > USER_TOP) {
            return Err(format!("bad range {start:#x}+{len:#x}"));
        }
        self.done.push(Done { start, len, file_offset, prot });
        Ok(())
    }
}

impl MapTarget for Model {
    type Error = String;

    fn map_file(&mut self, vaddr: u64, len: u64, file_offset: u64, prot: Prot) -> Result<(), String> {
        if !(vaddr | len | file_offset).is_multiple_of(PAGE) {
            return Err(format!("unaligned file mapping {vaddr:#x}+{len:#x} from {file_offset:#x}"));
        }
        self.push(vaddr, len, Some(file_offset), prot)
    }

    fn map_zero(&mut self, vaddr: u64, len: u64, prot: Prot) -> Result<(), String> {
        if !(vaddr | len).is_multiple_of(PAGE) {
            return Err(format!("unaligned zero mapping {vaddr:#x}+{len:#x}"));
        }
        self.push(vaddr, len, None, prot)
    }

    fn zero(&mut self, vaddr: u64, len: u64) -> Result<(), String> {
        if len == 0 || vaddr / PAGE != (vaddr + (len - 1)) / PAGE {
            return Err(format!("clearing {vaddr:#x}+{len:#x} is not within one page"));
        }
        match self.at(vaddr) {
            Some((_, prot)) if prot.write => self.push(vaddr, len, None, prot),
            other => Err(format!("clearing {vaddr:#x}, which is {other:?}")),
        }
    }
}
