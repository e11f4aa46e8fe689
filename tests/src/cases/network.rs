//! Area: the network. The card's driver against QEMU's user networking.

use crate::case::{Case, Machine, c, has};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (machine, smp) in [(Machine::Q35, 1), (Machine::Q35, 4), (Machine::Microvm, 1), (Machine::Microvm, 2)]
    {
        // Every request is answered, and at least one interrupt tells of answers.
        let program = c("hello").machine(machine).smp(smp).append("test=arp").run(&["--net", "user"]);
        cases.push(
            program
                .stderr(vec![
                    has(&["nospin: arp: 600 requests, 600 replies, "]),
                    crate::case::lacks(&[", 0 interrupts"]),
                ])
                .case(format!("network/arp/{}, {smp} CPUs", machine.name())),
        );
        // A card that nobody uses is in nobody's way.
        cases.push(
            c("hello")
                .machine(machine)
                .smp(smp)
                .run(&["-p", "0:80", "--rng"])
                .case(format!("network/unused card/{}, {smp} CPUs", machine.name())),
        );
    }
    cases.push(
        c("hello")
            .append("test=arp")
            .stderr(vec![has(&["test=arp: there is no IPv4 address in ip="])])
            .case("network/arp/without a card"),
    );
    cases
}
