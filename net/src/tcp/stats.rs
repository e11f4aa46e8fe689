//! [`Stats`]: what happened to segments and connections, named as in `/proc/net/snmp` and `/proc/net/netstat` (RFC 4022).
//!
//! Every segment and connection that is dropped has a counter. Counters are independent of each other and wrap.

use crate::counter::counters;

counters! {
    /// Those of `Tcp:` in `/proc/net/snmp`, but the constants and the number of connections.
    Stats {
        active_opens "ActiveOpens", passive_opens "PassiveOpens", attempt_fails "AttemptFails",
        established_resets "EstabResets", in_segments "InSegs", out_segments "OutSegs",
        retransmitted "RetransSegs", in_errors "InErrs", out_resets "OutRsts", in_checksum_errors "InCsumErrors",
    }
}

counters! {
    /// Those of `TcpExt:` in `/proc/net/netstat`.
    Extended {
        cookies_sent "SyncookiesSent", cookies_received "SyncookiesRecv", cookies_failed "SyncookiesFailed",
        embryonic_resets "EmbryonicRsts", time_waits "TW", listen_overflows "ListenOverflows", listen_drops "ListenDrops",
        backlog_drops "TCPBacklogDrop", deferred_drops "TCPDeferAcceptDrop", aborts_on_data "TCPAbortOnData",
        aborts_on_close "TCPAbortOnClose", aborts_on_memory "TCPAbortOnMemory", aborts_on_timeout "TCPAbortOnTimeout",
        aborts_on_linger "TCPAbortOnLinger", memory_pressures "TCPMemoryPressures", time_wait_overflows "TCPTimeWaitOverflow",
        syn_retransmits "TCPSynRetrans", no_memory "TCPNoMemory", no_routes "TCPNoRoute", misrouted "TCPMisrouted", races "TCPHandshakeRace",
    }
}
