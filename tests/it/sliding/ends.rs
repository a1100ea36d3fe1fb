//! Sliding tokens that are ended, what is recorded of them, and that none comes back.

use jwtauth::error::BoxError;
use jwtauth::{TokenConfig, TokenKind};
use poem::http::Method;
use serde_json::{Value, json};
use tests::app::{START, TestApp};
use tests::bounded;
use tests::test_store::TestStore;
use tests::wire::claims;

use super::{SERVICE, advance, client, good, refused};

/// Defect 24: what is revoked stays so when it is flushed away, at whatever time, and is refused all along.
#[test]
fn defect_24_a_sweep_brings_no_sliding_token_back() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), tests::app::with_registry);
        let client = client(&app);
        let sessions = app.jwtauth.sessions();
        let first = client.obtain("alice").await;
        // Renewed, so that it lives beyond the first `exp` and `refresh_exp`: then it is revoked.
        advance(&app, 80_000);
        let second = client.refresh(&first).await;
        assert_eq!(client.post("revoke", "token", &second).await, good());
        assert_eq!(client.post("revoke", "token", &second).await, refused("token_not_valid"));
        let mut code = "token_not_valid";
        for wait in [0, 300, 6_100, 79_999, 1, 86_400] {
            advance(&app, wait);
            tests::sweep(sessions).await;
            sessions.archive(u64::MAX).await.unwrap();
            if wait == 300 {
                code = "token_expired";
            }
            assert_eq!(client.me(&second).await, refused(code), "{wait}");
            let renewed = client.post("refresh", "token", &second).await;
            assert_eq!(renewed.0, 401, "{wait}: {}", renewed.1);
        }
        assert_eq!(sessions.tokens_of("alice").await.unwrap(), [], "all is gone by now");
    });
}

/// S-8, S-9, S-14: it is ended by every way there is, at once.
#[test]
fn s_8_s_14_a_sliding_token_is_ended_by_every_way_there_is() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let sessions = app.jwtauth.sessions();
        for way in
            ["revoke", "expire", "expire when expired", "tree", "oauth", "logout", "logout_all", "sessions"]
        {
            let token = client.obtain("alice").await;
            let said = client.introspect(&token).await;
            assert_eq!(
                (&said["active"], &said["sub"], &said["token_type"], &said["exp"]),
                (&json!(true), &json!("alice"), &json!("Bearer"), &claims(&token)["exp"]),
                "{way}"
            );
            let bearer = format!("Bearer {token}");
            let bearer = [("authorization", bearer.as_str())];
            if way == "expire when expired" {
                advance(&app, 300);
                assert_eq!(client.introspect(&token).await, json!({"active": false}));
            }
            let body = json!({ "token": token });
            let status = match way {
                "revoke" => client.post("revoke", "token", &token).await.0,
                "expire" | "expire when expired" => client.post("expire", "token", &token).await.0,
                "tree" => {
                    let body = json!({ "token": token, "affect_tree": true });
                    client.send(Method::POST, "/auth/expire", &[], body).await.0
                }
                "oauth" => {
                    use base64::Engine as _;
                    let pair = base64::engine::general_purpose::STANDARD.encode(format!("billing:{SERVICE}"));
                    let basic = format!("Basic {pair}");
                    let basic = [("authorization", basic.as_str())];
                    client.send(Method::POST, "/auth/oauth/revoke", &basic, body).await.0
                }
                "sessions" => {
                    let path = format!("/auth/sessions/{}", claims(&token)["sid"].as_str().unwrap());
                    client.send(Method::DELETE, &path, &bearer, Value::Null).await.0
                }
                way => client.send(Method::POST, &format!("/auth/{way}"), &bearer, Value::Null).await.0,
            };
            assert!(status == 200 || status == 204, "{way}: {status}");
            assert_eq!(client.me(&token).await.0, 401, "{way}");
            assert_eq!(client.post("refresh", "token", &token).await, refused("token_not_valid"), "{way}");
            assert_eq!(client.post("expire", "token", &token).await.0, 401, "{way}: it is no longer good");
            assert_eq!(client.introspect(&token).await, json!({"active": false}), "{way}");
            assert_eq!(sessions.list("alice").await.unwrap(), [], "{way}: nothing of its session is left");
        }
    });
}

/// The copy before the newest can be ended alone, while it is good; the newest goes on.
#[test]
fn an_old_copy_of_a_sliding_token_ends_alone() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let first = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        assert_eq!(client.post("expire", "token", &first).await, good());
        assert_eq!(client.post("expire", "token", &first).await, refused("token_not_valid"));
        assert_eq!(client.me(&first).await, refused("token_not_valid"));
        assert_eq!(client.post("refresh", "token", &first).await, refused("token_not_valid"));
        assert_eq!(client.me(&second).await, good());
        assert_eq!(client.me(&client.refresh(&second).await).await, good());
    });
}

/// W15: with `revoke_on_refresh` there are no requests under way; the client is told to ask for the newest.
#[test]
fn w_15_a_refresh_ends_the_sliding_token_before_it() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.tokens(TokenConfig::default().revoke_on_refresh())
        });
        let client = client(&app);
        let first = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        assert_eq!(client.me(&first).await, refused("token_expired"));
        assert_eq!(client.post("verify", "token", &first).await, refused("token_expired"));
        assert_eq!(client.refresh(&first).await, second);
        assert_eq!(client.me(&second).await, good());
        // Later it must not be asked with: that would be theft.
        advance(&app, 30);
        assert_eq!(client.me(&first).await, refused("token_not_valid"));
    });
}

/// W7: one record for each token, of its own kind, good until it cannot be renewed.
#[test]
fn w_7_sliding_tokens_are_recorded_as_what_they_are() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), tests::app::with_registry);
        let client = client(&app);
        let sessions = app.jwtauth.sessions();
        let first = client.obtain("alice").await;
        advance(&app, 100);
        let second = client.refresh(&first).await;
        let said = [claims(&first), claims(&second)];
        let records = sessions.tokens_of("alice").await.unwrap();
        let found: Vec<_> = records
            .iter()
            .map(|it| (it.id.to_string(), it.kind, it.issued_at, it.expires_at, it.revoked_at))
            .collect();
        let expected = |claims: &Value, revoked_at| {
            let number = |name: &str| claims[name].as_u64().unwrap();
            let id = claims["jti"].as_str().unwrap().to_owned();
            (id, TokenKind::Sliding, number("iat"), number("refresh_exp"), revoked_at)
        };
        // N-3: as long as requests with it are let in.
        assert_eq!(found, [expected(&said[0], Some(START + 130)), expected(&said[1], None)]);
        assert_eq!((records[0].parent, records[1].parent), (None, Some(records[0].id)));
        assert_eq!(serde_json::to_value(records[0]).unwrap()["kind"], "sliding");
        // A tree that is ended except for its newest token goes on with that; without it, it ends with its session.
        let session = records[0].session;
        assert_eq!(client.me(&first).await, good());
        assert_eq!(sessions.revoke_tree(session, &[records[1].id]).await.unwrap(), 1);
        assert_eq!(client.me(&first).await, refused("token_not_valid"));
        assert_eq!(sessions.revoke_tree(session, &[records[1].id]).await.unwrap(), 0);
        assert_eq!(client.me(&second).await, good());
        assert_eq!(sessions.revoke_tree(session, &[]).await.unwrap(), 1);
        assert_eq!(client.me(&second).await, refused("token_not_valid"));
    });
}

/// N-3: an answer that was repeated with a token of its own is over with the one beside it, and listed so.
#[test]
fn n_3_of_two_sliding_tokens_of_one_answer_both_are_over_when_one_was_renewed() {
    bounded(async {
        for renewed in [1, 2] {
            let app = TestApp::with(TestStore::new(), |builder| {
                let builder = tests::app::with_registry(builder);
                builder.access_claims(|_| std::future::ready(Ok::<_, BoxError>(json!({"plan": "gold"}))))
            });
            let client = client(&app);
            let sessions = app.jwtauth.sessions();
            let mut issued = vec![client.obtain("alice").await];
            for _ in 0..3 {
                let again = client.refresh(&issued[0]).await;
                issued.push(again);
            }
            for from in [renewed, 4] {
                for wait in [0, 29, 1] {
                    advance(&app, wait);
                    let records = sessions.tokens_of("alice").await.unwrap();
                    assert_eq!(records.len(), issued.len());
                    for (number, token) in issued.iter().enumerate() {
                        let id = claims(token)["jti"].as_str().unwrap().to_owned();
                        let record = records.iter().find(|record| record.id.to_string() == id).unwrap();
                        let listed = record.is_active_at(sessions.now());
                        let case = format!("{renewed} {from}, {number} after {wait}: {record:?}");
                        assert_eq!(client.me(token).await.0 == 200, listed, "{case}");
                    }
                }
                let next = client.refresh(&issued[from]).await;
                issued.push(next);
            }
            let listed = sessions.tokens_of("alice").await.unwrap();
            let good = listed.iter().filter(|token| token.is_active_at(sessions.now())).count();
            assert_eq!(good, 2, "the newest, and the one before it for a while");
        }
    });
}
