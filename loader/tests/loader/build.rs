//! Synthetic ELF files, field by field, for tests that need a particular header.

/// One program header, in the order of its fields in the file.
#[derive(Clone, Copy, Debug)]
pub struct Phdr {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub vaddr: u64,
    pub filesz: u64,
    pub memsz: u64,
    pub align: u64,
}

pub const PT_LOAD: u32 = 1;
pub const PT_INTERP: u32 = 3;
pub const PT_GNU_STACK: u32 = 0x6474_e551;
pub const PT_GNU_RELRO: u32 = 0x6474_e552;
pub const R: u32 = 4;
pub const W: u32 = 2;
pub const X: u32 = 1;

impl Phdr {
    /// A `PT_LOAD` of `size` bytes in file and memory.
    pub fn load(flags: u32, offset: u64, vaddr: u64, size: u64) -> Self {
        Self { kind: PT_LOAD, flags, offset, vaddr, filesz: size, memsz: size, align: 0x1000 }
    }
}

/// An ELF file: header fields, program headers at offset 64, content.
#[derive(Clone, Debug)]
pub struct Image {
    pub ident: [u8; 16],
    pub kind: u16,
    pub machine: u16,
    pub version: u32,
    pub entry: u64,
    pub phoff: u64,
    pub phentsize: u16,
    pub phnum: Option<u16>,
    pub phdrs: Vec<Phdr>,
    /// File length; the content is a pattern without zero bytes.
    pub len: usize,
    /// Bytes written over the pattern.
    pub patches: Vec<(usize, Vec<u8>)>,
}

impl Default for Image {
    /// A valid fixed program: text and data with bss, 16 KiB.
    fn default() -> Self {
        let mut ident = [0; 16];
        ident[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
        let data = Phdr { memsz: 0x3000, ..Phdr::load(R | W, 0x2100, 0x40_2100, 0x800) };
        Self {
            ident,
            kind: 2,
            machine: 62,
            version: 1,
            entry: 0x40_0800,
            phoff: 64,
            phentsize: 56,
            phnum: None,
            phdrs: vec![Phdr::load(R | X, 0, 0x40_0000, 0x1800), data],
            len: 0x4000,
            patches: Vec::new(),
        }
    }
}

impl Image {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..self.len).map(|at| (at % 251) as u8 + 1).collect();
        let mut head = self.ident.to_vec();
        head.extend(self.kind.to_le_bytes());
        head.extend(self.machine.to_le_bytes());
        head.extend(self.version.to_le_bytes());
        head.extend(self.entry.to_le_bytes());
        head.extend(self.phoff.to_le_bytes());
        head.extend(0_u64.to_le_bytes());
        head.extend(0_u32.to_le_bytes());
        head.extend(64_u16.to_le_bytes());
        head.extend(self.phentsize.to_le_bytes());
        head.extend(self.phnum.unwrap_or(self.phdrs.len() as u16).to_le_bytes());
        head.extend([0; 6]);
        for p in &self.phdrs {
            head.extend(p.kind.to_le_bytes());
            head.extend(p.flags.to_le_bytes());
            for word in [p.offset, p.vaddr, p.vaddr, p.filesz, p.memsz, p.align] {
                head.extend(word.to_le_bytes());
            }
        }
        put(&mut bytes, 0, &head);
        for (at, patch) in &self.patches {
            put(&mut bytes, *at, patch);
        }
        bytes
    }
}

/// Writes what fits.
fn put(bytes: &mut [u8], at: usize, from: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(from) {
        *to = *from;
    }
}
