//! The file /etc/ld.so.cache, which ldconfig(8) writes and glibc's dynamic linker reads.
//!
//! Current form: a header of 48 bytes (`glibc-ld.so.cache1.1`, count, length of the strings, ...), entries of 24
//! bytes (flags, offset of the name, offset of the path, OS version, hardware capabilities), the strings.
//! Older hosts put the form of glibc 2.1 (`ld.so-1.7.0`) in front of it. Only x86-64 entries are taken.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8; 11] = b"ld.so-1.7.0";
const HEADER_SIZE: usize = 48;
const ENTRY_SIZE: usize = 24;
const OLD_HEADER_SIZE: usize = 16;
const OLD_ENTRY_SIZE: usize = 12;
/// Flags of an entry for x86-64: a library for glibc (3), 64-bit x86 (0x300).
const FLAGS_X86_64: u32 = 0x0303;
/// In the header: the numbers are little endian.
const LITTLE_ENDIAN: u8 = 2;

/// The x86-64 libraries of a cache, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Vec<u8>,
    path: PathBuf,
    /// Zero if the library is for every x86-64 CPU.
    hwcap: u64,
}

impl Cache {
    /// Reads a cache. `None` if `bytes` are not one; entries that point outside of it are left out.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = skip_old(bytes)?;
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let count = usize::try_from(u32_at(bytes, 20)?).ok()?;
        let table = bytes.get(HEADER_SIZE..)?.get(..count.checked_mul(ENTRY_SIZE)?)?;
        let entries = table.chunks_exact(ENTRY_SIZE).filter_map(|entry| parse_entry(bytes, entry)).collect();
        Some(Self { entries })
    }

    /// The paths for a library name; those for every CPU come before those in directories for some.
    pub fn lookup(&self, name: &[u8]) -> impl Iterator<Item = &Path> {
        let of = |plain: bool| {
            self.entries.iter().filter(move |entry| (entry.hwcap == 0) == plain && entry.name == name)
        };
        of(true).chain(of(false)).map(|entry| entry.path.as_path())
    }

    /// A cache with these libraries (name, path), in the order that the linker's binary search expects.
    #[must_use]
    pub fn make(libraries: &[(Vec<u8>, PathBuf)]) -> Vec<u8> {
        let mut sorted: Vec<_> = libraries.iter().collect();
        sorted.sort_by(|a, b| compare(&b.0, &a.0).then_with(|| a.1.cmp(&b.1)));
        sorted.dedup();
        let mut strings = Vec::new();
        let mut table = Vec::new();
        let base = HEADER_SIZE + sorted.len() * ENTRY_SIZE;
        let mut string = |text: &[u8]| {
            let offset = (base + strings.len()) as u32;
            strings.extend_from_slice(text);
            strings.push(0);
            offset.to_le_bytes()
        };
        for (name, path) in &sorted {
            table.extend_from_slice(&FLAGS_X86_64.to_le_bytes());
            table.extend_from_slice(&string(name));
            table.extend_from_slice(&string(path.as_os_str().as_bytes()));
            table.extend_from_slice(&[0; 12]);
        }
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&(sorted.len() as u32).to_le_bytes());
        out.extend_from_slice(&(strings.len() as u32).to_le_bytes());
        out.push(LITTLE_ENDIAN);
        out.resize(HEADER_SIZE, 0);
        out.extend_from_slice(&table);
        out.extend_from_slice(&strings);
        out
    }
}

/// `bytes` without an old form in front.
fn skip_old(bytes: &[u8]) -> Option<&[u8]> {
    if !bytes.starts_with(OLD_MAGIC) {
        return Some(bytes);
    }
    let count = usize::try_from(u32_at(bytes, 12)?).ok()?;
    let end = count.checked_mul(OLD_ENTRY_SIZE)?.checked_add(OLD_HEADER_SIZE)?;
    bytes.get(end.checked_next_multiple_of(8)?..)
}

fn parse_entry(bytes: &[u8], entry: &[u8]) -> Option<Entry> {
    if u32_at(entry, 0)? != FLAGS_X86_64 {
        return None;
    }
    let string = |at| {
        let start = usize::try_from(u32_at(entry, at)?).ok()?;
        let rest = bytes.get(start..)?;
        rest.get(..rest.iter().position(|&byte| byte == 0)?)
    };
    let hwcap = u64::from(u32_at(entry, 16)?) | u64::from(u32_at(entry, 20)?) << 32;
    let path = PathBuf::from(OsStr::from_bytes(string(8)?));
    path.is_absolute().then_some(Entry { name: string(4)?.to_vec(), path, hwcap })
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))
}

/// The order of names in a cache: runs of digits compare as numbers and come after other characters.
fn compare(mut a: &[u8], mut b: &[u8]) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let number = |text: &[u8]| {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = text.split_at(digits);
        let value = digits
            .iter()
            .fold(0u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        (value, rest.len())
    };
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let ((x, rest_a), (y, rest_b)) = (number(a), number(b));
                if x != y {
                    return x.cmp(&y);
                }
                a = &a[a.len() - rest_a..];
                b = &b[b.len() - rest_b..];
            }
            (Some(x), Some(_)) if x.is_ascii_digit() => return Ordering::Greater,
            (Some(_), Some(y)) if y.is_ascii_digit() => return Ordering::Less,
            (Some(x), Some(y)) if x != y => return x.cmp(y),
            _ => {
                a = &a[1..];
                b = &b[1..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let libraries =
            [("libb.so.1", "/l/libb.so.1"), ("liba.so.10", "/l/liba.so.10"), ("liba.so.9", "/l/9")];
        let libraries: Vec<_> =
            libraries.iter().map(|(name, path)| (name.as_bytes().to_vec(), path.into())).collect();
        Cache::make(&libraries)
    }

    fn found(cache: &Cache, name: &str) -> Vec<PathBuf> {
        cache.lookup(name.as_bytes()).map(Path::to_owned).collect()
    }

    #[test]
    fn reads_back_in_the_order_of_ldconfig() {
        let cache = Cache::parse(&sample()).unwrap();
        let names: Vec<_> = cache.entries.iter().map(|entry| entry.name.as_slice()).collect();
        assert_eq!(names, [&b"libb.so.1"[..], b"liba.so.10", b"liba.so.9"]);
        assert_eq!(found(&cache, "liba.so.10"), [Path::new("/l/liba.so.10")]);
        assert!(found(&cache, "libc.so.6").is_empty());
    }

    #[test]
    fn the_old_form_in_front_is_skipped() {
        let new = sample();
        for count in 0..4usize {
            let mut bytes = b"ld.so-1.7.0\0".to_vec();
            bytes.extend_from_slice(&(count as u32).to_le_bytes());
            bytes.extend(std::iter::repeat_n(0xaa, count * 12));
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend_from_slice(&new);
            assert_eq!(Cache::parse(&bytes), Cache::parse(&new), "{count}");
        }
    }

    #[test]
    fn other_machines_are_left_out_and_plain_entries_come_first() {
        let libraries =
            [("liba.so", "/l/v3/liba.so"), ("liba.so", "/l/w/liba.so"), ("liba.so", "/l/x32/liba.so")];
        let libraries: Vec<_> =
            libraries.iter().map(|(name, path)| (name.as_bytes().to_vec(), path.into())).collect();
        let mut bytes = Cache::make(&libraries);
        bytes[48 + 20 + 3] = 0x40; // first entry: a bit of its capabilities
        bytes[48 + 2 * 24 + 1] = 8; // third entry: flags 0x0803
        let cache = Cache::parse(&bytes).unwrap();
        assert_eq!(found(&cache, "liba.so"), [Path::new("/l/w/liba.so"), Path::new("/l/v3/liba.so")]);
    }

    /// Where this machine has a cache, glibc is in it; and writing our own reading of it keeps its order.
    #[test]
    fn the_cache_of_this_machine() {
        let Ok(bytes) = std::fs::read("/etc/ld.so.cache") else {
            eprintln!("skipped: no /etc/ld.so.cache here");
            return;
        };
        let cache = Cache::parse(&bytes).unwrap();
        assert!(found(&cache, "libc.so.6").iter().all(|path| path.ends_with("libc.so.6")));
        for pair in cache.entries.windows(2) {
            assert!(compare(&pair[0].name, &pair[1].name).is_ge(), "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn broken_caches_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
                                      cut: prop::sample::Index, noise: Vec<u8>) {
            let mut bytes = sample();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = Cache::parse(&bytes);
            let _ = Cache::parse(&bytes[..cut.index(bytes.len())]);
            let _ = Cache::parse(&[b"ld.so-1.7.0\0", &noise[..]].concat());
        }
    }
}
