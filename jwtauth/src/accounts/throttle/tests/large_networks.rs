//! What counts as one address, how many accounts it registers, and what a large network of them has.

use super::*;
use crate::accounts::throttle::networks::{large_network_of, network_of};

/// M-3: some at once, then one after the other, and as many again after a while.
#[test]
fn m_3_registrations_are_counted_by_address() {
    let config = AccountsConfig::default().registrations(3, Duration::from_secs(60));
    let throttle = InProcess::new(&config.all_registrations(1_000_000, Duration::from_millis(1)));
    let begun = |peer: &str, now: u64| {
        let charged = throttle.register(peer.parse().unwrap(), now);
        charged.map(drop).map_err(|wait| wait.seconds)
    };
    for _ in 0..3 {
        assert_eq!(begun("203.0.113.7", NOW), Ok(()));
    }
    assert_eq!(begun("203.0.113.7", NOW), Err(60));
    assert_eq!(begun("::ffff:203.0.113.7", NOW + 59), Err(1));
    assert_eq!(begun("203.0.113.8", NOW), Ok(()), "another address");
    assert_eq!(begun("203.0.113.7", NOW + 60), Ok(()));
    assert_eq!(begun("203.0.113.7", NOW + 60), Err(60));
    for _ in 0..3 {
        assert_eq!(begun("203.0.113.7", NOW + 3600), Ok(()));
    }
    assert_eq!(begun("203.0.113.7", NOW + 3600), Err(60), "and no more than at the beginning");
    // A clock that was set back makes nobody wait longer than all of them take.
    assert!(begun("203.0.113.7", 5).unwrap_err() <= 180);
    // One customer has 64 bits of IPv6 at least.
    for last in 1..=3 {
        assert_eq!(begun(&format!("2001:db8::{last}"), NOW), Ok(()));
    }
    assert_eq!(begun("2001:db8::4", NOW), Err(60));
    assert_eq!(begun("2001:db8:0:1::4", NOW), Ok(()));
    // What may be a proxy waits a tenth.
    for _ in 0..3 {
        assert_eq!(begun("10.0.0.1", NOW), Ok(()));
    }
    assert_eq!(begun("10.0.0.1", NOW), Err(6));
    // What was taken back may be used again.
    let again = throttle.register("192.0.2.1".parse().unwrap(), NOW).unwrap();
    throttle.undo_registration(&again);
    for _ in 0..3 {
        assert_eq!(begun("192.0.2.1", NOW), Ok(()));
    }
    for number in 0..2 * u32::try_from(ROOM).unwrap() {
        assert_eq!(throttle.register(address(number).unwrap(), NOW).map(drop), Ok(()), "{number}");
    }
    assert!(throttle.counters.len(CounterKind::Registrations) <= ROOM);
}

/// M-3: whoever has addresses without end registers slowly. What was taken back counts for nothing.
#[test]
fn m_3_all_addresses_together_have_a_limit() {
    let throttle = InProcess::new(&AccountsConfig::default().all_registrations(40, Duration::from_secs(2)));
    let begun = |number: u32, now: u64| {
        let charged = throttle.register(address(number).unwrap(), now);
        charged.map(drop).map_err(|wait| (wait.seconds, wait.is_news))
    };
    for number in 0..40 {
        assert_eq!(begun(number, NOW), Ok(()), "{number}");
    }
    assert_eq!([begun(41, NOW), begun(42, NOW + 1)], [Err((2, true)), Err((1, false))]);
    assert_eq!([begun(43, NOW + 2), begun(44, NOW + 2)], [Ok(()), Err((2, true))]);
    assert!(at_once(throttle.throttle.register(None, NOW + 2)).is_err(), "also those without an address");
    // Those who were refused have lost nothing of their own.
    for _ in 0..30 {
        assert_eq!(begun(41, NOW + 3600), Ok(()));
    }
    assert_eq!(begun(41, NOW + 3600).map_err(|(seconds, _)| seconds), Err(60));
    let taken = throttle.register(address(50).unwrap(), NOW + 3600).unwrap();
    throttle.undo_registration(&taken);
    for number in 60..70 {
        assert_eq!(begun(number, NOW + 3600), Ok(()), "{number}");
    }
    assert!(begun(70, NOW + 3600).is_err());
}

/// M-27: one customer with a /48 has 65,536 networks that count as one address each.
#[test]
fn m_27_a_large_network_has_what_ten_addresses_have() {
    let peer = |large: u16, number: u16| {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, large, number, 0, 0, 0, 1 + number))
    };
    // Registrations: 30 at once from one address.
    let throttle = throttle();
    let begun = |peer: IpAddr, now: u64| throttle.register(peer, now).map(drop).map_err(|wait| wait.seconds);
    for number in 0..300 {
        assert_eq!(begun(peer(1, number), NOW), Ok(()), "{number}");
    }
    assert_eq!(begun(peer(1, 300), NOW), Err(6), "each from an address of its own");
    assert_eq!(begun(peer(1, 300), NOW + 6), Ok(()));
    assert_eq!(begun(peer(2, 0), NOW), Ok(()), "another customer");
    // One address has its own limit still, and what it is refused costs the others nothing.
    for _ in 0..29 {
        assert_eq!(begun(peer(2, 0), NOW), Ok(()));
    }
    for _ in 0..1_000 {
        assert_eq!(begun(peer(2, 0), NOW), Err(60));
    }
    for number in 1..=270 {
        let registered = throttle.register(peer(2, number), NOW).unwrap();
        if number > 200 {
            throttle.undo_registration(&registered);
        }
    }
    for number in 1_000..1_070 {
        assert_eq!(begun(peer(2, number), NOW), Ok(()), "{number}: what was taken back may be used again");
    }
    assert_eq!(begun(peer(2, 2_000), NOW), Err(6));
    assert_eq!(begun(peer(2, 0), NOW), Err(60), "the longer of the two");

    // Failed logins: 20 of an address, each of another name here.
    let home = Some(peer(3, 65_000));
    let attempt = throttle.begin(Who::Login("owner"), home, NOW).unwrap();
    throttle.succeeded(&attempt, NOW);
    for number in 0..199 {
        assert_eq!(fail(&throttle, &format!("name-{number}"), Some(peer(3, number)), NOW), 0, "{number}");
    }
    assert_eq!(fail(&throttle, "name-199", Some(peer(3, 199)), NOW), 1);
    assert_eq!(wait(&throttle, "name-200", Some(peer(3, 200)), NOW), 1);
    assert_eq!(wait(&throttle, "owner", home, NOW), 0, "the owner was here before");
    assert_eq!(wait(&throttle, "name-200", Some(peer(4, 0)), NOW), 0, "another customer");
    // Who was here before, and mistypes, makes nobody else wait.
    for number in 0..205 {
        let (name, here) = (format!("owner-{number}"), Some(peer(6, number)));
        throttle.succeeded(&throttle.begin(Who::Login(&name), here, NOW).unwrap(), NOW);
        let _failed = throttle.begin(Who::Login(&name), here, NOW).unwrap();
    }
    assert_eq!(wait(&throttle, "name", Some(peer(6, 500)), NOW), 0);
    // What comes to nothing, and what succeeds, is no failure.
    for number in 0..400 {
        let (name, here) = (format!("right-{number}"), Some(peer(5, number)));
        let attempt = throttle.begin(Who::Login(&name), here, NOW).unwrap();
        if number % 2 == 0 { throttle.succeeded(&attempt, NOW) } else { throttle.undone(&attempt) }
    }
    assert_eq!(wait(&throttle, "name", Some(peer(5, 500)), NOW), 0);
}

#[test]
fn what_counts_as_one_address() {
    let network = |text: &str| network_of(text.parse().unwrap());
    assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff:ffff:ffff:ffff"));
    assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    let large = |text: &str| large_network_of(text.parse().unwrap());
    assert_eq!(large("2001:db8:0:1::1"), large("2001:db8:0:ffff::1"));
    assert_ne!(large("2001:db8:0:1::1"), large("2001:db8:1:1::1"));
    for none in ["192.0.2.1", "::ffff:192.0.2.1", "fd00::1", "fe80::1", "::1"] {
        assert_eq!(large(none), None, "{none}");
    }
}
