//! How Django's tokens are revoked, and that they stay so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::error::BoxError;
use jwtauth::{AuthUser, Event, Identity, RevocationReason, SledStore, Veto};
use poem::http::Method;
use serde_json::{Value, json};
use tests::app::START;
use tests::bounded;
use tests::tab::Tab;
use tests::test_store::TestStore;
use tests::wire::claims;

use super::{Site, access, access_claims, refresh, refresh_claims, signed, text, with};

/// S-8: also one that nobody had seen before, in each of the ways to end it.
#[test]
fn s_8_a_logout_ends_a_token_that_was_never_seen() {
    bounded(async {
        let site = Site::new();
        for (jti, seen) in [("a1", true), ("a2", false)] {
            let token = access("7", jti);
            if seen {
                assert_eq!(site.who(&token).await.0, 200);
            }
            for _ in 0..2 {
                assert_eq!(site.bearer(Method::POST, "/logout", &token).await.0, 200, "{jti}");
                assert_eq!(site.who(&token).await.0, 401, "{jti}");
            }
        }
        let tab = Tab::new(&site.app);
        let (one, other) = (access("7", "a3"), refresh("7", "r1"));
        let cookies = tests::tab::cookies(Some(&one), Some(&other));
        assert_eq!(tab.post("/logout", &cookies).await.status, 200);
        assert_eq!((site.who(&one).await.0, site.refresh(&other).await.0), (401, 401), "both cookies");
        let (one, other) = (access("7", "a4"), refresh("7", "r2"));
        let cookies = tests::tab::cookies(Some(&one), Some(&other));
        assert_eq!(tab.login_with("7", &cookies).await.status, 200);
        assert_eq!((site.who(&one).await.0, site.refresh(&other).await.0), (401, 401), "S-7: a new login");
        let token = refresh("7", "r3");
        assert_eq!(site.post("/auth/revoke", json!({"refresh": token})).await.0, 200);
        assert_eq!(site.post("/auth/revoke", json!({"refresh": token})).await.0, 401);
        assert_eq!(site.refresh(&token).await.0, 401, "the route `/revoke`");
        let token = refresh("7", "r4");
        assert_eq!(site.service("/auth/oauth/introspect", &token).await.1["active"], json!(true));
        assert_eq!(site.service("/auth/oauth/revoke", &token).await.0, 200);
        assert_eq!(site.service("/auth/oauth/introspect", &token).await.1, json!({"active": false}));
        assert_eq!(site.refresh(&token).await.0, 401, "another service");
        let token = access("7", "a5");
        assert_eq!(site.service("/auth/oauth/revoke", &token).await.0, 200);
        assert_eq!(site.who(&token).await.0, 401, "another service, of an access token");
        let token = refresh("7", "r5");
        assert_eq!(site.service("/auth/oauth/revoke", &token).await.0, 200);
        assert_eq!(site.refresh(&token).await.0, 401, "another service, of a token that nobody has seen");
        for (number, affect_tree) in [(6, false), (7, true)] {
            for token in [access("7", &format!("a{number}")), refresh("7", &format!("r{number}"))] {
                assert_eq!(site.post("/auth/verify", json!({"token": token})).await.0, 200);
                let expire = json!({"token": token, "affect_tree": affect_tree});
                assert_eq!(site.post("/auth/expire", expire.clone()).await.0, 200);
                assert_eq!(site.post("/auth/expire", expire).await.0, 401, "it was revoked before");
                assert_eq!(site.post("/auth/verify", json!({"token": token})).await.0, 401);
            }
            assert_eq!(site.who(&access("7", &format!("a{number}"))).await.0, 401, "the route `/expire`");
            assert_eq!(site.refresh(&refresh("7", &format!("r{number}"))).await.0, 401);
        }
        assert!(site.app.jwtauth.sessions().list("7").await.unwrap().len() == 1, "the new login alone");
    });
}

/// What another service is told of tokens of Django's: what they say, and nothing once they are revoked.
#[test]
fn n_25_introspection_answers_from_the_claims_of_a_token_of_django() {
    bounded(async {
        let site = Site::new();
        let claims = with(access_claims("7", "a1"), "roles", json!(["clerk"]));
        let token = signed(&with(claims, "scope", json!("stock:read")));
        let told = site.service("/auth/oauth/introspect", &token).await.1;
        assert_eq!(
            told,
            json!({
                "active": true, "sub": "7", "roles": ["clerk"], "scope": "stock:read", "token_type": "Bearer",
                "exp": START + 300, "iat": START, "jti": "a1",
            })
        );
        let told = site.service("/auth/oauth/introspect", &refresh("7", "r1")).await.1;
        assert_eq!(
            told,
            json!({
                "active": true, "sub": "7", "token_type": "refresh_token", "exp": START + 86_400, "iat": START,
                "jti": "r1",
            })
        );
        // J-10: one key and one `typ` for both kinds, and still nobody takes one for the other.
        let (_, own) = site.obtain("7").await;
        for token in [&own, &refresh("7", "r2")] {
            for hint in ["", "&token_type_hint=access_token"] {
                let told = site.asked("/auth/oauth/introspect", &format!("token={token}{hint}")).await.1;
                assert_eq!(told, json!({"active": false}), "{hint}");
            }
        }
        site.app.jwtauth.sessions().revoke_all("7").await.unwrap();
        assert!(site.app.jwtauth.sessions().list("7").await.unwrap().is_empty(), "nothing is opened");
        site.app.jwtauth.sessions().revoke_all("7").await.unwrap();
        for token in [&token, &refresh("7", "r1")] {
            assert_eq!(site.service("/auth/oauth/introspect", token).await.1, json!({"active": false}));
        }
    });
}

/// S-11: one call ends all sessions, also those of tokens that come for the first time afterwards.
#[test]
fn s_11_ending_all_sessions_refuses_tokens_that_nobody_has_seen() {
    bounded(async {
        let site = Site::new();
        let sessions = site.app.jwtauth.sessions();
        let issued = |user: &str, jti: &str, at: u64| {
            let claims = with(access_claims(user, jti), "iat", json!(at));
            signed(&with(claims, "exp", json!(at + 300)))
        };
        for (number, user) in ["1", "2", "3", "4"].into_iter().enumerate() {
            let before = site.now();
            let seen = issued(user, &format!("seen{number}"), before);
            assert_eq!(site.who(&seen).await.0, 200);
            let unseen = issued(user, &format!("unseen{number}"), before);
            let (own, _) = site.obtain(user).await;
            let aged = |jti: String| with(refresh_claims(user, &jti), "exp", json!(before + 80_000));
            let spent = signed(&with(aged(format!("spent{number}")), "iat", json!(before - 1)));
            let (status, exchanged) = site.refresh(&spent).await;
            assert_eq!(status, 200, "{exchanged}");
            let long = with(aged(format!("long{number}")), "iat", json!(before - 10));
            site.app.clock.advance(Duration::from_secs(5));
            match number {
                0 => assert_eq!(sessions.revoke_all(user).await.unwrap(), 2),
                1 => assert_eq!(site.bearer(Method::POST, "/logout/all", &seen).await, (200, "2".into())),
                2 => assert_eq!(sessions.update_user(&Banned(user.into())).await.unwrap(), 2),
                _ => assert_eq!(site.bearer(Method::POST, "/logout/others", &own).await, (200, "1".into())),
            }
            for (name, token) in [("seen", &seen), ("unseen", &unseen), ("ours", &text(&exchanged["access"]))]
            {
                assert_eq!(site.who(token).await.0, 401, "{name}, way {number}");
            }
            assert_eq!(site.who(&own).await.0, if number == 3 { 200 } else { 401 }, "the own, way {number}");
            assert_eq!(site.refresh(&spent).await.0, 401, "one that was exchanged, way {number}");
            assert_eq!(site.refresh(&signed(&long)).await.0, 401, "a refresh token, way {number}");
            assert_eq!(
                site.who(&issued(user, &format!("same{number}"), site.now())).await.0,
                401,
                "the same second"
            );
            let half =
                with(access_claims(user, &format!("half{number}")), "iat", json!(site.now() as f64 + 0.5));
            let half = signed(&with(half, "exp", json!(site.now() + 300)));
            site.app.clock.advance(Duration::from_secs(1));
            assert_eq!(site.who(&half).await.0, 401, "half a second later");
            let later = issued(user, &format!("later{number}"), site.now());
            assert_eq!(site.who(&later).await.0, 200, "issued later, way {number}");
        }
        assert_eq!(site.who(&issued("9", "other", site.now() - 20)).await.0, 200, "another user");
        // Our own logins and their tokens are not concerned, nor what Django makes of them.
        let (own, refresh) = site.obtain("1").await;
        assert_eq!(site.who(&own).await.0, 200);
        assert_eq!(site.refresh(&refresh).await.0, 200);
    });
}

/// A user whose login is over.
#[derive(Clone)]
struct Banned(String);

impl AuthUser for Banned {
    type Store = ();

    fn subject(&self) -> String {
        self.0.clone()
    }

    fn is_active(&self) -> bool {
        false
    }

    async fn load((): &(), _: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(None)
    }
}

/// S-11: with accounts too, in the same step as the change.
#[test]
fn s_11_an_account_that_is_disabled_takes_tokens_along_that_nobody_has_seen() {
    bounded(async {
        let config = || jwtauth::AccountsConfig::default();
        let site = Site::with(TestStore::new(), |builder| builder.accounts(config()));
        let accounts = site.app.jwtauth.accounts().unwrap();
        let account = accounts.register("alice", "correct horse battery").await.unwrap();
        let user = account.id.to_string();
        let (seen, unseen) = (access(&user, "a1"), access(&user, "a2"));
        assert_eq!(site.who(&seen).await.0, 200);
        accounts.disable(account.id).await.unwrap();
        assert_eq!((site.who(&seen).await.0, site.who(&unseen).await.0), (401, 401));
        assert_eq!(site.refresh(&refresh(&user, "r1")).await.0, 401);
        accounts.enable(account.id).await.unwrap();
        assert_eq!((site.who(&seen).await.0, site.who(&unseen).await.0), (401, 401));
        let account = accounts.register("bob", "correct horse battery").await.unwrap();
        let token = refresh(&account.id.to_string(), "r2");
        let (status, pair) = site.refresh(&token).await;
        assert_eq!(status, 200, "{pair}");
        accounts.remove(account.id).await.unwrap();
        assert_eq!(site.who(&text(&pair["access"])).await.0, 401, "removed");
        assert_eq!(site.refresh(&token).await.0, 401, "removed");
        assert_eq!(site.who(&access(&account.id.to_string(), "a3")).await.0, 401, "removed");
    });
}

/// Simplejwt's defect 24: what was ended comes back. Many first sights of one token, and a logout among them.
#[test]
fn defect_24_no_race_brings_an_ended_token_back() {
    bounded(async {
        // On disk, so that all have looked before the first has written.
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let site = Arc::new(Site::with(store, |builder| builder.max_sessions(1_000)));
        for round in 0..20 {
            let token = access("7", &format!("a{round}"));
            let spent = refresh("7", &format!("r{round}"));
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..12 {
                let (site, token, spent) = (Arc::clone(&site), token.clone(), spent.clone());
                tasks.spawn(async move {
                    match number {
                        5 => drop(site.bearer(Method::POST, "/logout", &token).await),
                        6 => drop(site.post("/auth/revoke", json!({"refresh": spent})).await),
                        7..=9 => return Some(site.refresh(&spent).await),
                        _ => drop(site.who(&token).await),
                    }
                    None
                });
            }
            let answers = tasks.join_all().await;
            assert_eq!(site.who(&token).await.0, 401, "round {round}");
            assert_eq!(site.refresh(&spent).await.0, 401, "round {round}");
            for (status, pair) in answers.into_iter().flatten().filter(|(status, _)| *status == 200) {
                let ours = text(&pair["access"]);
                assert_eq!(site.who(&ours).await.0, 401, "round {round}: of {status}, before the revocation");
            }
        }
    });
}

/// Sessions that are over are forgotten beyond `max_sessions`; tokens that may still be good are not.
#[test]
fn no_ended_token_comes_back_however_many_there_are() {
    bounded(async {
        let site = Site::with(TestStore::new(), |builder| builder.max_sessions(2));
        let sessions = site.app.jwtauth.sessions();
        let tokens: Vec<_> = (0..400).map(|number| access("7", &format!("a{number}"))).collect();
        for token in &tokens {
            assert_eq!(site.bearer(Method::POST, "/logout", token).await.0, 200);
        }
        for _ in 0..10 {
            site.obtain("7").await;
        }
        tests::sweep(sessions).await;
        for (number, token) in tokens.iter().enumerate() {
            assert_eq!(site.who(token).await.0, 401, "token {number}");
        }
        assert_eq!(sessions.list("7").await.unwrap().len(), 2);
    });
}

/// S-8: what was revoked is remembered for as long as the token lives, however many others were revoked and forgotten.
#[test]
fn s_8_a_logout_counts_for_longer_than_what_was_forgotten() {
    bounded(async {
        let site = Site::with(TestStore::new(), |builder| builder.max_sessions(2));
        let mut older = refresh_claims("7", "r1");
        older["iat"] = json!(START - 10);
        let older = signed(&with(older, "exp", json!(START + 86_390)));
        let tab = Tab::new(&site.app);
        for number in 0..300 {
            let token = access("7", &format!("a{number}"));
            assert_eq!(site.bearer(Method::POST, "/logout", &token).await.0, 200);
        }
        let cookies = tests::tab::cookies(None, Some(&older));
        assert_eq!(tab.post("/logout", &cookies).await.status, 200);
        assert_eq!(site.refresh(&older).await.0, 401);
        site.app.clock.advance(Duration::from_secs(301));
        tests::sweep(site.app.jwtauth.sessions()).await;
        assert_eq!(site.refresh(&older).await.0, 401, "the logout was answered");
    });
}

/// S-7: a login takes the place of what its browser had, once it is one.
#[test]
fn s_7_a_login_that_is_refused_ends_no_token() {
    bounded(async {
        let site = Site::with(TestStore::new(), |builder| {
            builder.before_login(|session| async move {
                if session.subject == "666" { Err(Veto::new("banned")) } else { Ok(()) }
            })
        });
        let tab = Tab::new(&site.app);
        for (jti, seen) in [("a1", true), ("a2", false)] {
            let (one, other) = (access("7", jti), refresh("7", jti));
            if seen {
                assert_eq!(site.who(&one).await.0, 200);
            }
            let cookies = tests::tab::cookies(Some(&one), Some(&other));
            assert_eq!(tab.login_with("666", &cookies).await.status, 403);
            assert_eq!((site.who(&one).await.0, site.refresh(&other).await.0), (200, 200), "{jti}");
        }
    });
}

#[test]
fn r_12_hooks_hear_of_a_token_of_django_once_and_may_refuse_it() {
    bounded(async {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (hears, hears_who) = (Arc::clone(&heard), Arc::clone(&heard));
        let site = Site::with(TestStore::new(), |builder| {
            builder
                .on_event(move |event: Event| {
                    let right = match &event {
                        Event::Exchanged { session } => session.subject == "7" && session.generation == 1,
                        Event::SessionRevoked { reason, .. } => *reason == RevocationReason::Requested,
                        _ => true,
                    };
                    hears.lock().unwrap().push((event.name(), right));
                    std::future::ready(())
                })
                .on_authenticated(move |who| {
                    hears_who.lock().unwrap().push(("who", who.session().is_none()));
                    std::future::ready(())
                })
                .before_login(|session| async move {
                    if session.subject == "666" { Err(Veto::new("banned")) } else { Ok(()) }
                })
        });
        let take = || std::mem::take(&mut *heard.lock().unwrap());
        let token = access("7", "a1");
        for _ in 0..2 {
            assert_eq!(site.who(&token).await.0, 200);
        }
        assert_eq!(take(), [("who", true), ("who", true)], "it opens nothing");
        for token in [&token, &token, &access("7", "a2")] {
            site.bearer(Method::POST, "/logout", token).await;
        }
        assert_eq!(take(), [("token_revoked", true), ("token_revoked", true)], "each once, seen or not");
        let (_, pair) = site.refresh(&refresh("7", "r1")).await;
        site.refresh(&refresh("7", "r1")).await;
        assert_eq!(take(), [("exchanged", true)]);
        assert_eq!(claims(&text(&pair["access"]))["auth_time"], Value::from(0));
        for token in [refresh("7", "r1"), refresh("7", "r2")] {
            assert_eq!(site.post("/auth/revoke", json!({"refresh": token})).await.0, 200);
        }
        assert_eq!(take(), [("session_revoked", true), ("token_revoked", true)]);
        // Nobody is asked where nothing is opened.
        assert_eq!(site.who(&access("666", "a3")).await.0, 200);
        for _ in 0..2 {
            assert_eq!(site.refresh(&refresh("666", "r3")).await.0, 403);
        }
        assert_eq!(site.bearer(Method::POST, "/logout", &access("666", "a3")).await.0, 200);
        assert_eq!(site.who(&access("666", "a3")).await.0, 401);
        // Nobody is let in to have a token revoked.
        assert_eq!(site.service("/auth/oauth/revoke", &refresh("666", "r4")).await.0, 200);
        assert_eq!(
            site.refresh(&refresh("666", "r4")).await.0,
            401,
            "it is over, whatever the hooks say later"
        );
        assert_eq!(site.now(), START);
    });
}
