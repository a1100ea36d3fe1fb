//! The list of keys, when each was used last, and how many a user may have (K-5).

use jwtauth::error::ApiKeyError;

use super::*;

/// K-5: a list has each key with its name and its last use, which is written once a minute.
#[test]
fn k_5_the_last_use_is_noted_once_a_minute() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci" })).await;
        let last_use = async || {
            let (status, body) = app.get("/auth/sessions", &app.login().await).await;
            assert_eq!(status, 200, "{body}");
            let sessions: Vec<Value> = serde_json::from_str(&body).unwrap();
            let session = sessions.into_iter().find(|session| session["id"] == key.id).unwrap();
            (session["last_used_at"].as_u64(), session["summary"].as_str().unwrap().to_owned())
        };
        assert_eq!(last_use().await, (None, "API key ci, never used".into()));
        for (later, noted) in [(10, 10), (30, 10), (69, 10), (70, 70), (71, 70)] {
            app.clock.set(START + later);
            assert_eq!(app.status("/who", &key.secret).await, 200);
            // Nobody waits until it is noted.
            app.jwtauth.sessions().flush().await.unwrap();
            assert_eq!(last_use().await.0, Some(START + noted), "after {later} s");
        }
        assert_eq!(last_use().await.1, "API key ci, last used just now");
    });
}

/// K-5: neither crowds the other out, and there is a bound for keys too.
#[test]
fn k_5_keys_and_logins_are_counted_apart() {
    bounded(async {
        let app = Keyed::with(TestStore::new(), |builder| {
            builder.api_keys(ApiKeyConfig::default().max_keys(3)).max_sessions(2)
        });
        let login = app.login().await;
        let mut keys = Vec::new();
        for number in 0..3 {
            keys.push(app.make(&login, json!({ "name": format!("key {number}") })).await);
        }
        let (status, body) = app.ask(&login, json!({ "name": "one more" })).await;
        assert_eq!((status, &body["code"]), (409, &json!("too_many_api_keys")));
        assert_eq!(app.status("/who", &login).await, 200, "keys have thrown no login out");
        for later in 1..=2 {
            app.clock.set(START + later);
            app.login().await;
        }
        assert_eq!(app.status("/who", &login).await, 401, "logins throw each other out");
        for key in &keys {
            assert_eq!(app.status("/who", &key.secret).await, 200);
        }
        let login = app.login().await;
        app.send(Method::DELETE, &format!("/keys/{}", keys[0].id), &login, None).await;
        app.make(&login, json!({ "name": "one more" })).await;
    });
}

/// K-5: whoever makes and revokes keys all day does not fill the store.
#[test]
fn k_5_keys_that_are_over_are_forgotten() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let sled = jwtauth::SledStore::open(directory.path()).await.unwrap();
        let app = Keyed::with(sled.clone(), |builder| builder.api_keys(ApiKeyConfig::default().max_keys(3)));
        let login = app.login().await;
        for _ in 0..20 {
            let key = app.make(&login, json!({ "name": "ci" })).await;
            app.send(Method::DELETE, &format!("/keys/{}", key.id), &login, None).await;
        }
        let kept = sled.sessions_of("olga".into()).await.unwrap();
        assert!(kept.len() <= 1 + 3 + 1, "{} records", kept.len());
        assert_eq!(app.status("/who", &login).await, 200);
        app.clock.advance(DAY + Duration::from_secs(1));
        tests::sweep(app.jwtauth.sessions()).await;
        assert_eq!(
            sled.sessions_of("olga".into()).await.unwrap().len(),
            0,
            "nothing of them stays for a year"
        );
    });
}

/// K-5: however many are asked for at the same time.
#[test]
fn k_5_the_bound_holds_in_a_race() {
    bounded(async {
        let app =
            Keyed::with(TestStore::new(), |builder| builder.api_keys(ApiKeyConfig::default().max_keys(4)));
        let login = app.login().await;
        let asked = (0..32).map(|number| app.ask(&login, json!({ "name": number.to_string() })));
        let answers = futures_util::future::join_all(asked).await;
        let made = answers.iter().filter(|(status, _)| *status == 200).count();
        assert!(made <= 4, "{made} made");
        // Those that were too many are revoked after their answer.
        let kept = async || app.jwtauth.sessions().api_keys("olga").await.unwrap().len();
        while kept().await > made {
            tokio::task::yield_now().await;
        }
        assert_eq!(kept().await, made);
    });
}

/// K-5, K-3: a key lives for a second at least and as long as is set at most. Nobody has logged in with it.
#[test]
fn k_5_the_time_of_a_key_has_bounds() {
    bounded(async {
        let app =
            Keyed::with(TestStore::new(), |builder| builder.api_keys(ApiKeyConfig::default().max_ttl(DAY)));
        let owner = Owner::with(&[], &[]);
        let second = Duration::from_secs(1);
        for (ttl, is_allowed) in [
            (second, true),
            (second - Duration::from_nanos(1), false),
            (Duration::ZERO, false),
            (DAY, true),
            (DAY + second, false),
        ] {
            let request = ApiKeyRequest::new("ci").ttl(ttl);
            match app.jwtauth.sessions().create_api_key(&owner, request).await {
                Ok(key) if is_allowed => {
                    assert_eq!(key.session().expires_at, START + ttl.as_secs());
                    assert_eq!(key.session().auth_time, 0);
                }
                Err(ApiKeyError::Ttl { max: 86_400 }) if !is_allowed => {}
                other => panic!("{ttl:?}: {other:?}"),
            }
        }
    });
}
