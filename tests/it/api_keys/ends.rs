//! How a key ends: by its owner, with its owner, and by the clock.

use super::*;

/// K-6: "log out everywhere" ends keys too, so nobody keeps a way in. To end the other logins leaves them.
#[test]
fn k_6_log_out_everywhere_ends_keys() {
    bounded(async {
        let app = Keyed::new();
        let (login, other) = (app.login().await, app.login().await);
        let key = app.make(&login, json!({ "name": "ci" })).await;
        assert_eq!(app.status("/who", &key.secret).await, 200);
        let (status, body) = app.send(Method::DELETE, "/auth/sessions", &login, None).await;
        assert_eq!((status, &*body), (200, r#"{"revoked":1}"#));
        assert_eq!(app.status("/who", &other).await, 401);
        assert_eq!(app.status("/who", &key.secret).await, 200, "the owner stays, and so does the key");
        let (status, body) = app.send(Method::POST, "/auth/logout_all", &login, None).await;
        assert_eq!((status, &*body), (200, r#"{"revoked":2}"#));
        assert_eq!(app.status("/who", &key.secret).await, 401);
    });
}

/// K-6: a logout, and the end of the login that has made it, leave a key alone.
#[test]
fn k_6_a_logout_leaves_a_key_alone() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci" })).await;
        assert_eq!(app.send(Method::POST, "/auth/logout", &login, None).await.0, 204);
        app.clock.advance(100 * DAY);
        assert_eq!(app.status("/who", &key.secret).await, 200);
        let by_id = app.login().await;
        let path = format!("/auth/sessions/{}", key.id);
        assert_eq!(app.send(Method::DELETE, &path, &by_id, None).await.0, 204);
        assert_eq!(app.status("/who", &key.secret).await, 401);
    });
}

/// K-6: each key has an end.
#[test]
fn k_6_a_key_expires() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let short = app.make(&login, json!({ "name": "ci", "days": 1 })).await;
        let long = app.make(&login, json!({ "name": "ci" })).await;
        let second = Duration::from_secs(1);
        app.clock.advance(DAY - second);
        assert_eq!(app.status("/who", &short.secret).await, 200);
        app.clock.advance(second);
        let (status, body) = app.get("/who", &short.secret).await;
        assert_eq!((status, &*code(&body)), (401, "token_expired"));
        app.clock.advance(365 * DAY - second);
        assert_eq!(app.status("/who", &long.secret).await, 200);
        app.clock.advance(second);
        assert_eq!(app.status("/who", &long.secret).await, 401, "nobody said for how long: the longest");
        // A database sweeps no record that is being written: that of the last use.
        app.jwtauth.sessions().flush().await.unwrap();
        tests::sweep(app.jwtauth.sessions()).await;
        let (status, body) = app.get("/who", &long.secret).await;
        assert_eq!((status, &*code(&body)), (401, "token_not_valid"), "nothing is left of it");
    });
}

/// K-6: the application is asked whether the owner is there as often as for a login.
#[test]
fn k_6_a_key_is_refused_when_its_owner_is_gone() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    bounded(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let gone_after = 3;
        let counted = Arc::clone(&asked);
        let app = Keyed::with(TestStore::new(), move |builder| {
            builder.api_keys(ApiKeyConfig::default()).before_refresh(move |_: Identity| {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                async move { Ok((number < gone_after).then(Owner::default)) }
            })
        });
        let key = app.make(&app.login().await, json!({ "name": "ci" })).await;
        for (later, status, expected) in
            [(0, 200, 1), (299, 200, 1), (300, 200, 2), (599, 200, 2), (600, 401, 3), (601, 401, 4)]
        {
            app.clock.set(START + later);
            for _ in 0..3 {
                let (got, body) = app.get("/who", &key.secret).await;
                assert_eq!(got, status, "after {later} s: {body}");
                if status == 401 {
                    assert_eq!(code(&body), "user_not_found");
                    break;
                }
            }
            assert_eq!(asked.load(Ordering::SeqCst), expected, "after {later} s");
        }
    });
}

/// K-6: a key that is made while everything ends is not handed out, or has ended too.
#[test]
fn k_6_no_key_slips_past_log_out_everywhere() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = jwtauth::SledStore::open(directory.path()).await.unwrap();
        let app = Keyed::with(store, |builder| builder.api_keys(ApiKeyConfig::default().max_keys(1_000)));
        let sessions = app.jwtauth.sessions();
        let mut made = 0;
        for round in 0..40 {
            let login = app.login().await;
            let asked = (0..4).map(|number| app.ask(&login, json!({ "name": number.to_string() })));
            let ended = async {
                for _ in 0..round {
                    tokio::task::yield_now().await;
                }
                sessions.revoke_all("olga").await.unwrap()
            };
            let (answers, _) = tokio::join!(futures_util::future::join_all(asked), ended);
            made += answers.iter().filter(|(status, _)| *status == 200).count();
            assert_eq!(sessions.api_keys("olga").await.unwrap().len(), 0, "round {round}");
            for (status, key) in answers.iter().filter(|(status, _)| *status == 200) {
                let secret = key["secret"].as_str().unwrap();
                assert_eq!(app.status("/who", secret).await, 401, "{status}");
            }
        }
        assert!(made < 160, "some were refused: {made}");
    });
}
