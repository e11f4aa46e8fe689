//! What the fuzz target runs, here so that `cargo test` can run it on a fixed set of random inputs too.

use crate::channel::{Frame, InputDecoder, parse_line};
use crate::cmdline::CommandLine;
use crate::header::ImageHeader;
use crate::newc::Archive;

/// Gives `bytes` to every reader of this crate. Panics if one of them breaks a promise.
pub fn image(bytes: &[u8]) {
    if let Ok(header) = ImageHeader::parse(bytes) {
        assert_eq!(ImageHeader::parse(&header.encode()), Ok(header));
        let _ = header.verify(bytes);
        if let Ok(line) = header.cmdline(bytes) {
            command_line(line);
        }
        if let Ok(root) = header.root(bytes) {
            archive(root);
        }
    }
    archive(bytes);
    command_line(bytes);
    let mut decoder = InputDecoder::new();
    let decoded = bytes.iter().filter_map(|&byte| decoder.push(byte)).count();
    assert!(decoded <= bytes.len());
    for line in bytes.split(|&byte| byte == b'\n') {
        let _ = parse_line(line);
        let _ = Frame::parse(line);
    }
}

fn archive(bytes: &[u8]) {
    for entry in Archive::new(bytes).entries().flatten() {
        let end = entry.data_offset.checked_add(entry.data.len());
        let there = end.and_then(|end| bytes.get(entry.data_offset..end));
        assert_eq!(there, Some(entry.data), "contents are where data_offset says");
    }
}

fn command_line(bytes: &[u8]) {
    match CommandLine::parse(bytes) {
        Ok(line) => assert_eq!(CommandLine::parse(line.render().as_bytes()), Ok(line)),
        Err(error) => assert!(error.position < bytes.len(), "an error lies within the line"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BuildId;
    use crate::crc32c::crc32c;
    use crate::header::HEADER_SIZE;
    use crate::newc::{Metadata, Writer};

    /// A small generator of pseudo-random numbers (xorshift64*), so that a failure repeats.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        fn below(&mut self, limit: usize) -> usize {
            (self.next() >> 16) as usize % limit
        }
    }

    /// A payload with two files and a command line.
    fn payload() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (ino, name) in (1..).zip(["bin/hello", "etc/passwd"]) {
            let meta = Metadata { mode: 0o100644, nlink: 1, ino, ..Metadata::default() };
            writer.begin(name.as_bytes(), &meta, 40, None).unwrap();
            writer.data(&[b'x'; 40]).unwrap();
        }
        let root = writer.finish().unwrap();
        let line = br#"ip=dhcp env.A="b c" -- /bin/hello \x41"#;
        let mut bytes = vec![0; 8192];
        bytes[4096..4096 + line.len()].copy_from_slice(line);
        bytes.extend_from_slice(&root);
        seal(&mut bytes, line.len(), root.len());
        bytes
    }

    fn seal(bytes: &mut [u8], cmdline_len: usize, root_len: usize) {
        let header = ImageHeader {
            cmdline_off: 4096,
            cmdline_len: cmdline_len as u64,
            root_off: 8192,
            root_len: root_len as u64,
            total_len: bytes.len() as u64,
            kernel: BuildId::default(),
            front_crc: 0,
            payload_crc: crc32c(&bytes[4096..]),
        };
        bytes[..HEADER_SIZE].copy_from_slice(&header.encode());
    }

    #[test]
    fn random_and_mutated_inputs() {
        let mut random = Random(0x6e6f_7370_696e);
        let good = payload();
        image(&good);
        for round in 0..3000 {
            let mut bytes = good.clone();
            for _ in 0..1 + random.below(6) {
                // Mostly where something is written: the header, the command line, the archive.
                let base = [0, 4096, 8192][random.below(3)];
                let at = (base + random.below(400)).min(bytes.len() - 1);
                bytes[at] = random.next() as u8;
            }
            if round % 2 == 0 {
                let root_len = bytes.len() - 8192;
                seal(&mut bytes, 1 + random.below(60), root_len);
            }
            image(&bytes[..random.below(bytes.len() + 1)]);
            image(&bytes);
            let noise: Vec<u8> = (0..random.below(300)).map(|_| random.next() as u8).collect();
            image(&noise);
        }
    }
}
