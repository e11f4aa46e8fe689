//! Choosing addresses by what `ip` prints, and the commands. Devices are really made in `images/tests/net.rs`.

use super::*;

/// A bridge with an address, a tap device with several queues, another without address, and a route.
fn devices() -> Devices {
    let parse = |text: &str| serde_json::from_str(text).unwrap();
    Devices {
        links: parse(
            r#"[{"ifname":"lo"},
                {"ifname":"br0","linkinfo":{"info_kind":"bridge","info_data":{}}},
                {"ifname":"many","linkinfo":{"info_kind":"tun","info_data":{"type":"tap","multi_queue":true}}},
                {"ifname":"used","flags":["BROADCAST","UP","LOWER_UP"],
                 "linkinfo":{"info_kind":"tun","info_data":{"type":"tap","multi_queue":false}}},
                {"ifname":"one","flags":["NO-CARRIER","BROADCAST","UP"],"linkinfo":{"info_kind":"tun","info_data":{"type":"tap","multi_queue":false}}},
                {"ifname":"tun0","linkinfo":{"info_kind":"tun","info_data":{"type":"tun"}}},
                {"ifname":"nospin0"}]"#,
        ),
        addresses: parse(
            r#"[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
                {"ifname":"many","addr_info":[{"family":"inet","local":"10.99.2.1","prefixlen":24}]}]"#,
        ),
        routes: parse(
            r#"[{"dst":"default","gateway":"10.0.0.1"},{"dst":"10.99.1.0/24","dev":"br0"},
                {"dst":"10.99.3.7","dev":"br0"},{"dst":"0.0.0.0/1","dev":"tun0"}]"#,
        ),
    }
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn line(text: &str) -> CommandLine {
    CommandLine::parse(text.as_bytes()).unwrap()
}

#[test]
fn the_first_free_network_is_chosen() {
    let plan = devices().plan(None, None, None, false).unwrap();
    assert_eq!((plan.name.as_str(), plan.host), ("nospin4", (address("10.99.4.1"), 24)));
    assert_eq!(
        plan.setup().map(|words| words.join(" ")),
        ["tuntap add dev nospin4 mode tap", "addr add 10.99.4.1/24 dev nospin4", "link set dev nospin4 up"]
    );
    let plan = devices().plan(Some("mine"), None, None, true).unwrap();
    assert_eq!(plan.setup()[0].join(" "), "tuntap add dev mine mode tap multi_queue");
    assert_eq!(plan.host.0, address("10.99.4.1"));
    let mut full = devices();
    full.routes = serde_json::from_str(r#"[{"dst":"10.99.0.0/16"}]"#).unwrap();
    assert!(matches!(full.plan(None, None, None, false), Err(NetError::NoFreeNetwork)));
}

#[test]
fn addresses_of_the_users_own_decide_the_hosts() {
    let host = |guest: &str, gateway: Option<&str>| {
        let plan = devices().plan(None, Some((address(guest), 24)), gateway.map(address), false);
        plan.unwrap().host.0.to_string()
    };
    assert_eq!(host("10.5.0.2", Some("10.5.0.254")), "10.5.0.254");
    assert_eq!(host("10.5.0.2", None), "10.5.0.3");
    assert_eq!(host("10.5.0.254", Some("10.6.0.1")), "10.5.0.253");
}

#[test]
fn neighbours() {
    let of = |text: &str, len| neighbour(address(text), len).map(|found| found.to_string());
    assert_eq!(of("10.99.0.1", 24).as_deref(), Some("10.99.0.2"));
    assert_eq!(of("10.99.0.254", 24).as_deref(), Some("10.99.0.253"));
    assert_eq!(of("10.99.0.1", 30).as_deref(), Some("10.99.0.2"));
    assert_eq!(of("10.99.0.2", 30).as_deref(), Some("10.99.0.1"));
    assert_eq!(of("10.99.0.2", 31).as_deref(), Some("10.99.0.3"));
    assert_eq!(of("10.99.0.2", 32), None);
    assert_eq!(of("255.255.255.254", 0).as_deref(), Some("255.255.255.253"));
}

#[test]
fn existing_devices_are_used_as_they_are() {
    let netdev = |name, queues| {
        let network = existing(name, &devices(), None, &line(""), queues).unwrap();
        assert!(network.tap.is_none() && network.script.0.is_empty() && network.script.1.is_empty());
        network.card.unwrap().netdev
    };
    assert_eq!(netdev("many", 1), "tap,ifname=many,script=no,downscript=no,queues=2");
    assert_eq!(netdev("many", 4), "tap,ifname=many,script=no,downscript=no,queues=4");
    assert_eq!(netdev("one", 4), "tap,ifname=one,script=no,downscript=no");
    for name in ["br0", "tun0", "lo"] {
        let error = existing(name, &devices(), None, &line(""), 1).unwrap_err();
        assert_eq!(error.to_string(), format!("the device {name} is there, but it is no tap device"));
    }
}

#[test]
fn the_guest_is_told_its_side() {
    let told = |name: &str, options: &str| {
        let line = line(options);
        let network = existing(name, &devices(), Addresses::of(&line), &line, 1).unwrap();
        let options = CommandLine { options: network.options, program: None };
        (options.render(), network.notes[0].clone())
    };
    let (options, note) = told("many", "");
    assert_eq!(options, "ip=10.99.2.2/24 gw=10.99.2.1");
    assert_eq!(note, "the guest is 10.99.2.2 on many; this host is 10.99.2.1 there");
    assert_eq!(told("many", "gw=10.99.2.9").0, "ip=10.99.2.2/24");
    let dhcp = "the guest asks for an address by DHCP on one";
    assert_eq!(told("one", ""), (String::new(), dhcp.to_owned()));
    assert_eq!(told("one", "ip=dhcp"), (String::new(), dhcp.to_owned()));
    let note = "the guest is 10.7.0.2 on one";
    assert_eq!(told("one", "ip=10.7.0.2/16 gw=10.7.0.1"), (String::new(), note.to_owned()));
}

#[test]
fn the_capability_counts_that_commands_inherit() {
    let status = |uid, bounding, ambient| {
        passes_on_net_admin(&format!(
            "Name:\tx\nUid:\t9\t{uid}\t9\t9\nCapBnd:\t{bounding}\nCapAmb:\t{ambient}\n"
        ))
    };
    assert!(status("0", "000001ffffffffff", "0000000000000000"));
    assert!(!status("0", "000001ffffffefff", "0000000000000000"));
    assert!(!status("1000", "000001ffffffffff", "0000000000000000"));
    assert!(status("1000", "000001ffffffffff", "0000000000001000"));
    assert!(!passes_on_net_admin(""));
}

#[test]
fn refusals_say_what_to_do() {
    let says = |error: NetError, what: &[&str]| {
        let text = error.to_string();
        assert!(what.iter().all(|piece| text.contains(piece)), "{text}");
    };
    says(NetError::NoIpCommand, &["apt-get install iproute2"]);
    says(NetError::Tun(io::ErrorKind::NotFound.into()), &["modprobe tun", "--device /dev/net/tun"]);
    says(NetError::Tun(io::ErrorKind::PermissionDenied.into()), &["cannot open /dev/net/tun"]);
    says(
        NetError::NotPermitted("nospin0".into()),
        &["CAP_NET_ADMIN", "sudo ip tuntap add dev nospin0 mode tap user", "--net tap:nospin0"],
    );
}

#[test]
fn a_device_in_use_is_not_used() {
    let existing = |name: &str| existing(name, &devices(), None, &line(""), 1).map(|network| network.card);
    assert!(matches!(existing("used"), Err(NetError::TapInUse(name)) if name == "used"));
    assert!(existing("one").is_ok_and(|card| card.is_some()));
    assert!(matches!(existing("br0"), Err(NetError::NotTap(_))));
}
