//! What the store has of Django's tokens: through restarts, and when it fails.

use jwtauth::SledStore;
use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest};
use poem::http::Method;
use serde_json::json;
use tests::bounded;
use tests::faulty::{Fault, Faulty};

use super::{Site, access, access_claims, refresh, signed, text, with};

/// what was ended is ended after a restart, seen or not.
#[test]
fn r_1_a_restart_brings_no_ended_token_back() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let (seen, unseen) = (access("7", "a1"), access("7", "a2"));
        let (live, barred) = (access("8", "a3"), access("9", "a4"));
        let spent = refresh("8", "r1");
        let pair = {
            let site = Site::with(SledStore::open(&path).await.unwrap(), |builder| builder);
            assert_eq!((site.who(&seen).await.0, site.who(&live).await.0), (200, 200));
            for token in [&seen, &unseen] {
                assert_eq!(site.bearer(Method::POST, "/logout", token).await.0, 200);
            }
            assert_eq!(site.app.jwtauth.sessions().revoke_all("9").await.unwrap(), 0);
            site.refresh(&spent).await.1
        };
        let site = Site::with(SledStore::open(&path).await.unwrap(), |builder| builder);
        for (name, token) in
            [("seen", &seen), ("unseen", &unseen), ("of a user whose sessions ended", &barred)]
        {
            assert_eq!(site.who(token).await.0, 401, "{name}");
        }
        assert_eq!(site.who(&live).await, (200, "8".into()));
        assert_eq!(site.refresh(&spent).await.1["refresh"], pair["refresh"], "inside the grace window");
        assert_eq!(site.who(&text(&pair["access"])).await.0, 200);
        site.app.clock.advance(std::time::Duration::from_secs(31));
        assert_eq!(site.refresh(&spent).await.0, 401, "reuse");
        assert_eq!(site.refresh(&text(&pair["refresh"])).await.0, 401);
    });
}

/// O-6: with the program, an operator ends the tokens of Django's too, while the server runs.
#[test]
fn o_6_the_program_ends_tokens_of_another_service() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let site = Site::with(SledStore::open(&path).await.unwrap(), |builder| builder);
        let (ended, other) = (access("7", "a1"), access("8", "a2"));
        assert_eq!((site.who(&ended).await.0, site.who(&other).await.0), (200, 200));
        let server = Operator::connect(&path).await.unwrap().expect("it listens");
        let answered = server.ask(OperatorRequest::RevokeAllOf { user: "7".into() }).await.unwrap();
        assert!(matches!(answered, OperatorAnswer::Revoked { count: 0 }), "{answered:?}");
        assert_eq!((site.who(&ended).await.0, site.who(&other).await.0), (401, 200));
    });
}

/// J-19: an id is its bytes. None is taken for another that looks like it, is a part of it, or is the end of it.
#[test]
fn j_19_users_whose_ids_are_alike_are_told_apart_on_disk() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let long = "x".repeat(255);
        let users =
            ["0", "7", "007", " 7", "7\0", "7\0\0", "\r\n7", "\u{e9}", "e\u{301}", "../../x", "x", &long[..]];
        {
            let site = Site::with(SledStore::open(&path).await.unwrap(), |builder| builder);
            // A refresh token may have the `jti` of an access token.
            for (number, user) in users.into_iter().enumerate() {
                let jti = format!("a{number}");
                assert_eq!(site.who(&access(user, &jti)).await, (200, user.into()), "{user:?}");
                assert_eq!(site.refresh(&refresh(user, &jti)).await.0, 200, "{user:?}");
            }
            for (number, user) in users.into_iter().enumerate() {
                let ended = site.app.jwtauth.sessions().revoke_all(user).await.unwrap();
                assert_eq!(ended, 1, "{user:?}: the session that was exchanged");
                for (other, name) in users.into_iter().enumerate() {
                    let want = if other <= number { 401 } else { 200 };
                    assert_eq!(
                        site.who(&access(name, &format!("a{other}"))).await.0,
                        want,
                        "{user:?}, {name:?}"
                    );
                }
            }
            assert_eq!(site.who(&signed(&access_claims(7, "a"))).await.0, 401, "7 the number is 7 the text");
            assert_eq!(
                site.refresh(&refresh("8", "a1")).await.0,
                401,
                "the `jti` of a token of somebody else"
            );
            assert_eq!(site.refresh(&refresh("8", "b")).await.0, 200);
        }
        let site = Site::with(SledStore::open(&path).await.unwrap(), |builder| builder);
        for user in users {
            assert_eq!(
                site.who(&access(user, &format!("new {user}"))).await.0,
                401,
                "{user:?} after a restart"
            );
        }
    });
}

/// a token of which nobody can tell whether it was revoked lets nobody in, and a logout that was not kept says so.
#[test]
fn r_5_a_store_that_fails_lets_no_new_token_in() {
    bounded(async {
        let store = Faulty::default();
        let site = Site::with(store.clone(), |builder| builder);
        let token = access("7", "a1");
        for (reads, changes) in [(Fault::Error, Fault::None), (Fault::None, Fault::Error)] {
            store.set(reads, changes);
            assert_eq!(site.who(&token).await.0, if reads == Fault::Error { 503 } else { 200 });
            assert_eq!(site.refresh(&refresh("7", "r1")).await.0, 503);
            assert_eq!(site.bearer(Method::POST, "/logout", &token).await.0, 503);
            assert_eq!(site.post("/auth/revoke", json!({"refresh": refresh("7", "r1")})).await.0, 503);
            assert_eq!(site.service("/auth/oauth/revoke", &refresh("7", "r1")).await.0, 503);
        }
        store.set(Fault::None, Fault::ErrorButDone);
        assert_eq!(site.bearer(Method::POST, "/logout", &token).await.0, 503);
        assert_eq!(site.refresh(&refresh("7", "r2")).await.0, 503);
        store.set(Fault::None, Fault::None);
        assert_eq!(site.who(&token).await.0, 401, "it happened all the same");
        assert_eq!(site.who(&access("7", "a2")).await.0, 200);
        let (status, pair) = site.refresh(&refresh("7", "r2")).await;
        assert_eq!(status, 200, "so did the exchange, and its answer is given again: {pair}");
        assert_eq!(site.app.jwtauth.sessions().list("7").await.unwrap().len(), 1);
    });
}

/// all sessions of a user are to be revoked, and the store fails: whoever asked hears of it, and no token of Django's
/// is let in that would have to be refused.
#[test]
fn r_5_a_revocation_of_all_sessions_that_fails_says_so() {
    bounded(async {
        let store = Faulty::default();
        let site = Site::with(store.clone(), |builder| builder);
        let (own, _) = site.obtain("7").await;
        store.set(Fault::None, Fault::Error);
        assert!(site.app.jwtauth.sessions().revoke_all("7").await.is_err());
        store.set(Fault::None, Fault::ErrorButDone);
        assert!(site.app.jwtauth.sessions().revoke_all("7").await.is_err());
        store.set(Fault::None, Fault::None);
        assert_eq!(site.who(&access("7", "a1")).await.0, 401, "that came first");
        assert_eq!(site.who(&own).await.0, 200, "and the sessions are as they were");
        assert_eq!(site.app.jwtauth.sessions().revoke_all("7").await.unwrap(), 1);
    });
}

/// Waits until the server has looked for the settings of API keys. It does so once, by a task of its own.
async fn started(store: &Faulty) {
    while store.value_loads() == 0 {
        tokio::task::yield_now().await;
    }
}

/// An access token of Django's costs two reads with each request, and no write. Ours cost no more than without.
#[test]
fn an_access_token_of_django_writes_nothing() {
    bounded(async {
        let store = Faulty::default();
        let site = Site::with(store.clone(), |builder| builder);
        let (own, refresh) = site.obtain("7").await;
        let token = signed(&with(access_claims("7", "a1"), "extra", json!("x")));
        started(&store).await;
        // No change works any more, and none is needed.
        store.set(Fault::None, Fault::Error);
        let before = (store.loads(), store.value_loads());
        for _ in 0..10 {
            assert_eq!(site.who(&token).await.0, 200);
        }
        assert_eq!((store.loads() - before.0, store.value_loads() - before.1), (0, 20));
        let before = (store.loads(), store.value_loads());
        assert_eq!(site.who(&own).await.0, 200);
        assert_eq!((store.loads() - before.0, store.value_loads() - before.1), (1, 0));
        store.set(Fault::None, Fault::None);
        assert_eq!(site.refresh(&refresh).await.0, 200);
        assert_eq!(store.value_loads(), before.1, "our token is on no list");
    });
}

/// Without `Compat` nothing of all this runs.
#[test]
fn nobody_looks_at_the_list_where_no_tokens_of_django_are_taken() {
    bounded(async {
        let store = Faulty::default();
        let site = Site::of(tests::app::TestApp::with(store.clone(), |builder| builder));
        started(&store).await;
        let (own, spent) = site.obtain("7").await;
        let (_, pair) = site.refresh(&spent).await;
        assert_eq!(site.who(&own).await.0, 200);
        assert_eq!(site.who(&access("7", "a1")).await.0, 401);
        assert_eq!(site.service("/auth/oauth/revoke", &text(&pair["access"])).await.0, 200);
        assert_eq!(site.bearer(Method::POST, "/logout", &own).await.0, 200);
        assert_eq!(site.app.jwtauth.sessions().revoke_all("7").await.unwrap(), 0);
        assert_eq!(store.value_loads(), 1, "nothing else was looked for");
        let swept = tests::sweep(site.app.jwtauth.sessions()).await;
        assert_eq!(swept, 0, "there is no value either");
    });
}
