//! What the options mean, the networks that come of them, and the texts of refusals.

use super::*;

fn forward(text: &str) -> Result<(String, u16, Protocol), String> {
    text.parse::<Forward>().map(|forward| (forward.host.to_string(), forward.guest, forward.protocol))
}

fn line(text: &str) -> CommandLine {
    CommandLine::parse(text.as_bytes()).unwrap()
}

fn plan(kind: Option<Kind>, forwards: &[&str], options: &str) -> Result<Network, String> {
    let forwards = forwards.iter().map(|text| text.parse().unwrap()).collect();
    prepare(&Wish { kind, forwards }, &line(options), Machine::Q35, 1, true)
        .map_err(|error| error.to_string())
}

fn told(network: &Network) -> String {
    CommandLine { options: network.options.clone(), program: None }.render()
}

#[test]
fn ports_to_forward() {
    let tcp = |host: &str, guest| Ok((host.to_owned(), guest, Protocol::Tcp));
    assert_eq!(forward("8080:80"), tcp("127.0.0.1:8080", 80));
    assert_eq!(forward("11211"), tcp("127.0.0.1:11211", 11211));
    assert_eq!(forward("0.0.0.0:80:8080/tcp"), tcp("0.0.0.0:80", 8080));
    assert_eq!(forward("0:80"), tcp("127.0.0.1:0", 80));
    assert_eq!(forward("53:5353/udp"), Ok(("127.0.0.1:53".to_owned(), 5353, Protocol::Udp)));
    assert_eq!(forward("53/udp"), Ok(("127.0.0.1:53".to_owned(), 53, Protocol::Udp)));
    let refused = |text: &str, why: &str| {
        let error = forward(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    };
    refused("", "\"\" is not a port");
    refused("80:", "\"\" is not a port");
    refused("65536:80", "\"65536\" is not a port");
    refused("80:-1", "\"-1\" is not a port");
    refused("http:80", "\"http\" is not a port");
    refused("80:0", "the guest's port cannot be 0");
    refused("0", "the guest's port cannot be 0");
    refused("80:80/sctp", "unknown protocol sctp");
    refused("localhost:80:80", "\"localhost\" is not an IPv4 address");
    refused("[::1]:80:80", "must be IPv4");
    refused("1.2.3.4:5:6:7", "expected [ADDRESS:]HOST:GUEST");
}

#[test]
fn kinds_of_network() {
    assert_eq!("user".parse(), Ok(Kind::User));
    assert_eq!("none".parse(), Ok(Kind::None));
    assert_eq!("tap".parse(), Ok(Kind::Tap(None)));
    assert_eq!("tap:tap-0.x_1".parse(), Ok(Kind::Tap(Some("tap-0.x_1".to_owned()))));
    assert_eq!("qemu:dgram,x=y".parse(), Ok(Kind::Qemu("dgram,x=y".to_owned())));
    for bad in [
        "",
        "tun",
        "user:x",
        "tap:",
        "tap:a b",
        "tap:a,b",
        "tap:-x",
        "tap:..",
        "tap:sixteen-letters-",
        "qemu:",
    ] {
        assert!(bad.parse::<Kind>().is_err(), "{bad}");
    }
}

#[test]
fn no_network_unless_asked_for() {
    for kind in [None, Some(Kind::None)] {
        let network = plan(kind, &[], "").unwrap();
        assert_eq!((&network.card, told(&network).as_str()), (&None, ""));
    }
}

#[test]
fn forwarding_means_user_networking() {
    let network = plan(None, &["0.0.0.0:8080:80", "53/udp"], "").unwrap();
    let card = network.card.clone().unwrap();
    assert_eq!(
        card.netdev,
        "user,hostfwd=tcp:0.0.0.0:8080-10.0.2.15:80,hostfwd=udp:127.0.0.1:53-10.0.2.15:53"
    );
    assert_eq!((card.queues, card.mac[0] & 3), (1, 2));
    assert_eq!(told(&network), "ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3");
    assert_eq!(plan(Some(Kind::User), &[], "").unwrap().card.unwrap().netdev, "user");
}

#[test]
fn an_address_of_the_users_own_counts() {
    let network = plan(None, &["80:80"], "ip=10.0.2.77/24").unwrap();
    assert_eq!(network.card.as_ref().unwrap().netdev, "user,hostfwd=tcp:127.0.0.1:80-10.0.2.77:80");
    assert_eq!(told(&network), "");
    let network = plan(None, &["80:80"], "ip=dhcp").unwrap();
    assert_eq!(network.card.as_ref().unwrap().netdev, "user,hostfwd=tcp:127.0.0.1:80-10.0.2.15:80");
    assert_eq!(told(&network), "");
    assert_eq!(told(&plan(None, &["80"], "dns=9.9.9.9").unwrap()), "ip=10.0.2.15/24 gw=10.0.2.2");
    for outside in ["ip=10.0.3.15/24", "ip=fd00::1/64,10.0.2.2/24", "ip=10.0.2.3/24"] {
        let error = plan(None, &["80"], outside).unwrap_err();
        assert!(error.contains("the guest is in 10.0.2.0/24"), "{outside}: {error}");
    }
}

#[test]
fn forwarding_elsewhere_is_refused_with_the_reason() {
    let error = plan(Some(Kind::Tap(None)), &["80"], "").unwrap_err();
    assert!(error.contains("the guest has an address of its own"), "{error}");
    let error = plan(Some(Kind::None), &["80"], "").unwrap_err();
    assert_eq!(error, "-p needs a network, and --net none is none");
    let error = plan(Some(Kind::Qemu("x".into())), &["80"], "").unwrap_err();
    assert!(error.contains("user networking only"), "{error}");
}

#[test]
fn a_port_is_forwarded_once() {
    let twice = |forwards: &[&str]| plan(None, forwards, "").err();
    assert_eq!(twice(&["80:80", "80:81/udp", "81:80", "0:1", "0:1"]), None);
    assert_eq!(twice(&["127.0.0.1:80:1", "127.0.0.2:80:1"]), None);
    let error = twice(&["0.0.0.0:80:1", "80:2"]).unwrap();
    assert_eq!(error, "two of -p want 127.0.0.1:80 (tcp) of this host");
}

#[test]
fn ports_in_use_are_told_and_port_0_becomes_a_number() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let reserve = |text: &str| {
        let mut forwards = [text.parse::<Forward>().unwrap()];
        ports::Reserved::of(&mut forwards).map(|held| (held, forwards[0])).map_err(|error| error.to_string())
    };
    assert_eq!(
        reserve(&format!("{port}:80")).unwrap_err(),
        format!(
            "127.0.0.1:{port} (tcp) is in use by another program on this host; choose another port (-p PORT:80)"
        )
    );
    assert_eq!(reserve("192.0.2.1:0:80").unwrap_err(), "192.0.2.1 is no address of this host");
    for protocol in ["tcp", "udp"] {
        let (held, forward) = reserve(&format!("0:80/{protocol}")).unwrap();
        assert_ne!(forward.host.port(), 0);
        let again = format!("{}:80/{protocol}", forward.host.port());
        assert!(reserve(&again).unwrap_err().contains("in use"));
        drop(held);
        assert!(reserve(&again).is_ok());
    }
    let denied = NetError::Port("80".parse().unwrap(), io::ErrorKind::PermissionDenied.into());
    assert!(denied.to_string().contains("ports below 1024 take root"), "{denied}");
}

#[test]
fn any_netdev_of_qemus() {
    let network = plan(Some(Kind::Qemu("dgram,remote.type=inet".into())), &[], "ip=10.5.0.2/24").unwrap();
    assert_eq!(network.card.clone().unwrap().netdev, "dgram,remote.type=inet");
    assert_eq!(told(&network), "");
}

#[test]
fn addresses_stay_the_same_and_differ() {
    let (a, b) = (stable_mac("tap0"), stable_mac("tap1"));
    assert_eq!(a, stable_mac("tap0"));
    assert_ne!(a, b);
    assert_eq!(a[0] & 3, 2); // unicast, locally administered
}

#[test]
fn networks_are_compared_by_their_prefix() {
    let same = |a: &str, b: &str, len| same_network(a.parse().unwrap(), b.parse().unwrap(), len);
    assert!(same("10.0.2.1", "10.0.2.255", 24) && !same("10.0.2.1", "10.0.3.1", 24));
    assert!(same("1.2.3.4", "200.2.3.4", 0) && same("1.2.3.4", "1.2.3.4", 32));
    assert!(!same("1.2.3.4", "1.2.3.5", 32));
}
