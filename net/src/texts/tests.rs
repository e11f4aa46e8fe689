//! Tests of the texts: their form, as programs parse it.

use crate::Stack;
use crate::ip::testing::Bench;
use crate::ip::tests::{at, send, socket, udp};
use crate::udp::Protocol;
use fs::pseudo::Output;
use fs::socket::Family;

fn text(stack: &Stack, name: &str) -> String {
    let mut out = Output::new();
    stack.proc_text(name, &mut out);
    String::from_utf8(out.finish().expect("memory")).expect("text")
}

fn bench() -> (Bench, Stack) {
    let bench = Bench::new(Some("10.0.0.5/24,fd00::5/64"), Some("10.0.0.1"));
    bench.pass(3);
    let stack = Stack::over(bench.layer.clone(), 0);
    (bench, stack)
}

#[test]
fn every_file_has_its_heading_without_ip() {
    let stack = Stack::default();
    for name in Stack::proc_files() {
        let lines = text(&stack, name).lines().count();
        let headings = match name {
            "if_inet6" | "igmp6" | "ipv6_route" => 0,
            "dev" => 2,
            "snmp" => 8,
            "netstat" => 4,
            "sockstat" => 5,
            "sockstat6" => 4,
            "snmp6" => 80,
            _ => 1,
        };
        assert!(if name == "snmp6" { lines > headings } else { lines == headings }, "{name}: {lines}");
    }
    assert_eq!(text(&stack, "nothing"), "");
}

#[test]
fn links_and_routes() {
    let (bench, stack) = bench();
    let dev = text(&stack, "dev");
    let eth0 = dev.lines().find_map(|l| l.trim_start().strip_prefix("eth0:")).expect("the card");
    let fields: Vec<u64> = eth0.split_whitespace().map(|n| n.parse().expect("a number")).collect();
    assert_eq!(fields.len(), 16);
    assert!(fields[9] > 0, "frames were sent");
    assert_eq!((fields[2], fields[3], fields[5]), (5, 70, 5), "what the card lost");
    let route = text(&stack, "route");
    assert!(route.lines().all(|line| line.len() == 127));
    let routes: Vec<Vec<&str>> = route.lines().skip(1).map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(routes[0][..4], ["eth0", "00000000", "0100000A", "0003"]);
    assert_eq!((routes[1][1], routes[1][3], routes[1][7]), ("0000000A", "0001", "00FFFFFF"));
    bench.layer.pass().ask((2, "10.0.0.9".parse().expect("ip")), None);
    let own = text(&stack, "if_inet6");
    assert!(own.starts_with("00000000000000000000000000000001 01 80 10 80       lo\n"), "{own}");
    assert!(own.contains("fd000000000000000000000000000005 02 40 00 80     eth0\n"), "{own}");
    assert!(text(&stack, "ipv6_route").contains("fe800000000000000000000000000000 40"));
    assert!(text(&stack, "igmp").contains("\t\t\t\t010000E0     1 0:00000000\t\t0\n"));
    assert!(text(&stack, "igmp6").contains("ff0200000000000000000001ff000005"));
}

#[test]
fn sockets_and_counters() {
    let (bench, stack) = bench();
    let server = udp(&bench, "127.0.0.1:7000");
    let client = socket(&bench, Family::Inet, Protocol::Udp);
    send(&client, b"hello", Some("127.0.0.1:7000")).expect("sent");
    let listed = text(&stack, "udp");
    assert!(listed.lines().all(|line| line.len() == 127));
    let line = listed.lines().find(|l| l.contains("0100007F:1B58")).expect("the server");
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[1..4], ["0100007F:1B58", "00000000:0000", "07"]);
    let waiting =
        u32::from_str_radix(fields[4].split(':').next_back().expect("rx"), 16).expect("hexadecimal");
    assert_eq!(waiting as usize, server.usage().0);
    assert!(waiting > 5);
    let six = udp(&bench, "[::1]:7001");
    assert_eq!(six.local(), at("[::1]:7001"));
    let listed = text(&stack, "udp6");
    assert!(
        listed.contains("00000000000000000000000001000000:1B59 00000000000000000000000000000000:0000 07")
    );
    let snmp = text(&stack, "snmp");
    let lines: Vec<&str> = snmp.lines().filter(|l| l.starts_with("Udp:")).collect();
    assert!(lines[1].starts_with("Udp: 1 0 0 1 "), "{lines:?}");
    for pair in snmp.lines().collect::<Vec<_>>().chunks(2) {
        assert_eq!(pair[0].split(' ').count(), pair[1].split(' ').count(), "{pair:?}");
    }
    assert!(text(&stack, "sockstat").contains("UDP: inuse 2 mem 1\n"));
    assert!(text(&stack, "sockstat6").contains("UDP6: inuse 1\n"));
    assert!(text(&stack, "snmp6").contains("Icmp6OutRouterSolicits          \t"));
}
