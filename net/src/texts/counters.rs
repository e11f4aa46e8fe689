//! Counters, in the form of pairs of lines (names, values) or of one line each.

use super::put;
use crate::Stack;
use crate::ip::stats::{FamilyStats, Icmp, Ip, Stats, Udp};
use alloc::format;
use alloc::string::String;
use fs::pseudo::Output;

/// Names of ICMP's counters for IPv4 in `snmp`, in Linux's order. What is not counted here is 0.
const ICMP: &[&str] = &[
    "InMsgs",
    "InErrors",
    "InCsumErrors",
    "InDestUnreachs",
    "InTimeExcds",
    "InParmProbs",
    "InSrcQuenchs",
    "InRedirects",
    "InEchos",
    "InEchoReps",
    "InTimestamps",
    "InTimestampReps",
    "InAddrMasks",
    "InAddrMaskReps",
    "OutMsgs",
    "OutErrors",
    "OutRateLimitGlobal",
    "OutRateLimitHost",
    "OutDestUnreachs",
    "OutTimeExcds",
    "OutParmProbs",
    "OutSrcQuenchs",
    "OutRedirects",
    "OutEchos",
    "OutEchoReps",
    "OutTimestamps",
    "OutTimestampReps",
    "OutAddrMasks",
    "OutAddrMaskReps",
];
/// Those of ICMPv6 in `snmp6`: Linux's name, and that of the counter.
const ICMP6: &[(&str, &str)] = &[
    ("InMsgs", "InMsgs"),
    ("InErrors", "InErrors"),
    ("OutMsgs", "OutMsgs"),
    ("OutErrors", "OutErrors"),
    ("InCsumErrors", "InCsumErrors"),
    ("OutRateLimitHost", "OutRateLimitHost"),
    ("InDestUnreachs", "InDestUnreachs"),
    ("InPktTooBigs", "InPktTooBigs"),
    ("InTimeExcds", "InTimeExcds"),
    ("InParmProblems", "InParmProbs"),
    ("InEchos", "InEchos"),
    ("InEchoReplies", "InEchoReps"),
    ("InGroupMembQueries", "InGroupMembQueries"),
    ("InGroupMembResponses", ""),
    ("InGroupMembReductions", ""),
    ("InRouterSolicits", "InRouterSolicits"),
    ("InRouterAdvertisements", "InRouterAdvertisements"),
    ("InNeighborSolicits", "InNeighborSolicits"),
    ("InNeighborAdvertisements", "InNeighborAdvertisements"),
    ("InRedirects", "InRedirects"),
    ("InMLDv2Reports", ""),
    ("OutDestUnreachs", "OutDestUnreachs"),
    ("OutPktTooBigs", "OutPktTooBigs"),
    ("OutTimeExcds", "OutTimeExcds"),
    ("OutParmProblems", "OutParmProbs"),
    ("OutEchos", "OutEchos"),
    ("OutEchoReplies", "OutEchoReps"),
    ("OutGroupMembQueries", ""),
    ("OutGroupMembResponses", ""),
    ("OutGroupMembReductions", ""),
    ("OutRouterSolicits", "OutRouterSolicits"),
    ("OutRouterAdvertisements", ""),
    ("OutNeighborSolicits", "OutNeighborSolicits"),
    ("OutNeighborAdvertisements", "OutNeighborAdvertisements"),
    ("OutRedirects", ""),
    ("OutMLDv2Reports", "OutMLDv2Reports"),
];
/// IP's in `snmp6`.
const IP6: &[&str] = &[
    "InReceives",
    "InHdrErrors",
    "InTooBigErrors",
    "InNoRoutes",
    "InAddrErrors",
    "InUnknownProtos",
    "InTruncatedPkts",
    "InDiscards",
    "InDelivers",
    "OutForwDatagrams",
    "OutRequests",
    "OutDiscards",
    "OutNoRoutes",
    "ReasmTimeout",
    "ReasmReqds",
    "ReasmOKs",
    "ReasmFails",
    "FragOKs",
    "FragFails",
    "FragCreates",
    "InMcastPkts",
    "OutMcastPkts",
    "InOctets",
    "OutOctets",
    "InMcastOctets",
    "OutMcastOctets",
    "InBcastOctets",
    "OutBcastOctets",
    "InNoECTPkts",
    "InECT1Pkts",
    "InECT0Pkts",
    "InCEPkts",
    "OutTransmits",
];
/// What `netstat` says of IPv4.
const IP_EXT: &[&str] = &[
    "InNoRoutes",
    "InTruncatedPkts",
    "InMcastPkts",
    "OutMcastPkts",
    "InBcastPkts",
    "OutBcastPkts",
    "InOctets",
    "OutOctets",
    "InMcastOctets",
    "OutMcastOctets",
    "InBcastOctets",
    "OutBcastOctets",
    "InCsumErrors",
    "InNoECTPkts",
    "InECT1Pkts",
    "InECT0Pkts",
    "InCEPkts",
    "ReasmOverlaps",
];

/// Names and values, one line of each, which begin with `title`.
pub struct Pair {
    title: &'static str,
    names: String,
    values: String,
}

impl Pair {
    /// No names yet.
    pub fn new(title: &'static str) -> Self {
        Pair { title, names: String::new(), values: String::new() }
    }

    /// Adds one.
    pub fn add(&mut self, name: &str, value: impl core::fmt::Display) {
        self.names += &format!(" {name}");
        self.values += &format!(" {value}");
    }

    /// Appends both lines.
    pub fn finish(self, out: &mut Output) {
        put!(out, "{0}:{1}\n{0}:{2}\n", self.title, self.names, self.values);
    }
}

/// Finds counters by their names.
type Each<'a> = &'a dyn Fn(&mut dyn FnMut(&str, u64));

fn value(counters: Each<'_>, name: &str) -> u64 {
    let mut found = 0;
    counters(&mut |known, value| {
        if known == name {
            found = value;
        }
    });
    found
}

fn with_stats(stack: &Stack, f: impl FnOnce(&Stats)) {
    match stack.ip() {
        Some(ip) => f(&ip.stats),
        None => f(&Stats::default()),
    }
}

/// `/proc/net/snmp`.
pub fn snmp(stack: &Stack, out: &mut Output) {
    with_stats(stack, |stats| {
        let FamilyStats { ip, icmp, udp, .. } = &stats.v4;
        ip_lines(ip, out);
        icmp_lines(icmp, out);
        if let Some(tcp) = stack.tcp() {
            out.extend_from_slice(tcp.snmp_text().as_bytes());
        }
        udp_lines("Udp", udp, out);
        udp_lines("UdpLite", &Udp::default(), out);
    });
}

fn ip_lines(ip: &Ip, out: &mut Output) {
    let mut pair = Pair::new("Ip");
    // Packets are not forwarded.
    pair.add("Forwarding", 2);
    pair.add("DefaultTTL", 64);
    ip.each(&mut |name, value| pair.add(name, value));
    pair.finish(out);
}

fn icmp_lines(icmp: &Icmp, out: &mut Output) {
    let mut pair = Pair::new("Icmp");
    for name in ICMP {
        pair.add(name, value(&|f| icmp.each(f), name));
    }
    pair.finish(out);
    let mut types = Pair::new("IcmpMsg");
    for (name, counter) in [
        ("InType0", &icmp.in_echo_replies),
        ("InType3", &icmp.in_unreachable),
        ("InType8", &icmp.in_echos),
        ("InType11", &icmp.in_time_exceeded),
        ("OutType0", &icmp.out_echo_replies),
        ("OutType3", &icmp.out_unreachable),
        ("OutType8", &icmp.out_echos),
    ] {
        if counter.get() > 0 {
            types.add(name, counter.get());
        }
    }
    if !types.names.is_empty() {
        types.finish(out);
    }
}

fn udp_lines(title: &'static str, udp: &Udp, out: &mut Output) {
    let mut pair = Pair::new(title);
    udp.each(&mut |name, value| pair.add(name, value));
    pair.finish(out);
}

/// `/proc/net/snmp6`.
pub fn snmp6(stack: &Stack, out: &mut Output) {
    with_stats(stack, |stats| {
        let v6 = &stats.v6;
        let mut line = |layer: &str, name: &str, value: u64| {
            let name = format!("{layer}{name}");
            put!(out, "{name:<32}\t{value}\n");
        };
        let both = |f: &mut dyn FnMut(&str, u64)| {
            v6.ip.each(f);
            v6.ext.each(f);
        };
        for name in IP6 {
            line("Ip6", name, value(&both, name));
        }
        for (name, counter) in ICMP6 {
            line("Icmp6", name, value(&|f| v6.icmp.each(f), counter));
        }
        v6.udp.each(&mut |name, value| line("Udp6", name, value));
        Udp::default().each(&mut |name, value| line("UdpLite6", name, value));
    });
}

/// `/proc/net/netstat`. Behind what Linux has come the stack's own drops.
pub fn netstat(stack: &Stack, out: &mut Output) {
    if let Some(tcp) = stack.tcp() {
        out.extend_from_slice(tcp.netstat_text().as_bytes());
    }
    with_stats(stack, |stats| {
        let mut pair = Pair::new("IpExt");
        for name in IP_EXT {
            pair.add(name, value(&|f| stats.v4.ext.each(f), name));
        }
        pair.finish(out);
        let mut pair = Pair::new("NospinDrops");
        stats.drops.each(&mut |name, value| pair.add(name, value));
        pair.finish(out);
    });
}

/// Datagram sockets of a family, and pages that wait in them.
fn datagram_sockets(stack: &Stack, v6: bool) -> (usize, usize) {
    // Without memory for the list there are none: the numbers are what they were a moment ago at best.
    let sockets = stack.ip().and_then(|ip| ip.udp.all().ok()).unwrap_or_default();
    let of_family = || sockets.iter().filter(|s| s.is_v6() == v6);
    let bytes: usize = of_family().map(|s| s.usage().0).sum();
    (of_family().count(), bytes.div_ceil(4096))
}

fn fragments(stack: &Stack) -> (usize, usize) {
    stack.ip().map(|ip| ip.fragments.lock().usage()).unwrap_or_default()
}

/// `/proc/net/sockstat`.
pub fn sockstat(stack: &Stack, out: &mut Output) {
    let (udp, pages) = datagram_sockets(stack, false);
    let (udp6, pages6) = datagram_sockets(stack, true);
    let (packets, bytes) = fragments(stack);
    let tcp = stack.tcp().map(|tcp| tcp.sockstat_text(false)).unwrap_or_default();
    put!(out, "sockets: used {}\n{tcp}", udp + udp6 + stack.unix().sockets_in_use());
    put!(out, "UDP: inuse {udp} mem {}\nUDPLITE: inuse 0\nRAW: inuse 0\n", pages + pages6);
    put!(out, "FRAG: inuse {packets} memory {bytes}\n");
}

/// `/proc/net/sockstat6`.
pub fn sockstat6(stack: &Stack, out: &mut Output) {
    let (udp, _) = datagram_sockets(stack, true);
    if let Some(tcp) = stack.tcp() {
        out.extend_from_slice(tcp.sockstat_text(true).as_bytes());
    }
    put!(out, "UDP6: inuse {udp}\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n");
}
