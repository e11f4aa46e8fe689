//! Tests of the client against a scripted server that is written from the RFC.

use super::*;

const MAC: Mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);

/// The value of an option in a client's message.
fn option(message: &[u8], wanted: u8) -> Option<Vec<u8>> {
    let mut rest = &message[240..];
    while let [code, len, tail @ ..] = rest {
        if *code == wanted {
            return Some(tail[..usize::from(*len)].to_vec());
        }
        rest = &tail[usize::from(*len)..];
    }
    None
}

fn answer(question: &[u8], kind: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = question[..240].to_vec();
    out[0] = 2;
    out[16..20].copy_from_slice(&OWN.octets());
    for (code, value) in [(53, &[kind][..]), (54, &SERVER.octets()[..])].iter().chain(options) {
        out.extend_from_slice(&[*code, value.len() as u8]);
        out.extend_from_slice(value);
    }
    out.push(255);
    out
}

fn sent(actions: &[Action]) -> (Vec<u8>, Ipv4Addr) {
    match actions.last() {
        Some(Action::Send { message, to }) => (message.clone(), *to),
        other => panic!("{other:?}"),
    }
}

fn bound() -> (Client, Lease) {
    let mut client = Client::new(2, MAC, 0x1234, 0);
    let (discover, to) = sent(&client.due(0));
    assert_eq!(
        (to, option(&discover, 53), &discover[28..34]),
        (Ipv4Addr::BROADCAST, Some(vec![1]), &MAC[..])
    );
    let offer = answer(&discover, kind::OFFER, &[(51, &600u32.to_be_bytes())]);
    let (request, to) = sent(&client.input(&offer, SERVER, 1).expect("an offer"));
    assert_eq!(
        (to, option(&request, 53), option(&request, 50)),
        (Ipv4Addr::BROADCAST, Some(vec![3]), Some(OWN.octets().into()))
    );
    assert_eq!(option(&request, 54), Some(SERVER.octets().into()));
    let ack = answer(
        &request,
        kind::ACK,
        &[
            (51, &600u32.to_be_bytes()),
            (1, &[255, 255, 255, 0]),
            (3, &SERVER.octets()),
            (6, &[1, 1, 1, 1]),
            (15, b"lan"),
        ],
    );
    match client.input(&ack, SERVER, 2).expect("a lease").as_slice() {
        [Action::Configure(lease)] => {
            let lease = lease.clone();
            (client, lease)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn gets_a_lease_and_renews_it() {
    let (mut client, lease) = bound();
    assert_eq!(lease.address, Prefix { address: OWN.into(), len: 24 });
    assert_eq!((lease.answer.dns.len(), lease.answer.domain.as_deref()), (1, Some("lan")));
    assert_eq!(client.next_deadline(), 2 + 300 * SECOND);
    let now = client.next_deadline();
    let (renew, to) = sent(&client.due(now));
    assert_eq!(
        (to, &renew[12..16], option(&renew, 50), option(&renew, 54)),
        (SERVER, &OWN.octets()[..], None, None)
    );
    let ack = answer(&renew, kind::ACK, &[(51, &600u32.to_be_bytes()), (1, &[255, 255, 255, 0])]);
    let actions = client.input(&ack, SERVER, now).expect("prolonged");
    assert!(matches!(actions.as_slice(), [Action::Configure(_)]), "the address stays");
    assert_eq!(client.next_deadline(), now + 300 * SECOND);
}

#[test]
fn rebinds_with_any_server_and_gives_up_at_the_end() {
    let (mut client, lease) = bound();
    let (mut renewals, mut rebindings) = (0, 0);
    loop {
        let now = client.next_deadline();
        let actions = client.due(now);
        if let [Action::GiveUp(address), Action::Send { .. }] = actions.as_slice() {
            assert_eq!((*address, now), (lease.address, lease.ends_at));
            break;
        }
        match sent(&actions).1 {
            SERVER => renewals += usize::from(now < lease.rebind_at),
            to => rebindings += usize::from(to.is_broadcast() && now >= lease.rebind_at),
        }
        assert!(now <= lease.ends_at);
    }
    assert!((1..6).contains(&renewals) && (1..4).contains(&rebindings), "{renewals} {rebindings}");
    assert_eq!(client.state, State::Selecting);
}

#[test]
fn refusals_silence_and_lies() {
    let mut client = Client::new(2, MAC, 7, 0);
    let mut times = Vec::new();
    for _ in 0..8 {
        let now = client.next_deadline();
        times.push(now);
        sent(&client.due(now));
    }
    let gaps: Vec<_> = times.windows(2).map(|w| (w[1] - w[0]) / SECOND).collect();
    assert!(
        gaps.windows(2).all(|w| w[0] <= w[1] + 1) && gaps.iter().all(|g| (2..=65).contains(g)),
        "{gaps:?}"
    );
    let (discover, _) = sent(&{
        let now = client.next_deadline();
        client.due(now)
    });
    let now = client.next_deadline();
    let offer = answer(&discover, kind::OFFER, &[]);
    let mut other = offer.clone();
    other[4] ^= 1;
    assert!(client.input(&other, SERVER, now).is_none(), "another conversation");
    other = offer.clone();
    other[28] ^= 1;
    assert!(client.input(&other, SERVER, now).is_none(), "another client");
    for len in 0..offer.len() - 1 {
        let mut client = Client::new(2, MAC, 7, 0);
        client.xid = u32::from_be_bytes([offer[4], offer[5], offer[6], offer[7]]);
        client.input(&offer[..len], SERVER, now);
    }
    client.input(&offer, SERVER, now).expect("an offer");
    let nak = answer(&discover, kind::NAK, &[]);
    assert!(client.input(&nak, SERVER, now).expect("refused").is_empty());
    assert_eq!((client.state, client.next_deadline()), (State::Selecting, now + SECOND));
}
