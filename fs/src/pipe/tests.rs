//! Pipes against a model, and their rules one by one.

use super::*;
use crate::{SliceSink, SliceSource};
use proptest::prelude::*;
use std::collections::VecDeque;

fn write(file: &OpenFile, bytes: &[u8]) -> Result<usize, FsError> {
    file.write(&mut SliceSource::new(bytes))
}

fn read(file: &OpenFile, len: usize) -> Result<Vec<u8>, FsError> {
    let mut buf = vec![0; len];
    let n = file.read(&mut SliceSink::new(&mut buf))?;
    buf.truncate(n);
    Ok(buf)
}

#[test]
fn ends() {
    let (r, w) = pipe(OpenFlags::empty());
    assert_eq!(read(&r, 1), Err(FsError::WouldBlock));
    assert_eq!(write(&w, b"hello"), Ok(5));
    assert_eq!(read(&w, 1), Err(FsError::BadMode));
    assert_eq!(write(&r, b"x"), Err(FsError::BadMode));
    assert_eq!(r.file().readiness(), PollEvents::IN | PollEvents::RDNORM);
    assert_eq!(read(&r, 2), Ok(b"he".to_vec()));
    drop(w);
    assert!(r.file().readiness().contains(PollEvents::HUP | PollEvents::IN));
    assert_eq!(read(&r, 9), Ok(b"llo".to_vec()));
    assert_eq!(read(&r, 9), Ok(vec![]), "end of file");
    let (r, w) = pipe(OpenFlags::empty());
    drop(r);
    assert_eq!(write(&w, b"x"), Err(FsError::BrokenPipe));
    assert!(w.file().readiness().contains(PollEvents::ERR));
}

#[test]
fn sizes() {
    let (r, w) = pipe(OpenFlags::empty());
    let size = |new| w.file().pipe_size(new);
    assert_eq!(size(None), Ok(65536));
    assert_eq!(size(Some(5000)), Ok(8192));
    assert_eq!(write(&w, &[1; 10000]), Ok(8192), "a long write fills what is free");
    assert_eq!(write(&w, &[1]), Err(FsError::WouldBlock));
    assert_eq!(size(Some(1)), Err(FsError::Busy));
    assert_eq!(read(&r, 4000).map(|bytes| bytes.len()), Ok(4000));
    assert_eq!(write(&w, &[1; 4096]), Err(FsError::WouldBlock), "whole or not at all");
    assert!(!w.file().readiness().contains(PollEvents::OUT));
    assert_eq!(size(Some(2 << 20)), Err(FsError::NotPermitted));
    assert_eq!(size(Some(usize::MAX)), Err(FsError::Invalid));
}

/// How Linux fills pages: end of the written part and unread bytes of each.
#[derive(Default)]
struct Model {
    pages: VecDeque<(usize, usize)>,
    bytes: VecDeque<u8>,
}

impl Model {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, FsError> {
        let part = bytes.len() % PAGE;
        let mut done = 0;
        if let Some((end, unread)) = self.pages.back_mut().filter(|(end, _)| part > 0 && *end + part <= PAGE)
        {
            (*end, *unread) = (*end + part, *unread + part);
            done = part;
        }
        while done < bytes.len() && self.pages.len() < SLOTS {
            let n = PAGE.min(bytes.len() - done);
            self.pages.push_back((n, n));
            done += n;
        }
        self.bytes.extend(&bytes[..done]);
        if done == 0 && !bytes.is_empty() { Err(FsError::WouldBlock) } else { Ok(done) }
    }

    fn read(&mut self, len: usize) -> Result<Vec<u8>, FsError> {
        let n = len.min(self.bytes.len());
        let mut left = n;
        while left > 0 {
            let (_, unread) = self.pages.front_mut().unwrap();
            let now = left.min(*unread);
            (*unread, left) = (*unread - now, left - now);
            if *unread == 0 {
                self.pages.pop_front();
            }
        }
        if n == 0 && len > 0 { Err(FsError::WouldBlock) } else { Ok(self.bytes.drain(..n).collect()) }
    }
}

proptest! {
    #[test]
    fn bytes_come_out_in_order(ops in prop::collection::vec((any::<bool>(), 0usize..9000), 1..80)) {
        let (r, w) = pipe(OpenFlags::empty());
        let mut model = Model::default();
        let mut next = 0u8;
        for (writing, len) in ops {
            if writing {
                let bytes: Vec<u8> = (0..len).map(|i| next.wrapping_add(i as u8)).collect();
                let want = model.write(&bytes);
                prop_assert_eq!(write(&w, &bytes), want);
                next = next.wrapping_add(want.unwrap_or(0) as u8);
            } else {
                prop_assert_eq!(read(&r, len), model.read(len));
            }
            let out = w.file().readiness().contains(PollEvents::OUT);
            prop_assert_eq!(out, model.pages.len() < SLOTS);
        }
    }
}

#[test]
fn packets() {
    let (r, w) = pipe(OpenFlags::DIRECT);
    assert_eq!(write(&w, b"one"), Ok(3));
    assert_eq!(write(&w, b"second"), Ok(6));
    assert_eq!(write(&w, &[7; 5000]), Ok(5000));
    assert_eq!(read(&r, 100), Ok(b"one".to_vec()));
    assert_eq!(read(&r, 2), Ok(b"se".to_vec()), "the rest is lost");
    assert_eq!(read(&r, 9000), Ok(vec![7; 4096]));
    assert_eq!(read(&r, 9000), Ok(vec![7; 904]));
    for _ in 0..SLOTS {
        assert_eq!(write(&w, b"x"), Ok(1));
    }
    assert_eq!(write(&w, b"x"), Err(FsError::WouldBlock), "each has a page of its own");
}

fn end(file: &OpenFile) -> &PipeEnd {
    file.file().as_pipe().unwrap()
}

#[test]
fn splicing_moves_and_tee_keeps() {
    let ((r1, w1), (r2, w2)) = (pipe(OpenFlags::empty()), pipe(OpenFlags::empty()));
    assert_eq!(end(&r1).splice_to_pipe(end(&w2), 9, false), Err(FsError::WouldBlock));
    write(&w1, b"abcdef").unwrap();
    assert_eq!(end(&r1).splice_to_pipe(end(&w2), 4, true), Ok(4));
    assert_eq!(end(&r1).splice_to_pipe(end(&w2), 2, false), Ok(2));
    assert_eq!(end(&r1).splice_to_pipe(end(&w2), 100, false), Ok(4));
    assert_eq!(read(&r2, 100), Ok(b"abcdabcdef".to_vec()));
    drop(w1);
    assert_eq!(end(&r1).splice_to_pipe(end(&w2), 9, false), Ok(0), "the end");
    let mut fill = |buffer: &mut [u8]| {
        buffer.fill(5);
        Ok(buffer.len())
    };
    assert_eq!(end(&w2).splice_from(1 << 20, 100, &mut fill), Ok(SLOTS * PAGE - 100));
    assert_eq!(end(&w2).splice_from(1, 0, &mut fill), Err(FsError::WouldBlock));
    let mut got = 0;
    let mut few = |bytes: &[u8]| {
        got += bytes.len().min(5000 - got);
        Ok(bytes.len().min(5000 - got))
    };
    assert!(end(&r2).splice_to(1 << 20, &mut few).is_ok());
    drop(r2);
    assert_eq!(end(&w2).splice_from(1, 0, &mut fill), Err(FsError::BrokenPipe));
}

#[test]
fn fifos() {
    let options = crate::ConsoleOptions::parse(None, None, None).0;
    let (vfs, ..) = crate::testing::tree(&[("f", 0o10644, b"")], options, mm::fake::FakeFrames::leak(64));
    let open = |flags| vfs.open(vfs.root(), b"/f", flags, &crate::NewNode::of_mode(0));
    let (nonblock, write_only) = (OpenFlags::NONBLOCK, OpenFlags::WRONLY);
    assert_eq!(open(write_only | nonblock).err(), Some(FsError::NoDevice));
    let r = open(nonblock).unwrap();
    assert!(r.file().is_open());
    assert!(!r.file().readiness().contains(PollEvents::HUP), "nobody has written yet");
    assert_eq!(read(&r, 1), Ok(vec![]));
    let w = open(write_only).unwrap();
    assert!(w.file().is_open());
    assert_eq!(write(&w, b"xy"), Ok(2));
    drop(w);
    assert!(r.file().readiness().contains(PollEvents::HUP));
    drop(r);
    let r = open(OpenFlags::empty()).unwrap();
    assert!(!r.file().is_open(), "waits for a writer");
    drop(open(write_only).unwrap());
    assert!(r.file().is_open(), "one was there");
    assert_eq!(read(&r, 1), Ok(vec![]), "the content went with the last user");
    drop(r);
    let both = open(OpenFlags::RDWR).unwrap();
    assert!(both.file().is_open());
    write(&both, b"z").unwrap();
    assert_eq!(read(&both, 5), Ok(b"z".to_vec()));
}
