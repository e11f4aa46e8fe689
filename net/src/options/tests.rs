//! Options, against socket(7) and what Linux does.

use super::*;
use fs::FsError;
use fs::socket::NoTree;

fn set_as(options: &SocketOptions, privileged: bool, name: u32, value: &[u8]) -> Result<(), SocketError> {
    let capable = |_| privileged;
    let caller = Caller { credentials: Default::default(), capable: &capable, tree: &NoTree };
    options.set(name as i32, value, &caller, &|name| (name == b"lo").then_some(1))
}

fn set(options: &SocketOptions, name: u32, value: i32) -> Result<(), SocketError> {
    set_as(options, false, name, &value.to_le_bytes())
}

fn get(options: &SocketOptions, name: u32) -> Result<OptionValue, SocketError> {
    options.get(name as i32)
}

fn stream() -> SocketOptions {
    SocketOptions::new(Family::Inet, Kind::Stream, 6)
}

#[test]
fn flags() {
    let options = stream();
    for name in
        [raw::SO_REUSEADDR, raw::SO_REUSEPORT, raw::SO_KEEPALIVE, raw::SO_BROADCAST, raw::SO_OOBINLINE]
    {
        assert_eq!(get(&options, name), Ok(OptionValue::Int(0)));
        assert_eq!(set(&options, name, 5), Ok(()));
        assert_eq!(get(&options, name), Ok(OptionValue::Int(1)));
        assert_eq!(set_as(&options, false, name, b"abc"), Err(SocketError::File(FsError::Invalid)));
    }
    assert!(options.values().reuse_address && options.values().keep_alive);
    assert_eq!(get(&options, raw::SO_TYPE), Ok(OptionValue::Int(1)));
    assert_eq!(get(&options, raw::SO_DOMAIN), Ok(OptionValue::Int(2)));
    assert_eq!(get(&options, raw::SO_PROTOCOL), Ok(OptionValue::Int(6)));
    assert_eq!(set(&options, raw::SO_TYPE, 1), Err(SocketError::NoOption));
    assert_eq!(set(&options, 9999, 1), Err(SocketError::NoOption));
    assert_eq!(get(&options, 9999), Err(SocketError::NoOption));
}

#[test]
fn buffers_double_within_limits() {
    let options = stream();
    let size = |name, value| {
        set(&options, name, value).unwrap();
        get(&options, name).unwrap()
    };
    assert_eq!(size(raw::SO_RCVBUF, 10_000), OptionValue::Int(20_000));
    assert_eq!(size(raw::SO_RCVBUF, 0), OptionValue::Int(2304));
    assert_eq!(size(raw::SO_SNDBUF, 1), OptionValue::Int(4608));
    assert_eq!(size(raw::SO_SNDBUF, i32::MAX), OptionValue::Int(2 * 212_992));
    assert_eq!(size(raw::SO_SNDBUF, -1), OptionValue::Int(2 * 212_992));
    let forced = |privileged| set_as(&options, privileged, raw::SO_RCVBUFFORCE, &(1i32 << 20).to_le_bytes());
    assert_eq!(forced(false), Err(SocketError::File(FsError::NotPermitted)));
    assert_eq!(forced(true), Ok(()));
    assert_eq!(options.values().receive_buffer, 2 << 20);
}

#[test]
fn timeouts() {
    let options = stream();
    let set = |seconds: i64, micros: i64| {
        set_as(&options, false, raw::SO_RCVTIMEO_OLD, abi::bytes_of(&[seconds, micros]))
    };
    assert_eq!(set(1, 500_000), Ok(()));
    assert_eq!(options.timeouts(), (Some(1_500_000_000), None));
    assert_eq!(get(&options, raw::SO_RCVTIMEO_NEW), Ok(OptionValue::Bytes(timeval(Some(1_500_000_000)))));
    assert_eq!(set(0, 1_000_000), Err(SocketError::Domain));
    assert_eq!(set(0, -1), Err(SocketError::Domain));
    assert_eq!(set(-1, 0), Ok(()));
    assert_eq!(options.timeouts().0, Some(0), "does not wait");
    assert_eq!(set(i64::MAX, 0), Ok(()));
    assert_eq!(options.timeouts().0, None);
    assert_eq!(set(0, 0), Ok(()));
    assert_eq!(options.timeouts().0, None);
    let short = set_as(&options, false, raw::SO_SNDTIMEO_OLD, &[0; 15]);
    assert_eq!(short, Err(SocketError::File(FsError::Invalid)));
}

#[test]
fn the_rest() {
    let options = stream();
    set_as(&options, false, raw::SO_LINGER, abi::bytes_of(&[1i32, 7])).unwrap();
    assert_eq!(options.values().linger, Some(7));
    assert_eq!(set(&options, raw::SO_LINGER, 1), Err(SocketError::File(FsError::Invalid)));
    set_as(&options, false, raw::SO_LINGER, abi::bytes_of(&[0i32, 9])).unwrap();
    assert_eq!(get(&options, raw::SO_LINGER), Ok(OptionValue::Bytes(abi::bytes_of(&[0i32, 7]).to_vec())));
    assert_eq!(set(&options, raw::SO_RCVLOWAT, 0), Ok(()));
    assert_eq!(options.values().receive_low_water, 1);
    assert_eq!(set(&options, raw::SO_PRIORITY, 6), Ok(()));
    assert_eq!(set(&options, raw::SO_PRIORITY, 7), Err(SocketError::File(FsError::NotPermitted)));
    assert_eq!(set(&options, raw::SO_MARK, 1), Err(SocketError::File(FsError::NotPermitted)));
    assert_eq!(set_as(&options, false, raw::SO_BINDTODEVICE, b"eth7"), Err(SocketError::NoInterface));
    assert_eq!(set_as(&options, false, raw::SO_BINDTODEVICE, b"lo\0junk"), Ok(()));
    assert_eq!(get(&options, raw::SO_BINDTODEVICE), Ok(OptionValue::Bytes(b"lo\0".to_vec())));
    assert_eq!(options.values().interface, 1);
    assert_eq!(
        set_as(&options, false, raw::SO_BINDTODEVICE, b""),
        Err(SocketError::File(FsError::NotPermitted))
    );
    assert_eq!(set_as(&options, true, raw::SO_BINDTODEVICE, b""), Ok(()));
    assert_eq!(get(&options, raw::SO_BINDTODEVICE), Ok(OptionValue::Bytes(Vec::new())));
    set(&options, raw::SO_TIMESTAMPNS_OLD, 1).unwrap();
    assert_eq!(options.values().timestamps, Timestamps::Nanos);
    set(&options, raw::SO_TIMESTAMP_OLD, 0).unwrap();
    assert_eq!(options.inherit().values(), options.values());
}
