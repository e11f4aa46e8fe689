//! Tests of TCP.
