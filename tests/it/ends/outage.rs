//! Ends that nobody reported: other processes, outages, changes that were given up.

use super::*;

#[test]
fn an_end_that_nobody_told_of_is_seen_within_30_seconds() {
    in_no_time(|| async {
        for way in ["another process", "a clock that was set", "swept", "lost"] {
            let site = Site::new();
            let tokens = site.tab.login("alice").await;
            let waiter = site.wait(&tokens).await;
            sleep(17 * SECOND).await;
            let now = Instant::now();
            let expected = match way {
                "another process" => {
                    let revocation = Revocation { at: START, reason: RevocationReason::Logout };
                    site.store.inner.revoke(tokens.session(), revocation).await.unwrap();
                    EndReason::Revoked(RevocationReason::Logout)
                }
                "a clock that was set" => {
                    site.app.clock.advance(DAY);
                    EndReason::Expired
                }
                "swept" => {
                    site.app.clock.advance(DAY);
                    assert_eq!(tests::sweep(site.app.jwtauth.sessions()).await, 1);
                    EndReason::Expired
                }
                _ => {
                    site.store.inner.sweep(u64::MAX, 10).await.unwrap();
                    EndReason::Expired
                }
            };
            let (ended, after) = waiter.ended(now).await;
            assert_eq!(ended, expected, "{way}");
            assert!(after <= BOUND, "{way}: {after:?}");
        }
        let site = Site::new();
        let nobody = SessionId::from_bytes([7; 16]);
        assert_eq!(site.app.jwtauth.sessions().end_of(nobody).wait().await, EndReason::Expired);
    });
}

#[test]
fn an_outage_ends_nothing_and_hides_no_end() {
    in_no_time(|| async {
        for fault in [Fault::Error, Fault::Hang] {
            let site = Site::new();
            let tokens = site.tab.login("alice").await;
            let waiter = site.wait(&tokens).await;
            site.store.set(fault, Fault::None);
            let late = site.wait(&tokens).await;
            sleep(10 * BOUND).await;
            assert!(waiter.is_waiting().await && late.is_waiting().await, "{fault:?}");
            let before = site.store.loads();
            site.app.jwtauth.sessions().revoke_all("alice").await.unwrap();
            sleep(10 * BOUND).await;
            assert!(waiter.is_waiting().await && late.is_waiting().await, "{fault:?}");
            let looks = site.store.loads() - before;
            assert!((20..=400).contains(&looks), "soon, and not like mad: {looks} looks in 300 s by two");
            site.store.set(Fault::None, Fault::None);
            let now = Instant::now();
            for waiter in [waiter, late] {
                let (ended, after) = waiter.ended(now).await;
                assert_eq!(ended, EndReason::Revoked(RevocationReason::LogoutAll), "{fault:?}");
                assert!(after <= 15 * SECOND, "{fault:?}: {after:?}");
            }
        }
    });
}

#[test]
fn a_change_that_failed_wakes_too_and_ends_what_it_ended() {
    in_no_time(|| async {
        for way in ["revoke", "revoke all", "revoke others", "login", "reuse"] {
            for fault in [Fault::Error, Fault::ErrorButDone, Fault::Hang] {
                let site = Site::new();
                let (tab, sessions) = (&site.tab, site.app.jwtauth.sessions());
                let old = tab.login("alice").await;
                let alice = tab.post("/refresh", &old.cookies()).await.pair();
                assert_eq!(tab.get("/me", &alice.cookies()).await.status, 200);
                site.app.clock.advance(31 * SECOND);
                let waiter = site.wait(&alice).await;
                match (way, fault) {
                    // It stands, and what it ends follows: see N-32.
                    ("login", Fault::Hang) => continue,
                    // What it ends is ended when its answer leaves.
                    ("login", fault) => site.store.set_hand_outs(fault),
                    (_, fault) => site.store.set(Fault::None, fault),
                }
                match way {
                    "revoke" => drop(sessions.revoke(alice.session()).await.unwrap_err()),
                    "revoke all" => drop(sessions.revoke_all("alice").await.unwrap_err()),
                    "revoke others" => {
                        drop(
                            sessions
                                .revoke_others("alice", SessionId::from_bytes([7; 16]))
                                .await
                                .unwrap_err(),
                        );
                    }
                    "login" => assert_eq!(tab.login_with("bob", &alice.cookies()).await.status, 503),
                    _ => assert_eq!(tab.post("/refresh", &old.only_refresh()).await.status, 503),
                }
                if fault == Fault::ErrorButDone {
                    assert!(matches!(waiter.at_once().await, EndReason::Revoked(_)), "{way}");
                    continue;
                }
                let before = site.store.loads();
                sleep(2 * BOUND).await;
                assert!(waiter.is_waiting().await, "{way}, {fault:?}");
                let looks = site.store.loads() - before;
                assert!((5..=11).contains(&looks), "{way}, {fault:?}: {looks} looks");
                // The store does it at last, and nobody is there to say so.
                let revocation = Revocation { at: START, reason: RevocationReason::Requested };
                site.store.inner.revoke(alice.session(), revocation).await.unwrap();
                let (_, after) = waiter.ended(Instant::now()).await;
                assert!(after <= BOUND, "{way}, {fault:?}: {after:?}");
            }
        }
    });
}

/// A logout whose client went away may be made all the same, and nobody is there to tell when.
#[test]
fn a_change_that_was_given_up_is_seen_soon_after_it_was_made() {
    in_no_time(|| async {
        for (path, expected) in
            [("/logout", RevocationReason::Logout), ("/logout/all", RevocationReason::LogoutAll)]
        {
            let site = Site::new();
            let alice = site.tab.login("alice").await;
            let waiter = site.wait(&alice).await;
            site.store.set(Fault::None, Fault::Late);
            let cookies = alice.cookies();
            assert!(timeout(LATE / 2, site.tab.post(path, &cookies)).await.is_err());
            assert!(waiter.is_waiting().await);
            let (ended, after) = waiter.ended(Instant::now()).await;
            assert_eq!(ended, EndReason::Revoked(expected));
            assert!(after < 2 * LATE, "{path}: {after:?}");
        }
    });
}

#[test]
fn the_embedded_store_makes_a_change_that_was_given_up() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let tab = Tab::new(&app);
        let mut given_up = 0;
        for _ in 0..20 {
            let alice = tab.login("alice").await;
            let end = app.jwtauth.sessions().end_of(alice.session());
            let mut wait = pin!(end.wait());
            assert!(poll!(&mut wait).is_pending());
            {
                let cookies = alice.cookies();
                // Seldom the disk is faster than this.
                given_up += usize::from(poll!(pin!(tab.post("/logout", &cookies))).is_pending());
            }
            let ended = timeout(10 * SECOND, wait).await.expect("sooner than in 30 s");
            assert_eq!(ended, EndReason::Revoked(RevocationReason::Logout));
        }
        assert!(given_up > 0);
    });
}

/// A look that began before the end and came back after it found nothing; the wake-up in between counts.
#[test]
fn an_end_during_a_look_is_seen_with_the_next_one() {
    in_no_time(|| async {
        let site = Site::new();
        let alice = site.tab.login("alice").await;
        site.store.set(Fault::Slow, Fault::None);
        let waiter = site.wait(&alice).await;
        // The first look learns the subject, the second is under way.
        sleep(LATE + LATE / 2).await;
        site.app.jwtauth.sessions().revoke_all("alice").await.unwrap();
        let (ended, after) = waiter.ended(Instant::now()).await;
        assert_eq!(ended, EndReason::Revoked(RevocationReason::LogoutAll));
        assert!(after < 2 * LATE, "{after:?}");
    });
}
