//! Making other CPUs forget translations of a program's memory.
//!
//! Whoever takes away or narrows a mapping calls [`settle`] before the frames behind it are used for something else: `mm` does,
//! through [`OtherCpus`], when a flush is completed. The request lies with the caller, who sleeps until every CPU that has the page
//! tables loaded has acknowledged; a CPU that loads them later finds them changed. A CPU that the hypervisor has paused holds up the
//! caller, and nobody who does not need what the caller holds. Interrupt handlers only flush and acknowledge.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

use mm::addr::PhysAddr;
use mm::flush::{Shootdown, Stale};
use sched::ThreadId;

use super::percpu::{self, PerCpu};
use super::{apic, cpu, paging};
use crate::threads;

/// Above so many pages everything is forgotten at once.
const MAX_PAGES: u64 = 32;

/// The other CPUs, as `mm` sees them.
pub struct OtherCpus;

impl Shootdown for OtherCpus {
    fn shootdown(&self, root: PhysAddr, stale: &Stale) {
        settle(root.0, stale);
    }
}

/// Forgets `stale` on this CPU.
fn flush(stale: &Stale) {
    if stale.pages() > MAX_PAGES {
        return paging::flush_all();
    }
    stale.iter().for_each(paging::flush_page);
}

/// What other CPUs are asked for. Lies with the caller, who stays until `pending` is 0.
struct Request<'a> {
    root: u64,
    stale: &'a Stale,
    /// CPUs that have not acknowledged.
    pending: AtomicU32,
    caller: ThreadId,
}

/// A request in the inbox of one CPU.
pub struct Message {
    next: AtomicPtr<Message>,
    request: *const Request<'static>,
}

/// The CPUs besides this one that have the page tables at `root` loaded.
fn users(root: u64) -> impl Iterator<Item = &'static PerCpu> {
    let me = percpu::current().index();
    percpu::all()
        .iter()
        .copied()
        .filter(move |cpu| cpu.index() != me && cpu.root.load(Ordering::SeqCst) == root)
}

/// Whether another CPU may have translations of the page tables at `root` that they do not have any more. False if the caller has
/// changed CPUs since then: it has forgotten everything when it did, and who runs on its old CPU now uses the tables.
pub fn is_used_elsewhere(root: u64) -> bool {
    if percpu::all().len() == 1 {
        return false;
    }
    // The tables were written before it is looked who has them loaded; a CPU that loads them says so before.
    fence(Ordering::SeqCst);
    cpu::without_interrupts(|| users(root).next().is_some())
}

/// Makes all CPUs forget `stale` of the page tables at `root`. In a thread; sleeps if other CPUs use them.
pub fn settle(root: u64, stale: &Stale) {
    if stale.is_empty() || percpu::all().len() == 1 {
        // One CPU has forgotten them when it changed the tables.
        return;
    }
    // As above.
    fence(Ordering::SeqCst);
    let Some(caller) = threads::current_id() else { return };
    let request = Request { root, stale, pending: AtomicU32::new(0), caller };
    let mut messages: Vec<Message> = Vec::new();
    if users(root).next().is_some() && messages.try_reserve_exact(percpu::all().len()).is_err() {
        return one_by_one(&request);
    }
    cpu::without_interrupts(|| {
        // The thread may have been moved since it changed the tables: then this CPU has not forgotten anything yet, and the
        // one before is asked, if it still has the tables.
        if percpu::current().root.load(Ordering::Relaxed) == root {
            flush(stale);
        }
        // Not counted before all have been asked: the first to acknowledge must not be the last.
        request.pending.store(1, Ordering::Relaxed);
        for cpu in users(root) {
            if messages.len() < messages.capacity() {
                messages.push(Message {
                    next: AtomicPtr::new(core::ptr::null_mut()),
                    request: (&raw const request).cast(),
                });
                request.pending.fetch_add(1, Ordering::Relaxed);
                if let Some(message) = messages.last_mut() {
                    post(cpu, message);
                }
            }
        }
        request.pending.fetch_sub(1, Ordering::Relaxed);
    });
    wait(&request);
}

/// When this returns, every CPU that has the page tables at `root` loaded has been interrupted, which is a full barrier.
pub fn barrier(root: u64) {
    fence(Ordering::SeqCst);
    let mut stale = Stale::NONE;
    stale.add(0, 4096);
    settle(root, &stale);
}

/// As the above without memory for more than one message at a time.
fn one_by_one(request: &Request<'_>) {
    for cpu in percpu::all() {
        let mut message =
            Message { next: AtomicPtr::new(core::ptr::null_mut()), request: (&raw const *request).cast() };
        let here = cpu::without_interrupts(|| {
            let here = cpu.index() == percpu::current().index();
            if here {
                flush(request.stale);
            } else if cpu.root.load(Ordering::SeqCst) == request.root {
                request.pending.store(1, Ordering::Relaxed);
                post(cpu, &mut message);
            }
            here
        });
        if !here {
            wait(request);
        }
    }
}

/// Sleeps until everybody has acknowledged.
fn wait(request: &Request<'_>) {
    while request.pending.load(Ordering::Acquire) != 0 {
        threads::park(None);
    }
}

/// Puts `message` into the inbox of `cpu` and interrupts it. The message stays where it is until it is acknowledged.
fn post(cpu: &PerCpu, message: &mut Message) {
    let mut head = cpu.calls.load(Ordering::Relaxed);
    loop {
        message.next.store(head, Ordering::Relaxed);
        match cpu.calls.compare_exchange_weak(head, message, Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => head = now,
        }
    }
    apic::send_ipi(cpu.apic_id(), apic::CALL_VECTOR);
}

/// The interrupt at the CPU that was asked.
pub fn answer() {
    let cpu = percpu::current();
    let mut next = cpu.calls.swap(core::ptr::null_mut(), Ordering::Acquire);
    while !next.is_null() {
        // SAFETY: a message and its request stay until the request is acknowledged, which happens below.
        let (message, request) = unsafe { (&*next, &*(*next).request) };
        next = message.next.load(Ordering::Relaxed);
        if cpu.root.load(Ordering::Relaxed) == request.root {
            flush(request.stale);
        }
        let caller = request.caller;
        // Behind this the request may be gone. The caller's number stays valid, whatever becomes of the thread.
        if request.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            threads::unpark(caller);
        }
    }
}
