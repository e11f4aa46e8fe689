//! `/proc/cpuinfo`.

use super::{Key, Tasks, put};
use fs::FsError;
use fs::pseudo::Output;

/// The names of the bits of a register of CPUID, as Linux has them; the words are those of [`CpuInfo`](crate::CpuInfo).
type Bits = &'static [(u32, &'static str)];

/// Leaf 1, EDX.
const BASIC_EDX: Bits = &[
    (0, "fpu"),
    (1, "vme"),
    (2, "de"),
    (3, "pse"),
    (4, "tsc"),
    (5, "msr"),
    (6, "pae"),
    (7, "mce"),
    (8, "cx8"),
    (9, "apic"),
    (11, "sep"),
    (12, "mtrr"),
    (13, "pge"),
    (14, "mca"),
    (15, "cmov"),
    (16, "pat"),
    (17, "pse36"),
    (18, "pn"),
    (19, "clflush"),
    (21, "dts"),
    (22, "acpi"),
    (23, "mmx"),
    (24, "fxsr"),
    (25, "sse"),
    (26, "sse2"),
    (27, "ss"),
    (28, "ht"),
    (29, "tm"),
    (31, "pbe"),
];
/// Leaf 0x8000_0001, EDX.
const EXTENDED_EDX: Bits = &[
    (11, "syscall"),
    (19, "mp"),
    (20, "nx"),
    (22, "mmxext"),
    (25, "fxsr_opt"),
    (26, "pdpe1gb"),
    (27, "rdtscp"),
    (29, "lm"),
    (30, "3dnowext"),
    (31, "3dnow"),
];
/// Leaf 1, ECX.
const BASIC_ECX: Bits = &[
    (0, "pni"),
    (1, "pclmulqdq"),
    (2, "dtes64"),
    (3, "monitor"),
    (5, "vmx"),
    (9, "ssse3"),
    (12, "fma"),
    (13, "cx16"),
    (17, "pcid"),
    (19, "sse4_1"),
    (20, "sse4_2"),
    (21, "x2apic"),
    (22, "movbe"),
    (23, "popcnt"),
    (24, "tsc_deadline_timer"),
    (25, "aes"),
    (26, "xsave"),
    (28, "avx"),
    (29, "f16c"),
    (30, "rdrand"),
    (31, "hypervisor"),
];
/// Leaf 0x8000_0001, ECX.
const EXTENDED_ECX: Bits = &[
    (0, "lahf_lm"),
    (1, "cmp_legacy"),
    (2, "svm"),
    (3, "extapic"),
    (4, "cr8_legacy"),
    (5, "abm"),
    (6, "sse4a"),
    (7, "misalignsse"),
    (8, "3dnowprefetch"),
    (9, "osvw"),
    (11, "xop"),
    (16, "fma4"),
    (21, "tbm"),
    (22, "topoext"),
];
/// Leaf 7, EBX. Bit 0 (fsgsbase) is left out: GS belongs to the kernel.
const STRUCTURED_EBX: Bits = &[
    (1, "tsc_adjust"),
    (3, "bmi1"),
    (4, "hle"),
    (5, "avx2"),
    (7, "smep"),
    (8, "bmi2"),
    (9, "erms"),
    (10, "invpcid"),
    (11, "rtm"),
    (16, "avx512f"),
    (17, "avx512dq"),
    (18, "rdseed"),
    (19, "adx"),
    (20, "smap"),
    (21, "avx512ifma"),
    (23, "clflushopt"),
    (24, "clwb"),
    (28, "avx512cd"),
    (29, "sha_ni"),
    (30, "avx512bw"),
    (31, "avx512vl"),
];
/// Leaf 7, ECX.
const STRUCTURED_ECX: Bits = &[
    (1, "avx512vbmi"),
    (2, "umip"),
    (3, "pku"),
    (6, "avx512_vbmi2"),
    (8, "gfni"),
    (9, "vaes"),
    (10, "vpclmulqdq"),
    (11, "avx512_vnni"),
    (12, "avx512_bitalg"),
    (14, "avx512_vpopcntdq"),
    (16, "la57"),
    (22, "rdpid"),
];
/// Leaf 7, EDX.
const STRUCTURED_EDX: Bits = &[(4, "fsrm"), (14, "serialize")];

/// Each word of features with its names, in the order of the flags line.
const WORDS: [Bits; 7] =
    [BASIC_EDX, EXTENDED_EDX, BASIC_ECX, EXTENDED_ECX, STRUCTURED_EBX, STRUCTURED_ECX, STRUCTURED_EDX];

/// Bytes up to the first NUL.
fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim_ascii()
}

/// The block of each processor.
pub fn cpuinfo(tasks: &Tasks, _: Key, out: &mut Output) -> Result<(), FsError> {
    let info = tasks.platform.cpu_info();
    let cpus = tasks.platform.cpu_count();
    for cpu in 0..cpus {
        put!(out, "processor\t: {cpu}\nvendor_id\t: {}\n", trimmed(&info.vendor).escape_ascii());
        put!(out, "cpu family\t: {}\nmodel\t\t: {}\n", info.family, info.model);
        put!(out, "model name\t: {}\nstepping\t: {}\n", trimmed(&info.name).escape_ascii(), info.stepping);
        put!(out, "cpu MHz\t\t: {}.{:03}\n", info.khz / 1000, info.khz % 1000);
        put!(out, "physical id\t: 0\nsiblings\t: {cpus}\ncore id\t\t: {cpu}\ncpu cores\t: {cpus}\n");
        put!(out, "apicid\t\t: {cpu}\ninitial apicid\t: {cpu}\nfpu\t\t: yes\nfpu_exception\t: yes\n");
        put!(out, "cpuid level\t: {}\nwp\t\t: yes\nflags\t\t:", info.highest_leaf);
        for (word, bits) in info.features.iter().zip(WORDS) {
            for (_, name) in bits.iter().filter(|(bit, _)| word >> bit & 1 != 0) {
                put!(out, " {name}");
            }
        }
        put!(out, "\nbugs\t\t:\nbogomips\t: {}.{:02}\n", info.khz / 500, info.khz / 5 % 100);
        put!(out, "clflush size\t: 64\ncache_alignment\t: 64\n");
        put!(
            out,
            "address sizes\t: {} bits physical, {} bits virtual\npower management:\n\n",
            info.physical_bits,
            info.virtual_bits
        );
    }
    Ok(())
}
