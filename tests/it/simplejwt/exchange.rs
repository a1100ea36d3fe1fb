//! A refresh token of Django's is exchanged once for one of our sessions, whatever races with that.

use std::sync::Arc;
use std::time::Duration;

use jwtauth::SledStore;
use poem::http::Method;
use serde_json::json;
use tests::app::{START, TestApp};
use tests::faulty::{Fault, Faulty, LATE};
use tests::tab::{Cookies, Tab};
use tests::test_store::TestStore;
use tests::wire::claims;
use tests::{bounded, in_no_time};

use super::{Site, access, compatible, refresh, text};

#[test]
fn a_refresh_token_of_django_is_spent_once_for_a_pair_of_ours() {
    bounded(async {
        let site = Site::new();
        let token = refresh("7", "r1");
        let (status, pair) = site.refresh(&token).await;
        assert_eq!(status, 200, "{pair}");
        let ours = text(&pair["access"]);
        assert_eq!(site.who(&ours).await, (200, "7".into()));
        let sessions = site.app.jwtauth.sessions();
        let [session] = &sessions.list("7").await.unwrap()[..] else { panic!("one session") };
        assert!(session.user.is_none() && session.roles.is_empty() && session.auth_time == 0);
        assert_eq!((session.generation, session.created_at, session.expires_at), (1, START, START + 86_400));
        assert_eq!(
            site.refresh(&token).await.1["refresh"],
            pair["refresh"],
            "the same inside the grace window"
        );
        let (status, next) = site.refresh(&text(&pair["refresh"])).await;
        assert_eq!(status, 200, "ours goes on: {next}");
        assert_eq!(claims(&text(&next["refresh"]))["gen"], 2);
        site.app.clock.advance(Duration::from_secs(31));
        assert_eq!(site.who(&ours).await.0, 200);
        assert_eq!(site.refresh(&token).await.0, 401, "reuse");
        assert_eq!(site.who(&ours).await.0, 401, "which ends the session");
        assert_eq!(site.refresh(&text(&next["refresh"])).await.0, 401);
    });
}

/// The pair that Django gives out, in our cookies: what they have in common is their user.
#[test]
fn a_pair_of_django_in_cookies_is_refreshed_in_silence() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), compatible);
        let (site, tab) = (Site::of(app), |app: &TestApp| Tab::new(app));
        let tab = tab(&site.app);
        let (access, refresh) = (access("7", "a1"), refresh("7", "r1"));
        let cookies = |access: &str, refresh: &str| tests::tab::cookies(Some(access), Some(refresh));
        assert_eq!(tab.get("/identity", &cookies(&access, &refresh)).await.body, "7");
        let other = super::refresh("8", "r2");
        assert_eq!(tab.get("/identity", &cookies(&access, &other)).await.body, "nobody", "two users");
        site.app.clock.advance(Duration::from_secs(301));
        assert_eq!(tab.get("/identity", &cookies(&access, &other)).await.body, "nobody", "two users");
        let renewed = tab.get("/identity", &cookies(&access, &refresh)).await;
        assert_eq!(renewed.body, "7");
        let pair = renewed.pair();
        assert_eq!(tab.get("/identity", &pair.cookies()).await.body, "7");
        // An unspent one may not be mixed with one of our sessions, whoever's it is.
        let unspent = super::refresh("7", "r3");
        assert_eq!(tab.get("/identity", &cookies(&pair.access, &unspent)).await.body, "nobody");
        assert_eq!(tab.get("/identity", &tests::tab::cookies(None, Some(&unspent))).await.body, "7");
    });
}

/// N-4: two access tokens in the cookies, of Django or one of ours. What they have in common is their user: they count if all that
/// are good are of one user, and then nobody is asked which came first.
#[test]
fn n_4_two_tokens_of_django_count_if_they_are_of_one_user() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), compatible);
        let site = Site::of(app);
        let tab = Tab::new(&site.app);
        let of = |user: &str, jti: &str| access(user, jti);
        let (revoked, other) = (of("7", "a1"), of("8", "a2"));
        for token in [&revoked, &other] {
            site.app.jwtauth.sessions().revoke_jwt(token).await.unwrap();
        }
        let (ours, _) = site.obtain("7").await;
        for (row, one, other, answer) in [
            ("one user", of("7", "a3"), of("7", "a4"), (200, "7")),
            ("two users", of("7", "a3"), of("8", "a5"), (401, "")),
            ("one is revoked", revoked.clone(), of("8", "a5"), (200, "8")),
            ("both are revoked", revoked.clone(), other.clone(), (200, "nobody")),
            ("one is ours", ours.clone(), of("7", "a3"), (200, "7")),
            ("one is ours, of another user", ours.clone(), of("8", "a5"), (401, "")),
            ("one is ours, the other is revoked", ours.clone(), other.clone(), (200, "7")),
        ] {
            for (first, second) in [(&one, &other), (&other, &one)] {
                let sent = format!("__Host-access_token={first}; __Host-access_token={second}");
                let told = tab.get("/identity", &sent).await;
                assert_eq!(told.status, answer.0, "{row}: {}", told.body);
                if answer.0 == 200 {
                    assert_eq!(told.body, answer.1, "{row}");
                }
                if answer.1 == "nobody" || answer.0 == 401 {
                    assert_eq!(told.cookies(), Cookies::None, "{row}: no session is over");
                }
            }
        }
    });
}

#[test]
fn many_who_bring_one_refresh_token_get_one_successor() {
    bounded(async {
        let site = Arc::new(Site::new());
        let token = refresh("7", "r1");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (site, token) = (Arc::clone(&site), token.clone());
            tasks.spawn(async move { site.refresh(&token).await });
        }
        let answers = tasks.join_all().await;
        for (status, pair) in &answers {
            assert_eq!((*status, &pair["refresh"]), (200, &answers[0].1["refresh"]));
        }
        assert_eq!(site.app.jwtauth.sessions().list("7").await.unwrap().len(), 1);
    });
}

#[test]
fn s_12_sessions_of_django_are_capped_with_ours() {
    bounded(async {
        let site = Site::with(TestStore::new(), |builder| builder.max_sessions(2));
        let mut exchanged = Vec::new();
        for jti in ["r1", "r2"] {
            exchanged.push(text(&site.refresh(&refresh("7", jti)).await.1["access"]));
            site.app.clock.advance(Duration::from_secs(1));
        }
        site.obtain("7").await;
        assert_eq!((site.who(&exchanged[0]).await.0, site.who(&exchanged[1]).await.0), (401, 200));
        site.app.clock.advance(Duration::from_secs(1));
        let (_, pair) = site.refresh(&refresh("7", "r3")).await;
        assert_eq!(site.who(&exchanged[1]).await.0, 401, "the idle one");
        assert_eq!(site.who(&access("7", "a1")).await.0, 200, "an access token needs no room");
        let sessions = site.app.jwtauth.sessions();
        let list = sessions.list("7").await.unwrap();
        assert_eq!(list.len(), 2);
        assert!(sessions.revoke(list[0].id).await.unwrap(), "the newest is revoked from the list");
        assert_eq!(site.who(&text(&pair["access"])).await.0, 401);
        assert_eq!(site.refresh(&refresh("7", "r3")).await.0, 401);
    });
}

/// S-8: a refresh token that was exchanged before is revoked with the session that was opened for it.
#[test]
fn s_8_a_revoked_refresh_token_takes_the_session_along_that_it_was_exchanged_for() {
    bounded(async {
        let site = Site::new();
        let tab = Tab::new(&site.app);
        for way in ["revoke", "expire", "service", "logout", "login"] {
            let token = refresh("7", way);
            let (status, pair) = site.refresh(&token).await;
            assert_eq!(status, 200, "{pair}");
            let ours = text(&pair["access"]);
            assert_eq!(site.post("/auth/verify", json!({"token": token})).await.0, 401, "{way}: it is spent");
            assert_eq!(site.service("/auth/oauth/introspect", &token).await.1, json!({"active": false}));
            assert_eq!(site.who(&ours).await.0, 200, "{way}: which ends nothing");
            let cookies = tests::tab::cookies(None, Some(&token));
            let status = match way {
                "revoke" => site.post("/auth/revoke", json!({"refresh": token})).await.0,
                "expire" => site.post("/auth/expire", json!({"token": token})).await.0,
                "service" => site.service("/auth/oauth/revoke", &token).await.0,
                "logout" => tab.post("/logout", &cookies).await.status.as_u16(),
                _ => tab.login_with("8", &cookies).await.status.as_u16(),
            };
            assert_eq!(status, 200, "{way}");
            assert_eq!(site.who(&ours).await.0, 401, "{way}");
            assert_eq!(site.refresh(&token).await.0, 401, "{way}");
            assert_eq!(site.refresh(&text(&pair["refresh"])).await.0, 401, "{way}");
        }
    });
}

/// S-11: all but one are revoked, and that one goes on with the token that it was exchanged for, if its answer was lost.
#[test]
fn s_11_the_session_that_is_spared_may_have_come_of_a_token_of_django() {
    bounded(async {
        let site = Site::new();
        let token = refresh("7", "r1");
        let (_, pair) = site.refresh(&token).await;
        site.obtain("7").await;
        let ours = text(&pair["access"]);
        assert_eq!(site.bearer(Method::POST, "/logout/others", &ours).await, (200, "1".into()));
        assert_eq!(site.who(&ours).await.0, 200);
        assert_eq!(site.refresh(&token).await.1["refresh"], pair["refresh"], "inside the grace window");
        assert_eq!(site.refresh(&refresh("7", "r2")).await.0, 401, "another one of that age");
        assert_eq!(site.who(&ours).await.0, 200);
        site.app.clock.advance(Duration::from_secs(31));
        assert_eq!(site.refresh(&token).await.0, 401, "reuse");
        assert_eq!(site.who(&ours).await.0, 401);
    });
}

/// S-11: an exchange that is under way while all sessions are revoked leaves none behind.
#[test]
fn s_11_no_race_lets_an_exchange_outlive_the_revocation_of_all_sessions() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let site = Arc::new(Site::with(store, |builder| builder));
        for round in 0..20 {
            let user = format!("user {round}");
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..12 {
                let (site, user) = (Arc::clone(&site), user.clone());
                tasks.spawn(async move {
                    if number == 5 {
                        site.app.jwtauth.sessions().revoke_all(&user).await.unwrap();
                    } else {
                        site.refresh(&refresh(&user, &format!("{user} {}", number % 4))).await;
                    }
                });
            }
            tasks.join_all().await;
            let left = site.app.jwtauth.sessions().list(&user).await.unwrap();
            assert!(left.is_empty(), "round {round}: {left:?}");
        }
    });
}

/// S-8: whoever exchanges a token may be gone before the list was looked at again. Nobody gets a pair of the session that
/// is left behind.
#[test]
fn s_8_an_exchange_that_nobody_finished_is_found_revoked() {
    in_no_time(|| async {
        for alone in [true, false] {
            let store = Faulty::default();
            let site = Arc::new(Site::with(store.clone(), |builder| builder));
            let token = refresh("7", "r1");
            store.set(Fault::None, Fault::Late);
            let gone = tokio::spawn({
                let (site, token) = (Arc::clone(&site), token.clone());
                async move { site.refresh(&token).await }
            });
            tokio::time::sleep(LATE / 2).await;
            gone.abort();
            store.set(Fault::None, Fault::None);
            if alone {
                assert_eq!(site.post("/auth/revoke", json!({"refresh": token})).await.0, 200);
            } else {
                assert_eq!(site.app.jwtauth.sessions().revoke_all("7").await.unwrap(), 0);
            }
            tokio::time::sleep(LATE).await;
            let sessions = site.app.jwtauth.sessions();
            assert_eq!(sessions.list("7").await.unwrap().len(), 1, "it came to be all the same");
            assert_eq!(site.refresh(&token).await.0, 401);
            assert!(sessions.list("7").await.unwrap().is_empty(), "and is revoked when it is found");
        }
    });
}
