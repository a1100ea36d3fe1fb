//! A key has no more rights than it was given, and no more than its owner has at that moment.

use tests::faulty::{Fault, Faulty};

use super::*;

/// K-4: no role and no scope that the key was not given.
#[test]
fn k_4_a_key_has_the_rights_that_it_was_given() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let statuses =
            async |token: &str| (app.status("/write", token).await, app.status("/admin", token).await);
        assert_eq!(statuses(&login).await, (200, 200));
        for (roles, scopes, expected) in [
            (&[][..], &[][..], (403, 403)),
            (&[], &["read"], (403, 403)),
            (&[], &["read", "write", "write"], (200, 403)),
            (&["editor"], &[], (403, 403)),
            (&["admin"], &[], (403, 200)),
        ] {
            let key = app.make(&login, json!({ "name": "ci", "roles": roles, "scopes": scopes })).await;
            assert_eq!(statuses(&key.secret).await, expected, "{roles:?} {scopes:?}");
        }
    });
}

/// K-4: what the owner loses the key loses with the next request, in each store.
#[test]
fn k_4_a_key_loses_what_its_owner_loses() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key =
            app.make(&login, json!({ "name": "ci", "roles": ["admin"], "scopes": ["read", "write"] })).await;
        let statuses =
            async |token: &str| (app.status("/write", token).await, app.status("/admin", token).await);
        for (roles, scopes, expected) in [
            (&["admin", "editor"][..], &["read", "write"][..], (200, 200)),
            (&["admin"], &["read"], (403, 200)),
            (&["editor"], &["write"], (200, 403)),
            (&[], &[], (403, 403)),
            (&["admin"], &["write", "more"], (200, 200)),
        ] {
            assert_eq!(app.jwtauth.sessions().update_user(&Owner::with(roles, scopes)).await.unwrap(), 2);
            assert_eq!(statuses(&key.secret).await, expected, "{roles:?} {scopes:?}");
        }
        let keys = app.jwtauth.sessions().api_keys("olga").await.unwrap();
        assert_eq!(keys[0].scopes, ["write"], "not more than it was given");
    });
}

/// K-4: a key for a user who is not calling, as an operator makes it.
#[test]
fn k_4_an_operator_makes_a_key_within_the_rights_of_its_user() {
    bounded(async {
        let app = Keyed::new();
        let sessions = app.jwtauth.sessions();
        let made = sessions
            .create_api_key(&Owner::default(), ApiKeyRequest::new("ci").scope("write"))
            .await
            .unwrap();
        assert_eq!(app.status("/write", made.secret()).await, 200);
        assert_eq!(app.status("/admin", made.secret()).await, 403);
        let refused = sessions.create_api_key(&Owner::default(), ApiKeyRequest::new("ci").role("root")).await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            r#"a key has no more than its owner: you do not have the role "root""#
        );
    });
}

/// K-4: what the application says of its users counts too, as soon as it is asked.
#[test]
fn k_4_the_application_can_take_rights_from_a_key() {
    use std::sync::{Arc, Mutex};

    bounded(async {
        let user = Arc::new(Mutex::new(Owner::default()));
        let table = Arc::clone(&user);
        let app = Keyed::with(TestStore::new(), move |builder| {
            builder.api_keys(ApiKeyConfig::default()).before_refresh(move |_: Identity| {
                let user = table.lock().unwrap().clone();
                async move { Ok(Some(user)) }
            })
        });
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci", "roles": ["admin"], "scopes": ["write"] })).await;
        let statuses =
            async || (app.status("/write", &key.secret).await, app.status("/admin", &key.secret).await);
        assert_eq!(statuses().await, (200, 200));
        *user.lock().unwrap() = Owner::with(&["editor"], &["write", "more"]);
        app.clock.set(START + 299);
        assert_eq!(statuses().await, (200, 200), "as long as an access token is good");
        app.clock.set(START + 300);
        for _ in 0..3 {
            assert_eq!(statuses().await, (200, 403));
        }
        *user.lock().unwrap() = Owner::default();
        app.clock.set(START + 600);
        assert_eq!(statuses().await, (200, 200), "the key was not changed for good");
    });
}

/// K-4: a user who changes while a key is being written. Without a second look the key would have the older copy until
/// the next change.
#[test]
fn k_4_no_key_has_an_older_copy_of_its_user() {
    bounded(async {
        let store = Faulty::default();
        let app = Keyed::with(store.clone(), |builder| builder.api_keys(ApiKeyConfig::default()));
        let login = app.login().await;
        // The key is written a second after that was asked for.
        store.set(Fault::None, Fault::Late);
        let making = app.ask(&login, json!({ "name": "ci" }));
        let changing = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            store.set(Fault::None, Fault::None);
            let changed = Owner { scopes: Vec::new(), ..Owner::default() };
            assert_eq!(app.jwtauth.sessions().update_user(&changed).await.unwrap(), 1);
        };
        let ((status, body), ()) = tokio::join!(making, changing);
        assert_eq!((status, &body["code"]), (401, &json!("token_not_valid")));
        while !app.jwtauth.sessions().api_keys("olga").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}
