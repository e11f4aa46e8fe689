//! Tests of epoll: levels, edges, one shot, nesting.

use super::*;
use crate::eventfd::EventFd;
use crate::{SliceSink, SliceSource};

fn event() -> Arc<OpenFile> {
    OpenFile::new(Arc::new(EventFd::new(0, false)), OpenFlags::RDWR)
}

fn post(file: &OpenFile) {
    file.write(&mut SliceSource::new(&1u64.to_le_bytes())).unwrap();
}

fn drain(file: &OpenFile) {
    file.read(&mut SliceSink::new(&mut [0; 8])).unwrap();
}

fn wants(events: u32, data: u64) -> Interest {
    Interest { events, data }
}

const IN: u32 = raw::EPOLLIN;

fn found(epoll: &Epoll) -> Vec<(u32, u64)> {
    let mut found: Vec<_> = epoll.collect(10).into_iter().map(|event| (event.events, event.data)).collect();
    found.sort_by_key(|&(_, data)| data);
    found
}

#[test]
fn levels_edges_and_single_shots() {
    let (epoll, file) = (Epoll::new(), event());
    epoll.add(3, &file, wants(IN, 7)).unwrap();
    assert_eq!(epoll.add(3, &file, wants(IN, 7)), Err(FsError::Exists));
    epoll.add(4, &file, wants(IN | raw::EPOLLET, 8)).unwrap();
    epoll.add(5, &file, wants(IN | raw::EPOLLONESHOT, 9)).unwrap();
    assert_eq!(found(&epoll), []);
    post(&file);
    assert!(epoll.readiness().contains(PollEvents::IN));
    assert_eq!(found(&epoll), [(IN, 7), (IN, 8), (IN, 9)]);
    assert_eq!(found(&epoll), [(IN, 7)]);
    post(&file);
    assert_eq!(found(&epoll), [(IN, 7), (IN, 8)]);
    epoll.modify(5, &file, wants(IN | raw::EPOLLONESHOT, 10)).unwrap();
    assert_eq!(found(&epoll), [(IN, 7), (IN, 10)]);
    drain(&file);
    assert_eq!(found(&epoll), []);
    epoll.remove(3, &file).unwrap();
    assert_eq!(epoll.remove(3, &file), Err(FsError::NotFound));
    post(&file);
    assert_eq!(found(&epoll), [(IN, 8)]);
    drop(file);
    assert_eq!(found(&epoll), []);
}

#[test]
fn what_is_ready_is_shared_out_in_turn() {
    let epoll = Epoll::new();
    let files: Vec<_> = (0..5).map(|_| event()).collect();
    for (fd, file) in (0..).zip(&files) {
        epoll.add(fd, file, wants(IN, fd.into())).unwrap();
        post(file);
    }
    let take = || epoll.collect(2).into_iter().map(|event| event.data).collect::<Vec<_>>();
    assert_eq!((take(), take(), take()), (vec![0, 1], vec![2, 3], vec![4, 0]));
}

#[test]
fn instances_watch_each_other_without_cycles() {
    let open = |epoll: &Arc<Epoll>| OpenFile::new(epoll.clone(), OpenFlags::RDWR);
    let chain: Vec<_> = (0..7).map(|_| Epoll::new()).collect();
    let files: Vec<_> = chain.iter().map(open).collect();
    let join = |above: usize, below: usize| chain[above].add(9, &files[below], wants(IN, below as u64));
    assert_eq!(join(0, 0), Err(FsError::Invalid));
    // From above, so that the depth is only known upwards.
    for i in 0..4 {
        assert_eq!(join(i, i + 1), Ok(()));
    }
    assert_eq!(join(4, 5), Err(FsError::Loop), "too deep");
    assert_eq!(join(4, 0), Err(FsError::Loop), "a cycle");
    assert_eq!(join(5, 1), Ok(()), "two above one");
    assert_eq!(join(6, 5), Err(FsError::Loop), "too deep from above");
    let file = event();
    chain[4].add(8, &file, wants(IN, 1)).unwrap();
    assert_eq!(found(&chain[0]), []);
    post(&file);
    assert_eq!(found(&chain[0]), [(IN, 1)]);
    assert_eq!(found(&chain[5]), [(IN, 1)]);
    chain[3].remove(9, &files[4]).unwrap();
    assert_eq!(found(&chain[0]), []);
    assert_eq!(join(5, 6), Ok(()));
}

#[test]
fn what_was_closed_is_forgotten_in_time() {
    let epoll = Epoll::new();
    let kept = event();
    epoll.add(0, &kept, wants(IN, 0)).unwrap();
    for fd in 1..1000 {
        epoll.add(fd, &event(), wants(IN, 1)).unwrap();
    }
    assert!(epoll.watched.lock().items.len() <= 16);
    post(&kept);
    assert_eq!(found(&epoll), [(IN, 0)]);
    // What is removed while it is ready leaves the queue.
    for fd in 1..1000 {
        epoll.add(fd, &kept, wants(IN, 1)).unwrap();
    }
    for fd in 1..1000 {
        epoll.remove(fd, &kept).unwrap();
    }
    assert_eq!((epoll.ready.lock().len(), epoll.watched.lock().items.len()), (1, 1));
}

/// Who tells of a change has marked the item when another thread stops watching the file, and queues it afterwards.
#[test]
fn what_is_told_too_late_is_not_found() {
    let (epoll, file) = (Epoll::new(), event());
    epoll.add(3, &file, wants(IN, 7)).unwrap();
    post(&file);
    assert_eq!(found(&epoll), [(IN, 7)]);
    drain(&file);
    assert_eq!(found(&epoll), []);
    let item = epoll.find(3, &file).unwrap();
    assert!(!item.queued.swap(true, Ordering::AcqRel));
    epoll.remove(3, &file).unwrap();
    item.push(&epoll);
    post(&file);
    assert_eq!(found(&epoll), []);
}

/// The program's array may lie in memory that is not there.
#[test]
fn what_is_not_taken_is_kept() {
    let (epoll, file) = (Epoll::new(), event());
    epoll.add(3, &file, wants(IN | raw::EPOLLET, 7)).unwrap();
    epoll.add(4, &file, wants(IN | raw::EPOLLONESHOT, 8)).unwrap();
    post(&file);
    for _ in 0..2 {
        epoll.each(10, |_| false);
    }
    assert_eq!(found(&epoll), [(IN, 7), (IN, 8)]);
    assert_eq!(found(&epoll), []);
}
