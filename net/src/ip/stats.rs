//! [`Stats`]: what happened to packets, counted as RFC 1213, RFC 4293 and Linux name it.
//!
//! Every drop has a counter. Written from all of the IP layer, read by the texts under `/proc/net`. Counters are independent of each
//! other and wrap.

use crate::counter::{Counter, counters};

counters! {
    /// Of IPv4 or IPv6.
    Ip {
        in_receives "InReceives", in_header_errors "InHdrErrors", in_address_errors "InAddrErrors",
        forwarded "ForwDatagrams", in_unknown_protocols "InUnknownProtos", in_discards "InDiscards",
        in_delivers "InDelivers", out_requests "OutRequests", out_discards "OutDiscards",
        out_no_routes "OutNoRoutes", reassembly_timeouts "ReasmTimeout", reassembly_needed "ReasmReqds",
        reassembled "ReasmOKs", reassembly_failures "ReasmFails", fragmented "FragOKs",
        fragment_failures "FragFails", fragments_made "FragCreates", out_transmits "OutTransmits",
    }
}

counters! {
    /// Of IPv4 or IPv6, beyond RFC 1213.
    IpExt {
        in_no_routes "InNoRoutes", in_truncated "InTruncatedPkts", in_multicast "InMcastPkts",
        out_multicast "OutMcastPkts", in_broadcast "InBcastPkts", out_broadcast "OutBcastPkts",
        in_octets "InOctets", out_octets "OutOctets", in_checksum_errors "InCsumErrors",
    }
}

counters! {
    /// Of ICMP or ICMPv6. The last ones are ICMPv6's.
    Icmp {
        in_messages "InMsgs", in_errors "InErrors", in_checksum_errors "InCsumErrors",
        in_unreachable "InDestUnreachs", in_too_big "InPktTooBigs", in_time_exceeded "InTimeExcds",
        in_parameter_problems "InParmProbs", in_redirects "InRedirects", in_echos "InEchos",
        in_echo_replies "InEchoReps", in_others "InOthers", out_messages "OutMsgs", out_errors "OutErrors",
        out_rate_limited "OutRateLimitHost", out_unreachable "OutDestUnreachs", out_too_big "OutPktTooBigs",
        out_time_exceeded "OutTimeExcds", out_parameter_problems "OutParmProbs", out_echos "OutEchos",
        out_echo_replies "OutEchoReps",
        in_router_solicits "InRouterSolicits", in_router_advertisements "InRouterAdvertisements",
        in_neighbour_solicits "InNeighborSolicits", in_neighbour_advertisements "InNeighborAdvertisements",
        in_group_queries "InGroupMembQueries", out_router_solicits "OutRouterSolicits",
        out_neighbour_solicits "OutNeighborSolicits", out_neighbour_advertisements "OutNeighborAdvertisements",
        out_group_reports "OutMLDv2Reports",
    }
}

counters! {
    /// Of UDP.
    Udp {
        in_datagrams "InDatagrams", no_ports "NoPorts", in_errors "InErrors", out_datagrams "OutDatagrams",
        receive_buffer_errors "RcvbufErrors", send_buffer_errors "SndbufErrors",
        in_checksum_errors "InCsumErrors", ignored_multicast "IgnoredMulti", memory_errors "MemErrors",
    }
}

counters! {
    /// Drops that no standard counter names.
    Drops {
        short_frames "ShortFrames", other_station "OtherStation", unknown_types "UnknownEtherTypes",
        arp_invalid "ArpInvalid", arp_foreign "ArpForeign", nd_invalid "NdInvalid",
        neighbour_queue "NeighbourQueueFull", neighbour_table "NeighbourTableFull",
        neighbour_failed "NeighbourUnresolved", transmit_queue "TransmitQueueFull", link_down "LinkDown",
        martian_source "MartianSource", no_memory "NoMemory", ping_queue "PingQueueFull",
        no_tcp "TcpAbsent", dhcp_invalid "DhcpInvalid",
    }
}

/// Of one interface.
#[derive(Debug, Default)]
pub struct LinkStats {
    /// Bytes that came.
    pub rx_bytes: Counter,
    /// Frames that came.
    pub rx_packets: Counter,
    /// Frames that came and were dropped at once.
    pub rx_dropped: Counter,
    /// Multicast frames that came.
    pub rx_multicast: Counter,
    /// Bytes that left.
    pub tx_bytes: Counter,
    /// Frames that left.
    pub tx_packets: Counter,
    /// Frames for which there was no room.
    pub tx_dropped: Counter,
}

/// Counters of a family.
#[derive(Debug, Default)]
pub struct FamilyStats {
    /// IP.
    pub ip: Ip,
    /// IP, more of it.
    pub ext: IpExt,
    /// ICMP.
    pub icmp: Icmp,
    /// UDP.
    pub udp: Udp,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Stats {
    /// IPv4.
    pub v4: FamilyStats,
    /// IPv6.
    pub v6: FamilyStats,
    /// Drops beside.
    pub drops: Drops,
}

impl Stats {
    /// The family's.
    pub fn family(&self, v6: bool) -> &FamilyStats {
        if v6 { &self.v6 } else { &self.v4 }
    }
}
