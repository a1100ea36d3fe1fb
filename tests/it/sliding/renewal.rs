//! Until when a sliding token lets in and can be renewed, and what becomes of the copies before it.

use std::time::Duration;

use futures_util::future::join_all;
use jwtauth::SledStore;
use poem::EndpointExt;
use poem::http::Method;
use serde_json::{Value, json};
use tests::app::{START, TestApp};
use tests::bounded;
use tests::serve::serve;
use tests::test_store::TestStore;
use tests::wire::claims;

use super::{advance, client, endpoint, good, refused};

/// S77: the last second in which a token is renewed, and the first in which it is not.
#[test]
fn s_77_a_sliding_token_is_renewed_until_its_refresh_exp() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let (early, late) = (client.obtain("alice").await, client.obtain("bob").await);
        advance(&app, 86_399);
        let renewed = client.refresh(&early).await;
        assert_eq!(client.me(&renewed).await, good());
        advance(&app, 1);
        for path in ["refresh", "verify", "revoke", "expire"] {
            assert_eq!(client.post(path, "token", &late).await, refused("token_expired"), "{path}");
        }
        assert_eq!(client.me(&late).await, refused("token_expired"));
        assert_eq!(client.me(&renewed).await, good());
    });
}

/// Defect 25: a copy that was replaced lets in what was under way, and nothing after that.
#[test]
fn defect_25_an_old_copy_of_a_sliding_token_lets_nobody_in() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let first = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        assert_eq!(client.me(&first).await, good(), "requests under way");
        advance(&app, 29);
        assert_eq!(client.me(&first).await, good());
        assert_eq!(client.post("verify", "token", &first).await, good());
        let third = client.refresh(&second).await;
        assert_eq!(client.me(&first).await, refused("token_not_valid"), "it is two behind");
        assert_eq!(client.me(&second).await, good());
        advance(&app, 30);
        for old in [&first, &second] {
            assert_eq!(client.me(old).await, refused("token_not_valid"));
            assert_eq!(client.post("verify", "token", old).await, refused("token_not_valid"));
            assert_eq!(client.introspect(old).await, json!({"active": false}));
        }
        // Who only asks has not tried to renew it: nothing is ended.
        assert_eq!(client.me(&third).await, good());
    });
}

/// S-3, S-4, N-6: a lost answer is repeated inside the grace window, and until it is used; later it is theft, and ends the
/// session.
#[test]
fn s_3_s_4_a_spent_sliding_token_is_answered_again_and_later_ends_its_session() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let first = client.obtain("alice").await;
        let other = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        advance(&app, 29);
        assert_eq!(client.refresh(&first).await, second, "the same successor, to the byte");
        advance(&app, 1);
        assert_eq!(client.refresh(&first).await, second, "nobody has used it");
        assert_eq!(client.me(&second).await, good());
        assert_eq!(client.post("refresh", "token", &first).await, refused("token_not_valid"));
        for token in [&first, &second] {
            assert_eq!(client.me(token).await, refused("token_not_valid"));
            assert_eq!(client.post("refresh", "token", token).await, refused("token_not_valid"));
        }
        assert_eq!(client.me(&other).await, good(), "another session of the user");
    });
}

/// S-5: over real HTTP and in a real store, one of many refreshes wins and all have its token.
#[test]
fn s_5_of_parallel_refreshes_of_a_sliding_token_one_rotates() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let server = serve(endpoint(&app).map_to_response()).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = client(&app);
        for round in 0..10 {
            let first = client.obtain("alice").await;
            let body = json!({ "token": first }).to_string();
            let requests = (0..16).map(|_| {
                let request =
                    http.post(server.at("/auth/refresh")).header("content-type", "application/json");
                request.body(body.clone()).send()
            });
            let mut tokens = Vec::new();
            for answer in join_all(requests).await {
                let answer = answer.unwrap();
                assert_eq!(answer.status(), 200, "round {round}");
                let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
                tokens.push(body["token"].as_str().unwrap().to_owned());
            }
            tokens.dedup();
            assert_eq!(tokens.len(), 1, "round {round}: one successor");
            assert_eq!(claims(&tokens[0])["gen"], 1, "round {round}: one rotation");
            assert_eq!(client.me(&tokens[0]).await, good(), "round {round}");
        }
    });
}

/// Defect 25, S-10: near the absolute limit of the session neither end is behind it, nor `exp` behind `refresh_exp`.
#[test]
fn defect_25_exp_is_never_behind_refresh_exp() {
    bounded(async {
        let ttl = Duration::from_secs;
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.access_ttl(ttl(300)).refresh_ttl(ttl(1_000)).absolute_ttl(ttl(1_500))
        });
        let client = client(&app);
        let mut token = client.obtain("alice").await;
        for (now, exp, refresh_exp) in
            [(900, 1_200, 1_500), (1_199, 1_499, 1_500), (1_200, 1_500, 1_500), (1_480, 1_500, 1_500)]
        {
            app.clock.set(START + now);
            let answer = client.send(Method::POST, "/auth/refresh", &[], json!({ "token": token })).await.2;
            token = answer["token"].as_str().unwrap().to_owned();
            let said = claims(&token);
            assert_eq!(
                (&said["exp"], &said["refresh_exp"]),
                (&json!(START + exp), &json!(START + refresh_exp)),
                "at {now}"
            );
            assert_eq!(
                (&answer["expires_in"], &answer["refresh_expires_in"]),
                (&json!(exp - now), &json!(refresh_exp - now))
            );
        }
        app.clock.set(START + 1_499);
        assert_eq!(client.me(&token).await, good());
        app.clock.set(START + 1_500);
        assert_eq!(client.me(&token).await, refused("token_expired"));
        assert_eq!(client.post("refresh", "token", &token).await, refused("token_expired"));
    });
}
