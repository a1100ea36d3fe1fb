//! A service that issues nothing, and guards by Django's tokens alone.

use std::time::Duration;

use jwtauth::clock::ManualClock;
use jwtauth::error::TokenError;
use jwtauth::keys::Algorithm;
use jwtauth::{Compat, Key, TokenUser, Verifier, VerifierBuilder, require_auth};
use poem::test::TestClient;
use poem::{EndpointExt, Route, get};
use serde_json::{Value, json};
use tests::app::{SECRET, START, TestApp};
use tests::bounded;
use tests::tab::Tab;
use tests::test_store::TestStore;

use super::{access, access_claims, compatible, refresh, signed, text, whoami, with};

#[require_auth(role = "clerk")]
async fn stock(user: TokenUser) -> String {
    user.subject().to_owned()
}

#[require_auth(fresh = "5m")]
async fn pay() {}

fn builder(clock: &ManualClock) -> VerifierBuilder {
    let key = Key::hmac(Algorithm::HS256, SECRET).unwrap();
    Verifier::builder("jwtauth", "jwtauth").key(key).clock(clock.clone()).leeway(Duration::ZERO)
}

#[test]
fn a_guarded_service_takes_tokens_of_django_for_what_they_say() {
    bounded(async {
        let clock = ManualClock::at(START);
        let verifier = builder(&clock).compat(Compat::simplejwt()).build().unwrap();
        let app = Route::new().at("/whoami", get(whoami)).at("/stock", get(stock)).at("/pay", get(pay));
        let client = TestClient::new(app.with(verifier));
        let ask = async |path: &str, token: &str| {
            let answer = client.get(path).header("authorization", format!("Bearer {token}")).send().await.0;
            (answer.status().as_u16(), answer.into_body().into_string().await.unwrap())
        };
        let said = |(status, body): (u16, String)| {
            let body: Value = serde_json::from_str(&body).unwrap();
            (status, text(&body["code"]))
        };
        let token = access("7", "a1");
        for _ in 0..2 {
            assert_eq!(ask("/whoami", &token).await, (200, "7".into()));
        }
        assert_eq!(ask("/whoami", &signed(&access_claims(8, "a2"))).await, (200, "8".into()), "a number");
        assert_eq!(said(ask("/stock", &token).await), (403, "permission_denied".into()), "no role");
        let clerk = with(access_claims("7", "a3"), "roles", json!(["clerk"]));
        assert_eq!(ask("/stock", &signed(&clerk)).await, (200, "7".into()));
        assert_eq!(said(ask("/pay", &token).await), (401, "fresh_login_required".into()));
        let recent = with(access_claims("7", "a4"), "auth_time", json!(START - 10));
        assert_eq!(ask("/pay", &signed(&recent)).await.0, 200);
        for (what, claims) in [
            ("a refresh token", with(access_claims("7", "b"), "token_type", json!("refresh"))),
            ("no kind", with(access_claims("7", "b"), "-token_type", Value::Null)),
            ("no user", with(access_claims("7", "b"), "-user_id", Value::Null)),
            ("no id", with(access_claims("7", "b"), "-jti", Value::Null)),
            ("another issuer", with(access_claims("7", "b"), "iss", json!("other"))),
            ("another audience", with(access_claims("7", "b"), "aud", json!("other"))),
            ("roles that are none", with(access_claims("7", "b"), "roles", json!("clerk"))),
            ("a time that is none", with(access_claims("7", "b"), "auth_time", json!("now"))),
        ] {
            assert_eq!(
                said(ask("/whoami", &signed(&claims)).await),
                (401, "token_not_valid".into()),
                "{what}"
            );
        }
        assert_eq!(ask("/whoami", &refresh("7", "r1")).await.0, 401);
        clock.advance(Duration::from_secs(300));
        assert_eq!(said(ask("/whoami", &token).await), (401, "token_expired".into()), "though it was seen");
    });
}

/// Our tokens are as good, from a service that shares with Django or not; and Django's are refused unless asked for.
#[test]
fn j_9_tokens_of_django_are_taken_by_who_asked_for_them() {
    bounded(async {
        let shared = TestApp::with(TestStore::new(), compatible);
        let plain = TestApp::new();
        let clock = ManualClock::at(START);
        let (both, ours) =
            (builder(&clock).compat(Compat::simplejwt()).build().unwrap(), builder(&clock).build().unwrap());
        for (app, typ) in [(&shared, "JWT"), (&plain, "at+jwt")] {
            let pair = Tab::new(app).login("alice").await;
            let user = both.verify(&pair.access).await.unwrap();
            assert_eq!((user.subject(), user.session_id()), ("alice", pair.session()), "{typ}");
            assert!(user.has_role("admin") && user.auth_time() == START, "{typ}");
            assert!(both.verify(&pair.refresh).await.is_err(), "{typ}");
            let alone = ours.verify(&pair.access).await;
            assert_eq!(alone.is_ok(), typ == "at+jwt", "{typ}: {alone:?}");
        }
        let refused = ours.verify(&access("7", "a1")).await;
        assert!(matches!(refused, Err(TokenError::WrongKind)), "{refused:?}");
        assert!(builder(&clock).compat(Compat::simplejwt().user_id_claim("exp")).build().is_err());
    });
}
