//! The table itself, and calls that are not in it.

use super::Caller;
use crate::table::TABLE;
use abi::{Errno, nr};

#[test]
fn every_row_has_its_place_and_every_file_its_row() {
    let mut rows = 0;
    for (number, row) in TABLE.iter().enumerate() {
        if let Some(row) = row {
            assert!(row.args.len() <= 6);
            assert!(nr::name(number as u64).is_some());
            rows += 1;
        }
    }
    let files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/calls"))
        .expect("the calls' folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name != "mod.rs")
        .collect();
    assert_eq!(files.len(), rows);
    for file in files {
        let name = file.strip_suffix(".rs").expect("a source file");
        let number = (0..nr::COUNT).find(|&number| nr::name(number as u64) == Some(name));
        let number = number.unwrap_or_else(|| panic!("{file} is named after no call"));
        assert!(TABLE[number].is_some(), "{file} has no row");
    }
}

#[test]
fn unknown_calls_are_named_once() {
    let c = Caller::new();
    for _ in 0..3 {
        c.fails(nr::FORK, &[1, 2, 3], Errno::ENOSYS);
        c.fails(999, &[0xabc], Errno::ENOSYS);
        c.fails(u32::MAX, &[], Errno::ENOSYS);
        c.fails(0x4000_0001, &[], Errno::ENOSYS);
    }
    let messages = c.r.machine.take_messages();
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert!(
        messages[0].starts_with("system call 57 (fork) is not implemented: called with (0x1, 0x2, 0x3, 0x0")
    );
    assert!(messages[1].starts_with("system call 999 (without a name)"));
    assert!(messages[1].contains("0xabc"));
    c.fails(nr::RSEQ, &[], Errno::ENOSYS);
    assert!(c.r.machine.take_messages().is_empty(), "known not to be there");
}

#[test]
fn only_the_low_half_of_the_number_counts() {
    let c = Caller::new();
    let number = 0xffff_ffff_0000_0000 | u64::from(nr::GETPID);
    let mut regs = abi::UserRegs::default().with_call(number, [0; 6]);
    let outcome = crate::dispatch(&mut c.context(&mut regs));
    assert_eq!(outcome, crate::Outcome::Return(2));
}
